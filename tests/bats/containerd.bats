#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=machine
# budget: 120 s
# containerd drives caisson through its runc shim, as it comes.
load lib/common.bash

setup_file() {
	export MACHINE_SHELL=/tmp/t/bin/sh
	"$BATS_TEST_DIRNAME/../../build/machine/run" --timeout 180 --sh '
		. /tmp/t/target.sh
		mkdir -p /tmp/containerd/image && cd /tmp/containerd
		touch -c /usr/bin/containerd /usr/bin/ctr /usr/bin/containerd-shim-runc-v2
		cat >config.toml <<E
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
E
		# An image as a tar: one layer, its configuration, and the list of both
		tar -C /tmp/t/rootfs -cf image/layer.tar .
		layer=$(sha256sum image/layer.tar | cut -d" " -f1)
		printf "{\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/bin\"],\"Cmd\":[\"sh\"]},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:%s\"]}}" $layer >image/config.json
		printf "[{\"Config\":\"config.json\",\"RepoTags\":[\"localhost/busybox:latest\"],\"Layers\":[\"layer.tar\"]}]" >image/manifest.json
		tar -C image -cf image.tar manifest.json config.json layer.tar
		systemd-run -q --unit containerd-test /usr/bin/containerd --config /tmp/containerd/config.toml
		eventually test -S /run/containerd/containerd.sock
		ctr image import image.tar' >/dev/null 2>&1 || {
		echo 'containerd did not come up' >&3
		return 1
	}
}

teardown_file() {
	"$BATS_TEST_DIRNAME/../../build/machine/run" --timeout 60 --sh '
		systemctl stop containerd-test; pkill -KILL -f containerd-shim-runc-v2; umount -R /run/containerd/* 2>/dev/null; rm -rf /tmp/containerd' >/dev/null 2>&1 || true
}

test_setup() {
	limit=120
	# In each script: ctr, and how a container of the runtime under test is run.
	[[ $ISOLATION != vm ]] || engine='CAISSON=$T/caisson-vm;'
	ctr=${engine-}'cd /tmp; start() { ctr run --runtime io.containerd.runc.v2 --runc-binary $CAISSON "$@"; }; image=localhost/busybox:latest;'
}

test_teardown() {
	run_in_target 'for t in $(ctr task ls -q); do ctr task kill -s KILL $t; sleep 0.3; ctr task rm -f $t; done >/dev/null 2>&1; for c in $(ctr container ls -q); do ctr container rm $c; done >/dev/null 2>&1; true'
}

@test "ctr run: output, exit status, --rm" {
	try target "$ctr"'start --rm $image one sh -c "echo out; exit 7"'
	is "$status" 7
	is "$output" out
}

@test "ctr run -t: a terminal" {
	try target "$ctr"'tool pty ctr run --runtime io.containerd.runc.v2 --runc-binary $CAISSON --rm -t $image one sh -c "tty; exit 4"'
	is "$status" 4
	like "$output" '/dev/pts/0'
}

@test "ctr run -d, tasks exec, ls, ps, kill, rm" {
	target "$ctr"'start -d $image one sleep 1000; ctr task ls; ctr task exec --exec-id e1 one sh -c "echo inside; id -u"; ctr task exec --exec-id e2 one sh -c "exit 5"; echo "exec $?"; tool pty ctr task exec -t --exec-id e3 one tty 2>/dev/null; ctr task ps one
		ctr task kill -s KILL one; eventually sh -c "ctr task ls | grep -q STOPPED"; ctr task rm one; ctr container rm one; ctr task ls -q | grep -c one'" || true"
	like "$output" 'one +[0-9]+ +RUNNING'
	like "$output" $'inside\n0'
	like "$output" 'exec 5'
	like "$output" '/dev/pts/'
	is "${output##*$'\n'}" 0
}

@test "ctr tasks pause, resume, metrics" {
	target "$ctr"'start -d $image one sleep 1000; ctr task pause one; ctr task ls | grep one; ctr task resume one; ctr task ls | grep one; ctr task metrics one; ctr task kill -s KILL one; sleep 0.5; ctr task rm one; ctr container rm one'
	like "$output" 'PAUSED'
	like "$output" 'RUNNING'
	vm_differs 'the monitor has threads' || like "$output" 'pids.current +1'
	like "$output" 'memory.usage'
}

@test "ctr run: memory and pids limits, a mount, read-only, an environment, a directory" {
	target "$ctr"'mkdir -p $bundle/dir; echo outside >$bundle/dir/file; start --rm --memory-limit 67108864 --mount type=bind,src=$bundle/dir,dst=/mnt,options=rbind:ro --read-only --env A=b --cwd /var $image one sh -c "cat /mnt/file; echo \$A; pwd; echo x 2>/dev/null >/x || echo ro"; '
	is "$output" $'outside\nb\n/var\nro'
}

@test "ctr run with its own seccomp profile, and privileged" {
	target "$ctr"'start --rm --seccomp $image one sh -c "tool syscall 165 0 0 0 0 0; grep ^Seccomp: /proc/self/status"; start --rm --privileged $image one sh -c "mount -t tmpfs tmpfs /mnt && echo mounted"'
	is "$output" $'-1 EPERM\nSeccomp:\t2\nmounted'
}

@test "ctr tasks kill: a signal that the program handles; its exit status" {
	target "$ctr"'start -d $image one sh -c "trap \"exit 6\" TERM; while :; do sleep 0.05; done"; sleep 0.5; ctr task kill -s TERM one; eventually sh -c "ctr task ls | grep -q STOPPED"; ctr task rm one; echo "status $?"; ctr container rm one'
	like "$output" 'status [06]'
}

@test "ctr run: a program that does not exist is an error that names it" {
	try target "$ctr"'start --rm $image one no-such-program'
	refused 'no-such-program'
	target "$ctr"'ctr container rm one 2>/dev/null; ctr task ls -q'
}

@test "ctr run with SystemdCgroup: a scope with limits, which ends with the container" {
	target "$ctr"'start -d --runc-systemd-cgroup --cgroup system.slice:caisson:$id --memory-limit 67108864 --cpus 0.5 $image one sleep 1000
		unit=caisson-$id.scope; systemctl show -P MemoryMax $unit; systemctl daemon-reload; cat /sys/fs/cgroup/system.slice/$unit/memory.max /sys/fs/cgroup/system.slice/$unit/cpu.max
		ctr task exec --exec-id e1 one grep -c $unit /proc/self/cgroup; ctr task metrics one | grep -c "^memory.usage_in_bytes\|^memory.usage "; ctr task kill -s KILL one; eventually sh -c "ctr task ls | grep -q STOPPED"; ctr task rm one 2>/dev/null; ctr container rm one
		systemctl show -P LoadState $unit; [ -d /sys/fs/cgroup/system.slice/$unit ] || echo gone'
	# A machine's group has the overhead on top, and its name is not the guest's.
	local memory=67108864 named=1
	if vm_differs 'the monitor is in the group'; then memory=$((64 * 1048576 + memory)) named=0; fi
	is "$output" "$memory"$'\n'"$memory"$'\n50000 100000\n'"$named"$'\n1\nnot-found\ngone'
}
