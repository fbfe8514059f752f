#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 90 s
# A root file system that is an image or a block device: the guest mounts it itself, from a disk.
# Needs ISOLATION=vm.
# bats file_tags=machine,vm

# shellcheck disable=SC2016 # scripts are expanded in the target

load lib/common.bash

# The images hold what the tests' usual root does, and lack some of the mount points.
setup_file() {
	[[ ${ISOLATION-} == vm ]] || return 0
	local top images=$BATS_FILE_TMPDIR/images tree=$BATS_FILE_TMPDIR/tree
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	mkdir -p "$images" "$tree"/{bin,etc,proc,dev}
	cp "$(command -v busybox)" "$tree/bin/busybox"
	cp "$top/build/tests/tool" "$tree/bin/tool"
	ln -s busybox "$tree/bin/sh"
	echo from-the-image >"$tree/etc/origin"
	chmod 711 "$tree" # which mkfs.ext4 does not copy
	/usr/sbin/mkfs.ext4 -q -d "$tree" -L root "$images/ext4" 12M >/dev/null
	mkfs.erofs --quiet "$images/erofs" "$tree" 2>/dev/null
	mksquashfs "$tree" "$images/squashfs" -quiet -no-progress -comp zstd >/dev/null
	tar -C "$images" -c . |
		"$top/build/machine/run" --stdin --timeout 60 --sh 'mkdir -p /tmp/t/images && tar -C /tmp/t/images -x'
}

test_setup() {
	[[ $ISOLATION == vm ]] || skip 'is about virtual machines: ISOLATION=vm'
}

image() {
	config '.root = {path: $path, readonly: ($readonly == "yes")}' --arg path "/tmp/t/images/$1" \
		--arg readonly "${2-no}"
}

@test 'ext4, erofs, squashfs: the container runs from the image, and has its mounts' {
	local type
	for type in ext4 erofs squashfs; do
		image "$type"
		container 'busybox cat /etc/origin && busybox stat -c %a / && busybox ls /proc/self/exe /sys/kernel >/dev/null &&
			busybox awk '\''$2 == "/" { print $3 }'\'' /proc/mounts'
		succeeded
		is "${output/755/711}" $'from-the-image\n711\noverlay'
		[[ $type == ext4 || $output != *755* ]] || fail 'not the rights of the image'
	done
}

@test 'what a container writes is its own, and ends with it: the image stays as it was' {
	image ext4
	target 'sha256sum /tmp/t/images/ext4'
	local before=$output
	container 'echo changed >/etc/origin && echo new >/new && busybox cat /etc/origin /new'
	succeeded
	is "$output" $'changed\nnew'
	container 'busybox cat /etc/origin; busybox ls /new'
	like "$output" from-the-image
	((status != 0)) || fail '/new is still there'
	target 'sha256sum /tmp/t/images/ext4'
	is "$output" "$before"
}

@test 'root.readonly: nothing can be written, mount points are made all the same' {
	image erofs yes
	config '.mounts += [{destination: "/a/new/place", type: "tmpfs", source: "tmpfs"}]'
	container 'echo x >/x || echo refused; echo y >/a/new/place/y && echo written'
	is "$output" $'refused\nwritten'
}

@test 'binds lie over the image: directories, files, read-only' {
	image ext4
	target 'mkdir -p $bundle/data && echo hosts >$bundle/hosts && echo d >$bundle/data/d'
	config '.mounts += [{destination: "/data", type: "bind", source: $data, options: ["bind", "rw"]},
		{destination: "/etc/hosts", type: "bind", source: $hosts, options: ["bind", "ro"]}]' \
		--arg data "$bundle/data" --arg hosts "$bundle/hosts"
	container 'busybox cat /etc/hosts /data/d && echo back >/data/e; echo x >/etc/hosts || echo refused'
	is "$output" $'hosts\nd\nrefused'
	target 'cat $bundle/data/e $bundle/hosts'
	is "$output" $'back\nhosts'
}

@test 'a block device is a root, and stays as it was' {
	target 'cp /tmp/t/images/erofs $bundle/disk && d=$(losetup -f) && losetup $d $bundle/disk && echo $d'
	local device=$output
	config '.root = {path: $path}' --arg path "$device"
	container 'busybox cat /etc/origin'
	try target 'losetup -d "$1"; cmp $bundle/disk /tmp/t/images/erofs && echo same' "$device"
	is "$output" same
	container 'true'
	refused 'root.path'
}

@test 'CVE-2026-24834, CVE-2020-2023: the disk is read-only for a guest that makes its own device node' {
	image ext4
	config '.process.capabilities |= map_values(. + ["CAP_MKNOD", "CAP_SYS_ADMIN"] | unique) |
		.linux.resources.devices = [{allow: true, access: "rwm"}]'
	target 'sha256sum /tmp/t/images/ext4'
	local before=$output
	container 'busybox mknod /disk b $(busybox cat /sys/block/vda/dev | busybox tr : " ") &&
		busybox dd if=/dev/zero of=/disk bs=4096 count=1 2>&1'
	((status != 0)) || fail 'it was written'
	target 'sha256sum /tmp/t/images/ext4'
	is "$output" "$before"
}

@test 'the usual rules for devices close the disk to a container with CAP_MKNOD' {
	image ext4
	config '.process.capabilities |= map_values(. + ["CAP_MKNOD"] | unique) |
		.linux.resources.devices = [{allow: false, access: "rwm"}]'
	container 'busybox mknod /disk b $(busybox cat /sys/block/vda/dev | busybox tr : " ") &&
		busybox dd if=/disk of=/dev/null bs=4096 count=1'
	like "$stderr" 'Operation not permitted'
}

@test 'an image that is none: one line that says so' {
	config '.root = {path: "image"}'
	target 'head -c 1048576 /dev/zero >$bundle/image'
	try caisson run "$id"
	refused 'root.path: the image holds no file system that the guest knows'
	target 'head -c 1023 /dev/zero >$bundle/image'
	try caisson run "$id"
	refused 'root.path'
	target 'rm $bundle/image && mkfifo $bundle/image'
	try caisson run "$id"
	refused 'root.path'
}

@test 'namespaces refuse an image, and say what runs it' {
	image ext4
	try target 'cd $bundle && flags= && caisson run $id'
	refused 'root.path: /tmp/t/images/ext4 is no directory; .*--isolation vm'
}
