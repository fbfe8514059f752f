#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 60 s, vm 120 s
# mounts: every option, destinations, propagation, idmapped mounts.
load lib/common.bash

# The options of one mount point in the container, as its mountinfo has them.
options_of() {
	container "grep ' $1 ' /proc/self/mountinfo | tail -n 1; $2"
	succeeded
}

@test "bind: a directory and a single file, readable and writable" {
	target 'mkdir $bundle/dir && echo content >$bundle/dir/file && echo alone >$bundle/single'
	mount_at /mnt bind "$bundle/dir" bind
	mount_at /etc/passwd bind "$bundle/single" bind
	container 'cat /mnt/file /etc/passwd; echo new >/mnt/new'
	is "$output" $'content\nalone'
	target 'cat $bundle/dir/new'
	is "$output" new
}

@test "bind: the type may be absent, none or bind; the source relative to the bundle" {
	target 'mkdir $bundle/dir && echo content >$bundle/dir/file'
	config '.mounts += [{destination: "/mnt", source: "dir", options: ["bind"]}, {destination: "/var", type: "none", source: "dir", options: ["rbind"]}]'
	container 'cat /mnt/file /var/file'
	is "$output" $'content\ncontent'
}

@test "bind ro: not writable; the source stays writable outside" {
	target 'mkdir $bundle/dir'
	mount_at /mnt bind "$bundle/dir" bind,ro
	container 'echo x >/mnt/x'
	((status != 0)) || fail 'written'
	target 'echo x >$bundle/dir/y'
}

@test "bind: not recursive; rbind is" {
	target 'mkdir -p $bundle/dir/sub && mount -t tmpfs tmpfs $bundle/dir/sub && echo below >$bundle/dir/sub/file'
	mount_at /mnt bind "$bundle/dir" bind
	mount_at /var bind "$bundle/dir" rbind
	container 'ls /mnt/sub; cat /var/sub/file'
	found=$output
	target 'umount $bundle/dir/sub'
	is "$found" below
}

@test "rbind ro leaves submounts writable, rro does not" {
	target 'mkdir -p $bundle/dir/sub && mount -t tmpfs tmpfs $bundle/dir/sub && mkdir -p $bundle/d2/sub && mount -t tmpfs tmpfs $bundle/d2/sub'
	mount_at /mnt bind "$bundle/dir" rbind,ro
	mount_at /var bind "$bundle/d2" rbind,rro
	container 'echo 1 >/mnt/f 2>/dev/null && echo top; echo 1 >/mnt/sub/f && echo sub; echo 1 >/var/f 2>/dev/null && echo rtop; echo 1 >/var/sub/f 2>/dev/null && echo rsub; true'
	found=$output
	target 'umount $bundle/dir/sub $bundle/d2/sub'
	if vm_differs 'a guest mounts what is below a mount with the options of that'; then
		is "$found" ''
	else
		is "$found" sub
	fi
}

@test "recursive attributes: rnosuid, rnodev, rnoexec, rnoatime reach submounts" {
	target 'mkdir -p $bundle/dir/sub && mount -t tmpfs tmpfs $bundle/dir/sub'
	mount_at /mnt bind "$bundle/dir" rbind,rnosuid,rnodev,rnoexec,rnoatime
	container 'ls /mnt/sub; grep " /mnt/sub " /proc/self/mountinfo'
	found=$output
	target 'umount $bundle/dir/sub'
	for o in nosuid nodev noexec noatime; do like "$found" "$o"; done
}

@test "flags: nosuid, nodev, noexec, noatime, nodiratime, relatime, strictatime, ro, nosymfollow" {
	mount_at /mnt tmpfs tmpfs nosuid,nodev,noexec,noatime,nodiratime,ro
	options_of /mnt
	for o in nosuid nodev noexec noatime nodiratime ro; do like "$output" "[ ,]$o[ ,]"; done
	config '.mounts |= map(select(.destination != "/mnt"))'
	mount_at /mnt tmpfs tmpfs nosymfollow
	container 'ln -s /bin/busybox /mnt/l && cat /mnt/l >/dev/null 2>&1 || echo refused'
	is "$output" refused
}

@test "flags: a later option wins: suid, dev, exec, rw, atime" {
	mount_at /mnt tmpfs tmpfs nosuid,suid,nodev,dev,noexec,exec,ro,rw,noatime,atime
	options_of /mnt
	for o in nosuid nodev noexec noatime ro; do unlike "$output" "[ ,]$o[ ,]"; done
}

@test "bind with flags: the flags are on the bind, the file system is not changed" {
	target 'mkdir $bundle/dir && mount -t tmpfs tmpfs $bundle/dir'
	mount_at /mnt bind "$bundle/dir" bind,nosuid,noexec,nodev,ro
	container 'grep " /mnt " /proc/self/mountinfo'
	for o in nosuid nodev noexec ro; do like "$output" "[ ,]$o[ ,]"; done
	target 'grep " $bundle/dir " /proc/self/mountinfo; umount $bundle/dir'
	unlike "$output" 'noexec'
}

@test "bind with suid, dev, exec: lifts what the source's mount forbids, when it is named; rw does not" {
	namespaces_only 'flags of a mount on the host are the host'"'"'s'
	mount_at /mnt bind "$bundle/v" bind,ro
	mount_at /home bind "$bundle/v" bind,exec,dev,suid,rw
	mount_at /var bind "$bundle/v" rbind,rw
	program sh -c 'grep " /mnt \| /home \| /var " /proc/mounts | cut -d" " -f2,4'
	target 'mkdir $bundle/v && mount -t tmpfs -o nosuid,nodev,noexec v $bundle/v && mount -o remount,bind,ro,nosuid,nodev,noexec $bundle/v && cd $bundle && caisson run $id; s=$?; umount $bundle/v; exit $s'
	like "$output" '/mnt ro,nosuid,nodev,noexec'
	like "$output" '/home ro,relatime'
	like "$output" '/var ro,nosuid,nodev,noexec'
}

@test "data: options that are not flags go to the file system" {
	mount_at /mnt tmpfs tmpfs size=64k,mode=711,uid=7,nr_inodes=20
	container 'stat -c "%a %u" /mnt; df -k /mnt | tail -n 1 | tr -s " " | cut -d" " -f2'
	is "$output" $'711 7\n64'
}

@test "an option or a file system type that does not exist is refused by its name" {
	mount_at /mnt tmpfs tmpfs no-such-option
	container true
	refused '/mnt|no-such-option'
	config '.mounts[-1] = {destination: "/mnt", type: "nosuchfs", source: "x"}'
	container true
	refused 'nosuchfs'
}

@test "a source that does not exist is named" {
	mount_at /mnt bind /no/such/source bind
	container true
	refused '/no/such/source'
}

@test "destination: made when it is missing, file for file and directory for directory" {
	own_rootfs
	target 'mkdir $bundle/dir; echo text >$bundle/file'
	mount_at /new/deep/dir bind "$bundle/dir" bind
	mount_at /other/file.txt bind "$bundle/file" bind
	container 'test -d /new/deep/dir && cat /other/file.txt'
	is "$output" text
}

@test "destination: relative is relative to /" {
	own_rootfs
	mount_at mnt/rel tmpfs tmpfs
	container 'grep -c " /mnt/rel " /proc/self/mountinfo'
	is "$output" 1
}

@test "destination: symbolic links and .. stay inside the root file system" {
	own_rootfs
	target 'mkdir -p $bundle/secret && ln -s ../../../../../../../..$bundle/secret $rootfs/link && ln -s $bundle/secret $rootfs/abs && echo >$bundle/src'
	mount_at /link/made bind "$bundle/src" bind
	mount_at /abs/made bind "$bundle/src" bind
	mount_at /mnt/../../../x tmpfs tmpfs
	container 'ls /x >/dev/null && echo ran'
	target 'ls $bundle/secret'
	is "$output" ''
}

@test "order: a later mount covers an earlier one, parents before children" {
	mount_at /mnt tmpfs first
	mount_at /mnt/sub tmpfs second mode=700
	mount_at /mnt tmpfs third
	container 'ls /mnt; grep -c " /mnt" /proc/self/mountinfo'
	is "$output" 3
}

@test "propagation: private by default; shared, slave, unbindable when asked for" {
	target 'mkdir $bundle/dir && mount -t tmpfs tmpfs $bundle/dir && mount --make-shared $bundle/dir'
	mount_at /tmp tmpfs tmpfs
	for p in private rprivate slave rslave unbindable; do mount_at "/tmp/$p" bind "$bundle/dir" "rbind,$p"; done
	container 'grep " /tmp/" /proc/self/mountinfo'
	lines=$output
	is "$(wc -l <<<"$lines")" 5
	unlike "$(grep 'private ' <<<"$lines")" 'shared:|master:|unbindable'
	like "$(grep '/unbindable ' <<<"$lines")" 'unbindable.*unbindable'
	mount_at /tmp/shared bind "$bundle/dir" rbind,shared
	container 'grep " /tmp/shared " /proc/self/mountinfo'
	if vm_differs 'nothing propagates between kernels'; then
		refused 'shared propagation'
	else
		like "$output" 'shared:'
		like "$(grep '/slave ' <<<"$lines")" 'master:'
		like "$(grep '/rslave ' <<<"$lines")" 'master:'
	fi
	target 'umount $bundle/dir'
}

@test "propagation: a mount made outside appears in an rslave bind" {
	target 'mkdir -p $bundle/dir && mount -t tmpfs tmpfs $bundle/dir && mount --make-shared $bundle/dir && mkdir $bundle/dir/sub'
	mount_at /mnt bind "$bundle/dir" rbind,rslave
	config '.linux.rootfsPropagation = "rslave"'
	program sleep 1000
	target 'cd $bundle && caisson run -d $id && mount -t tmpfs tmpfs $bundle/dir/sub && echo late >$bundle/dir/sub/file
		caisson exec $id cat /mnt/sub/file; caisson delete --force $id; umount $bundle/dir/sub; umount $bundle/dir'
	is "$output" late
}

@test "rootfsPropagation: shared, slave, private on the root" {
	kinds='shared slave private unbindable'
	if vm_differs 'it is the root of the monitor'; then kinds='shared private'; fi
	for p in $kinds; do
		# shellcheck disable=SC2016 # of jq
		config '.linux.rootfsPropagation = $p' --arg p "$p"
		container 'grep " / / \| /tmp/t/rootfs / " /proc/self/mountinfo || grep " / " /proc/self/mountinfo'
		succeeded
		case $p in
		private) unlike "$output" 'shared:|master:' ;;
		shared) vm_differs 'it is the monitor'"'"'s root' || like "$output" 'shared:' ;;
		esac
	done
	config '.linux.rootfsPropagation = "sideways"'
	container true
	refused 'sideways|propagation'
}

@test "tmpcopyup: a tmpfs starts with what the root file system has there" {
	own_rootfs
	target 'mkdir -p $rootfs/data/sub && echo a >$rootfs/data/file && echo b >$rootfs/data/sub/file && ln -s file $rootfs/data/link && chmod 604 $rootfs/data/file && chown 5:6 $rootfs/data/file'
	mount_at /data tmpfs tmpfs tmpcopyup
	container 'cat /data/file /data/sub/file; readlink /data/link; stat -c "%a %u %g" /data/file; echo changed >/data/file'
	is "$output" $'a\nb\nfile\n604 5 6'
	target 'cat $rootfs/data/file'
	is "$output" a
}

# bats test_tags=machine
@test "idmap: files of the source appear with mapped owners" {
	user_namespace
	target 'mkdir $bundle/dir && echo >$bundle/dir/file && chown 1000:1001 $bundle/dir/file'
	config '.mounts += [{destination: "/mnt", type: "bind", source: "/tmp/t/bundles/'"$id"'/dir", options: ["bind", "idmap"],
		uidMappings: [{containerID: 0, hostID: 100000, size: 65536}], gidMappings: [{containerID: 0, hostID: 100000, size: 65536}]}]'
	container 'stat -c "%u %g" /mnt/file; touch /mnt/new'
	found=$output$stderr
	# tmpfs can be idmapped since Linux 6.3: before, a refusal says so
	if [[ $found == *idmap* || $found == *"not support"* || $found == *nvalid* ]]; then
		skip 'this kernel cannot idmap a tmpfs (since 6.3)'
	fi
	is "$found" '1000 1001'
}

# bats test_tags=machine
@test "idmap: on ext4, with mappings of the mount or of the container; ridmap too" {
	limit=120
	user_namespace
	target 'truncate -s 16M $bundle/image && mkfs.ext4 -q $bundle/image && mkdir $bundle/fs && mount -o loop $bundle/image $bundle/fs && mkdir $bundle/fs/dir &&
		echo >$bundle/fs/dir/file && chown 1000:1001 $bundle/fs/dir/file && chmod 777 $bundle/fs/dir'
	for o in idmap ridmap; do
		# shellcheck disable=SC2016 # of jq
		config '.mounts |= map(select(.destination != "/mnt")) | .mounts += [{destination: "/mnt", type: "bind", source: $s, options: ["rbind", $o],
			uidMappings: [{containerID: 0, hostID: 100000, size: 65536}], gidMappings: [{containerID: 0, hostID: 100000, size: 65536}]}]' \
			--arg s "$bundle/fs/dir" --arg o "$o"
		container 'stat -c "%u %g" /mnt/file; touch /mnt/new && stat -c %u /mnt/new'
		found=$output$stderr
		target 'stat -c %u $bundle/fs/dir/new 2>&1; rm -f $bundle/fs/dir/new'
		outside=$output
		[[ $found == $'1000 1001\n0' && $outside == 0 ]] || {
			target 'umount $bundle/fs'
			fail "$o: $found, outside $outside"
		}
	done
	target 'umount $bundle/fs'
}

@test "mappings of a mount without idmap, or idmap without a user namespace or mappings, are refused" {
	config '.mounts += [{destination: "/mnt", type: "bind", source: "/tmp/t/bundles", options: ["bind", "idmap"]}]'
	container true
	refused 'idmap|mapping'
}

@test "proc: with hidepid=invisible as an option; mqueue, sysfs, devpts options" {
	config '.mounts |= map(if .destination == "/proc" then .options = ["nosuid", "noexec", "nodev", "hidepid=invisible"] else . end)'
	container 'grep " /proc " /proc/self/mountinfo | head -n 1'
	like "$output" 'nosuid,nodev,noexec'
}

@test "cgroup: in a cgroup namespace the container sees its own cgroup only, read-only when asked" {
	container 'test -e /sys/fs/cgroup/cgroup.procs && cat /sys/fs/cgroup/cgroup.procs | wc -l; grep " /sys/fs/cgroup " /proc/self/mountinfo; mkdir /sys/fs/cgroup/x 2>/dev/null && echo made'
	like "$output" '[ ,]ro[ ,].* cgroup2 '
	unlike "$output" made
}

@test "cgroup: without a cgroup namespace the container's cgroup, not the host's tree, is visible" {
	without_namespace cgroup
	container 'ls /sys/fs/cgroup/ | grep -c cgroup.procs; mkdir /sys/fs/cgroup/x 2>/dev/null && echo made; true'
	like "$output" '^[01]'
	unlike "$output" made
}

@test "a mount over / or over /proc that is not proc is refused" {
	mount_at /proc/sys tmpfs tmpfs
	container true
	refused '/proc'
}

@test "many mounts: 200 of them" {
	# shellcheck disable=SC2016 # of jq
	config '.mounts += [range(200) | {destination: "/mnt/m\(.)", type: "tmpfs", source: "tmpfs", options: ["size=4k"]}]'
	mount_at_first
	container 'grep -c " /mnt/m" /proc/self/mountinfo'
	is "$output" 200
}

# The mount points need a writable directory.
mount_at_first() {
	config '.mounts = [{destination: "/mnt", type: "tmpfs", source: "tmpfs"}] + .mounts'
}

@test "strictatime, iversion, lazytime, sync, dirsync, mand and others that mount(8) knows are accepted" {
	mount_at /tmp tmpfs tmpfs
	for o in async sync dirsync lazytime nolazytime diratime nostrictatime norelatime symfollow loud silent defaults; do
		mount_at "/tmp/$o" tmpfs tmpfs "$o"
	done
	container 'grep -c " /tmp/" /proc/self/mountinfo; echo x >/tmp/silent/x'
	is "$output" 12
}

@test "mountLabel: on a machine without SELinux is refused or ignored as the specification allows" {
	config '.linux.mountLabel = "system_u:object_r:container_file_t:s0:c1,c2"'
	container true
	((status == 0)) || refused 'selinux|label|context='
}
