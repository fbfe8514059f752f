#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 60 s
# The files of a container in a virtual machine: served by its monitor. Needs ISOLATION=vm.
# bats file_tags=machine,vm

# shellcheck disable=SC2016 # scripts are expanded in the target

load lib/common.bash

test_setup() {
	[[ $ISOLATION == vm ]] || skip 'is about virtual machines: ISOLATION=vm'
}

test_teardown() {
	[[ $ISOLATION != vm ]] || target 'fsfreeze --unfreeze $bundle/m 2>/dev/null; umount $bundle/m 2>/dev/null; true'
}

@test "what a caller rewrites in a bind is seen at once, in place and by another file of the name" {
	own_rootfs
	mount_at /etc/hosts bind "$bundle/hosts" bind,ro
	mount_at /data bind "$bundle/data" bind,rw
	# Between "ready" and the answer the guest asks the host for nothing else.
	program sh -c 'cat /etc/hosts /data/f; stat -c %s /data/f; ls /data; echo ready; read go
		cat /etc/hosts /data/f; stat -c %s /data/f; ls /data'
	target 'cd $bundle && mkdir data && echo old >hosts && echo old >data/f && mkfifo go && {
			caisson run $id <go >out & } && exec 3>go && eventually grep -q ready out &&
			echo new one >hosts && echo new >data/f.new && mv data/f.new data/f && echo >data/g &&
			echo go >&3 && wait && cat out'
	is "$output" $'old\nold\n4\nf\nready\nnew one\nnew\n4\nf\ng'
}

@test "what waits for a disk holds up nobody else" {
	own_rootfs
	mount_at /data bind "$bundle/m" bind,rw
	target 'cd $bundle && mkdir m && truncate -s 16M image && mkfs.ext4 -q image && mount -o loop image m &&
		touch m/1 m/2 m/3'
	sleeping
	target 'cd $bundle && fsfreeze --freeze m && caisson exec $id sh -c "
			for i in 1 2 3; do (echo \$i >>/data/\$i) >/dev/null 2>&1 & done; sleep 0.3
			ls / | grep -x etc; echo others go on" >out 2>&1 & timeout=$!
		sleep 3; cat $bundle/out; fsfreeze --unfreeze $bundle/m; wait $timeout
		eventually test -s $bundle/m/1 -a -s $bundle/m/2 -a -s $bundle/m/3 && echo written'
	is "$output" $'etc\nothers go on\nwritten'
}

@test "a file system without ACLs serves users who own nothing" {
	own_rootfs
	mount_at /data bind "$bundle/m" bind,rw
	target 'cd $bundle && mkdir m && mount -t ramfs none m && cp $rootfs/bin/busybox m/sh && chmod 755 m m/sh && echo read >m/file'
	config '.process.user.uid = 1000 | .process.user.gid = 1000'
	program /data/sh -c 'cat /data/file; echo more >>/data/file'
	try caisson run --bundle "$bundle" "$id"
	is "$output" read
	like "$stderr" 'ermission denied'
}
