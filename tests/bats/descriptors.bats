#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 30 s, vm 70 s
# What is passed through: --preserve-fds, LISTEN_FDS, sd_notify, --pidfd-socket, subreaper, stdio.
load lib/common.bash

@test "descriptors of the caller are closed, 0, 1 and 2 excepted" {
	program tool probe
	target 'cd $bundle && exec 5</etc/passwd 9</etc/group && caisson run $id | grep ^fds'
	is "$output" 'fds: 0 1 2'
}

@test "--preserve-fds N: the N descriptors from 3 on, and no more" {
	namespaces_only 'a descriptor cannot be passed into a guest'
	program sh -c 'cat <&3; cat <&4; cat <&5 2>/dev/null || echo closed'
	target 'cd $bundle && echo three >f3 && echo four >f4 && echo five >f5 && exec 3<f3 4<f4 5<f5 && caisson run --preserve-fds 2 $id 2>/dev/null'
	is "$output" $'three\nfour\nclosed'
}

@test "--preserve-fds: through create and start" {
	namespaces_only 'a descriptor cannot be passed into a guest'
	program sh -c 'cat <&3 >/tmp/out'
	mount_at /tmp bind "$bundle" bind,rw
	target 'cd $bundle && echo three >f3 && exec 3<f3 && caisson create --preserve-fds 1 $id && exec 3<&- && caisson start $id && eventually test -s out && cat out'
	is "$output" three
}

@test "--preserve-fds: a descriptor that is not open, and numbers that are none" {
	program sleep 1000
	try target 'cd $bundle && caisson create --preserve-fds 3 $id'
	refused 'preserve|descriptor|fd'
	for bad in -1 x 99999999999; do
		try caisson create --preserve-fds "$bad" "$id"
		refused
	done
}

@test "LISTEN_FDS: sockets are passed on, LISTEN_PID is the program's" {
	namespaces_only 'a descriptor cannot be passed into a guest'
	program sh -c 'echo $LISTEN_FDS $LISTEN_PID; readlink /proc/self/fd/3 | cut -d: -f1; readlink /proc/self/fd/4 | cut -d: -f1'
	target 'cd $bundle && tool listen-fds 2 $CAISSON --root $ROOT $flags run $id'
	is "$output" $'2 1\nsocket\nsocket'
}

@test "sd_notify: the program's READY=1 reaches the caller's NOTIFY_SOCKET, with MAINPID of this machine" {
	program sh -c 'tool notify READY=1 && sleep 1000'
	target 'cd $bundle && { tool notify-listen $bundle/n 2 >out & } && eventually test -S n && NOTIFY_SOCKET=$bundle/n caisson run -d $id && eventually grep -q READY out; eventually grep -q MAINPID out; echo; cat out; echo pid $(pid_of $id); caisson delete --force $id; kill $! 2>/dev/null; true'
	like "$output" 'READY=1'
	pid=$(sed -n 's/^pid //p' <<<"$output")
	like "$output" "MAINPID=$pid"
}

@test "sd_notify: without NOTIFY_SOCKET the program has none" {
	container 'echo "x${NOTIFY_SOCKET}x"'
	is "$output" xx
}

@test "--pidfd-socket: a pidfd of the container's process arrives there" {
	program sleep 1000
	target 'cd $bundle && { tool fd-receiver $bundle/s >out & } && eventually test -S s && caisson create --pidfd-socket $bundle/s $id && wait && cat out && echo "is $(pid_of $id)"'
	like "$output" 'pidfd'
	pid=$(sed -n 's/^is //p' <<<"$output")
	like "$output" "Pid:.$pid"
}

@test "exec --pidfd-socket: of the exec'd process" {
	sleeping
	try target 'cd $bundle && { tool fd-receiver $bundle/s >out & } && eventually test -S s && caisson exec -d --pid-file p --pidfd-socket $bundle/s $id sleep 1000 && wait && cat out && echo "is $(cat p)"'
	succeeded
	pid=$(sed -n 's/^is //p' <<<"$output")
	like "$output" "Pid:.$pid"
}

@test "run: the runtime reaps what the program leaves when there is no pid namespace, unless --no-subreaper" {
	without_namespace pid
	program sh -c '(sleep 0.3; exit 0) & echo $!; exit 5'
	try caisson run "$id"
	is "$status" 5
	try caisson run --no-subreaper "$id"
	is "$status" 5
	try caisson run -no-subreaper "$id"
	is "$status" 5
}

@test "stdio: a pipe that nobody reads kills the program by SIGPIPE, not the runtime's caller" {
	program yes
	target 'cd $bundle && caisson run $id | head -n 2'
	is "$output" $'y\ny'
}

@test "stdio: closed standard descriptors do not become the container's" {
	program sh -c 'ls -l /proc/self/fd | grep -c "/tmp/t/root\|state.json"; true'
	target 'cd $bundle && caisson run $id <&- 2>&-'
	is "$output" 0
}

@test "signals to run reach the program" {
	program sh -c 'trap "echo got; exit 6" TERM; echo up; while :; do sleep 0.05; done'
	try target 'cd $bundle && { caisson run $id >out & } && p=$! && eventually grep -q up out && kill -TERM $(pgrep -f "^$CAISSON --root.* run $id"); wait $p; s=$?; cat out; exit $s'
	is "$status" 6
	is "$output" $'up\ngot'
}

@test "run: SIGSTOPped and continued, output of a megabyte, arrive whole" {
	program sh -c 'head -c 1048576 /dev/zero | tr "\0" x'
	target 'cd $bundle && caisson run $id | wc -c'
	is "$output" 1048576
}
