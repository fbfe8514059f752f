#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 40 s, vm 70 s
# Hooks: six kinds, their order, namespaces, state on standard input, timeouts, failure rules.
load lib/common.bash

# A hook of a kind that runs a shell script of the target, or of the container for the last argument.
hook() {
	local shell=/tmp/t/bin/sh
	[[ $1 != startContainer ]] || shell=/bin/sh
	# shellcheck disable=SC2016 # of jq
	config '.hooks[$k] += [{path: $p, args: ["sh", "-c", $s], env: ["PATH=/tmp/t/bin:/bin", "KIND=" + $k]} + $more]' \
		--arg k "$1" --arg p "$shell" --arg s "$2" --argjson more "${3:-{\}}"
}

@test "order: prestart, createRuntime, createContainer, startContainer, program, poststart, poststop" {
	mount_at /tmp bind "$bundle" bind,rw
	for k in prestart createRuntime poststart poststop; do hook $k "echo $k >>$bundle/order"; done
	hook createContainer "echo createContainer >>$bundle/order"
	hook startContainer 'echo startContainer >>/tmp/order'
	program sh -c 'echo program >>/tmp/order; sleep 1000'
	target 'cd $bundle && caisson create $id && echo created >>order && caisson start $id && eventually grep -q program order && eventually grep -q poststart order && caisson delete --force $id && cat order'
	like "$output" $'^prestart\ncreateRuntime\ncreateContainer\ncreated\nstartContainer\n'
	like "$output" 'program'
	like "$output" 'poststart'
	is "${output##*$'\n'}" poststop
}

@test "order: several hooks of a kind run in the order of the configuration" {
	for n in 1 2 3; do hook createRuntime "echo $n >>$bundle/order"; done
	container true
	target 'cat $bundle/order'
	is "$output" $'1\n2\n3'
}

@test "state: each hook gets it on standard input, with its status" {
	mount_at /tmp bind "$bundle" bind,rw
	config '.annotations = {key: "value"}'
	for k in prestart createRuntime createContainer poststart poststop; do hook $k "cat >$bundle/state-$k"; done
	hook startContainer 'cat >/tmp/state-startContainer'
	program sleep 1000
	target 'cd $bundle && caisson create $id && caisson start $id && pid_of $id >pid && eventually test -s state-poststart && caisson delete --force $id && cat pid && for k in prestart createRuntime createContainer startContainer poststart poststop; do tr -d "\n" <state-$k; echo; done'
	mapfile -t lines <<<"$output"
	is "${#lines[@]}" 7
	for i in 1 2 3 4 5 6; do
		# shellcheck disable=SC2016 # of jq
		jq -e --arg id "$id" --arg b "$bundle" '.id == $id and .bundle == $b and .ociVersion and .annotations.key == "value"' <<<"${lines[i]}" >/dev/null ||
			fail "state $i: ${lines[i]}"
	done
	is "$(jq -r .status <<<"${lines[1]}")" creating
	is "$(jq -r .status <<<"${lines[2]}")" creating
	is "$(jq -r .status <<<"${lines[3]}")" creating
	like "$(jq -r .status <<<"${lines[4]}")" '^(created|creating)$'
	is "$(jq -r .status <<<"${lines[5]}")" running
	is "$(jq -r .status <<<"${lines[6]}")" stopped
	is "$(jq -r .pid <<<"${lines[1]}")" "${lines[0]}"
	is "$(jq -r .pid <<<"${lines[5]}")" "${lines[0]}"
}

@test "namespaces: prestart, createRuntime, poststart, poststop in the caller's, createContainer and startContainer in the container's" {
	mount_at /tmp bind "$bundle" bind,rw
	for k in prestart createRuntime createContainer poststart poststop; do hook $k "readlink /proc/self/ns/uts >$bundle/$k; readlink /proc/self/ns/mnt >>$bundle/$k"; done
	hook startContainer 'readlink /proc/self/ns/uts >/tmp/startContainer; readlink /proc/self/ns/mnt >>/tmp/startContainer'
	program sleep 1000
	target 'cd $bundle && caisson run -d $id && p=$(pid_of $id) && { readlink /proc/$p/ns/uts; readlink /proc/$p/ns/mnt; } >inside; caisson exec $id readlink /proc/1/ns/uts /proc/1/ns/mnt >program; { readlink /proc/self/ns/uts; readlink /proc/self/ns/mnt; } >outside; eventually test -s poststart; caisson delete --force $id
		for k in prestart createRuntime createContainer startContainer poststart poststop; do cmp -s $k inside && echo "$k inside"; cmp -s $k outside && echo "$k outside"; done; cmp startContainer program; true'
	# In a virtual machine a startContainer hook runs under the guest's kernel, as the program does.
	if ! vm_differs 'numbers of namespaces of two kernels'; then output=${output/startContainer inside$'\n'/}; fi
	is "$output" $'prestart outside\ncreateRuntime outside\ncreateContainer inside\npoststart outside\npoststop outside'
}

@test "createRuntime: namespaces exist, the root is not entered: a hook can add to the network namespace" {
	hook createRuntime "p=\$(sed 's/.*\"pid\" *: *\\([0-9]*\\).*/\\1/' | tr -d '\n'); nsenter -t \$p -n hostname >$bundle/entered; readlink /proc/\$p/ns/net >$bundle/net"
	program sleep 1000
	target 'cd $bundle && caisson create $id && cat net && readlink /proc/$(pid_of $id)/ns/net && readlink /proc/self/ns/net && cat entered'
	mapfile -t lines <<<"$output"
	is "${lines[0]}" "${lines[1]}"
	[[ ${lines[0]} != "${lines[2]}" ]] || fail "the caller's"
	is "${#lines[@]}" 4
}

@test "createContainer: sees the container's mounts before pivot_root" {
	mount_at /mnt tmpfs tmpfs
	hook createContainer "grep -c ' /tmp/t/rootfs/mnt \| /mnt ' /proc/self/mountinfo >$bundle/seen"
	container true
	succeeded
	target 'cat $bundle/seen'
	is "$output" 1
}

@test "createContainer: works in the root file system, before it is entered" {
	own_rootfs
	hook createContainer ": >./mnt/made"
	container 'ls /mnt'
	is "$output" made
}

@test "startContainer: the path is the container's" {
	own_rootfs
	target 'printf "#!/bin/sh\necho \$1 >/proof\n" >$rootfs/bin/in-container && chmod +x $rootfs/bin/in-container'
	config '.hooks.startContainer = [{path: "/bin/in-container", args: ["in-container", "given"]}]'
	container true
	succeeded
	target 'cat $rootfs/proof'
	is "$output" given
}

@test "startContainer: without an environment of its own has the program's" {
	config '.process.env += ["ONE=two"] | .hooks.startContainer = [{path: "/bin/sh", args: ["sh", "-c", "test $ONE$HOME = two/root"]}]'
	container 'echo ran'
	succeeded
	is "$output" ran
}

@test "startContainer: is under the seccomp filter, as the program is" {
	for late in true false; do
		config '.process.noNewPrivileges = $late | .linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 100}]}' --argjson late "$late"
		config 'del(.hooks)'
		hook startContainer 'mkdir /dev/shm/made'
		try caisson run "$id"
		refused 'startContainer'
		like "$stderr" 'Network is down'
	done
}

@test "environment: exactly the hook's env; arguments exactly its args" {
	config '.hooks.prestart = [{path: "/bin/sh", args: ["zero", "-c", "/tmp/t/bin/env >'"$bundle"'/env; echo \"$0 $1\" >>'"$bundle"'/env", "a", "b c"], env: ["ONE=1"]}]'
	container true
	target 'grep -v "^PWD=\|^SHLVL=\|^_=" $bundle/env'
	is "$output" $'ONE=1\na b c'
}

@test "a failing prestart, createRuntime or createContainer hook fails the creation, and nothing is left" {
	for k in prestart createRuntime createContainer; do
		config 'del(.hooks)'
		hook $k 'echo reason >&2; exit 3'
		hook poststop "echo $k >>$bundle/stopped"
		try caisson create "$id"
		refused 'hook'
		like "$stderr" "$k"
		target 'ls -A $ROOT | grep -v "^[.@]"; true'
		is "$output" ''
	done
}

@test "a failing startContainer hook fails the start" {
	hook startContainer 'exit 3'
	program sleep 1000
	caisson create "$id"
	try caisson start "$id"
	((status != 0)) || target 'eventually has_status $id stopped'
	try target 'has_status $id running'
	((status != 0)) || fail 'runs'
}

@test "a failing poststart hook is an error since 1.3, and ends the container; a failing poststop hook only a warning" {
	hook poststart 'exit 3'
	program sleep 1000
	caisson create "$id"
	try caisson start "$id"
	refused 'poststart'
	try caisson state "$id"
	refused 'does not exist'
	config 'del(.hooks)'
	hook poststop 'exit 3'
	hook poststop "echo second >$bundle/second"
	program true
	caisson run "$id"
	target 'cat $bundle/second'
	is "$output" second
}

@test "timeout: a hook that takes longer is killed, with its children, and fails" {
	limit=20
	hook createRuntime 'sleep 1000; exit 0' '{"timeout": 1}'
	try caisson create "$id"
	refused 'timeout|timed out|longer than'
	target '! pgrep -f "[s]leep 1000"'
}

@test "timeout: one that is long enough does nothing" {
	hook createRuntime "echo ran >$bundle/ran" '{"timeout": 30}'
	container true
	succeeded
	target 'cat $bundle/ran'
	is "$output" ran
}

@test "a hook that does not exist is named" {
	config '.hooks.createRuntime = [{path: "/no/such/hook"}]'
	try caisson create "$id"
	refused '/no/such/hook'
}

@test "a hook that reads nothing of a big state, and one that closes its input, do not hang or fail" {
	config '.annotations = {big: ("x" * 200000)}'
	hook createRuntime 'exec <&-; exit 0'
	hook createRuntime 'exit 0'
	container 'echo ran'
	is "$output" ran
}
