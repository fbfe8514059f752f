#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 180 s
# Limits of a container in a virtual machine hold twice: in the guest as written, on the monitor's
# cgroup with the overhead (64 MiB). The machine follows. Needs ISOLATION=vm.
# bats file_tags=machine,vm
load lib/common.bash

test_setup() {
	[[ $ISOLATION == vm ]] || skip 'is about virtual machines: ISOLATION=vm'
}

resources() {
	# shellcheck disable=SC2016 # of jq
	config '.linux.resources += $r' --argjson r "$1"
}

# In the target: what the guest's cgroup and the host's say, and how much memory the guest has.
looks='guest() { caisson exec $id cat $(printf "/sys/fs/cgroup/%s " "$@"); }
host() { (cd $(cgroup_of $(pid_of $id)) && cat "$@"); }
total() { caisson exec $id sh -c "grep MemTotal /proc/meminfo" | tr -dc 0-9; echo; }
'

MiB=$((1 << 20))

@test "create: limits as written in the guest, with the overhead on the host" {
	resources '{"memory": {"limit": 67108864, "reservation": 33554432, "swap": 100663296},
		"cpu": {"quota": 50000, "period": 100000, "shares": 1024}, "pids": {"limit": 20}}'
	program sleep 1000
	target "$looks"'cd $bundle && caisson run -d $id
		guest memory.max memory.low memory.swap.max cpu.max cpu.weight pids.max
		host memory.max memory.low memory.swap.max cpu.max cpu.weight pids.max'
	is "$output" "$((64 * MiB))"$'\n'"$((32 * MiB))"$'\n'"$((32 * MiB))"$'\n50000 100000\n100\n20\n'"$((128 * MiB))"$'\n'"$((96 * MiB))"$'\n'"$((32 * MiB))"$'\n50000 100000\n100\n592'
}

@test "create: unified, each file where it belongs" {
	resources '{"unified": {"memory.high": "64M", "memory.oom.group": "1", "pids.max": "20", "cgroup.max.depth": "3", "io.weight": "default 50"}}'
	program sleep 1000
	target "$looks"'modprobe bfq 2>/dev/null; cd $bundle && caisson run -d $id
		guest memory.high memory.oom.group pids.max cgroup.max.depth
		host memory.high memory.oom.group pids.max cgroup.max.depth'
	is "$output" "$((64 * MiB))"$'\n1\n20\n3\n'"$((128 * MiB))"$'\n1\n592\nmax'
}

@test "update: a higher limit brings memory that the guest did not have, and can use" {
	resources '{"memory": {"limit": 67108864}}'
	mount_at /mnt tmpfs tmpfs size=150m
	program sleep 1000
	target "$looks"'cd $bundle && caisson run -d $id && before=$(total) && caisson update --memory 192m $id &&
		guest memory.max; host memory.max; after=$(total); [ $((after - before)) -gt 120000 ] && echo grown || echo "$before, then $after"
		caisson exec $id sh -c "dd if=/dev/zero of=/mnt/x bs=1M count=130 2>/dev/null; wc -c </mnt/x"'
	is "$output" "$((192 * MiB))"$'\n'"$((256 * MiB))"$'\ngrown\n'"$((130 * MiB))"
}

@test "update: a lower limit takes memory from the guest, which the host has back; and up again" {
	resources '{"memory": {"limit": 167772160}}'
	mount_at /mnt tmpfs tmpfs size=150m
	program sleep 1000
	target "$looks"'cd $bundle && caisson run -d $id && caisson exec $id sh -c "dd if=/dev/zero of=/mnt/x bs=1M count=100 2>/dev/null; rm /mnt/x"
		before=$(total) held=$(host memory.current); caisson update --memory 64m $id && guest memory.max; host memory.max
		after=$(total); [ $((before - after)) -gt 90000 ] && echo smaller || echo "$before, then $after"
		now=$(host memory.current); [ $now -le 134217728 ] && [ $now -lt $held ] && echo returned || echo "$held, then $now"
		caisson update --memory 160m $id && [ $(total) -ge $((before - 4096)) ] && guest memory.max; host memory.max'
	is "$output" "$((64 * MiB))"$'\n'"$((128 * MiB))"$'\nsmaller\nreturned\n'"$((160 * MiB))"$'\n'"$((224 * MiB))"
}

@test "update: what was plugged is unplugged" {
	resources '{"memory": {"limit": 67108864}}'
	program sleep 1000
	target "$looks"'cd $bundle && caisson run -d $id && before=$(total) && caisson update --memory 192m $id && caisson update --memory 64m $id &&
		after=$(total); [ $((after - before)) -lt 16384 ] && echo "as before" || echo "$before, then $after"; guest memory.max; host memory.max'
	is "$output" $'as before\n'"$((64 * MiB))"$'\n'"$((128 * MiB))"
}

@test "update: memory that the guest uses cannot be taken: one line, and all is as before" {
	resources '{"memory": {"limit": 134217728}}'
	mount_at /mnt tmpfs tmpfs size=150m
	program sh -c 'dd if=/dev/zero of=/mnt/x bs=1M count=100 2>/dev/null; echo >/mnt/ready; sleep 1000'
	try target "$looks"'cd $bundle && caisson run -d $id && eventually caisson exec $id test -e /mnt/ready && before=$(total)
		caisson update --memory 16m --pids-limit 9 $id; s=$?; guest memory.max pids.max; host memory.max pids.max
		[ $(total) = $before ] && caisson exec $id wc -c /mnt/x; exit $s'
	is "$output" "$((128 * MiB))"$'\nmax\n'"$((192 * MiB))"$'\nmax\n'"$((100 * MiB)) /mnt/x"
	refused 'can give back [0-9]+ of 112 mib'
	is "$(wc -l <<<"$stderr")" 1
}

@test "update: beyond what the machine was made for: one line that names the setting, nothing changed" {
	resources '{"memory": {"limit": 67108864}}'
	program sleep 1000
	try target "$looks"'cd $bundle && sed "s/\"vm\": {/&\"memory_max\": 268435456, /" $T/settings.json >settings.json && flags="--isolation vm --settings $bundle/settings.json"
		caisson run -d $id && caisson update --memory 192m $id && caisson update --memory 1g $id; s=$?; guest memory.max; host memory.max; exit $s'
	is "$output" "$((192 * MiB))"$'\n'"$((256 * MiB))"
	refused 'made for at most 256 mib .the settings. vm.memory_max'
}

@test "update: a machine whose size config.json says keeps it: the limit holds, a warning has both sizes" {
	config '.vm = {kernel: {path: "/tmp/t/guest/vmlinux"}, hwConfig: {memory: 134217728}}'
	program sleep 1000
	try target "$looks"'cd $bundle && caisson run -d $id && before=$(total) && caisson update --memory 100m $id && echo "no word" >&2 &&
		caisson update --memory 192m $id && guest memory.max; host memory.max; [ $(total) = $before ] && echo same'
	is "$output" "$((192 * MiB))"$'\n'"$((256 * MiB))"$'\nsame'
	like "$stderr" '^no word.*memory limit of 192 MiB: the virtual machine has 128 MiB and keeps them'
}

@test "update: what the guest refuses is undone on the host" {
	resources '{"memory": {"limit": 67108864}, "pids": {"limit": 20}}'
	program sleep 1000
	try target "$looks"'cd $bundle && caisson run -d $id && before=$(total)
		echo "{\"memory\": {\"limit\": 134217728}, \"pids\": {\"limit\": 30}, \"cpu\": {\"quota\": 40000, \"period\": 100000}, \"unified\": {\"cgroup.max.depth\": \"-5\"}}" >r
		caisson update --resources r $id; s=$?; guest memory.max pids.max cpu.max; host memory.max pids.max cpu.max
		same() { [ $(($(total) - before)) -lt 16384 ]; }; eventually_soon same && echo same; exit $s'
	is "$output" "$((64 * MiB))"$'\n20\nmax 100000\n'"$((128 * MiB))"$'\n592\nmax 100000\nsame'
	refused 'in the guest: cgroup.max.depth: cannot set -5'
}

@test "update: processors come with a larger quota, up to those that were declared" {
	program sleep 1000
	target "$looks"'cd $bundle && most=$(nproc) && [ $most -le 2 ] || most=2
		caisson run -d $id && caisson exec $id nproc && caisson update --cpu-quota 150000 --cpu-period 100000 $id &&
		[ $(caisson exec $id nproc) = $most ] && echo more; guest cpu.max; host cpu.max; caisson update --cpu-quota 50000 $id && guest cpu.max; host cpu.max'
	is "$output" $'1\nmore\n150000 100000\n150000 100000\n50000 100000\n50000 100000'
}

@test "update: the device filter is the guest's" {
	all_capabilities
	resources '{"devices": [{"allow": false, "access": "rwm"}]}'
	program sh -c 'mknod /dev/k c 1 11; sleep 1000'
	target 'cd $bundle && caisson run -d $id && eventually caisson exec $id test -e /dev/k && { caisson exec $id sh -c ": </dev/k" 2>/dev/null || echo closed; } &&
		echo "{\"devices\": [{\"allow\": true, \"type\": \"c\", \"major\": 1, \"minor\": 11, \"access\": \"r\"}]}" | caisson update --resources - $id &&
		caisson exec $id sh -c ": </dev/k" && echo open'
	is "$output" $'closed\nopen'
}

@test "events --stats: data is the guest's, host is what it costs; of a paused container data is the host's" {
	resources '{"memory": {"limit": 67108864}, "pids": {"limit": 20}}'
	sleeping
	caisson events --stats "$id"
	json '.data.memory.usage.limit == 67108864 and .data.pids == {current: 1, limit: 20}'
	json '.host.memory.usage.limit == 134217728 and .host.pids.limit == 592 and .host.pids.current > 1'
	json '.host.memory.usage.usage > .data.memory.usage.usage'
	caisson pause "$id"
	caisson events --stats "$id"
	json '.data.memory.usage.limit == 134217728 and (has("host") | not)'
	caisson resume "$id"
}

@test "systemd: the scope has the host's limits, after an update and a daemon-reload too; a failed one leaves them" {
	# shellcheck disable=SC2016 # of jq
	config '.linux.cgroupsPath = "system.slice:vm-limits:" + $id' --arg id "$id"
	resources '{"memory": {"limit": 67108864}, "pids": {"limit": 20}}'
	program sleep 1000
	try target "$looks"'cd $bundle && flags="$flags --systemd-cgroup" && caisson run -d $id && systemctl show -P MemoryMax vm-limits-$id.scope
		caisson update --memory 128m $id && systemctl daemon-reload && host memory.max && guest memory.max
		echo "{\"pids\": {\"limit\": 30}, \"unified\": {\"cgroup.max.depth\": \"-5\"}}" >r; caisson update --resources r $id
		systemctl daemon-reload; host memory.max pids.max; systemctl show -P TasksMax vm-limits-$id.scope'
	is "$output" "$((128 * MiB))"$'\n'"$((192 * MiB))"$'\n'"$((128 * MiB))"$'\n'"$((192 * MiB))"$'\n592\n592'
}

@test "systemd: what the host refuses last is undone in the guest, and the machine has its size of before" {
	# shellcheck disable=SC2016 # of jq
	config '.linux.cgroupsPath = "system.slice:vm-limits:" + $id' --arg id "$id"
	resources '{"memory": {"limit": 134217728}}'
	program sleep 1000
	try target "$looks"'cd $bundle && flags="$flags --systemd-cgroup" && caisson run -d $id && before=$(total)
		mv $T/caisson-systemd $T/away; caisson update --memory 64m $id; s=$?; mv $T/away $T/caisson-systemd
		guest memory.max; host memory.max; same() { [ $(total) = $before ]; }; eventually_soon same && echo same; exit $s'
	is "$output" "$((128 * MiB))"$'\n'"$((192 * MiB))"$'\nsame'
	refused 'on the host: .*caisson-systemd'
}

@test "events: an OOM kill in the guest is told of, while the container goes on and when it ends by it" {
	resources '{"memory": {"limit": 16777216, "swap": 16777216}}'
	program sh -c 'while [ ! -e /dev/shm/go ]; do sleep 0.1; done; tail -c 64m /dev/zero | wc -c >/dev/null; sleep 3'
	target 'cd $bundle && caisson run -d $id && { caisson events --interval 500ms $id >log & } && eventually test -s log &&
		caisson exec $id touch /dev/shm/go && wait && grep -c "\"type\":\"oom\"" log; caisson delete $id'
	is "$output" 1
	resources '{"memory": {"limit": 33554432, "swap": 33554432}}'
	program sh -c 'while [ ! -e /dev/shm/go ]; do sleep 0.1; done; exec tail -c 64m /dev/zero'
	target 'cd $bundle && caisson run -d $id && { caisson events --interval 500ms $id >log & } && eventually test -s log &&
		caisson exec $id touch /dev/shm/go && wait && grep -c "\"type\":\"oom\"" log'
	is "$output" 1
}

@test "podman: run with limits, and update: guest and host" {
	limit=120
	target 'cd /tmp; p() { podman --runtime $T/caisson-vm --cgroup-manager systemd "$@" 2>>$bundle/err; }
		c=$(p run -d --network none --memory 64m --cpus 0.5 --pids-limit 30 --rootfs $T/rootfs:O sleep 1000)
		p exec $c cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max; p update --memory 128m --cpus 0.25 $c >/dev/null
		p exec $c cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max; cd $(cgroup_of $(p inspect -f "{{.State.Pid}}" $c)); cat memory.max cpu.max pids.max
		cd /; p rm -f -t 0 $c >/dev/null; grep -v level=warning $bundle/err >&2; true'
	is "$output" "$((64 * MiB))"$'\n30\n'"$((128 * MiB))"$'\n25000 100000\n'"$((192 * MiB))"$'\n25000 100000\n632'
}
