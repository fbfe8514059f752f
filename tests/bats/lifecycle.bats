#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 60 s, vm 150 s
# The life of a container: create, start, state, kill, delete, run, list, ps, pause, resume.
load lib/common.bash

@test "run: output, error output and exit status are the program's" {
	container 'echo out; echo err >&2; exit 7'
	is "$status" 7
	is "$output" out
	is "$stderr" err
}

@test "run: standard input is the caller's" {
	program cat
	target 'cd $bundle && echo typed | caisson run $id'
	is "$output" typed
}

@test "run: a program that dies by signal N ends with 128 + N" {
	without_namespace pid
	container 'kill -KILL $$'
	is "$status" 137
}

@test "run: nothing is left of the container once it has ended" {
	container true
	succeeded
	target 'caisson state $id 2>&1; ls -A $ROOT; true'
	unlike "$output" "\"id\""
	unlike "$output" "^$id$"
}

@test "run --keep: the stopped container stays until it is deleted" {
	program true
	target 'cd $bundle && caisson run --keep $id; status_of $id; caisson delete $id && ! caisson state $id 2>/dev/null'
	is "$output" stopped
}

@test "run --detach: returns while the program runs" {
	program sleep 1000
	target 'cd $bundle && caisson run --detach --pid-file pid $id && status_of $id && [ "$(cat pid)" = "$(pid_of $id)" ]'
	is "$output" running
}

@test "a life step by step: created, running, stopped, gone" {
	program sh -c 'echo started >/tmp/out; sleep 1000'
	mount_at /tmp bind "$bundle" bind,rw
	target 'cd $bundle
		caisson create --bundle $bundle --pid-file $bundle/pid $id
		status_of $id
		[ ! -e out ] || echo "the program ran before start"
		caisson start $id && eventually test -e out && cat out
		status_of $id
		caisson kill $id KILL && eventually has_status $id stopped && status_of $id
		caisson delete $id
		caisson state $id 2>/dev/null || echo gone'
	is "$output" $'created\nstarted\nrunning\nstopped\ngone'
}

@test "state: the specification's JSON, with pid, bundle and annotations" {
	config '.annotations = {"org.example.key": "value"}'
	program sleep 1000
	target 'cd $bundle && caisson create $id && caisson state $id && kill -0 $(pid_of $id)'
	json '.ociVersion | type == "string"'
	# shellcheck disable=SC2016 # of jq
	json --arg id "$id" --arg bundle "$bundle" '.id == $id and .bundle == $bundle' || true
	is "$(jq -r .id <<<"$output")" "$id"
	is "$(jq -r .bundle <<<"$output")" "$bundle"
	json '.status == "created" and (.pid | type == "number" and . > 0)'
	json '.annotations["org.example.key"] == "value"'
}

@test "state: a stopped container has pid 0 or none" {
	program true
	target 'cd $bundle && caisson create $id && caisson start $id && eventually has_status $id stopped && caisson state $id'
	json '.status == "stopped" and (.pid // 0) == 0'
}

@test "state, start, kill, delete, exec, pause: of a container that does not exist fail and name it" {
	for command in state start 'kill' delete 'exec' pause resume ps; do
		# shellcheck disable=SC2086 # none or one
		case $command in kill) more=KILL ;; exec) more=true ;; *) more= ;; esac
		try caisson "$command" nobody $more
		refused nobody
	done
}

@test "delete --force: of a container that does not exist is no error" {
	caisson delete --force nobody
}

@test "create: an id that is taken is refused, and the first container lives on" {
	program sleep 1000
	caisson create "$id"
	try caisson create "$id"
	refused "exist|in use"
	target 'status_of $id'
	is "$output" created
}

@test "create: ids that would leave the state directory or confuse a shell are refused" {
	for bad in ../x a/b . .. '' 'a b' $'a\nb' "$(printf 'x%.0s' {1..1100})"; do
		try caisson create "$bad"
		refused
	done
	target 'ls -A $ROOT 2>/dev/null | grep -v "^[.@]"; true'
	is "$output" ''
}

@test "create: letters, digits and _ + - . make an id" {
	program sleep 1000
	target 'cd $bundle && caisson create Ab_1+2-3.4 && status_of Ab_1+2-3.4 && caisson delete --force Ab_1+2-3.4'
	is "$output" created
}

@test "create: without a config.json in the bundle says so" {
	try caisson create --bundle /tmp/t/bundles "$id"
	refused 'config.json'
}

@test "create: a bundle that does not exist is named" {
	try caisson create --bundle /nonexistent "$id"
	refused nonexistent
}

@test "create --bundle: any directory; relative paths are relative to the caller's" {
	program sleep 1000
	target 'cd /tmp/t/bundles && caisson create --bundle $id $id && status_of $id && caisson state $id | grep -c "\"bundle\" *: *\"$bundle\""'
	is "$output" $'created\n1'
}

@test "create --config: another file than config.json, relative to the bundle" {
	program echo other
	target 'cd $bundle && mv config.json other.json && cd / && caisson run --bundle $bundle --config other.json $id && caisson run -b $bundle -f $bundle/other.json $id'
	is "$output" $'other\nother'
	target 'cp $bundle/other.json $bundle/config.json'
}

@test "create: a program that does not exist fails before start, naming it" {
	program /no/such/program
	target 'cd $bundle
		if caisson create $id 2>err; then caisson start $id 2>err && eventually has_status $id stopped && echo "start succeeded" || true; fi
		cat err'
	like "$output" '/no/such/program'
	unlike "$output" 'start succeeded'
}

@test "run: a program that does not exist is exit status 127 or 1, and named" {
	program no-such-program
	try caisson run "$id"
	((status == 127 || status == 1)) || fail 'exit status'
	refused no-such-program
}

@test "start: only a created container can be started" {
	program sleep 1000
	target 'cd $bundle && caisson create $id && caisson start $id && ! caisson start $id'
	[[ -n $stderr ]] || fail 'a refusal without a word'
}

@test "kill: any signal by name with or without SIG, by number, in any case; TERM without one" {
	program sh -c 'for s in HUP USR1 USR2 TERM INT; do trap "echo $s >>/tmp/got" $s; done; echo >/tmp/up; while :; do sleep 0.05; done'
	mount_at /tmp bind "$bundle" bind,rw
	target 'cd $bundle && caisson run -d $id >/dev/null && eventually test -e up
		n=0
		for s in HUP SIGUSR1 12 sigint ""; do
			caisson kill $id $s || echo "kill $s: $?"
			n=$((n + 1))
			eventually sh -c "[ \$(wc -l <got) = $n ]" 2>/dev/null
		done
		cat got'
	is "$output" $'HUP\nUSR1\nUSR2\nINT\nTERM'
}

@test "kill: real-time signals by number" {
	program sh -c 'trap "echo rt >/tmp/got" 36; echo >/tmp/up; while :; do sleep 0.05; done'
	mount_at /tmp bind "$bundle" bind,rw
	target 'cd $bundle && caisson run -d $id >/dev/null && eventually test -e up && caisson kill $id 36 && eventually test -s got && cat got'
	is "$output" rt
}

@test "kill: a signal that does not exist is refused by its name" {
	sleeping
	for bad in NOSUCH 0x9 999 -1 ''; do
		[[ -n $bad ]] || continue
		try caisson kill "$id" "$bad"
		refused
	done
	target 'status_of $id'
	is "$output" running
}

@test "kill: a stopped container is an error that says so" {
	program true
	target 'cd $bundle && caisson create $id && caisson start $id && eventually has_status $id stopped'
	try caisson kill "$id" KILL
	refused 'not running|stopped|no such process'
}

@test "kill --all: reaches every process of the container" {
	without_namespace pid
	program sh -c 'sleep 1001 & sleep 1002 & wait'
	target 'three() { [ "$(caisson ps $id | wc -l)" = 4 ]; }
		cd $bundle && caisson run -d $id && c=$(cgroup_of $(pid_of $id)) &&
		eventually three && caisson kill --all $id KILL &&
		eventually sh -c "! grep -q . $c/cgroup.procs" && echo all'
	is "$output" all
	program sh -c 'for i in 1 2; do sh -c "trap \"echo got >>/tmp/got; exit\" USR1; echo >>/tmp/up; while :; do sleep 0.05; done" & done; trap : USR1; while :; do wait; done'
	mount_at /tmp bind "$bundle" bind,rw
	target 'two() { [ "$(wc -l <$1 2>/dev/null)" = 2 ]; }
		cd $bundle && caisson delete --force $id; caisson run -d $id && eventually two up && caisson kill --all $id USR1 && eventually two got && status_of $id'
	is "$output" running
}

@test "kill KILL: without a pid namespace it reaches what outlived the first process, then says stopped" {
	namespaces_only 'a kernel of its own ends with its first process'
	without_namespace pid
	program sh -c 'sleep 1001 & exit 0'
	target 'cd $bundle && caisson create $id && c=$(cgroup_of $(pid_of $id)) && caisson start $id &&
		eventually has_status $id stopped && grep -q . $c/cgroup.procs && caisson kill $id TERM 2>/dev/null; echo $?
		caisson kill $id KILL && eventually sh -c "! grep -q . $c/cgroup.procs" && echo all'
	is "$output" $'1\nall'
	try caisson kill "$id" KILL
	refused 'not running'
}

@test "kill -a: is short for --all" {
	sleeping
	target 'caisson kill -a $id KILL && eventually has_status $id stopped && status_of $id'
	is "$output" stopped
}

@test "kill: a created container can be killed, and deleted" {
	program sleep 1000
	target 'cd $bundle && caisson create $id && caisson kill $id KILL && eventually has_status $id stopped && caisson delete $id && echo deleted'
	is "$output" deleted
}

@test "delete: a running container is refused, --force kills it first" {
	sleeping
	try caisson delete "$id"
	refused 'running|stopped'
	target 'pid=$(pid_of $id) && c=$(cgroup_of $pid) && caisson delete --force $id && [ ! -d $c ] && eventually [ ! -e /proc/$pid ] && echo gone'
	is "$output" gone
}

@test "delete: children that outlive the first process die with the container" {
	without_namespace pid
	program sh -c 'sleep 1000 & exit 0'
	target 'cd $bundle && caisson create $id && c=$(cgroup_of $(pid_of $id)) && caisson start $id && eventually has_status $id stopped
		caisson delete $id || caisson delete --force $id; [ ! -d $c ] && echo gone'
	is "$output" gone
}

@test "list: a table, JSON as go-runc parses it, and -q only ids" {
	sleeping
	caisson list
	like "$output" 'ID.*PID.*STATUS.*BUNDLE'
	like "$output" "$id +[0-9]+ +running +$bundle"
	caisson list --format json
	json 'type == "array" and length >= 1'
	is "$(jq -r --arg id "$id" '.[] | select(.id == $id) | .status' <<<"$output")" running
	is "$(jq -r --arg id "$id" '.[] | select(.id == $id) | (.pid | type)' <<<"$output")" number
	is "$(jq -r --arg id "$id" '.[] | select(.id == $id) | .bundle' <<<"$output")" "$bundle"
	caisson list -q
	like "$output" "(^|.)$id"
	unlike "$output" 'running'
	caisson list --format=json
	json 'type == "array"'
}

@test "list: without containers, in a root that does not exist, is an empty list" {
	target '"$CAISSON" --root $T/no-root list --format json; "$CAISSON" --root $T/no-root list -q; [ ! -e $T/no-root/x ]; rm -rf $T/no-root'
	json '. == null or . == []'
}

@test "ps: JSON is an array of pids of this machine" {
	if vm_differs 'of this machine are the monitor, and what stands for each exec'; then
		sleeping
		target 'caisson exec --detach $id sleep 1000; caisson ps --format json $id'
	else
		program sh -c 'sleep 1000 & wait'
		target 'cd $bundle && caisson run -d $id && c=$(cgroup_of $(pid_of $id)) && eventually sh -c "[ \$(wc -l <$c/cgroup.procs) = 2 ]" && caisson ps --format json $id'
	fi
	json 'type == "array" and length == 2 and all(.[]; type == "number")'
	target 'caisson ps -f json $id >$bundle/j; for p in $(tr "[]," "   " <$bundle/j); do kill -0 $p && echo alive; done'
	is "$output" $'alive\nalive'
}

@test "ps: a table of the container's processes, with ps options" {
	sleeping
	caisson ps "$id"
	like "$output" 'PID'
	like "$output" 'sleep'
	caisson ps "$id" -o pid,comm
	like "$output" 'COMMAND'
}

@test "pause and resume: state says paused, no process runs meanwhile" {
	program sh -c 'while :; do echo >>/tmp/beats; sleep 0.02; done'
	mount_at /tmp bind "$bundle" bind,rw
	target 'cd $bundle && caisson run -d $id && eventually test -s beats && caisson pause $id && status_of $id
		a=$(wc -l <beats); sleep 0.3; b=$(wc -l <beats); [ $a = $b ] || echo "beats while paused: $a $b"
		caisson resume $id && status_of $id && eventually sh -c "[ \$(wc -l <beats) -gt $b ]" && echo beats'
	is "$output" $'paused\nrunning\nbeats'
}

@test "pause: a paused container can be killed and deleted" {
	sleeping
	target 'caisson pause $id && caisson kill $id KILL && (caisson resume $id 2>/dev/null; eventually has_status $id stopped) && caisson delete $id && echo gone'
	is "$output" gone
	program sleep 1000
	caisson run --detach "$id"
	target 'caisson pause $id && caisson delete --force $id && echo forced'
	is "$output" forced
}

@test "resume: a container that is not paused is refused" {
	sleeping
	try caisson resume "$id"
	refused
}

@test "pid file: holds the pid of the container's process, written before create returns" {
	program sleep 1000
	target 'cd $bundle && caisson create --pid-file $bundle/pid $id && [ "$(cat pid)" = "$(pid_of $id)" ] && echo same'
	is "$output" same
}

@test "create: the process waits in its namespaces, and nothing of the program runs" {
	program sh -c 'echo ran >/tmp/out; sleep 1000'
	mount_at /tmp bind "$bundle" bind,rw
	target 'cd $bundle && caisson create $id && p=$(pid_of $id) && for n in pid net ipc uts mnt; do
		[ "$(readlink /proc/$p/ns/$n)" != "$(readlink /proc/self/ns/$n)" ] || echo "same $n"
	done; [ ! -e out ] && caisson start $id && eventually test -s out && cat out'
	is "$output" ran
}

@test "environment and arguments: exactly those of the configuration" {
	config '.process.env = ["PATH=/bin", "A=b c", "EMPTY="]'
	program env
	caisson run "$id"
	like "$output" $'A=b c'
	like "$output" 'EMPTY='
	is "$(grep -cv '^PATH=\|^A=\|^EMPTY=\|^HOME=' <<<"$output")" 0
	program printf '%s|' one 'two words' '' '*'
	caisson run "$id"
	is "$output" 'one|two words||*|'
}

@test "HOME: is set from the root file system's passwd when the configuration does not" {
	program sh -c 'echo $HOME'
	caisson run "$id"
	is "$output" /root
	config '.process.env += ["HOME=/elsewhere"]'
	caisson run "$id"
	is "$output" /elsewhere
}

@test "cwd: the program starts there; one that is missing is made or refused" {
	config '.process.cwd = "/var"'
	container pwd
	is "$output" /var
	own_rootfs
	config '.process.cwd = "/does/not/exist"'
	container pwd
	((status != 0)) || is "$output" /does/not/exist
}

@test "config.json: a byte order of any field is fine, an unknown field is ignored" {
	config '.unknownField = {a: [1, 2]} | .linux.unknown = 1'
	container 'echo fine'
	is "$output" fine
}

@test "ociVersion: every 1.x runs, a later major one is refused" {
	versions='1.0.0 1.0.2-dev 1.1.0 1.2.1 1.3.0'
	if vm_differs 'a guest boots for each'; then versions='1.0.2-dev 1.3.0'; fi
	for version in $versions; do
		# shellcheck disable=SC2016 # of jq
		config '.ociVersion = $v' --arg v "$version"
		container "echo $version"
		is "$output" "$version"
	done
	for version in 2.0.0 3 x; do
		# shellcheck disable=SC2016 # of jq
		config '.ociVersion = $v' --arg v "$version"
		container true
		refused version
	done
}
