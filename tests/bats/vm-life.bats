#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 300 s
# bats file_tags=machine,vm
# A virtual machine's unlucky moments: an agent that is none, one that is lost, memory that ends, a
# monitor that is killed or stopped at any time. The caller gets one line with the cause, and nothing
# is left behind. Needs ISOLATION=vm.
load lib/common.bash

setup_file() {
	[[ ${ISOLATION-} == vm ]] || return 0
	local top
	top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	make -s -C "$top" vm-test-tools >&2
	"$top/tests/machine/run" --stdin --timeout 60 --sh 'cat >/tmp/t/guest/wrong-agent.cpio' \
		<"$top/build/vm/wrong-agent.cpio"
}

test_setup() {
	[[ $ISOLATION == vm ]] || skip 'is about virtual machines: ISOLATION=vm'
	limit=200
}

one_line() {
	[[ -n $stderr && $(wc -l <<<"$stderr") == 1 ]] || fail 'not one line'
}

nothing_left() {
	target 'made_containers; find /sys/fs/cgroup -name "*$id*"; orphans; grep -F "$bundle" /proc/self/mountinfo; true'
	is "$output" ''
}

# Runs a container whose agent is wrong in this way, for which 6 s are waited.
with_agent() {
	local word=$1
	shift
	try target 'cd $bundle && flags= && echo "{\"vm\": {\"kernel\": \"/tmp/t/guest/vmlinux\",
		\"initrd\": \"/tmp/t/guest/wrong-agent.cpio\", \"timeout\": 6,
		\"kernel_parameters\": [\"noxsave\", \"agent=$1\"]}}" >settings.json
		shift && caisson --settings $bundle/settings.json --isolation vm "$@"' "$word" "$@"
}

@test "an agent of another protocol version: one line that says what to install" {
	with_agent version run "$id"
	refused 'agent is of another version of caisson: install program and agent together'
	one_line
	nothing_left
}

@test "an agent that ends before it greets: the panic that follows" {
	with_agent ends run "$id"
	refused 'the guest ended: .*panic'
	one_line
	nothing_left
}

@test "an agent that never greets, and one that greets and never answers: how long was waited" {
	with_agent mute run "$id"
	refused 'agent did not answer within 6 s.*an agent that is mute'
	one_line
	with_agent deaf run "$id"
	refused 'agent did not answer within 6 s'
	one_line
	nothing_left
}

@test "an agent that greets with garbage, with half a message, or takes no connection: one line" {
	local word
	for word in garbage half refuses; do
		with_agent "$word" run "$id"
		refused 'agent'
		one_line
	done
	nothing_left
}

@test "an agent whose answers are none, or are for a terminal: one printable line" {
	with_agent lies run "$id"
	refused 'agent'
	one_line
	with_agent insults run "$id"
	refused 'first line'
	one_line
	[[ $stderr != *$'\033'* ]] || fail 'an escape sequence reached the terminal'
	nothing_left
}

@test "an agent that dies at the first request: the guest's panic is the cause" {
	with_agent dies run "$id"
	refused 'the guest ended: .*panic'
	one_line
	nothing_left
}

@test "create with a wrong agent leaves nothing either, and names the container's id free" {
	with_agent dies create "$id"
	refused 'panic'
	one_line
	program true
	caisson run "$id"
}

@test "the guest is lost while the program runs: run says why, status 255; detached, the log does" {
	all_capabilities
	# Without a namespace of its own a process may reset the machine.
	config '.process.capabilities |= map_values(. + ["CAP_SYS_BOOT"]) | .linux.namespaces |= map(select(.type != "pid"))'
	program tool syscall 169 0xfee1dead 672274793 0x1234567 0 0
	try caisson run "$id"
	is "$status" 255
	like "$stderr" 'the guest ended'
	one_line
	target 'cd $bundle && caisson run -d $id && eventually has_status $id stopped && tail -n 1 $ROOT/$id/guest.log && caisson delete $id'
	like "$output" 'the guest ended'
	nothing_left
}

@test "memory that ends in the guest, with a limit and without: status 137, and run says it in one line" {
	config '.linux.resources.memory = {limit: 67108864}'
	mount_at /big tmpfs tmpfs size=1g
	program dd if=/dev/zero of=/big/file bs=1M
	try caisson run "$id"
	is "$status" 137
	is "$stderr" "caisson: warning: container $id was killed by the kernel: memory limit 67108864 reached; raise linux.resources.memory.limit"
	config 'del(.linux.resources.memory)'
	program awk 'BEGIN { while (1) a[i++] = sprintf("%100000s", i) }'
	try caisson run "$id"
	is "$status" 137
	like "$stderr" 'memory limit 268435456 reached'
	one_line
	nothing_left
}

@test "a guest that hangs: exec says so within 10 s, kill KILL and delete --force end it" {
	sleeping
	# The whole guest stands still with its monitor.
	try target 'kill -STOP $(pid_of $id); b=$(date +%s); caisson exec $id true; s=$?; e=$(date +%s)
		[ $((e - b)) -le 15 ] || echo "took $((e - b)) s"; exit $s'
	refused 'did not answer within 10 s'
	one_line
	is "$output" ''
	target 'b=$(date +%s); caisson kill $id KILL && eventually has_status $id stopped && caisson delete $id; e=$(date +%s)
		[ $((e - b)) -le 6 ] || echo "took $((e - b)) s"'
	is "$output" ''
	sleeping
	target 'kill -STOP $(pid_of $id); caisson delete --force $id'
	nothing_left
}

@test "exec and others on a container whose monitor was killed: one line, not a hang" {
	sleeping
	try target 'kill -KILL $(pid_of $id); eventually has_status $id stopped; caisson exec $id true; s=$?
		caisson ps $id 2>&1 | wc -l; caisson kill $id TERM 2>&1 | wc -l; exit $s'
	refused 'not running'
	one_line
	target 'caisson delete $id'
	nothing_left
}

@test "a monitor killed while an exec runs: the exec ends with one line and 255" {
	sleeping
	try target 'caisson exec $id sleep 1000 & e=$!; sleep 1; kill -KILL $(pid_of $id); wait $e'
	is "$status" 255
	one_line
	# Also where the kernel ends what stands for it, with its namespace, before it can say a word.
	target 'caisson delete --force $id; cd $bundle; caisson run -d $id'
	try target '"$CAISSON" --root $ROOT $flags exec $id sleep 1000 & e=$!; sleep 1; kill -STOP $(pgrep -P $e); kill -KILL $(pid_of $id); wait $e'
	is "$status" 255
	one_line
	# Killed alone it is as its program would be.
	target 'caisson delete --force $id; cd $bundle; caisson run -d $id'
	try target '"$CAISSON" --root $ROOT $flags exec $id sleep 1000 & e=$!; sleep 1; kill -KILL $(pgrep -P $e); wait $e'
	is "$status" 137
	target 'caisson delete --force $id'
	nothing_left
}

@test "SIGKILL of the monitor at 20 points of a creation: state is readable, delete --force clears all" {
	program sleep 1000
	# Delays from nothing to a little more than a creation takes.
	target 'now() { cut -d" " -f1 /proc/uptime | tr -d .; }
		cd $bundle; b=$(now); caisson create $id; took=$(($(now) - b)); caisson delete --force $id
		for i in $(seq 0 19); do
			caisson create $id >/dev/null 2>err & p=$!; usleep $((took * 550 * i))
			# The monitor is what create made: its child, in time.
			for child in $(cat /proc/$p/task/$p/children 2>/dev/null) $(pid_of $id 2>/dev/null); do [ $child = 0 ] || kill -KILL $child 2>/dev/null; done
			wait $p && made=$((made + 1)) || [ "$(wc -l <err)" = 1 ] || { echo "$i: $(cat err)"; }
			caisson state $id >state 2>err || grep -q "does not exist" err || echo "$i: state: $(cat err)"
			caisson list >/dev/null || echo "$i: list"
			caisson delete --force $id || echo "$i: delete"
		done; [ "${made-0}" -lt 15 ] || echo "$made of 20 were whole"'
	is "$output" ''
	nothing_left
}

@test "SIGKILL of create, exec, kill, delete and of the monitor at 12 points of a life" {
	program sleep 1000
	target 'cd $bundle; for i in $(seq 0 11); do
			caisson run -d $id || echo "$i: run"; pid=$(pid_of $id)
			case $((i % 4)) in
			0) caisson exec $id true >/dev/null 2>&1 & ;;
			1) caisson kill $id KILL >/dev/null 2>&1 & ;;
			2) caisson pause $id >/dev/null 2>&1 & ;;
			3) caisson delete --force $id >/dev/null 2>&1 & ;;
			esac; p=$!; usleep $((i * 15000)); kill -KILL $p 2>/dev/null; [ $((i % 2)) = 0 ] || kill -KILL $pid 2>/dev/null; wait $p 2>/dev/null
			caisson list >/dev/null || echo "$i: list"; caisson delete --force $id || echo "$i: delete"
		done'
	is "$output" ''
	nothing_left
}

# ---- signals

@test "signals reach the program as themselves, real-time ones too, and in their number" {
	program sh -c 'for s in 1 2 3 10 12 15 34 40 50 64; do trap "echo $s >>/tmp/got" $s; done; echo >/tmp/up; while :; do sleep 0.05; done'
	mount_at /tmp bind "$bundle" bind,rw
	target 'cd $bundle && caisson run -d $id && eventually test -e up
		for s in 64 50 40 34 15 12 10 3 2 1; do
			caisson kill $id $s || echo "kill $s: $?"
			n=$((n + 1)); eventually sh -c "[ \$(wc -l <got) = $n ]" 2>/dev/null || echo "$s did not arrive"
		done; tr "\n" " " <got'
	is "$output" '64 50 40 34 15 12 10 3 2 1 '
}

@test "signals sent to the host process are the program's; its death by one is 128 + N" {
	program sh -c 'trap "exit 41" 41; echo >/tmp/up; while :; do sleep 0.05; done'
	mount_at /tmp bind "$bundle" bind,rw
	try target 'cd $bundle && (caisson run $id; echo $? >status) & cd $bundle; eventually test -e up; kill -41 $(pid_of $id); wait; cat status'
	is "$output" 41
	program sh -c 'sh -c "kill -38 \$\$"; exit $?'
	try caisson run "$id"
	is "$status" 166
}

# ---- pause

@test "paused for 25 s: the clocks go on, no watchdog barks, sleepers wake" {
	limit=120
	program sh -c 'echo >/tmp/up; sleep 3; echo >/tmp/slept; exec sleep 1000'
	mount_at /tmp bind "$bundle" bind,rw
	target 'cd $bundle && caisson run -d $id && eventually test -e up && caisson pause $id && sleep 25 && caisson resume $id &&
		a=$(caisson exec $id date +%s) && b=$(date +%s) && [ $((b - a)) -le 1 ] && [ $((a - b)) -le 1 ] && echo right
		eventually test -e slept && echo woke
		b=$(date +%s); caisson exec $id sleep 2; e=$(date +%s); [ $((e - b)) -ge 2 ] && [ $((e - b)) -le 8 ] && echo "sleeps well"
		grep -ciE "soft lockup|rcu.*stall|hung task|watchdog|unstable" $ROOT/$id/guest.log'" || true"
	is "$output" $'right\nwoke\nsleeps well\n0'
}

# ---- what was written

@test "what was written through a mapping, which nobody told the kernel of, is there after kill KILL and delete --force, as in a namespace container" {
	own_rootfs
	mount_at /data bind "$bundle" bind,rw
	program tool map-write /data/file
	local way
	for isolation in vm namespace; do
		for way in 'caisson kill $id KILL' 'caisson delete --force $id'; do
			flags="--isolation $isolation --settings /tmp/t/settings.json"
			target 'cd $bundle && rm -f file && caisson run -d $id >said && eventually grep -q written said &&
				'"$way"' && gone() { ! has_status $id running 2>/dev/null; }; eventually gone; caisson delete --force $id
				grep -c "^x\{63\}$" file'
			[[ $output == 16384 ]] || fail "$isolation, $way: $output lines of 16384"
		done
	done
}

# A writer counts on standard output what it has written: so much must be there at least.
@test "what the program was told is written is there, killed in any way, as in a namespace container" {
	own_rootfs
	mount_at /data bind "$bundle" bind,rw
	program sh -c 'i=0; while :; do i=$((i + 1)); echo line $i >>/data/$0; echo line $i >>/$0; echo $i; done' file
	local way
	for isolation in vm namespace; do
		for way in 'caisson kill $id KILL' 'kill -KILL $(pid_of $id)' 'caisson delete --force $id'; do
			flags="--isolation $isolation --settings /tmp/t/settings.json"
			target 'cd $bundle && rm -f file rootfs/file && caisson run -d $id >said && eventually sh -c "[ \$(wc -l <said) -gt 50 ]" &&
				'"$way"' && gone() { ! has_status $id running 2>/dev/null; }; eventually gone; caisson delete --force $id
				said=$(tail -n 1 said); for f in file rootfs/file; do
					[ "$(wc -l <$f)" -ge "$said" ] || echo "$f has $(wc -l <$f) lines of $said"
					[ "$(grep -c "^line [0-9]*$" $f)" = "$(wc -l <$f)" ] || echo "$f is damaged"
				done'
			[[ -z $output ]] || fail "$isolation, $way: $output"
		done
	done
}
