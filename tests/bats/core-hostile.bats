#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 120 s, vm 180 s
# The core under attack and at unlucky moments: what hooks leave, locks that are held, descriptors
# that are not there, names that lie, a namespace without a root.
load lib/common.bash

hook() {
	local shell=/tmp/t/bin/sh
	[[ $1 != startContainer ]] || shell=/bin/sh
	# shellcheck disable=SC2016 # of jq
	config '.hooks[$k] += [{path: $p, args: ["sh", "-c", $s], env: ["PATH=/tmp/t/bin:/bin"]}]' \
		--arg k "$1" --arg p "$shell" --arg s "$2"
}

only_user_1000() {
	config '.linux.namespaces += [{type: "user"}] | .process.user = {uid: 1000, gid: 1000}
		| .linux.uidMappings = [{containerID: 1000, hostID: 101000, size: 1}]
		| .linux.gidMappings = [{containerID: 1000, hostID: 101000, size: 1}]
		| .mounts |= map(select(.destination != "/dev/pts"))'
}

# ---- hooks

@test "run: what a startContainer hook prints is not taken for a failure" {
	hook startContainer 'echo hello; echo oops >&2'
	program sh -c 'exit 3'
	try caisson run "$id"
	is "$status" 3
}

@test "a hook does not outlive a create that is killed" {
	for kind in createRuntime createContainer; do
		config 'del(.hooks)'
		hook $kind 'exec sleep 1003'
		target 'cd $bundle; caisson create $id 2>/dev/null & eventually pgrep -f "^sleep 1003" >/dev/null
			pkill -KILL -f "^$CAISSON --root $ROOT.* create $id"; wait
			gone() { ! pgrep -f "^sleep 1003" >/dev/null; }; eventually_soon gone && echo gone
			caisson delete --force $id'
		is "$output" gone
	done
}

@test "a creation that fails at a later hook is undone by the poststop hooks" {
	hook createRuntime "echo made >>$bundle/log"
	hook createContainer 'exit 1'
	hook poststop "echo undone >>$bundle/log"
	try caisson create "$id"
	refused 'createContainer'
	target 'cat $bundle/log'
	is "$output" $'made\nundone'
}

@test "delete --force does not wait for a start that a startContainer or poststart hook holds up" {
	mount_at /tmp bind "$bundle" bind,rw
	for kind in startContainer poststart; do
		config 'del(.hooks)'
		if [[ $kind == startContainer ]]; then up=/tmp/up; else up=$bundle/up; fi
		hook $kind "echo >$up; exec sleep 1004"
		program sleep 1000
		target 'cd $bundle; caisson create $id; rm -f up; caisson start $id 2>/dev/null & eventually test -e up
			begin=$(date +%s); caisson delete --force $id && echo deleted; end=$(date +%s); [ $((end - begin)) -lt 5 ] && echo quick
			pkill -KILL -f "^sleep 1004"; wait; caisson list -q'
		is "$output" $'deleted\nquick'
	done
}

@test "start waits for a create that is still under way" {
	hook createRuntime 'sleep 1'
	program sleep 1000
	target 'cd $bundle; caisson create $id & eventually test -s $ROOT/$id/state.json; caisson start $id && status_of $id; wait'
	is "$output" running
}

# ---- namespaces

@test "hooks get the process, not the intermediate one that made it, whoever is faster" {
	config '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: 5}}'
	hook createRuntime "tr , '\\n' | sed -n 's/.*\"pid\" *: *//p' >$bundle/pid; readlink /proc/\$(cat $bundle/pid)/ns/pid >$bundle/ns"
	program sleep 1000
	target 'cd $bundle; for i in $(seq $1); do caisson create --pid-file p $id || echo failed; [ "$(cat pid)" = "$(cat p)" ] || echo "$i: $(cat pid), $(cat p)"; [ "$(cat ns)" != "$(readlink /proc/self/ns/pid)" ] || echo "$i: ours"; caisson delete --force $id; done' "$(times 30 5)"
	is "$output" ''
}

@test "time: offsets in a user namespace, and beside a joined mount namespace" {
	user_namespace
	config '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: 2000000}}'
	container 'cut -d. -f1 /proc/uptime'
	succeeded
	((output >= 2000000)) || fail offset
}

@test "user: a namespace in which nobody is root" {
	only_user_1000
	program sh -c 'echo $(id -u) $(id -g); sleep 1000'
	target 'cd $bundle && caisson run -d $id >out && eventually test -s out && cat out; caisson exec $id id -u; stat -c %u /proc/$(pid_of $id)'
	is "$output" $'1000 1000\n1000\n101000'
}

# ---- descriptors

@test "closed standard descriptors are /dev/null in the container" {
	mount_at /tmp bind "$bundle" bind,rw
	program sh -c 'for i in 0 1 2; do readlink /proc/$$/fd/$i; done >/tmp/out 2>&1 </dev/zero'
	target 'cd $bundle && caisson run $id <&- >&- 2>&-; cat out'
	program sh -c 'exec 7>/tmp/out; readlink /proc/self/fd/0 /proc/self/fd/1 /proc/self/fd/2 >&7'
	is "$(grep -vc 'null\|out\|zero' <<<"$output")" 0
	target 'cd $bundle && rm -f out && caisson create --pid-file p $id <&- >&- 2>&- && for i in 0 1 2; do readlink /proc/$(cat p)/fd/$i; done'
	is "$output" $'/dev/null\n/dev/null\n/dev/null'
}

@test "--preserve-fds: the runtime's own log file is not one of the caller's" {
	program sh -c 'ls /proc/self/fd'
	try target 'cd $bundle && caisson --log $bundle/log run --preserve-fds 1 $id'
	refused 'fd 3'
}

@test "LISTEN_FDS that was meant for another process is nobody's" {
	program sh -c 'echo "x$LISTEN_FDS"'
	target 'cd $bundle && LISTEN_FDS=3 LISTEN_PID=999999 caisson run $id'
	is "$output" x
}

@test "--pid-file in a directory that does not exist: refused, nothing left" {
	program sleep 1000
	try caisson create --pid-file "$bundle/none/pid" "$id"
	refused 'pid file'
	target 'caisson list -q'
	is "$output" ''
}

@test "a terminal has the caller's size before the program looks at it" {
	config '.process.terminal = true'
	program stty size
	count=$(times 25 5)
	target 'cd $bundle && for i in $(seq $1); do tool pty $CAISSON --root $ROOT $flags run $id 2>/dev/null; done | sort | uniq -c | tr -d "\r" | sed "s/^ *//"' "$count"
	is "$output" "$count 33 101"
}

# ---- names and sizes

@test "a state root that others may write to is refused, sticky or not" {
	program sleep 1000
	target 'cd $bundle && mkdir -m 1777 open && { "$CAISSON" --root $bundle/open $flags create $id 2>&1 && echo created; }; ls -A open; true'
	like "$output" 'written by other users'
	unlike "$output" created
}

@test "a directory below --root that is no container's is never deleted" {
	target 'cd $bundle && mkdir -p -m 700 dirs && mkdir -p dirs/$id/precious && for f in "" --force; do "$CAISSON" --root $bundle/dirs delete $f $id 2>/dev/null && echo deleted; done; ls dirs/$id; cd dirs; "$CAISSON" --root "" delete --force $id 2>/dev/null && echo deleted; ls $id'
	is "$output" $'precious\nprecious'
}

@test "a state root of 3000 characters, a bundle with blanks and a line feed in its name" {
	program sh -c 'echo ran'
	target 'cd $bundle && long=$bundle; for i in $(seq 15); do long=$long/$(printf %0200d $i); done
		b="$bundle/a b
c"; mkdir -p "$b" && cp config.json "$b/"
		c() { "$CAISSON" --root "$long" $flags "$@"; }
		c run --bundle "$b" $id && c create -b "$b" $id && c start $id && c state $id | grep -c "a b.nc"; stopped() { c state $id | grep -q stopped; }; eventually stopped; c delete --force $id && c list -q'
	is "$(sort <<<"$output")" $'1\nran\nran'
}

@test "annotations of megabytes, quoted or not: created and deleted, or refused whole" {
	program true
	# shellcheck disable=SC2016 # of jq
	config '.annotations = {a: ("x" * 4000000)}'
	target 'cd $bundle && caisson create $id && caisson state $id | wc -c && caisson delete --force $id'
	((output > 4000000)) || fail 'annotation is missing'
	# Quotes double: what fits into a config.json need not fit into the state.
	# shellcheck disable=SC2016 # of jq
	config '.annotations = {a: ("\"" * 4180000)}'
	try target 'cd $bundle && caisson create $id && caisson state $id >/dev/null; caisson delete --force $id; caisson list -q'
	is "$output" ''
}

@test "200 bind mounts" {
	# shellcheck disable=SC2016 # of jq
	config '.mounts += [range(200) | {destination: "/tmp/m\(.)", type: "bind", source: $b, options: ["bind", "ro"]}]' --arg b "$bundle"
	config '.mounts |= ([{destination: "/tmp", type: "tmpfs", source: "tmpfs"}] + .)'
	container 'grep -c /tmp/m /proc/self/mountinfo'
	is "$output" 200
}

@test "1100 bind mounts under a soft limit of 1024 files, which the program still has" {
	# shellcheck disable=SC2016 # of jq
	config '.mounts += [range(1100) | {destination: "/tmp/m\(.)", type: "bind", source: $b, options: ["bind", "ro"]}] | del(.process.rlimits)' --arg b "$bundle"
	config '.mounts |= ([{destination: "/tmp", type: "tmpfs", source: "tmpfs"}] + .)'
	if vm_differs 'the kernel of a guest of 256 MiB has room for some 900'; then config '.linux.resources.memory.limit = 900000000'; fi
	program sh -c 'grep -c /tmp/m /proc/self/mountinfo; ulimit -Sn'
	target 'cd $bundle && ulimit -Sn 1024 && caisson run $id'
	if vm_differs 'a guest has limits of its own'; then
		like "$output" $'^1100\n'
	else
		is "$output" $'1100\n1024'
	fi
}

# ---- the notify socket's directory, which the container can see

@test "sd_notify: a container cannot write to the directory of its notify socket" {
	container 'true'
	program sh -c 'ln -s /etc/passwd /run/notify/x 2>/dev/null && echo planted; mkdir /run/notify/d 2>/dev/null && echo planted; tool notify READY=1'
	target 'cd $bundle && { tool notify-listen $bundle/n 1 >out & } && eventually test -S n && NOTIFY_SOCKET=$bundle/n caisson run $id; eventually grep READY=1 out; kill $! 2>/dev/null; true'
	is "$output" 'READY=1'
}

@test "sd_notify: from a user namespace, by a user who is not root" {
	user_namespace
	config '.process.user = {uid: 1000, gid: 1000}'
	program sh -c 'tool notify READY=1'
	target 'cd $bundle && { tool notify-listen $bundle/n 1 >out & } && eventually test -S n && NOTIFY_SOCKET=$bundle/n caisson run $id; eventually grep READY=1 out; kill $! 2>/dev/null; true'
	is "$output" 'READY=1'
}

@test "sd_notify: a link in place of the notify socket is not followed" {
	program sleep 1000
	target 'cd $bundle && { tool notify-listen $bundle/n 1 >out & } && eventually test -S n && NOTIFY_SOCKET=$bundle/n caisson create $id && echo secret >file && chmod 600 file
		ln -s $bundle/file $ROOT/$id/notify/notify.sock; NOTIFY_SOCKET=$bundle/n caisson start $id 2>/dev/null && echo started; stat -c %a file; kill $! 2>/dev/null; true'
	is "$output" 600
}

# ---- messages

@test "kill and delete say what containerd looks for" {
	program true
	try caisson kill none
	refused 'does not exist'
	target 'cd $bundle && caisson create $id && caisson start $id && eventually has_status $id stopped'
	try caisson kill "$id"
	refused 'container not running'
	try caisson exec "$id" true
	refused 'container not running'
	caisson delete "$id"
	try caisson delete "$id"
	refused 'does not exist'
}

@test "paused: kill KILL ends it, delete needs --force, exec needs --ignore-paused" {
	sleeping
	caisson pause "$id"
	try caisson exec "$id" true
	refused 'paused'
	try caisson delete "$id"
	refused 'paused'
	target 'caisson kill $id KILL && eventually has_status $id stopped && caisson delete $id && cd $bundle && caisson run -d $id && caisson pause $id && caisson delete --force $id && echo deleted'
	is "$output" deleted
}

@test "ps: options without a column PID are refused at once, however many processes there are" {
	namespaces_only 'the host ps'
	sleeping
	# shellcheck disable=SC2016 # of jq
	try target 'timeout 10 /bin/sh -c "$CAISSON --root $ROOT ps $id -eo args:9000"'
	((status == 1)) || fail 'not refused'
	like "$stderr" 'PID'
}

@test "a damaged state: delete --force still ends the processes and clears the cgroup" {
	sleeping
	target 'p=$(pid_of $id); c=$(cgroup_of $p); echo "{" >$ROOT/$id/state.json; caisson delete --force $id 2>/dev/null; sleep 0.1; [ -d /proc/$p ] && echo alive; [ -d "$c" ] && echo cgroup; caisson list -q'
	is "$output" ''
}
