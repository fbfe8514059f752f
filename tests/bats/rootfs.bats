#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 40 s, vm 70 s
# The root file system: devices and links, masked and read-only paths, pivot_root.
load lib/common.bash

@test "default devices: null zero full random urandom tty ptmx, with their numbers and modes" {
	container 'cd /dev && for d in null zero full random urandom tty; do stat -c "%n %t %T %a" $d; done; stat -L -c "ptmx %t %T" ptmx; echo >null && head -c 3 zero | wc -c; head -c 5 urandom | wc -c; echo 2>&1 >full || echo full'
	is "${output%%$'\n'ptmx*}" $'null 1 3 666\nzero 1 5 666\nfull 1 7 666\nrandom 1 8 666\nurandom 1 9 666\ntty 5 0 666'
	like "$output" $'ptmx 5 2\n3\n5\n'
}

@test "default links: fd, stdin, stdout, stderr, and core to kcore" {
	container 'cd /dev && for l in fd stdin stdout stderr; do readlink $l; done'
	is "$output" $'/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2'
}

@test "/dev mounted read-only: with its devices, links and console" {
	config '.mounts |= map(if .destination == "/dev" then .options += ["ro"] else . end) | .process.terminal = true'
	container 'grep " /dev " /proc/mounts; ls -l /dev/console /dev/null /dev/fd | wc -l; touch /dev/new || echo refused'
	like "$output" 'tmpfs ro,'
	like "$output" $'\n3\n'
	like "$output" refused
}

@test "devices: each with type, numbers, mode and owner; in a directory that has to be made" {
	config '.linux.devices = [
		{path: "/dev/mine", type: "c", major: 1, minor: 7, fileMode: 416, uid: 12, gid: 34},
		{path: "/dev/deep/er/zero", type: "c", major: 1, minor: 5},
		{path: "/dev/pipe", type: "p", fileMode: 384}]
		| .linux.resources.devices = [{allow: true, access: "rwm"}]'
	[[ $TARGET == machine ]] || config 'del(.linux.resources)'
	container 'stat -c "%F %t %T %a %u %g" /dev/mine /dev/pipe; head -c 2 /dev/deep/er/zero | wc -c'
	is "$output" $'character special file 1 7 640 12 34\nfifo 0 0 600 0 0\n2'
}

@test "devices: in a user namespace the host's nodes are bound" {
	user_namespace
	config '.linux.devices = [{path: "/dev/fuse", type: "c", major: 10, minor: 229}]'
	container 'echo x >/dev/null && head -c 2 /dev/zero | wc -c; stat -c "%t %T" /dev/full /dev/fuse'
	is "$output" $'2\n1 7\na e5'
}

@test "devices: a path outside /dev, a type that does not exist" {
	config '.linux.devices = [{path: "/dev/x", type: "z", major: 1, minor: 1}]'
	container true
	refused 'type|/dev/x|device'
}

@test "root readonly: nothing can be written, mounts on it can" {
	container 'echo x >/x 2>/dev/null || echo refused; echo x >/dev/shm/x && echo shm'
	is "$output" $'refused\nshm'
}

@test "root writable: what the program writes is in the root file system" {
	own_rootfs
	container 'echo text >/written'
	target 'cat $rootfs/written'
	is "$output" text
}

@test "root: what the runtime makes in it are mount points and nothing else" {
	target 'cp -a /tmp/t/rootfs $bundle/ && rm -r $bundle/rootfs/proc $bundle/rootfs/sys $bundle/rootfs/dev'
	config '.root = {path: "rootfs", readonly: false}'
	container true
	succeeded
	target 'cd $bundle/rootfs && find . -newer $bundle/config.json ! -type d | grep -v "^./bin/"; ls -A dev proc sys; find . -maxdepth 1 | sort | tr "\n" " "'
	is "$output" $'dev:\n\nproc:\n\nsys:\n. ./bin ./dev ./etc ./home ./mnt ./proc ./root ./run ./sys ./tmp ./var '
}

@test "root: a path that does not exist, is a file, or is / is refused" {
	config '.root.path = "no-such-root"'
	container true
	refused 'no-such-root|root'
	target 'echo >$bundle/file'
	config '.root.path = "file"'
	container true
	refused
}

@test "root: a symbolic link to the root file system is followed, relative to the bundle" {
	target 'ln -s /tmp/t/rootfs $bundle/link'
	config '.root.path = "link"'
	container 'echo inside'
	is "$output" inside
}

@test "pivot_root: the host's root file system is out of reach" {
	container 'ls /tmp/t 2>/dev/null; grep -c "/tmp/t/bundles" /proc/self/mountinfo; cd ../../../..; pwd; ls -id / /.. | cut -d/ -f1 | sort -u | wc -l'
	is "$output" $'0\n/\n1'
}

@test "--no-pivot: isolates with chroot and moved mounts where asked for, or is refused with a reason" {
	program sh -c 'ls / | tr "\n" " "; grep -c " /tmp/t" /proc/self/mountinfo'
	try caisson run --no-pivot "$id"
	if ((status == 0)); then
		unlike "$output" 'lost\+found|usr'
	else
		refused 'pivot'
	fi
}

@test "maskedPaths: files read as empty, directories list as empty and read-only" {
	own_rootfs
	target 'echo secret >$rootfs/etc/secret && mkdir $rootfs/etc/hidden && echo >$rootfs/etc/hidden/file'
	config '.linux.maskedPaths += ["/etc/secret", "/etc/hidden", "/no/such/path"]'
	container 'cat /etc/secret; ls -A /etc/hidden; echo x >/etc/hidden/x 2>/dev/null && echo written; stat -c "%F" /etc/secret /etc/hidden; wc -c </proc/timer_list 2>/dev/null || echo 0'
	is "$output" $'character special file\ndirectory\n0'
}

@test "readonlyPaths: cannot be written, mounts below them neither" {
	own_rootfs
	target 'mkdir $rootfs/etc/fixed'
	config '.linux.readonlyPaths += ["/etc/fixed", "/no/such/path"]'
	all_capabilities
	container 'echo x >/etc/fixed/x 2>/dev/null || echo refused; echo 1 2>/dev/null >/proc/sys/net/ipv4/ip_forward || echo sysctl; echo >/etc/ok && echo ok'
	is "$output" $'refused\nsysctl\nok'
}

@test "maskedPaths and readonlyPaths: symbolic links in them are not followed out of the root" {
	own_rootfs
	target 'mkdir $bundle/outside && echo text >$bundle/outside/file && ln -s ../../../../../../../..$bundle/outside $rootfs/etc/out'
	config '.linux.maskedPaths += ["/etc/out/file"] | .linux.readonlyPaths += ["/etc/out"]'
	container 'echo ran'
	target 'cat $bundle/outside/file && echo x >$bundle/outside/new && ls $bundle/outside | tr "\n" " "'
	is "$output" $'text\nfile new '
}

@test "a bundle on a read-only file system runs" {
	target 'mkdir $bundle/ro && mount -t tmpfs tmpfs $bundle/ro && cp -a /tmp/t/rootfs $bundle/ro/ && jq ".root={path:\"rootfs\",readonly:true}|.process.args=[\"echo\",\"ran\"]" $bundle/config.json >$bundle/ro/config.json && mount -o remount,ro $bundle/ro
		caisson run --bundle $bundle/ro $id; s=$?; umount $bundle/ro; exit $s'
	is "$output" ran
}

@test "a root file system mounted nosuid,nodev,ro below keeps those flags" {
	target 'mkdir $bundle/rootfs && mount -t tmpfs -o nosuid,nodev tmpfs $bundle/rootfs && cp -a /tmp/t/rootfs/. $bundle/rootfs/'
	config '.root = {path: "rootfs", readonly: true}'
	container 'grep " / " /proc/self/mountinfo'
	found=$output
	target 'umount $bundle/rootfs'
	like "$found" 'nosuid,nodev'
	like "$found" '[ ,]ro[ ,]'
}

@test "the root mount keeps its locked flags in a user namespace" {
	user_namespace
	target 'mkdir $bundle/rootfs && mount -t tmpfs -o nosuid,nodev tmpfs $bundle/rootfs && cp -a /tmp/t/rootfs/. $bundle/rootfs/'
	config '.root = {path: "rootfs", readonly: true}'
	mount_at /mnt bind "$bundle/rootfs" bind,ro
	container 'grep -c " /mnt " /proc/self/mountinfo'
	found=$output$stderr
	target 'umount $bundle/rootfs'
	is "$found" 1
}

@test "the mounts of the host are not visible, and none of the runtime's own remains" {
	container 'cut -d" " -f5 /proc/self/mountinfo | grep -v "^/$\|^/proc\|^/sys\|^/dev"; echo end'
	is "$output" end
}
