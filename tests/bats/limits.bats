#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=machine
# budget: 300 s
# Limits at work, not only in their files: what the OOM killer did is told, disks are throttled,
# updates are undone as a whole. cgroups.bats has the rest.
load lib/common.bash

test_setup() {
	namespaces_only 'the limits of a virtual machine are tested in vm-limits.bats'
}

test_teardown() {
	# shellcheck disable=SC2016 # for the target
	run_in_target 'for l in $(/sbin/losetup -n -O NAME -j $bundle/disk); do /sbin/losetup -d $l; done; echo 0 >/proc/sys/vm/nr_hugepages'
}

resources() {
	# shellcheck disable=SC2016 # of jq
	config '.linux.resources += $r' --argjson r "$1"
}

# Sets $loop, a disk of 16 MiB, and $number, its device number.
disk='truncate -s 16M $bundle/disk && loop=$(/sbin/losetup -f --show $bundle/disk) && number=$(cat /sys/block/${loop#/dev/}/dev);'

@test "a program that the kernel killed for its memory limit: run says so, in one line" {
	resources '{"memory": {"limit": 8388608, "swap": 8388608}}'
	program tail -c 64m /dev/zero
	try caisson run "$id"
	is "$status" 137
	is "$stderr" "caisson: warning: container $id was killed by the kernel: memory limit 8388608 reached; raise linux.resources.memory.limit"
	# A shell hands its child's death on.
	program sh -c 'tail -c 64m /dev/zero; exit $?'
	try target 'cd $bundle && caisson --log $bundle/log --log-format json run $id 2>/dev/null; s=$?; cat log; exit $s'
	is "$status" 137
	json '.level == "warning" and (.msg | test("memory limit 8388608 reached"))'
}

@test "a program killed by somebody else, or that ends otherwise: nothing is said of its limit" {
	resources '{"memory": {"limit": 33554432}}'
	program sh -c 'exit 137'
	try caisson run "$id"
	is "$status" 137
	is "$stderr" ''
	resources '{"memory": {"limit": 8388608, "swap": 8388608}}'
	program sh -c 'tail -c 64m /dev/zero >/dev/null; exit 3'
	try caisson run "$id"
	is "$status" 3
	unlike "$stderr" 'warning'
}

@test "a limit too low: at create, and lowered between create and start, the line names it" {
	resources '{"memory": {"limit": 8192}}'
	program true
	try caisson create "$id"
	refused 'memory limit 8192 too low'
	is "$(wc -l <<<"$stderr")" 1
	resources '{"memory": {"limit": 67108864, "swap": 67108864}}'
	program true
	try target 'cd $bundle && caisson create $id && c=$(cgroup_of $(pid_of $id)) && echo 4096 >$c/memory.max; caisson start $id'
	refused 'memory limit 4096 too low'
}

@test "unified: memory.oom.group kills all for one, memory.high throttles without killing" {
	resources '{"memory": {"limit": 8388608, "swap": 8388608}, "unified": {"memory.oom.group": "1"}}'
	program sh -c 'tail -c 64m /dev/zero & wait; echo survived'
	try caisson run "$id"
	is "$status" 137
	is "$output" ''
	config 'del(.linux.resources)'
	resources '{"unified": {"memory.high": "6291456"}}'
	program sh -c 'head -c 8m /dev/zero >/dev/shm/x; grep -c "^high [1-9]" /sys/fs/cgroup/memory.events; grep "^oom_kill " /sys/fs/cgroup/memory.events'
	caisson run "$id"
	is "$output" $'1\noom_kill 0'
}

@test "cpuset: a program runs on the CPUs it was given; misc and rdma: a resource that is not there is one line" {
	resources '{"cpu": {"cpus": "1"}}'
	program sh -c 'nproc; grep Cpus_allowed_list /proc/self/status | cut -f2'
	caisson run "$id"
	is "$output" $'1\n1'
	for what in '{"rdma": {"mlx5_1": {"hcaHandles": 3}}}|rdma.max: cannot set mlx5_1' '{"unified": {"misc.max": "sev 1"}}|misc.max: cannot set sev 1'; do
		config 'del(.linux.resources)'
		resources "${what%|*}"
		try caisson run "$id"
		refused "${what#*|}"
		is "$(wc -l <<<"$stderr")" 1
	done
}

@test "hugepageLimits: pages up to the limit, and no more" {
	all_capabilities
	mount_at /mnt hugetlbfs hugetlbfs
	resources '{"hugepageLimits": [{"pageSize": "2MB", "limit": 2097152}]}'
	program sh -c 'fallocate -l 2097152 /mnt/one && echo one; fallocate -l 4194304 /mnt/two 2>/dev/null || echo refused; cat /sys/fs/cgroup/hugetlb.2MB.current'
	target 'echo 8 >/proc/sys/vm/nr_hugepages && cd $bundle && caisson run $id'
	is "$output" $'one\nrefused\n2097152'
}

@test "blockIO: io.max throttles a disk" {
	all_capabilities
	resources '{"devices": [{"allow": true, "type": "b", "major": 7, "access": "rwm"}]}'
	program sh -c 'mknod /dev/d b ${NUMBER%:*} ${NUMBER#*:}; t() { cut -d. -f1 /proc/uptime; }
		begin=$(t); dd if=/dev/d of=/dev/null bs=256k count=24 iflag=direct 2>/dev/null; echo $(($(t) - begin))'
	target "$disk"' cd $bundle; major=${number%:*}; minor=${number#*:}
		for rate in 0 1048576; do
			/usr/bin/jq ".process.env += [\"NUMBER=$number\"] | .linux.resources.blockIO = {throttleReadBpsDevice: [{major: $major, minor: $minor, rate: $rate}]}" config.json >c && cp c config.json && caisson run $id
		done'
	# 6 MiB at 1 MiB a second, of which the first moment is free
	like "$output" $'^[0-3]\n([4-9]|[1-3][0-9])$'
}

@test "blockIO: weights, with the BFQ scheduler and without" {
	resources '{"blockIO": {"weight": 200}}'
	program sleep 1000
	target "$disk"' modprobe bfq && echo bfq >/sys/block/${loop#/dev/}/queue/scheduler; cd $bundle
		/usr/bin/jq ".linux.resources.blockIO.weightDevice = [{major: ${number%:*}, minor: ${number#*:}, weight: 300}]" config.json >c && cp c config.json
		caisson run -d $id && c=$(cgroup_of $(pid_of $id)) && sed "s/$number/disk/" $c/io.bfq.weight && caisson update --blkio-weight 400 $id && head -n 1 $c/io.bfq.weight; caisson delete -f $id
		echo none >/sys/block/${loop#/dev/}/queue/scheduler; /sbin/losetup -d $loop; modprobe -r bfq'
	is "$output" $'default 200\ndisk 300\ndefault 400'
	target 'cd $bundle; /usr/bin/jq "del(.linux.resources.blockIO.weightDevice)" config.json >c && cp c config.json; [ ! -e /sys/fs/cgroup/system.slice/io.bfq.weight ] && caisson run -d $id && cat $(cgroup_of $(pid_of $id))/io.weight'
	is "$output" 'default 1920'
}

# The limits of the cgroup $c, one line each; a cpuset is what it comes to.
limits='limits() { (cd $c && for f in memory.max memory.low memory.high memory.swap.max cpu.weight cpu.max cpu.max.burst cpu.idle cpuset.cpus.effective cpuset.mems.effective pids.max io.weight hugetlb.2MB.max; do echo "$f $(cat $f)"; done); };'

@test "update: each limit by flag and by document, put back when a later one is refused; created and running" {
	resources '{"memory": {"limit": 67108864, "reservation": 1048576, "swap": 134217728}, "pids": {"limit": 10}, "cpu": {"shares": 512, "quota": 50000, "period": 100000}}'
	program sleep 1000
	limit=150
	target "$limits"' cd $bundle && caisson create $id && c=$(cgroup_of $(pid_of $id)) && limits >before
		bad="\"unified\": {\"memory.high\": \"40000000\", \"pids.max\": \"nonsense\"}"; n=0
		refused() { n=$((n + 1)); if caisson update "$@" $id 2>err; then echo "not refused: $*"; fi; [ "$(wc -l <err)" = 1 ] || cat err; limits | cmp -s - before || echo "not undone: $*"; }
		round() {
			for flag in "--memory 33554432" "--memory-reservation 2097152" "--memory-swap 100000000" "--cpu-share 2048" "--cpu-quota 30000" "--cpu-period 60000" "--cpu-burst 10000" "--cpu-idle 1" "--cpuset-mems 0" "--pids-limit 7" "--blkio-weight 300"; do
				refused $flag --cpuset-cpus 4000
			done
			for part in "\"memory\": {\"limit\": 33554432}" "\"memory\": {\"reservation\": 2097152, \"swap\": 100000000}" "\"cpu\": {\"shares\": 2048, \"quota\": 30000, \"period\": 60000, \"burst\": 10000}" "\"cpu\": {\"idle\": 1}" \
				"\"cpu\": {\"cpus\": \"0\", \"mems\": \"0\"}" "\"pids\": {\"limit\": 7}" "\"blockIO\": {\"weight\": 300}" "\"hugepageLimits\": [{\"pageSize\": \"2MB\", \"limit\": 2097152}]"; do
				echo "{$part, $bad}" >r; refused --resources r
			done
			echo "{\"memory\": {\"limit\": 33554432}, $bad}" | refused --resources -
		}
		round; caisson start $id; round; wc -l <before
		echo "{\"memory\": {\"limit\": 33554432}}" | caisson update --resources - $id; cat $c/memory.max'
	is "$output" $'13\n33554432'
}

@test "systemd: an update, and one that is refused, are still so after a daemon-reload" {
	config '.linux.cgroupsPath = "system.slice:limits-bats:'"$id"'"'
	resources '{"memory": {"limit": 67108864}, "pids": {"limit": 10}}'
	program sleep 1000
	target "$limits"' cd $bundle && caisson --systemd-cgroup run -d $id && c=$(cgroup_of $(pid_of $id)) && caisson update --memory 33554432 --memory-reservation 1048576 --cpu-share 2048 --cpu-quota 30000 --cpu-period 100000 --cpuset-cpus 0 --pids-limit 7 $id
		limits >before; systemctl daemon-reload; limits | diff before - && grep -E "^(memory.max|memory.low|cpu.weight|cpu.max|cpuset.cpus.effective|pids.max) " before
		echo "{\"memory\": {\"limit\": 16777216}, \"pids\": {\"limit\": 8}, \"unified\": {\"io.weight\": \"nonsense\"}}" >r
		caisson update --resources r $id 2>/dev/null || echo refused; limits | diff before -; systemctl daemon-reload; limits | diff before - && echo same'
	is "$output" $'memory.max 33554432\nmemory.low 1048576\ncpu.weight 174\ncpu.max 30000 100000\ncpuset.cpus.effective 0\npids.max 7\nrefused\nsame'
}

# What a container could leave: bpf programs, cgroups, mounts. (busybox's sh: $count once, then count.)
count='count() {
	/usr/bin/python3 -c "
import ctypes
libc, attr, n = ctypes.CDLL(None), (ctypes.c_uint32 * 8)(), 0
while libc.syscall(321, 11, ctypes.byref(attr), 32) == 0: # bpf(BPF_PROG_GET_NEXT_ID)
    attr[0], n = attr[1], n + 1
print(n, end=str())"
	echo "$(sed -n "s/^nr_descendants/ programs,/p" /sys/fs/cgroup/cgroup.stat) cgroups, $(wc -l </proc/self/mountinfo) mounts"; };'

# $CYCLES is how often, where the usual number is not enough.
@test "systemd: create, start and delete, again and again: no unit, cgroup, bpf program, open file is left" {
	local cycles=${CYCLES:-100}
	limit=$((100 + 4 * cycles))
	program sleep 1000
	resources '{"memory": {"limit": 67108864}, "devices": [{"allow": false, "access": "rwm"}]}'
	target "$count"' cd $bundle; cycles=$1; cycle() { caisson --systemd-cgroup create $id && caisson start $id && caisson delete --force $id || echo failed; }
		cycle; systemctl reset-failed; before=$(count); units() { systemctl list-units --all --no-legend "caisson-*" "*$id*" | wc -l; }; units
		open_files() { cut -f1 /proc/sys/fs/file-nr; }; files=$(open_files)
		i=0; while [ $i -lt $cycles ]; do cycle; i=$((i + 1)); done
		same() { [ "$(count)" = "$before" ]; }; eventually same || { echo "$before"; count; }; units; systemctl --failed --no-legend | wc -l
		# Every processor counts up to 32 of its own
		[ $(($(open_files) - files)) -lt $((cycles / 2 + 32)) ] || echo "$files open files, then $(open_files)"' "$cycles"
	is "$output" $'0\n0\n0'
}
