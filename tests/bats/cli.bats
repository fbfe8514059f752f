#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 40 s, vm 60 s
# The command line: version, help, log, spec, features, and what wrong use says.
load lib/common.bash

commands='create start state kill delete run exec list ps spec pause resume update events features'

@test "--version: three lines, as containerd and podman parse them" {
	caisson --version
	is "$(wc -l <<<"$output")" 3
	like "$output" $'^caisson version [0-9]+\\.[0-9]+[^\n]*\ncommit: [^\n]+\nspec: 1\\.3\\.0$'
}

@test "--help: names every command; each command has its own" {
	caisson --help
	for command in $commands; do like "$output" "$command"; done
	for command in $commands; do
		caisson "$command" --help
		like "$output" "$command"
	done
}

@test "without a command, or with an unknown one or flag: usage, and a status that is not 0" {
	try caisson
	((status != 0)) || [[ -n $output ]] || fail 'silence'
	try caisson frobnicate
	refused frobnicate
	try caisson run --no-such-flag x
	refused no-such-flag
	try caisson --no-such-flag list
	refused no-such-flag
}

@test "missing or too many arguments: refused with what is missing" {
	for command in create start state delete pause resume ps; do
		try caisson "$command"
		refused
	done
	for command in start state pause resume; do
		try caisson "$command" a b
		refused
	done
}

@test "flags: --flag value and --flag=value are the same, short ones too, single dash for long" {
	program sleep 1000
	target 'cd / && caisson create --bundle=$bundle --pid-file=$bundle/p1 $id && test -s $bundle/p1 && caisson delete -f $id &&
		caisson create -b $bundle $id && caisson delete --force=true $id && caisson create -bundle $bundle $id && echo created'
	is "$output" created
}

@test "flags: may follow the id, but what follows exec's and ps's belongs to them" {
	sleeping
	caisson exec "$id" echo --tty -d
	is "$output" '--tty -d'
	caisson ps "$id" -o pid,args
	like "$output" 'sleep'
	target 'caisson kill $id -a KILL && eventually has_status $id stopped && caisson delete $id --force && echo deleted'
	is "$output" deleted
}

@test "--log with --log-format json: an error is one JSON line with level, msg and time" {
	target 'caisson --log $bundle/log --log-format json state nobody 2>/dev/null; tail -n 1 $bundle/log'
	json '.level == "error" and (.msg | contains("nobody")) and (.time | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9:]+)$"))'
}

@test "--log with --log-format text, and a format that does not exist" {
	target 'caisson --log $bundle/log --log-format text state nobody 2>/dev/null; cat $bundle/log'
	like "$output" nobody
	try caisson --log-format xml list
	refused 'xml|format'
}

@test "--log: quotes, control characters and line feeds of an argument stay inside one JSON string" {
	target 'caisson --log $bundle/log --log-format json create --bundle "$(printf "/no\"such\n\001\\\\bundle")" x 2>/dev/null; cat $bundle/log'
	is "$(jq -s 'map(select(.level == "error")) | length >= 1' <<<"$output")" true
	target 'tail -n 1 $bundle/log'
	json '.msg | type == "string"'
}

@test "--log: errors are on stderr as well, in text" {
	try caisson --log "$bundle/log" --log-format json state nobody
	refused nobody
}

@test "--debug and --log-level: debug lines only when asked for" {
	program true
	target 'cd $bundle && caisson --log $bundle/quiet --log-format json run $id; caisson --debug --log $bundle/loud --log-format json run $id
		echo $(grep -c debug quiet) $(grep -c debug loud); caisson --log-level debug --log $bundle/level --log-format json run $id; grep -c debug level'
	like "$output" $'^0 [1-9][0-9]*\n[1-9]'
	try caisson --log-level nonsense list
	refused 'nonsense|level'
}

@test "spec: writes a config.json that runs as it is" {
	target 'mkdir -p $bundle/s && cd $bundle/s && cp -a /tmp/t/rootfs . && caisson spec && cat config.json'
	json '.process.args == ["sh"] and .root.path == "rootfs" and .process.terminal == true'
	json '.linux.namespaces | map(.type) | contains(["pid", "mount", "network", "uts", "ipc"])'
	try target 'cd $bundle/s && PTY_INPUT="echo in\$((40 + 2)); exit 5
" tool pty $CAISSON --root $ROOT $flags run $id'
	is "$status" 5
	like "$output" in42
}

@test "spec --bundle: writes there, and never over a file" {
	target 'mkdir $bundle/s && caisson spec --bundle $bundle/s && test -s $bundle/s/config.json && ! caisson spec --bundle $bundle/s'
	like "$stderr" exist
}

@test "spec --rootless: has a user namespace with the caller's ids, and no resources that need root" {
	target 'mkdir $bundle/s && caisson spec --rootless --bundle $bundle/s && cat $bundle/s/config.json'
	json '.linux.namespaces | map(.type) | contains(["user"])'
	json '.linux.uidMappings[0].containerID == 0 and .linux.uidMappings[0].size == 1'
	json '.linux.namespaces | map(.type) | contains(["network"]) | not'
}

@test "features: the specification's document" {
	caisson features
	json '.ociVersionMin and .ociVersionMax'
	json '.hooks | contains(["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"])'
	json '.mountOptions | contains(["bind", "rbind", "ro", "rro", "nosuid", "tmpcopyup", "idmap", "ridmap", "private", "rslave"])'
	json '.linux.namespaces | contains(["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"])'
	json '.linux.capabilities | contains(["CAP_SYS_ADMIN", "CAP_CHOWN"])'
	json '.linux.cgroup.v2 == true'
	json '.linux.seccomp.enabled == true and (.linux.seccomp.actions | contains(["SCMP_ACT_NOTIFY", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"]))'
	json '.linux.seccomp.operators | contains(["SCMP_CMP_EQ", "SCMP_CMP_MASKED_EQ"])'
	json '.linux.seccomp.archs | contains(["SCMP_ARCH_X86_64"])'
	json '.linux.mountExtensions.idmap.enabled == true'
	json '(.linux.apparmor | has("enabled")) and (.linux.selinux | has("enabled")) and (.linux.intelRdt | has("enabled"))'
	json '.potentiallyUnsafeConfigAnnotations | type == "array"'
}

@test "events --stats: one JSON line with the id and statistics" {
	sleeping
	caisson events --stats "$id"
	json '.type == "stats" and (.data.pids.current // 1) >= 1'
	is "$(jq -r .id <<<"$output")" "$id"
	json '.data | has("cpu") and has("memory")'
}

@test "events --interval: a line each time, until the container ends" {
	sleeping
	target 'timeout 20 $CAISSON --root $ROOT $flags events --interval 1s $id >$bundle/events & sleep 2.6; caisson kill $id KILL; wait $!; grep -c "\"stats\"" $bundle/events'
	((output >= 2)) || fail 'fewer than 2 lines'
}

@test "--root: two roots do not know each other's containers" {
	sleeping
	target '"$CAISSON" --root $T/other list -q; "$CAISSON" --root $T/other state $id 2>/dev/null || echo unknown; rm -rf $T/other'
	is "$output" unknown
}

@test "--root: long paths and paths with spaces work" {
	program sleep 1000
	target 'r="$T/a root/$(printf "x%.0s" $(seq 150))/y"; cd $bundle && "$CAISSON" --root "$r" $flags run -d $id && "$CAISSON" --root "$r" state $id | grep -c running
		"$CAISSON" --root "$r" delete --force $id; rm -rf "$T/a root"'
	is "$output" 1
}

@test "--root: a file in its place is named" {
	try target 'echo >$bundle/file; cd $bundle && "$CAISSON" --root $bundle/file create $id'
	refused file
}

@test "the state directory is the owner's only" {
	sleeping
	target 'stat -c %a $ROOT/$id'
	is "$output" 700
}

@test "containerd's way: --root --log --log-format, create with a pid file, start, kill 9, delete" {
	program sleep 1000
	target 'c() { "$CAISSON" --root $ROOT --log $bundle/log.json --log-format json $flags "$@"; }
		c create --bundle $bundle --pid-file $bundle/init.pid $id && c start $id && c state $id | grep -c running
		c ps --format json $id; c kill --all $id 9; eventually has_status $id stopped; c delete $id && echo deleted; c delete --force $id && echo none'
	like "$output" $'^1\n\\[[0-9]+\\]\ndeleted\nnone$'
}
