#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 420 s
# bats file_tags=machine,vm
# Lives of virtual machines, one after the other, in a network namespace that outlives them: nothing
# is left of any. Needs ISOLATION=vm.
load lib/common.bash

test_setup() {
	[[ $ISOLATION == vm ]] || skip 'resources.bats has the cycles of namespaces'
	limit=1500
	# shellcheck disable=SC2016 # of jq
	config '.linux.namespaces |= map(if .type == "network" then .path = "/run/netns/\($id)" else . end)' --arg id "$id"
	target 'ip netns add $id && ip link add near type veth peer name eth0 netns $id && ip link set near up &&
		ip -n $id link set lo up && ip -n $id addr add 10.1.2.3/24 dev eth0 && ip -n $id link set eth0 up'
}

test_teardown() {
	[[ $ISOLATION != vm ]] || target 'ip link del near 2>/dev/null; ip netns del $id; true'
}

@test "100 lives leave no process, mount, cgroup, tap, tc rule, bpf program, open file or directory; state is readable throughout" {
	config '.linux.resources = {devices: [{allow: false, access: "rwm"}], memory: {limit: 67108864}}'
	program sleep 1000
	# Every fourth ends by itself, by kill, by the death of its monitor, by delete --force.
	target 'programs() { /usr/bin/python3 -c "
import ctypes
libc, attr, n = ctypes.CDLL(None), (ctypes.c_uint32 * 8)(), 0
while libc.syscall(321, 11, ctypes.byref(attr), 32) == 0: # bpf(BPF_PROG_GET_NEXT_ID)
    attr[0], n = attr[1], n + 1
print(n)"; }
		net() { /sbin/ip netns exec $id sh -c "/sbin/ip link show; /sbin/tc qdisc show; for l in eth0 lo; do /sbin/tc filter show dev \$l parent ffff:; done; nft list ruleset" 2>&1 | sed "s/ state [A-Z]* / /"; }
		count() { find /sys/fs/cgroup -type d | wc -l; sed "s/^[0-9]* [0-9]* //" /proc/self/mountinfo | sort; made_containers; orphans; net; ls /dev/net /run /tmp $T; }
		cycle() {
			caisson create --bundle $bundle $id || { echo "$1: create"; return; }
			has_status $id created || echo "$1: created: $(caisson state $id 2>&1)"
			caisson start $id || echo "$1: start"
			has_status $id running || echo "$1: running: $(caisson state $id 2>&1)"
			case $(($1 % 4)) in
			0) caisson exec $id kill -TERM 1; caisson kill $id KILL ;;
			1) caisson kill $id KILL ;;
			2) kill -KILL $(pid_of $id) ;;
			3) caisson delete --force $id || echo "$1: delete --force"; return ;;
			esac
			eventually has_status $id stopped || echo "$1: stopped: $(caisson state $id 2>&1)"
			caisson list >/dev/null || echo "$1: list"
			caisson delete $id || echo "$1: delete"
		}
		cycle 3; count >$bundle/count; programs=$(programs) files=$(cut -f1 /proc/sys/fs/file-nr)
		i=0; while [ $i -lt 100 ]; do cycle $i; i=$((i + 1)); done
		same() { count >$bundle/now; cmp -s $bundle/count $bundle/now; }; eventually same || diff $bundle/count $bundle/now
		few() { [ $(($(programs) - programs)) -lt 50 ]; }; eventually few || echo "$programs programs, then $(programs)"
		[ $(($(cut -f1 /proc/sys/fs/file-nr) - files)) -lt 50 ] || echo "$files open files, then $(cut -f1 /proc/sys/fs/file-nr)"'
	is "$output" ''
}
