#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 40 s, vm 90 s
# What programs may rely on in a file system, by system calls (tests/posix/): on a container's root
# and on a bind mount, the same in namespaces and over virtio-fs. One container runs all of it; each
# test looks at what came of its groups.
# bats file_tags=machine

# shellcheck disable=SC2016 # scripts are expanded in the target

load lib/common.bash

setup_file() {
	local top
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	"$top/build/machine/run" --timeout 60 --stdin --sh 'cat >/tmp/t/posix && chmod 755 /tmp/t/posix' \
		<"$top/build/tests/posix"
}

test_teardown() {
	run_in_target 'for m in rootfs data; do umount -l "$bundle/$m" 2>/dev/null; done; true'
}

# Both are ext4, which has all that is asked for; the container's other files lie on the root, too.
run_cases() {
	config '.root = {path: "rootfs", readonly: false}'
	all_capabilities
	mount_at /data bind "$bundle/data" bind,rw
	[[ $ISOLATION != vm ]] || config '.process.env += ["POSIX_SERVED=root"]'
	program sh -c 'posix /cases /data/other
		[ -z "$POSIX_SERVED" ] || export POSIX_SERVED=submount
		posix /data/cases /other | sed "s/^/bind /"'
	limit=400
	target 'cd $bundle && for i in rootfs data; do
			mkdir $i && truncate -s 400M $i.img && mkfs.ext4 -q -b 4096 $i.img &&
				mount -o loop $i.img $i && mkdir $i/cases $i/other || exit 1
		done
		cp -a $T/rootfs/. rootfs/ && cp $T/posix rootfs/bin/ && caisson run $id'
	cp "$BATS_TEST_TMPDIR/stdout" "$BATS_FILE_TMPDIR/results"
}

# No case of these groups failed, on root and on the bind, and each came to its end.
hold() {
	local results=$BATS_FILE_TMPDIR/results group where bad=''
	# Whoever only looks at what came of the container leaves nothing behind.
	if [[ -e $results ]]; then id=''; else run_cases; fi
	for group in "$@"; do
		for where in '' 'bind '; do
			if grep "^${where}not ok $group " "$results"; then bad=yes; fi
			grep -qx "${where}end $group" "$results" || { echo "${where}$group did not end" && bad=yes; }
			grep -q "^${where}ok $group " "$results" || { echo "${where}$group has no case" && bad=yes; }
		done
	done
	[[ -z $bad ]]
}

@test "open: O_CREAT, O_EXCL, O_TRUNC, O_NOFOLLOW, O_DIRECTORY, O_APPEND, O_TMPFILE, and their errors" {
	hold open tmpfile append
}

@test "exec: what is written cannot be run, what runs cannot be written, and rights to run" {
	hold exec
}

@test "names: the longest ones, the longest paths, directories deeper than a path" {
	hold limits
}

@test "mkdir, rmdir, unlink: what is full, sticky, open, or has no name any more" {
	hold mkdir unlink
}

@test "link, symlink, readlink: the inode stays, counts are right, mounts are borders" {
	hold link symlink
}

@test "mknod: fifos and sockets work, devices are for a host's root alone" {
	hold mknod
}

@test "rename: over what is open, full, the same or above; NOREPLACE, EXCHANGE, WHITEOUT; sticky directories" {
	hold rename rename-sticky
}

@test "rights: owner, group, supplementary group, others, root, with every mode" {
	hold rights
}

@test "chmod, chown: who may, to which groups" {
	hold chmod chown
}

@test "set-id bits and capabilities of files go when others write; what is made has the owner, group, mode of the rules" {
	hold set-id inheritance
}

@test "access control lists: mask, groups, inheritance" {
	hold acl acl-default
}

@test "extended attributes: create, replace, list, sizes, rights" {
	hold xattr xattr-rights
}

@test "truncate, fallocate, SEEK_DATA, copy_file_range, mmap" {
	hold truncate fallocate seek copy mmap
}

@test "times: to the nanosecond, now, not at all, by whom; they go forward" {
	hold times
}

@test "fsync, syncfs, statfs" {
	hold sync statfs
}

@test "locks between processes: flock, records, open file descriptions" {
	hold flock record-locks ofd-locks
}

@test "readdir: three thousand entries, positions, changes meanwhile; inode numbers; .. at the top" {
	hold readdir readdir-changes inodes parent
}
