#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 40 s, vm 70 s
# Terminals: --console-socket, and one of our own for run and exec.
load lib/common.bash

terminal() {
	config '.process.terminal = true'
}

@test "--console-socket: the terminal's master arrives there, its slave is the program's 0, 1 and 2" {
	terminal
	program sh -c 'tty; test -t 0 && test -t 1 && test -t 2 && echo all; stat -c "%t" /dev/console'
	target 'cd $bundle && { tool console $bundle/s >$bundle/out & } && eventually test -S s &&
		caisson create --console-socket $bundle/s $id && caisson start $id && wait && cat out'
	like "$output" '/dev/pts/0|/dev/console'
	like "$output" all
	like "$output" 88
}

@test "--console-socket: the message names the terminal, the terminal has consoleSize" {
	terminal
	config '.process.consoleSize = {height: 25, width: 81}'
	program stty size
	target 'cd $bundle && { tool console $bundle/s >$bundle/out & } && eventually test -S s && caisson run --console-socket $bundle/s -d $id && wait && cat out'
	like "$output" 'message: .*pt'
	like "$output" 'size: 25 81'
	like "$output" '25 81'
}

@test "--console-socket: input reaches the program" {
	terminal
	program sh -c 'echo ready; read line; echo "got $line"'
	target 'cd $bundle && { tool console $bundle/s "typed
" >$bundle/out & } && eventually test -S s && caisson run -d --console-socket $bundle/s $id && wait && cat out'
	like "$output" 'got typed'
}

@test "--console-socket: in a joined pid namespace, and in a time namespace, the terminal controls too" {
	namespaces_only 'a virtual machine joins no pid namespace'
	program sleep 1000
	target 'cd $bundle && caisson run -d $id'
	terminal
	program sh -c 'echo controlled >/dev/tty'
	config '.linux.namespaces += [{type: "time"}]'
	target 'cd $bundle && caisson run $id-time' # a new time namespace is for children only
	like "$output" controlled
	config 'del(.linux.namespaces[-1])'
	target 'cd $bundle && sed -i "s|\"type\": \"pid\"|&, \"path\": \"/proc/$(pid_of $id)/ns/pid\"|" config.json && grep -q ns/pid config.json && caisson run $id-pid'
	like "$output" controlled
}

@test "terminal without --console-socket: create and run --detach refuse" {
	terminal
	try caisson create "$id"
	refused 'console'
	try caisson run --detach "$id"
	refused 'console'
}

@test "--console-socket without terminal is refused or ignored as runc and crun do; a socket that does not exist is named" {
	terminal
	try caisson create --console-socket /no/such/socket "$id"
	refused '/no/such/socket|console'
}

@test "--console-socket: a path longer than a socket address works" {
	terminal
	program echo far
	target 'd=$bundle/$(printf "x%.0s" $(seq 120)); mkdir $d && cd $d && { tool console s >out & } && eventually test -S s && cd $bundle && caisson run -d --console-socket $d/s $id && wait && cat $d/out'
	like "$output" far
}

@test "run on a terminal: the program has one of its own, of the caller's size" {
	terminal
	program sh -c 'tty; stty size'
	target 'cd $bundle && tool pty $CAISSON --root $ROOT $flags run $id'
	like "$output" '/dev/pts/0|/dev/console'
	like "$output" '33 101'
}

@test "run on a terminal: input, exit status, and the caller's modes are restored" {
	terminal
	program sh -c 'echo ready; read line; echo "got $line"; exit 9'
	try target 'cd $bundle && PTY_INPUT="typed
" tool pty $CAISSON --root $ROOT $flags run $id'
	is "$status" 9
	like "$output" 'got typed'
	like "$stderr" 'modes: same'
}

@test "run on a terminal: the caller's terminal is raw meanwhile: control characters go to the program" {
	terminal
	program sh -c 'trap "echo interrupted; exit 3" INT; echo ready; while :; do sleep 0.05; done'
	try target 'cd $bundle && PTY_INPUT="$(printf "\003")" tool pty $CAISSON --root $ROOT $flags run $id'
	is "$status" 3
	like "$output" interrupted
	like "$stderr" 'modes: same'
}

@test "run on a terminal: a new window size reaches the program" {
	terminal
	program sh -c 'echo ready; i=0; while [ $i -lt 100 ]; do case $(stty size) in "44 "*) echo resized; exit;; esac; i=$((i+1)); sleep 0.05; done'
	target 'cd $bundle && PTY_RESIZE=44 tool pty $CAISSON --root $ROOT $flags run $id'
	like "$output" resized
}

@test "run on a terminal: modes are restored when the runtime fails, and when the container is killed" {
	terminal
	program /no/such/program
	try target 'cd $bundle && tool pty $CAISSON --root $ROOT $flags run $id'
	((status != 0)) || fail 'succeeded'
	like "$stderr" 'modes: same'
	program sleep 1000
	try target 'cd $bundle && (eventually has_status $id running; sleep 0.3; caisson kill $id KILL) & cd $bundle; tool pty $CAISSON --root $ROOT $flags run $id'
	like "$stderr" 'modes: same'
}

@test "run with terminal where the caller has none still works" {
	terminal
	program sh -c 'test -t 1 && echo tty'
	try target 'cd $bundle && caisson run $id </dev/null'
	like "$output$stderr" 'tty|terminal'
}

@test "run and exec with terminal into a pipe: lines end as the program wrote them" {
	namespaces_only "in a virtual machine the terminal's lines are its kernel's"
	terminal
	program echo line
	target 'cd $bundle && caisson run $id | od -An -c'
	is "$output" '   l   i   n   e  \n'
	config '.process.terminal = false'
	sleeping
	target 'caisson exec -t $id echo line | od -An -c'
	is "$output" '   l   i   n   e  \n'
}

@test "exec -t: a terminal of its own, exit status, restored modes" {
	sleeping
	try target 'tool pty $CAISSON --root $ROOT $flags exec -t $id sh -c "tty; stty size; exit 4"'
	is "$status" 4
	like "$output" '/dev/pts/'
	like "$output" '33 101'
	like "$stderr" 'modes: same'
}

@test "exec -t into a user namespace: a controlling terminal there too" {
	user_namespace
	sleeping
	try target 'tool pty $CAISSON --root $ROOT $flags exec -t $id sh -c "tty; echo >/dev/tty && exit 4"'
	is "$status" 4
	like "$output" '/dev/pts/'
}

@test "exec --console-socket --detach: the terminal goes to the socket" {
	sleeping
	target 'cd $bundle && { tool console $bundle/s >$bundle/out & } && eventually test -S s && caisson exec --tty --detach --console-socket $bundle/s --pid-file $bundle/p $id sh -c "tty; echo done" && wait && cat out'
	like "$output" '/dev/pts/'
	like "$output" 'done'
}

@test "terminal in a user namespace, owned by the user of the process" {
	user_namespace
	terminal
	config '.process.user = {uid: 1000, gid: 1000}'
	program sh -c 'stat -L -c "%u" /proc/self/fd/0; echo >/dev/tty && echo opened'
	target 'cd $bundle && tool pty $CAISSON --root $ROOT $flags run $id'
	like "$output" 1000
	like "$output" opened
}
