#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 120 s
# The container's cgroup: where it is, its limits, freeze, kill, delete.
load lib/common.bash

# Starts the container, runs a script in its cgroup's directory ($c).
in_cgroup() {
	program sleep 1000
	target "cd \$bundle && caisson run -d \$id && c=\$(cgroup_of \$(pid_of \$id)) && cd \$c && $1"
}

@test "cgroupsPath: absolute is below the root of the hierarchy, made as needed, removed with the container" {
	config '.linux.cgroupsPath = "/caisson-'"$id"'/deep/er"'
	in_cgroup 'echo ${c#/sys/fs/cgroup}; caisson delete --force $id; cd /; [ ! -d $c ] && echo gone; rmdir /sys/fs/cgroup/caisson-$id/deep /sys/fs/cgroup/caisson-$id 2>/dev/null; true'
	is "$output" "/caisson-$id/deep/er"$'\ngone'
}

@test "cgroupsPath: relative, and absent" {
	config '.linux.cgroupsPath = "relative-'"$id"'"'
	in_cgroup 'echo ${c##*/}'
	like "$output" "relative-$id"
	caisson delete --force "$id"
	config 'del(.linux.cgroupsPath)'
	in_cgroup 'echo ${c##*/}'
	like "$output" "$id"
}

@test "cgroupsPath: .. does not leave the hierarchy" {
	config '.linux.cgroupsPath = "/../../../tmp/t/bundles/'"$id"'-escape"'
	container true
	target '[ ! -e /tmp/t/bundles/$id-escape ] && echo inside; find /sys/fs/cgroup -depth -name "$id-escape" -exec rmdir {} + ; rmdir /sys/fs/cgroup/tmp/t/bundles /sys/fs/cgroup/tmp/t /sys/fs/cgroup/tmp 2>/dev/null; true'
	is "$output" inside
}

# bats test_tags=machine
@test "memory: limit, reservation, swap" {
	namespaces_only 'those of the host have the machine on top: vm-limits.bats'
	config '.linux.resources = {memory: {limit: 67108864, reservation: 33554432, swap: 100663296}}'
	in_cgroup 'cat memory.max memory.low memory.swap.max'
	is "$output" $'67108864\n33554432\n33554432'
}

# bats test_tags=machine
@test "cpu: shares, quota and period, idle, cpus" {
	config '.linux.resources = {cpu: {shares: 1024, quota: 20000, period: 50000, cpus: "0"}}'
	in_cgroup 'cat cpu.max cpuset.cpus; cat cpu.weight'
	like "$output" $'^20000 50000\n0\n(39|100|79)$'
}

# bats test_tags=machine
@test "pids: limit holds" {
	config '.linux.resources = {pids: {limit: 5}}'
	program sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo survived'
	try caisson run "$id"
	unlike "$output" survived
	if ! vm_differs 'that of the host has the machine on top'; then
		in_cgroup 'cat pids.max'
		is "$output" 5
	fi
}

# bats test_tags=machine
@test "unified: files are written as they are; one that does not exist is named" {
	config '.linux.resources = {unified: {"memory.high": "50331648", "pids.max": "17"}}'
	in_cgroup 'cat memory.high pids.max'
	vm_differs 'those of the host have the machine on top' || is "$output" $'50331648\n17'
	caisson delete --force "$id"
	config '.linux.resources = {unified: {"memory.nosuch": "1"}}'
	container true
	refused 'memory.nosuch'
}

# bats test_tags=machine
@test "memory: a program above the limit is killed, and a limit too low for the start says so" {
	config '.linux.resources = {memory: {limit: 16777216, swap: 16777216}}'
	program sh -c 'head -c 100000000 /dev/zero | tail'
	try caisson run "$id"
	((status != 0)) || fail 'survived'
	config '.linux.resources = {memory: {limit: 4096}}'
	program true
	try caisson run "$id"
	refused 'memory'
}

# bats test_tags=machine
@test "memory: a container starts under a limit of 512 KiB" {
	config '.linux.resources = {memory: {limit: 524288}}'
	container 'exec true'
	succeeded
}

# bats test_tags=machine
@test "devices: what is not allowed cannot be opened" {
	all_capabilities
	config '.linux.resources.devices = [{allow: false, access: "rwm"}, {allow: true, type: "c", major: 1, minor: 5, access: "r"}]'
	mount_at /mnt tmpfs tmpfs
	container 'head -c 1 /dev/zero | wc -c; echo >/dev/null && echo null; mknod /mnt/mem c 1 1 2>/dev/null && head -c 1 /mnt/mem >/dev/null 2>&1 && echo opened; true'
	is "$output" $'1\nnull'
}

@test "freeze: pause writes cgroup.freeze, resume thaws" {
	in_cgroup 'caisson pause $id; cat cgroup.freeze; grep frozen cgroup.events; caisson resume $id; cat cgroup.freeze'
	is "$output" $'1\nfrozen 1\n0'
}

@test "delete: sub-cgroups that the container made are removed too" {
	in_cgroup 'mkdir -p a/b/c d && cd / && caisson delete --force $id && [ ! -d $c ] && echo gone'
	is "$output" gone
}

@test "the process is in its cgroup from its first moment" {
	program sleep 1000
	target 'cd $bundle && caisson create $id && c=$(cgroup_of $(pid_of $id)) && [ "$c" != "$(cgroup_of self)" ] && cat $c/cgroup.procs | wc -l'
	is "$output" 1
}

# bats test_tags=machine
@test "update: by flags and by a document on standard input, on a running container" {
	namespaces_only 'those of the host have the machine on top: vm-limits.bats'
	config '.linux.resources = {memory: {limit: 67108864}}'
	in_cgroup 'caisson update --memory 134217728 --pids-limit 33 $id && cat memory.max pids.max; echo "{\"memory\": {\"limit\": 50331648}, \"cpu\": {\"quota\": 30000, \"period\": 100000}}" | caisson update --resources - $id && cat memory.max cpu.max'
	is "$output" $'134217728\n33\n50331648\n30000 100000'
}

@test "a cgroup that has other processes in it is refused or shared, never emptied" {
	config '.linux.cgroupsPath = "/caisson-'"$id"'"'
	program sleep 1000
	target 'mkdir /sys/fs/cgroup/caisson-$id; sleep 1000 & p=$!; echo $p >/sys/fs/cgroup/caisson-$id/cgroup.procs
		cd $bundle && caisson run -d $id 2>/dev/null; caisson delete --force $id 2>/dev/null; kill -0 $p && echo alive; kill -KILL $p; wait $p 2>/dev/null; rmdir /sys/fs/cgroup/caisson-$id 2>/dev/null; true'
	is "$output" alive
}

@test "a creation that is killed before it made its cgroup: another's of that path is not cleared" {
	namespaces_only 'the cgroup is made by the same code for virtual machines'
	config '.linux.cgroupsPath = "/caisson-'"$id"'"'
	program sleep 1000
	target 'c=/sys/fs/cgroup/caisson-$id; mkdir $c; cd $bundle
		/bin/sh -c "echo \$\$ >$c/cgroup.procs; exec sleep 1000" & other=$!
		tool full-socket $bundle/socket >full & socket=$!; eventually test -s full
		caisson create --console-socket $bundle/socket $id & create=$!
		eventually test -s $ROOT/$id/config.json; sleep 0.2; status_of $id
		kill -KILL $(/usr/bin/pgrep -x caisson)
		wait $create; caisson delete --force $id; made_containers; kill -0 $other && grep -c . $c/cgroup.procs
		kill -KILL $other $socket; wait; rmdir $c'
	is "$output" $'creating\n1'
}

@test "a creation that is killed after it made its cgroup: that is cleared, with what runs in it" {
	namespaces_only 'the cgroup is made by the same code for virtual machines'
	config '.linux.cgroupsPath = "/caisson-'"$id"'" | .hooks.createRuntime = [{path: "/tmp/t/bin/sleep", args: ["sleep", "54321"]}]'
	program sleep 1000
	target 'c=/sys/fs/cgroup/caisson-$id; cd $bundle; caisson create $id & create=$!
		populated() { grep -qs "populated 1" $c/cgroup.events; }; eventually populated; sleep 0.2
		kill -KILL $create $(/usr/bin/pgrep -x caisson -P $create); wait $create
		[ -d $c ] && caisson delete --force $id; [ -d $c ] || echo gone
		kill -KILL $(/usr/bin/pgrep -xf "sleep 54321") 2>/dev/null; true'
	is "$output" gone
}

# On the host other programs come and go at the same time: a leak of one a cycle is what is looked for.
# $CYCLES is how often, where the usual number is not enough.
@test "create and delete, again and again: no cgroup, mount, process, bpf program, open file is left" {
	namespaces_only 'costs minutes with virtual machines'
	local cycles=1000
	# Emulated, a cycle costs a hundred times more
	[[ $TARGET == host ]] || cycles=100
	cycles=${CYCLES:-$cycles}
	limit=$((300 + cycles))
	program true
	config '.linux.resources = {devices: [{allow: false, access: "rwm"}]}'
	target 'programs() { /usr/bin/python3 -c "
import ctypes
libc, attr, n = ctypes.CDLL(None), (ctypes.c_uint32 * 8)(), 0
while libc.syscall(321, 11, ctypes.byref(attr), 32) == 0: # bpf(BPF_PROG_GET_NEXT_ID)
    attr[0], n = attr[1], n + 1
print(n)"; }
		count() { echo "$(find /sys/fs/cgroup -type d | wc -l) cgroups, $(wc -l </proc/self/mountinfo) mounts, $(made_containers | wc -l) states, $(orphans | wc -l) processes"; }
		cycle() { caisson create $id && caisson delete --force $id || echo failed; }
		cd $bundle; cycle; before=$(count) programs=$(programs) files=$(cut -f1 /proc/sys/fs/file-nr)
		i=0; while [ $i -lt '$cycles' ]; do cycle; i=$((i + 1)); done
		same() { [ "$(count)" = "$before" ]; }; eventually same || { echo "$before"; count; }
		few() { [ $(($(programs) - programs)) -lt '$((cycles / 2))' ]; }; eventually few || echo "$programs programs, then $(programs)"
		[ $(($(cut -f1 /proc/sys/fs/file-nr) - files)) -lt '$((cycles / 2))' ] || echo "$files open files, then $(cut -f1 /proc/sys/fs/file-nr)"'
	is "$output" ''
}

@test "--cgroup-manager disabled: needs no unified hierarchy; limits are the caller's, which --debug says" {
	namespaces_only 'is about this host'
	config '.mounts |= map(select(.type != "cgroup")) | .linux.resources = {memory: {limit: 67108864}}'
	program echo ran
	target 'cd $bundle; for debug in "" --debug; do unshare -m sh -c "/bin/umount -R /sys/fs/cgroup; mount -t tmpfs tmpfs /sys/fs/cgroup; $CAISSON --root $ROOT $debug --cgroup-manager disabled run $id" 2>err; grep -c . err; done; grep -c "left to the caller" err'
	like "$output" $'^ran\n0\nran\n[1-9][0-9]*\n1$'
}

@test "without a unified hierarchy: one line that says so" {
	namespaces_only 'is about this host'
	try target 'cd $bundle; unshare -m sh -c "/bin/umount -R /sys/fs/cgroup; mount -t tmpfs tmpfs /sys/fs/cgroup; $CAISSON --root $ROOT run $id"'
	refused 'cgroup'
	is "$(wc -l <<<"$stderr")" 1
}
