#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 40 s, vm 110 s
# Namespaces: new, joined by path, left alone; user namespaces and their mappings; time.
load lib/common.bash

# Prints the namespaces that process 1 of the container shares with the caller.
shared_namespaces() {
	target 'cd $bundle && caisson run -d $id && p=$(pid_of $id) && for n in cgroup ipc mnt net pid time user uts; do
		[ "$(readlink /proc/$p/ns/$n)" = "$(readlink /proc/self/ns/$n)" ] && echo $n
	done | tr "\n" " "'
}

@test "each kind that the configuration lists is new, the others are the caller's" {
	program sleep 1000
	shared_namespaces
	if vm_differs 'the monitor has a user namespace of its own'; then
		is "$output" 'time '
	else
		is "$output" 'time user '
	fi
}

@test "without the network, ipc, uts or cgroup namespace the container has the caller's" {
	for n in ipc uts cgroup; do without_namespace "$n"; done
	config 'del(.hostname) | .mounts |= map(select(.destination != "/sys" and .destination != "/sys/fs/cgroup" and .destination != "/dev/mqueue"))
		| .linux.readonlyPaths = []'
	program sleep 1000
	if vm_differs 'the network of the host is refused, the monitor has a user namespace'; then
		shared_namespaces
		is "$output" 'cgroup ipc time uts '
		target 'caisson delete --force $id'
		without_namespace network
		container true
		refused "host's network"
	else
		without_namespace network
		shared_namespaces
		is "$output" 'cgroup ipc net time user uts '
	fi
}

@test "pid: the program is process 1 and sees only the container" {
	container 'echo $$; ls /proc | grep -c "^[0-9]"'
	like "$output" $'^1\n[1-4]$'
}

@test "joined by path: the very namespace, of each kind" {
	for kind in pid:pid network:net ipc:ipc uts:uts cgroup:cgroup; do
		# shellcheck disable=SC2016 # of jq
		config '.linux.namespaces |= map(if .type == $t then .path = "/tmp/t/bundles/ns/" + $n else . end)' \
			--arg t "${kind%:*}" --arg n "${kind#*:}"
	done
	config 'del(.hostname)'
	program sleep 1000
	kinds='pid net ipc uts cgroup'
	if vm_differs 'processes of another container run under another kernel'; then
		try caisson run "$id"
		refused 'pid namespace'
		kinds='net ipc uts cgroup'
		config '.linux.namespaces |= map(if .type == "pid" then {type: "pid"} else . end)'
	fi
	target 'mkdir -p /tmp/t/bundles/ns; /usr/bin/unshare -f -p -n -i -u -C sleep 1000 & u=$!
		eventually grep -q . /proc/$u/task/$u/children; s=$(cat /proc/$u/task/$u/children); s=${s% }
		for n in pid net ipc uts cgroup; do ln -sf /proc/$s/ns/$n /tmp/t/bundles/ns/$n; done
		cd $bundle && caisson run -d $id; p=$(pid_of $id)
		for n in pid net ipc uts cgroup; do [ "$(readlink /proc/$p/ns/$n)" = "$(readlink /proc/$s/ns/$n)" ] && echo $n; done | tr "\n" " "
		caisson delete --force $id; kill -KILL $s $u; rm -rf /tmp/t/bundles/ns'
	is "$output" "$kinds "
}

@test "joined by path: a path that does not exist or is no namespace is named" {
	config '.linux.namespaces |= map(if .type == "network" then .path = "/no/such/ns" else . end)'
	container true
	refused '/no/such/ns'
	config '.linux.namespaces |= map(if .type == "network" then .path = "/etc/passwd" else . end)'
	container true
	refused '/etc/passwd|net'
	config '.linux.namespaces |= map(if .type == "network" then .path = "/proc/1/ns/uts" else . end)'
	container true
	refused 'net|/proc/1/ns/uts'
}

@test "namespaces: the same type twice is refused" {
	config '.linux.namespaces += [{type: "pid"}]'
	container true
	refused 'pid|namespace'
}

@test "namespaces: a type that does not exist is refused by its name" {
	config '.linux.namespaces += [{type: "quantum"}]'
	container true
	refused quantum
}

@test "hostname and domainname are set in the uts namespace" {
	config '.hostname = "a-host" | .domainname = "example.org"'
	container 'hostname; cat /proc/sys/kernel/domainname'
	is "$output" $'a-host\nexample.org'
}

@test "hostname without a uts namespace of its own is refused" {
	without_namespace uts
	container true
	refused 'uts|hostname'
}

@test "network: a new namespace has a loopback that is up, and nothing else" {
	container 'cat /proc/net/dev | grep -c :; ping -c 1 -w 2 127.0.0.1 >/dev/null 2>&1; ip -o link show lo | grep -c UP'
	is "$output" $'1\n1'
}

@test "user: ids are mapped, root in the container is not root outside" {
	user_namespace
	program sh -c 'id -u; cat /proc/self/uid_map; sleep 1000'
	target 'cd $bundle && caisson run -d $id >$bundle/out && eventually sh -c "[ \$(wc -l <$bundle/out) = 2 ]" && tr -s " " <$bundle/out; p=$(pid_of $id); stat -c %u /proc/$p; readlink /proc/$p/ns/user | grep -qxF "$(readlink /proc/self/ns/user)" || echo other'
	if vm_differs 'the host translates ids, the guest has all of them'; then
		is "$output" $'0\n 0 0 4294967295\n100000\nother'
	else
		is "$output" $'0\n 0 100000 65536\n100000\nother'
	fi
}

@test "user: several mappings, and a user in the second" {
	config '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 10}, {containerID: 1000, hostID: 300000, size: 5}]
		| .linux.gidMappings = [{containerID: 0, hostID: 100000, size: 10}, {containerID: 1000, hostID: 300000, size: 5}]
		| .process.user = {uid: 1001, gid: 1002} | .mounts |= map(select(.destination != "/dev/pts"))'
	program sh -c 'id -u; id -g; echo >/mnt/file; sleep 1000'
	mount_at /mnt bind "$bundle/dir" rbind
	target 'cd $bundle && mkdir -m 777 dir && caisson run -d $id >$bundle/out && eventually test -s dir/file && cat out; stat -c "%u %g" dir/file; stat -c "%u %g" /proc/$(pid_of $id)'
	if vm_differs 'the process of the host is the monitor'; then
		is "$output" $'1001\n1002\n300001 300002\n100000 100000'
	else
		is "$output" $'1001\n1002\n300001 300002\n300001 300002'
	fi
}

@test "user: a user that no mapping covers is refused" {
	user_namespace
	config '.process.user.uid = 70000'
	container true
	refused
}

@test "user: a namespace without mappings, or mappings without a namespace, is refused" {
	config '.linux.namespaces += [{type: "user"}]'
	container true
	refused 'mapping'
}

@test "user: joined by path, with the mappings of its owner" {
	config '.linux.namespaces += [{type: "user", path: "/tmp/t/bundles/userns"}]'
	program sh -c 'id -u; cat /proc/self/uid_map; sleep 1000'
	target '/usr/bin/unshare -U sleep 1000 & u=$!; eventually sh -c "[ \$(readlink /proc/$u/ns/user) != \$(readlink /proc/self/ns/user) ]"
		echo "0 200000 65536" >/proc/$u/uid_map; echo "0 200000 65536" >/proc/$u/gid_map; ln -sf /proc/$u/ns/user /tmp/t/bundles/userns
		cd $bundle && caisson run -d $id >$bundle/out; eventually sh -c "[ \$(wc -l <$bundle/out) = 2 ]"; tr -s " " <$bundle/out
		[ "$(readlink /proc/$(pid_of $id)/ns/user)" = "$(readlink /proc/$u/ns/user)" ] && echo joined; caisson delete --force $id; kill -KILL $u; rm /tmp/t/bundles/userns'
	mappings='0 200000 65536'
	if vm_differs 'the host translates ids, the guest has all of them'; then mappings='0 0 4294967295'; fi
	is "$output" $'0\n '"$mappings"$'\njoined'
}

@test "user: sysfs, devpts, mqueue and cgroup mount in a user namespace of their own" {
	user_namespace
	container 'for d in /proc /sys /dev/pts /dev/mqueue /sys/fs/cgroup; do grep -q " $d " /proc/self/mountinfo && echo $d; done; echo >/dev/null && echo null'
	is "$output" $'/proc\n/sys\n/dev/pts\n/dev/mqueue\n/sys/fs/cgroup\nnull'
}

@test "time: a new time namespace has the offsets of the configuration" {
	config '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {monotonic: {secs: 1000000, nanosecs: 5}, boottime: {secs: 2000000}}'
	container 'cut -d. -f1 /proc/uptime; tr -s " \t" " " </proc/self/timens_offsets'
	((${output%%$'\n'*} >= 2000000)) || fail 'boottime offset'
	like "$output" 'monotonic 1000000 5'
}

@test "time: offsets without a time namespace are refused" {
	config '.linux.timeOffsets = {monotonic: {secs: 100}}'
	container true
	refused 'time'
}

@test "cgroup: the container sees its own cgroup as /" {
	container 'grep "^0::" /proc/self/cgroup'
	is "$output" '0::/'
}

@test "sysctl: written in the namespaces of the container, not the caller's" {
	config '.linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.shmmax": "123456", "net.ipv4.ping_group_range": "0 5"}'
	container 'cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmax; tr "\t" " " </proc/sys/net/ipv4/ping_group_range'
	is "$output" $'1\n123456\n0 5'
	target 'cat /proc/sys/kernel/shmmax'
	unlike "$output" '^123456$'
}

@test "sysctl: one that is not namespaced, or whose namespace is the caller's, is refused" {
	config '.linux.sysctl = {"vm.swappiness": "10"}'
	container true
	refused 'vm.swappiness'
	config '.linux.sysctl = {"net.ipv4.ip_forward": "1"}'
	without_namespace network
	config '.mounts |= map(select(.destination != "/sys"))'
	container true
	refused 'net.ipv4.ip_forward'
}

@test "sysctl: one that does not exist, or a value that the kernel refuses, is named" {
	config '.linux.sysctl = {"net.ipv4.no_such_thing": "1"}'
	container true
	refused 'no_such_thing'
	config '.linux.sysctl = {"kernel.shmmax": "many"}'
	container true
	refused 'shmmax'
}

# bats test_tags=machine
@test "netDevices: an interface moves into the container, under a new name, with its addresses" {
	config '.linux.netDevices = {"tcais0": {name: "eth0"}, "tcais1": {}}'
	target 'ip link add tcais0 type dummy && ip link set tcais0 mtu 1400 && ip addr add 192.0.2.5/24 dev tcais0 && ip addr add 2001:db8::5/64 dev tcais0 nodad && ip link add tcais1 type dummy'
	container 'ip addr show eth0; ip link show tcais1'
	succeeded
	like "$output" 'eth0.*UP.*mtu 1400|eth0.*mtu 1400.*UP|mtu 1400'
	like "$output" '192.0.2.5/24'
	like "$output" '2001:db8::5/64'
	like "$output" 'tcais1'
	target 'ip link del tcais0 2>/dev/null; ip link del tcais1 2>/dev/null; true'
}

@test "netDevices: an interface that does not exist, or without a network namespace, is refused" {
	config '.linux.netDevices = {"nosuch0": {}}'
	container true
	refused 'nosuch0'
	config '.mounts |= map(select(.destination != "/sys"))'
	without_namespace network
	container true
	refused 'network|nosuch0'
}
