#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 120 s
# bats file_tags=machine,vm
# The holes that other runtimes of virtual machines had, tried on this one by root in the guest, with
# every capability. CVE-2020-27151 is in vm.bats, CVE-2025-24965 in cve.bats too, the decoder's side
# of CVE-2026-47243 in tests/unit/test_fuse_server.c. Needs ISOLATION=vm.
load lib/common.bash

test_setup() {
	[[ $ISOLATION == vm ]] || skip 'is about virtual machines: ISOLATION=vm'
}

# Root in the guest that may do all that its kernel can: nothing masked, nothing read-only.
powerful() {
	all_capabilities
	config '.process.noNewPrivileges = false | .linux.maskedPaths = [] | .linux.readonlyPaths = []
		| .root.readonly = false | .process.capabilities |= map_values(. + ["CAP_SYS_RAWIO", "CAP_SYS_BOOT", "CAP_SYS_MODULE"])'
	own_rootfs
}

# Once more the file system that the guest has its root from, without what is mounted over it.
exports='mount -t virtiofs exports /mnt'

@test "CVE-2020-2023: no disk or other device of the guest's own can be opened, whatever node is made" {
	powerful
	config '.linux.resources.devices = [{allow: false, access: "rwm"}]'
	program sh -c 'try() {
			rm -f /dev/x; mknod /dev/x $1 $2 $3 2>/dev/null || return
			if true </dev/x; then echo "opened $1 $2:$3"; fi 2>/dev/null; }
		for n in $(ls /sys/dev/block | tr : .) ; do try b ${n%.*} ${n#*.}; done
		for n in $(ls /sys/dev/char | tr : .) ; do try c ${n%.*} ${n#*.}; done
		for major in $(seq 1 10) $(seq 250 259); do try b $major 0; done
		try c 1 1; try c 1 2; try c 1 4; try c 10 229; echo tried' 
	caisson run "$id"
	# What every container may open: null, zero, full, random, urandom, tty, console, ptmx, tun
	is "$(grep -vE '^opened c (1:[35789]|5:[012]|10:200)$' <<<"$output")" tried
}

@test "CVE-2020-2024, CVE-2020-2026: links that the guest puts in place of its mount points are never followed on the host" {
	powerful
	mount_at /a/b/c bind "$bundle/volume" rbind,rw
	program sh -c 'umount /a/b/c; mv /a /a2; ln -s /tmp/t/bundles /a; ls -ld /a; sleep 1000'
	target 'mkdir -p $bundle/volume $bundle/b/c/d && echo >$bundle/b/c/victim && cd $bundle
		sed "s/^[0-9]* [0-9]* //" /proc/self/mountinfo | sort >before; find b volume | sort >tree
		caisson run -d $id >said && eventually grep -q bundles said; ls -ld rootfs/a
		caisson exec $id true; caisson pause $id; caisson resume $id; caisson kill $id KILL; eventually has_status $id stopped; caisson delete $id
		sed "s/^[0-9]* [0-9]* //" /proc/self/mountinfo | sort | diff before - && find b volume | sort | diff tree - && echo same'
	like "$output" 'rootfs/a -> /tmp/t/bundles'
	like "$output" $'same$'
	# Nor by the next container of that root.
	program true
	try target 'cd $bundle; caisson run $id; sed "s/^[0-9]* [0-9]* //" /proc/self/mountinfo | sort | diff before - && find b volume | sort | diff tree - && echo same; ls b/c'
	like "$output" 'same'
	is "${output##*same}" $'\nd\nvictim'
}

@test "CVE-2020-28914: a read-only volume stays so for root in the guest, who mounts it anew" {
	powerful
	config '.root.readonly = true'
	mount_at /volume bind "$bundle/volume" rbind,ro
	program sh -c "$exports"'; for d in /volume / /mnt; do mount -o remount,rw,bind $d; mount -o remount,rw $d; done
		for d in /volume / /mnt; do
			[ ! -e $d/precious ] || echo "at $d"
			echo x >>$d/precious && echo appended; echo x >$d/new && echo created; rm -f $d/precious && echo removed
			mv $d/precious $d/other && echo renamed; chmod 777 $d/precious && echo changed; ln $d/precious $d/hard && echo linked
			mkdir $d/dir && echo made; touch $d/precious && echo touched; truncate -s 0 $d/precious && echo truncated
			dd if=/dev/zero of=$d/precious bs=1 count=1 conv=notrunc && echo overwritten
			mknod $d/node c 1 3 && echo "node made"
		done'
	try target 'mkdir $bundle/volume $bundle/rootfs/volume && cd $bundle && echo keep >volume/precious; echo keep >rootfs/precious; stat -c "%n %a %h %s %Y" volume/* rootfs/* >before
		caisson run $id; stat -c "%n %a %h %s %Y" volume/* rootfs/* | diff before - && cat volume/precious rootfs/precious | uniq'
	is "$(grep -c '^at ' <<<"$output")" 3
	is "$(grep -v '^at ' <<<"$output")" keep
}

@test "CVE-2025-24965: a root full of links with the names of runtimes' files: nothing is written through them" {
	own_rootfs
	config '.root.readonly = false'
	program true
	target 'cd $bundle && echo untouched >victim && for n in .krun_config.json .caisson config.json init agent guest.log vsock .dockerenv; do ln -s $bundle/victim rootfs/$n; done
		find rootfs | sort >before; caisson run $id; find rootfs | sort | diff before - && cat victim'
	is "$output" untouched
}

@test "CVE-2020-27151: annotations of other runtimes, and the settings' own words, choose no program of the host's" {
	program true
	target 'mkdir -p $bundle && printf "#!/bin/sh\ntouch $bundle/executed\n" >$bundle/evil && chmod 755 $bundle/evil'
	config '.annotations = ([
			"io.katacontainers.config.hypervisor.path", "io.katacontainers.config.hypervisor.kernel",
			"io.katacontainers.config.hypervisor.initrd", "io.katacontainers.config.hypervisor.image",
			"io.katacontainers.config.hypervisor.virtio_fs_daemon", "io.katacontainers.config.hypervisor.jailer_path",
			"io.katacontainers.config.agent.container_pipe_size", "run.oci.handler", "run.oci.hooks.stderr",
			"caisson.vm.kernel", "caisson.kernel", "caisson.initrd"
		] | map({key: ., value: $evil}) | from_entries)' --arg evil "$bundle/evil"
	try target 'cd $bundle; caisson run $id; echo $?; [ ! -e executed ] || echo executed'
	is "$output" 0
}

@test "CVE-2026-24054: a bundle on a disk of the host's gives the guest its files, never the disk" {
	powerful
	config '.root.path = "disk/rootfs"'
	program sh -c 'cat /proc/partitions; ls /sys/block; grep -E " /[^ ]* / " /proc/self/mountinfo | sed "s/.* - //"; ls /dev | grep -E "^(vd|sd|nvme|dm|pmem|dax)"; cat /file'
	target 'cd $bundle && mkdir disk && truncate -s 64M image && /sbin/mkfs.ext4 -q image && mount -o loop image disk &&
		cp -a /tmp/t/rootfs disk/ && echo "of the disk" >disk/rootfs/file; caisson run $id; s=$?; umount disk; exit $s'
	like "$output" 'virtiofs'
	unlike "$output" '(vd|sd|nvme|dm|pmem|dax)[a-z0-9-]*'
	like "$output" 'of the disk$'
}

@test "CVE-2026-24834: what boots a guest is a copy: root there changes it for himself alone" {
	powerful
	config '.linux.namespaces |= map(select(.type != "pid"))'
	# All that is behind the guest's root: its init, memory devices, persistent memory.
	program sh -c 'echo evil >/proc/1/root/init; cp /bin/busybox /proc/1/root/init; for f in /dev/pmem* /dev/dax* /sys/bus/nd/devices/*; do [ ! -e $f ] || echo "there is $f"; done
		rm -f /dev/mem; mknod /dev/mem c 1 1; dd if=/dev/zero of=/dev/mem bs=1M seek=16 count=1 conv=notrunc; echo tried' 
	try target 'cd $bundle && md5sum /tmp/t/guest/* >before; caisson run $id 2>/dev/null; md5sum /tmp/t/guest/* | diff before - && echo same'
	like "$output" $'same$'
	unlike "$output" 'there is'
	program echo 'the second works'
	caisson run "$id"
	is "$output" 'the second works'
}

# Which export's tree the guest's kernel shows at /mnt is its affair: the top of all when there is one,
# else that of a volume.
@test "CVE-2026-47243: links, .. and names from root in the guest change the exported trees alone" {
	local attack='cd $d || exit
		ln -s /tmp/t/bundles out; ln -s ../../../.. up; ln -s /proc/self/fd/3 fd
		for l in out up fd ../.. ../../tmp; do echo x >$l/was-here; mkdir $l/dir; cat $l/secret; rm -rf $l/secret; done
		ln $d/../secret hard; mv up ../../moved; echo tried'
	local watched='cd $bundle && mkdir -p volume && echo hidden >secret && echo hidden >../secret && (ls -a; ls -a ..) >../before
		caisson run $id 2>/dev/null; (ls -a; ls -a ..) | diff ../before -; cat secret ../secret; rm ../secret ../before; '
	powerful
	program sh -c "$exports; touch /mnt/x || echo refused; d=/mnt/root; $attack"
	try target "$watched"'[ -L rootfs/out ] && echo linked'
	is "$output" $'refused\ntried\nhidden\nhidden\nlinked'
	mount_at /volume bind "$bundle/volume" rbind,rw
	program sh -c "$exports; for d in /mnt /volume; do $attack; done"
	try target "$watched"'[ -L volume/out ] && echo linked'
	is "$output" $'tried\ntried\nhidden\nhidden\nlinked'
}
