#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 40 s, vm 90 s
# exec: a second process in a running container, by flags or by a process document.
load lib/common.bash

# A process document for --process: the configuration's own, changed by a jq filter.
process_file() {
	jq ".process | $1" "$BATS_TEST_TMPDIR/config.json" >"$BATS_TEST_TMPDIR/process.json"
	"$top/build/machine/run" --stdin --sh 'mkdir -p "$1" && cat >"$1/process.json"' -- "$bundle" <"$BATS_TEST_TMPDIR/process.json"
}

@test "exec: output, input and exit status are the process's" {
	sleeping
	try target 'echo typed | caisson exec $id sh -c "cat; echo err >&2; exit 9"'
	is "$status" 9
	is "$output" typed
	is "$stderr" err
}

@test "exec: a process that dies by signal N ends with 128 + N" {
	sleeping
	try caisson exec "$id" sh -c 'kill -KILL $$'
	is "$status" 137
}

@test "exec: all namespaces, the root and the cgroup are the container's" {
	config '.linux.namespaces += [{type: "time"}]'
	user_namespace
	sleeping
	target 'caisson exec --detach --pid-file $bundle/p $id sleep 1000; a=$(cat $bundle/p); b=$(pid_of $id)
		for n in cgroup ipc mnt net pid time user uts; do [ "$(readlink /proc/$a/ns/$n)" = "$(readlink /proc/$b/ns/$n)" ] || echo "other $n"; done
		[ "$(stat -L -c %d:%i /proc/$a/root)" = "$(stat -L -c %d:%i /proc/$b/root)" ] || echo "other root"
		[ "$(grep ^0:: /proc/$a/cgroup)" = "$(grep ^0:: /proc/$b/cgroup)" ] || echo "other cgroup"'
	is "$output" ''
}

@test "exec --process: everything of the document, and arguments of the container where it has none" {
	sleeping
	process_file '.args = ["sh", "-c", "id -u; id -g; pwd; echo $V; grep ^CapEff /proc/self/status; ulimit -n; cat /proc/self/oom_score_adj; umask"]
		| .user = {uid: 1000, gid: 1001, umask: 7} | .cwd = "/var" | .env = ["PATH=/bin", "V=value"] | .oomScoreAdj = 300
		| .rlimits = [{type: "RLIMIT_NOFILE", soft: 77, hard: 99}] | .capabilities = {}'
	caisson exec --process "$bundle/process.json" "$id"
	is "$output" $'1000\n1001\n/var\nvalue\nCapEff:\t0000000000000000\n77\n300\n0007'
}

@test "exec -p FILE --detach --pid-file: as conmon and containerd call it" {
	sleeping
	process_file '.args = ["sleep", "1000"]'
	target 'cd / && caisson exec --pid-file $bundle/p --process $bundle/process.json --detach $id && kill -0 $(cat $bundle/p) && caisson exec -d -p $bundle/process.json --pid-file $bundle/p2 $id && caisson ps --format json $id'
	json 'length == 3'
}

@test "exec --process: a wrong document is refused in one line" {
	sleeping
	process_file '.cwd = "relative"'
	try caisson exec --process "$bundle/process.json" "$id"
	refused cwd
	process_file '.args = 5'
	try caisson exec --process "$bundle/process.json" "$id"
	refused args
	try caisson exec --process /no/such/file "$id"
	refused '/no/such/file'
}

@test "exec --cwd --env --user --additional-gids" {
	sleeping
	caisson exec --cwd /var --env A=1 --env 'B=two words' --user 1000:1001 --additional-gids 7 -g 8 "$id" sh -c 'pwd; echo "$A $B"; id -u; id -g; grep ^Groups /proc/self/status'
	is "$output" $'/var\n1 two words\n1000\n1001\nGroups:\t7 8 '
	caisson exec -u 1000 -e X=y "$id" sh -c 'id -u; echo $X'
	is "$output" $'1000\ny'
}

@test "exec --user: without a group the configuration's or 0" {
	sleeping
	caisson exec --user 1234 "$id" sh -c 'id -u; id -g'
	is "$output" $'1234\n0'
}

@test "exec --cap and --no-new-privs" {
	config '.process.noNewPrivileges = false'
	sleeping
	caisson exec --cap CAP_NET_RAW --cap CAP_SYS_CHROOT "$id" grep ^CapEff /proc/self/status
	like "$output" '0*20042420'
	caisson exec --no-new-privs "$id" grep ^NoNewPrivs /proc/self/status
	like "$output" '1$'
	caisson exec "$id" grep ^NoNewPrivs /proc/self/status
	like "$output" '0$'
	try caisson exec --cap CAP_LUCK "$id" true
	refused CAP_LUCK
}

@test "exec: the container's capabilities, rlimits and noNewPrivileges are the default" {
	sleeping
	caisson exec "$id" sh -c 'grep "^CapEff\|^NoNewPrivs" /proc/self/status; ulimit -n'
	is "$output" $'CapEff:\t0000000020000420\nNoNewPrivs:\t1\n1024'
}

@test "exec: a program that does not exist is named; exit status 127 or 255" {
	sleeping
	try caisson exec "$id" no-such-program
	refused no-such-program
	((status == 127 || status == 255 || status == 1)) || fail 'exit status'
}

@test "exec: 127 and 126 are for the program; what else fails is 255" {
	sleeping
	try caisson exec "$id" /no/such/program
	is "$status" 127
	try caisson exec "$id" /etc
	is "$status" 126
	try caisson exec --pid-file /no/such/directory "$id" true
	is "$status" 255
	try caisson exec --cgroup no/such "$id" true
	if vm_differs "the guest looks for it, as for the program"; then is "$status" 127; else is "$status" 255; fi
}

@test "exec --env: replaces what the configuration has, the last one counts" {
	sleeping
	caisson exec -e PATH=/bin:/first -e ONE=1 -e ONE=2 "$id" sh -c 'env | grep -c "^PATH=\|^ONE="; echo $PATH $ONE'
	is "$output" $'2\n/bin:/first 2'
}

@test "exec --cap: ambient too where the configuration makes it inheritable, and no further" {
	config '.process.capabilities = {bounding: ["CAP_KILL", "CAP_CHOWN"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"], inheritable: ["CAP_KILL", "CAP_CHOWN"]}'
	sleeping
	caisson exec --cap CAP_CHOWN --cap CAP_FOWNER "$id" grep '^CapAmb\|^CapInh' /proc/self/status
	is "$output" $'CapInh:\t0000000000000021\nCapAmb:\t0000000000000001'
}

@test "exec: a cwd that does not exist is named" {
	sleeping
	try caisson exec --cwd /no/such/dir "$id" true
	refused '/no/such/dir|cwd'
}

@test "exec: into a container that is created, stopped or paused" {
	program sleep 1000
	target 'cd $bundle && caisson create $id && caisson exec $id echo in created'
	is "$output" 'in created'
	target 'caisson start $id && caisson pause $id'
	try caisson exec "$id" true
	refused pause
	# The process joins the frozen cgroup: it begins once the container is resumed.
	target 'caisson exec --ignore-paused --detach $id sleep 1000 & sleep 0.5; caisson resume $id && wait $! && caisson ps --format json $id'
	json 'length == 2'
	target 'caisson kill $id KILL && eventually has_status $id stopped'
	try caisson exec "$id" true
	refused 'stopped|not running'
}

@test "exec --detach: returns while the process runs; it dies with the container" {
	sleeping
	target 'caisson exec -d --pid-file $bundle/p $id sleep 1000 && p=$(cat $bundle/p) && kill -0 $p && caisson delete --force $id && [ ! -e /proc/$p ] && echo dead'
	is "$output" dead
}

@test "exec: the process is not a child of process 1, and is reaped" {
	sleeping
	target 'for i in 1 2 3 4 5; do caisson exec $id true; done; caisson exec $id sh -c "ps | grep -c \" [Z] \""; true'
	is "$output" 0
}

@test "exec: 20 at once" {
	sleeping
	target 'for i in $(seq 20); do caisson exec $id echo $i & done | sort -n | tr "\n" " "; wait'
	is "$output" '1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 '
}

@test "exec: nothing of the runtime's descriptors is open in the process" {
	sleeping
	target 'exec 9</etc/passwd; caisson exec $id tool probe | grep ^fds'
	is "$output" 'fds: 0 1 2'
}

@test "exec --preserve-fds" {
	namespaces_only 'a descriptor cannot be passed into a guest'
	sleeping
	target 'echo content >$bundle/file; exec 3<$bundle/file 4</etc/passwd; caisson exec --preserve-fds 1 $id sh -c "cat <&3; ls /proc/self/fd | wc -l"'
	is "${output%%$'\n'*}" content
}

@test "exec: signals sent to the runtime reach the process" {
	sleeping
	target 'caisson exec $id sh -c "trap \"echo got\" USR1; echo up; i=0; while [ \$i -lt 100 ]; do sleep 0.05; i=\$((i+1)); done" >$bundle/out & p=$!
		eventually grep -q up $bundle/out; kill -USR1 $(pgrep -f "^$CAISSON --root.* exec $id") ; eventually grep -q got $bundle/out; cat $bundle/out; caisson delete --force $id'
	is "$output" $'up\ngot'
}

@test "exec --cgroup: the process is in the sub-cgroup" {
	config '(.mounts[] | select(.type == "cgroup") | .options) -= ["ro"]'
	sleeping
	target 'c=$(cgroup_of $(pid_of $id)); caisson exec $id mkdir /sys/fs/cgroup/sub && caisson exec --cgroup sub $id grep ^0:: /proc/self/cgroup && caisson exec --cgroup /sub/ $id grep ^0:: /proc/self/cgroup; caisson exec --cgroup / $id grep ^0:: /proc/self/cgroup; caisson delete --force $id; [ ! -d $c ] && echo gone'
	is "$output" $'0::/sub\n0::/sub\n0::/\ngone'
}

@test "exec: in a container with a user namespace, as its root and as a mapped user" {
	user_namespace
	sleeping
	caisson exec "$id" id -u
	is "$output" 0
	caisson exec --user 1000:1000 "$id" sh -c 'id -u; grep ^CapEff /proc/self/status'
	is "$output" $'1000\nCapEff:\t0000000000000000'
}

@test "exec: HOME is that of the user" {
	sleeping
	caisson exec --user 1000:1000 "$id" sh -c 'echo $HOME'
	is "$output" /home
}

@test "exec: without arguments is refused" {
	sleeping
	try caisson exec "$id"
	refused
}
