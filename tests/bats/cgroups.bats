#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 150 s
# bats file_tags=machine
# cgroup v2: limits, device filter, statistics, events, updates, delegation, both drivers. It needs
# every controller and a running systemd.
load lib/common.bash

test_setup() {
	namespaces_only 'the limits of a virtual machine are tested in vm-limits.bats'
}

resources() {
	# shellcheck disable=SC2016 # of jq
	config '.linux.resources += $r' --argjson r "$1"
}

cgroups_path() {
	# shellcheck disable=SC2016 # of jq
	config '.linux.cgroupsPath = $p' --arg p "$1"
}

files() {
	printf 'cd /sys/fs/cgroup && cat'
	printf ' %s' "$@"
}

@test "what the drivers do with a kernel, piece by piece (check_cgroup full)" {
	limit=200
	target '/tmp/t/bin/check_cgroup full'
	like "$output" '[1-9][0-9]* passed, 0 failed'
}

@test "what the systemd driver does with systemd, piece by piece (check_cgroup systemd)" {
	limit=200
	target '/tmp/t/bin/check_cgroup systemd'
	like "$output" '[1-9][0-9]* passed, 0 failed'
}

@test "linux.resources: the container sees its limits" {
	resources '{"memory": {"limit": 33554432, "reservation": 16777216}, "pids": {"limit": 20},
		"cpu": {"shares": 1024, "quota": 20000, "period": 100000, "cpus": "0", "mems": "0"},
		"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}],
		"unified": {"memory.high": "30000000", "memory.oom.group": "1"}}'
	container "$(files memory.max memory.low pids.max cpu.weight cpu.max cpuset.cpus cpuset.mems \
		hugetlb.2MB.max hugetlb.2MB.rsvd.max memory.high memory.oom.group)"
	succeeded
	is "$output" $'33554432\n16777216\n20\n100\n20000 100000\n0\n0\n4194304\n4194304\n29999104\n1'
}

@test "linux.resources: a container starts under a memory limit of 512 KiB, and of 384" {
	for limit_bytes in 524288 393216; do
		resources "{\"memory\": {\"limit\": $limit_bytes}}"
		container true
		succeeded
	done
}

@test "a memory limit too low for the container's start says so" {
	resources '{"memory": {"limit": 8192}}'
	program true
	try caisson create "$id"
	refused 'memory limit'
}

@test "linux.resources: what cgroup v2 cannot do, or a value out of range, is one line, and nothing is left" {
	check() {
		config 'del(.linux.resources)'
		resources "$1"
		program true
		try caisson create "$id"
		refused "$2"
		is "$(wc -l <<<"$stderr")" 1
		target 'ls -d /sys/fs/cgroup/*$id* 2>/dev/null; caisson state $id 2>/dev/null; true'
		is "$output" ''
	}
	check '{"memory": {"disableOOMKiller": true}}' 'disableOOMKiller'
	check '{"memory": {"swappiness": 60}}' 'swappiness'
	check '{"memory": {"limit": 4096, "swap": 1}}' 'memory.swap'
	check '{"cpu": {"realtimeRuntime": 950000}}' 'realtime'
	check '{"cpu": {"period": 17}}' 'cpu.period'
	check '{"cpu": {"cpus": "4000"}}' 'cpuset.cpus: cannot set 4000'
	check '{"network": {"classID": 1048577}}' 'network'
	check '{"pids": {"limit": 4194305}}' 'pids.limit'
	check '{"unified": {"memory.nonsense": "1"}}' 'memory.nonsense: cannot set 1'
	check '{"unified": {"cgroup.procs": "1"}}' 'unified'
	check '{"unified": {"../cgroup.procs": "1"}}' 'unified'
	check '{"blockIO": {"weight": 9}}' 'blockIO.weight'
	check '{"hugepageLimits": [{"pageSize": "3MB", "limit": 1}]}' 'hugetlb.3MB.max'
}

@test "linux.cgroupsPath: absolute, relative, by id; never above the hierarchy" {
	program sleep 1000
	cgroups_path "/$id-a/b"
	target 'cd $bundle && caisson run -d $id && sed -n s/^0:://p /proc/$(pid_of $id)/cgroup; caisson delete -f $id; rmdir /sys/fs/cgroup/$id-a && echo removed'
	is "$output" "/$id-a/b"$'\n'removed
	cgroups_path "$id-r"
	target 'cd $bundle && caisson run -d $id && c=$(cgroup_of $(pid_of $id)) && own=$(sed -n s/^0:://p /proc/self/cgroup) &&
		[ "$c" = "$(echo /sys/fs/cgroup/$(dirname $own)/$id-r | tr -s /)" ] && echo beside; caisson delete -f $id'
	is "$output" beside
	cgroups_path "/$id/../../x"
	try caisson create "$id"
	refused "'\.\.'"
}

@test "a cgroup with processes in it is not taken over" {
	cgroups_path "/$id-taken"
	program true
	try target 'mkdir /sys/fs/cgroup/$id-taken; sleep 100 & echo $! >/sys/fs/cgroup/$id-taken/cgroup.procs
		cd $bundle; caisson create $id; s=$?; kill $!; wait; rmdir /sys/fs/cgroup/$id-taken; exit $s'
	refused 'has processes in it'
}

@test "devices: the rules are in force, in their order, and the default devices stay" {
	all_capabilities
	resources '{"devices": [{"allow": false, "access": "rwm"},
		{"allow": true, "type": "c", "major": 1, "minor": 11, "access": "r"},
		{"allow": true, "type": "c", "major": 10, "access": "rw"},
		{"allow": false, "type": "c", "major": 10, "minor": 237, "access": "w"}]}'
	container 'cd /dev && mknod k c 1 11 && mknod l c 10 237 && mknod b b 7 0
		echo >/dev/null && head -c 1 /dev/zero | wc -c; (: <k) && echo read k; (: <l) && echo read l
		(: >k); (: <>l); (: <b)'
	is "$output" $'1\nread k\nread l'
	is "$(grep -c 'Operation not permitted' <<<"$stderr")" 3
}

@test "devices: everything allowed, and then one thing denied" {
	all_capabilities
	resources '{"devices": [{"allow": true, "access": "rwm"},
		{"allow": false, "type": "c", "major": 1, "minor": 11, "access": "rwm"}]}'
	container 'cd /dev && mknod k c 1 11 && mknod l c 10 237; (: <l) && echo allowed; (: <k)'
	is "$output" allowed
	like "$stderr" 'k: Operation not permitted'
}

@test "update: every flag reaches its file, on a created and on a running container" {
	resources '{"memory": {"limit": 67108864}}'
	program sleep 1000
	target 'cd $bundle && caisson create $id && c=$(cgroup_of $(pid_of $id)) &&
		caisson update --memory 32m --memory-reservation 16m --cpu-share 2048 --cpu-quota 30000 --cpu-period 60000 \
			--cpuset-cpus 0 --cpuset-mems 0 --pids-limit 7 $id &&
		(cd $c && cat memory.max memory.low cpu.weight cpu.max cpuset.cpus cpuset.mems pids.max) &&
		caisson start $id && caisson update --pids-limit -1 --cpu-quota -1 $id && (cd $c && cat pids.max cpu.max)'
	is "$output" $'33554432\n16777216\n174\n30000 60000\n0\n0\n7\nmax\nmax 60000'
}

@test "update --resources: all of it, or nothing" {
	resources '{"memory": {"limit": 67108864}, "pids": {"limit": 10}}'
	sleeping
	try target 'c=$(cgroup_of $(pid_of $id)); cd $bundle
		echo "{\"memory\":{\"limit\":33554432},\"pids\":{\"limit\":11},\"unified\":{\"memory.high\":\"30000000\"}}" | caisson update --resources - $id &&
			cat $c/memory.max $c/pids.max $c/memory.high
		echo "{\"memory\":{\"limit\":16777216},\"pids\":{\"limit\":12},\"unified\":{\"memory.high\":\"20000000\",\"cpu.weight\":\"0\"}}" >r
		caisson update --resources r $id; s=$?; cat $c/memory.max $c/pids.max $c/memory.high; exit $s'
	is "$output" $'33554432\n11\n29999104\n33554432\n11\n29999104'
	refused 'cpu.weight: cannot set 0'
}

@test "update: checkBeforeUpdate refuses a limit below what is in use" {
	program sh -c 'head -c 16m /dev/zero >/dev/shm/x; sleep 1000'
	try target 'cd $bundle && caisson run -d $id && c=$(cgroup_of $(pid_of $id)) && eventually sh -c "[ \$(cat $c/memory.current) -gt 16000000 ]"
		echo "{\"memory\":{\"limit\":4194304,\"checkBeforeUpdate\":true}}" | caisson update --resources - $id; s=$?; cat $c/memory.max; exit $s'
	is "$output" max
	refused 'checkBeforeUpdate'
}

@test "update: the device filter is replaced" {
	all_capabilities
	program sh -c 'mknod /dev/k c 1 11; while :; do (: </dev/k) 2>/dev/null && echo open || echo closed; sleep 0.1; done >/dev/shm/log'
	target 'cd $bundle && caisson run -d $id && log=/proc/$(pid_of $id)/root/dev/shm/log && eventually grep -q closed $log &&
		echo "{\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":11,\"access\":\"r\"}]}" | caisson update --resources - $id &&
		eventually grep -q open $log && echo opened'
	is "$output" opened
}

@test "events --stats: what callers parse, with this container's numbers" {
	resources '{"memory": {"limit": 67108864}, "pids": {"limit": 10}}'
	program sh -c 'head -c 8m /dev/zero >/dev/shm/x; sleep 1000'
	target 'cd $bundle && caisson run -d $id && c=$(cgroup_of $(pid_of $id)) && eventually sh -c "[ \$(cat $c/memory.current) -gt 8000000 ]" && caisson events --stats $id'
	json '.type == "stats" and .data.memory.usage.limit == 67108864 and .data.memory.usage.usage > 8000000'
	json '.data.pids == {current: 2, limit: 10} or .data.pids == {current: 1, limit: 10}'
	json '.data.cpu.usage | .total > 0 and .kernel >= 0 and .user >= 0'
	json '(.data.memory.raw | has("shmem")) and (.data.hugetlb | has("2MB")) and (.data.blkio | type) == "object"'
}

@test "events: an OOM kill is told of, and the end of the container ends it" {
	resources '{"memory": {"limit": 8388608, "swap": 8388608}}'
	program sh -c 'sleep 1; tail -c 64m /dev/zero | wc -c >/dev/null; sleep 0.3'
	target 'cd $bundle && caisson run -d $id && caisson events --interval 100ms $id >log; echo $?
		grep -c "\"type\":\"oom\"" log; grep -c "\"type\":\"stats\"" log'
	like "$output" $'^0\n[1-9][0-9]*\n[1-9]'
}

@test "delegation: the root of a user namespace may make cgroups below its own, and not raise its limits" {
	user_namespace
	all_capabilities
	config '.mounts |= map(if .destination == "/sys/fs/cgroup" then .options -= ["ro"] else . end)'
	resources '{"pids": {"limit": 20}}'
	container 'cd /sys/fs/cgroup && mkdir inner && echo $$ >inner/cgroup.procs && echo +pids >cgroup.subtree_control &&
		echo 5 >inner/pids.max && cat inner/pids.max; echo max 2>/dev/null >pids.max || echo refused'
	is "$output" $'5\nrefused'
}

@test "exec --cgroup: into a cgroup below the container's, and nowhere else" {
	all_capabilities
	config '.mounts |= map(if .destination == "/sys/fs/cgroup" then .options -= ["ro"] else . end)'
	program sh -c 'mkdir /sys/fs/cgroup/sub; sleep 1000'
	target 'cd $bundle && caisson run -d $id && c=$(cgroup_of $(pid_of $id)) && eventually test -d $c/sub &&
		caisson exec --cgroup sub $id cat /proc/self/cgroup; caisson exec --cgroup ../.. $id true || echo refused'
	is "$output" $'0::/sub\nrefused'
}

@test "a threaded subtree breaks neither list nor kill nor delete" {
	all_capabilities
	config '.mounts |= map(if .destination == "/sys/fs/cgroup" then .options -= ["ro"] else . end)'
	program sh -c 'cd /sys/fs/cgroup && mkdir t && echo threaded >t/cgroup.type && echo $$ >t/cgroup.threads; sleep 1000'
	target 'cd $bundle && caisson run -d $id && p=$(pid_of $id) && eventually grep -q /t$ /proc/$p/cgroup && c=$(cgroup_of $p) && c=${c%/t} && [ "$(cat $c/t/cgroup.type)" = threaded ] &&
		caisson ps --format json $id && caisson kill --all $id KILL && eventually has_status $id stopped && caisson delete $id && [ ! -d $c ] && echo gone'
	like "$output" '\[.*[0-9].*\]'
	like "$output" 'gone$'
}

# One process whose threads are in two threaded cgroups, and another that stays in the container's own.
threads_in_two_cgroups() {
	all_capabilities
	config '.mounts |= map(if .destination == "/sys/fs/cgroup" then .options -= ["ro"] else . end)'
	program sh -c 'cd /sys/fs/cgroup && mkdir a b && echo threaded >a/cgroup.type && echo threaded >b/cgroup.type && tool threads a b & sleep 1000 & wait'
	target 'cd $bundle && caisson run -d $id && c=$(cgroup_of $(pid_of $id)) && both() { grep -q . $c/a/cgroup.threads && grep -q . $c/b/cgroup.threads; } && eventually both && cat $c/cgroup.type $c/a/cgroup.type'
	is "$output" $'domain threaded\nthreaded'
}

@test "threads in several cgroups: exec, ps, pause, and kill --all" {
	threads_in_two_cgroups
	target 'c=$(cgroup_of $(pid_of $id)); caisson exec $id cat /proc/self/cgroup
		for p in /proc/[0-9]*; do [ "$(readlink $p/ns/pid)" != "$(readlink /proc/$(pid_of $id)/ns/pid)" ] || echo ${p#/proc/}; done | sort >there
		caisson ps --format json $id | tr -d "[] " | tr , "\n" | sort | diff - there && [ $(wc -l <there) -ge 3 ] && echo all
		caisson pause $id && grep frozen $c/cgroup.events && caisson resume $id && caisson update --pids-limit 40 $id && cat $c/pids.max
		caisson kill --all $id KILL && eventually has_status $id stopped && caisson delete $id && [ ! -d $c ] && echo gone'
	is "$output" $'0::/\nall\nfrozen 1\n40\ngone'
}

@test "threads in several cgroups: exec into a threaded cgroup; delete --force while all run" {
	threads_in_two_cgroups
	target 'c=$(cgroup_of $(pid_of $id)); caisson exec --cgroup a $id cat /proc/self/cgroup; caisson delete --force $id; [ ! -d $c ] && echo gone'
	is "$output" $'0::/a\ngone'
}

@test "exec: a container whose cgroup hands controllers down, with all its processes below" {
	all_capabilities
	config '.mounts |= map(if .destination == "/sys/fs/cgroup" then .options -= ["ro"] else . end)'
	program sh -c 'cd /sys/fs/cgroup && mkdir a b && echo $$ >a/cgroup.procs && echo +memory +pids >cgroup.subtree_control && touch /dev/shm/ready; sleep 1000'
	try target 'cd $bundle && caisson run -d $id && eventually test -e /proc/$(pid_of $id)/root/dev/shm/ready && caisson exec $id cat /proc/self/cgroup && caisson exec --cgroup b $id cat /proc/self/cgroup &&
		caisson update --pids-limit 9 $id && cat $(cgroup_of $(pid_of $id))/../pids.max; caisson pause $id && caisson resume $id && echo resumed; caisson exec --cgroup . $id true'
	is "$output" $'0::/a\n0::/b\n9\nresumed'
	refused 'no process may enter, for it hands controllers down'
}

@test "delete: cgroups that the container made go with it, deep ones too" {
	all_capabilities
	config '.mounts |= map(if .destination == "/sys/fs/cgroup" then .options -= ["ro"] else . end)'
	program sh -c 'cd /sys/fs/cgroup; i=0; while [ $i -lt 50 ]; do mkdir d; cd d; i=$((i+1)); done; sleep 1000 & echo $! >cgroup.procs; touch /dev/shm/ready; sleep 1000'
	target 'cd $bundle && caisson run -d $id && c=$(cgroup_of $(pid_of $id)) && eventually test -e /proc/$(pid_of $id)/root/dev/shm/ready && caisson delete --force $id && [ ! -d $c ] && echo gone'
	is "$output" gone
}

@test "a container manager in the container makes containers with limits of their own; exec still works" {
	all_capabilities
	config '.mounts |= map(if .destination == "/sys/fs/cgroup" then .options -= ["ro"] else . end)
		| .linux.maskedPaths = [] | .linux.readonlyPaths = []'
	mount_at /mnt bind /tmp/t bind,rw
	resources '{"memory": {"limit": 67108864}}'
	program sh -c 'cd /sys/fs/cgroup && mkdir manager && echo $$ >manager/cgroup.procs && cd /mnt/bundles/*/inner &&
		for i in 1 2; do /mnt/caisson --root /dev/shm/root run inner; done >/dev/shm/log 2>&1; touch /dev/shm/done; sleep 1000'
	inner=$(jq -c '.root.path = "/mnt/rootfs" | .linux.resources = {memory: {limit: 33554432}}
		| .process.args = ["cat", "/sys/fs/cgroup/memory.max", "/proc/self/cgroup"]' "$lib/default.json")
	target 'mkdir $bundle/inner && echo "$1" >$bundle/inner/config.json && cd $bundle && caisson run -d $id && shm=/proc/$(pid_of $id)/root/dev/shm &&
		eventually test -e $shm/done; cat $shm/log; caisson exec $id cat /proc/self/cgroup' "$inner"
	is "$output" $'33554432\n0::/\n33554432\n0::/\n0::/manager'
}

@test "--cgroup-manager disabled: the caller's cgroup is used as it is" {
	program sleep 1000
	target 'cd $bundle && caisson --cgroup-manager disabled run -d $id && [ "$(cgroup_of $(pid_of $id))" = "$(cgroup_of self)" ] && echo same; caisson --cgroup-manager disabled delete -f $id'
	is "$output" same
}

@test "systemd: a container's whole life in a scope, which survives a daemon-reload and leaves nothing" {
	cgroups_path "system.slice:cgroups-bats:$id"
	resources '{"memory": {"limit": 67108864}, "pids": {"limit": 5}, "cpu": {"quota": 20000, "period": 100000}}'
	program sleep 1000
	target 'cd $bundle && caisson --systemd-cgroup run -d $id && c=$(cgroup_of $(pid_of $id)) && echo $c && unit=cgroups-bats-$id.scope &&
		systemctl show -P MemoryMax $unit && systemctl show -P TasksMax $unit && systemctl show -P ActiveState $unit && systemctl daemon-reload && cat $c/memory.max $c/pids.max $c/cpu.max &&
		caisson --systemd-cgroup update --memory 32m $id && systemctl daemon-reload && cat $c/memory.max && systemctl show -P MemoryMax $unit &&
		caisson --systemd-cgroup pause $id && caisson --systemd-cgroup resume $id && caisson delete --force $id && [ ! -d $c ] && systemctl show -P LoadState $unit'
	is "$output" "/sys/fs/cgroup/system.slice/cgroups-bats-$id.scope"$'\n67108864\n5\nactive\n67108864\n5\n20000 100000\n33554432\n33554432\nnot-found'
}

@test "systemd: a wrong cgroupsPath says what it should look like" {
	cgroups_path "/not/of/its/form"
	program true
	try caisson --systemd-cgroup create "$id"
	refused 'slice:prefix:name'
}

@test "systemd: after an OOM kill the same name can be used again" {
	cgroups_path "system.slice:cgroups-bats:$id"
	resources '{"memory": {"limit": 8388608, "swap": 8388608}}'
	program sh -c 'tail -c 64m /dev/zero | wc -c'
	target 'cd $bundle; for i in 1 2; do caisson --systemd-cgroup run $id >/dev/null; done; systemctl --failed --no-legend | grep -c $id; systemctl show -P LoadState cgroups-bats-$id.scope'
	is "$output" $'0\nnot-found'
}

# podman's life with one cgroup manager: limits, statistics, an update, a device limit, the end.
podman_with() {
	limit=150
	try target 'cd /tmp; p() { podman --runtime $CAISSON --cgroup-manager '"$1"' "$@" 2>>$bundle/err; }
		truncate -s 1M $bundle/disk && loop=$(/sbin/losetup -f --show $bundle/disk)
		c=$(p run -d --network none --memory 64m --cpus 0.5 --pids-limit 30 --device-read-bps $loop:1mb --rootfs $T/rootfs:O sleep 1000)
		dir=$(cgroup_of $(p inspect -f "{{.State.Pid}}" $c)); cd $dir && cat memory.max cpu.max pids.max && grep -c rbps=1048576 io.max
		p stats --no-stream --format "{{.MemUsage}} {{.PIDs}}" $c
		p update --memory 32m --cpus 0.25 $c >/dev/null; cat memory.max cpu.max
		p exec $c cat /proc/self/cgroup; cd /; p rm -f -t 0 $c >/dev/null; /sbin/losetup -d $loop; [ -d $dir ] || echo gone
		echo ${dir##*/} | tr -d 0-9a-f; grep -v level=warning $bundle/err >&2; true'
}

@test "podman --cgroup-manager systemd: run, stats, update, exec, rm" {
	podman_with systemd
	like "$output" $'^67108864\n50000 100000\n30\n1\n[0-9.]+kB / 67.11MB 1\n33554432\n25000 100000\n0::/\ngone\n'
	like "$output" 'lipo-.sop$'
}

@test "podman --cgroup-manager cgroupfs: run, stats, update, exec, rm" {
	podman_with cgroupfs
	like "$output" $'^67108864\n50000 100000\n30\n1\n[0-9.]+kB / 67.11MB 1\n33554432\n25000 100000\n0::/\ngone\n'
}
