#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 200 s
# The network of a container in a virtual machine: what its network namespace has re-appears in the
# guest. Only for vm: in namespaces there is nothing to copy.
# bats file_tags=machine,vm
load lib/common.bash

test_setup() {
	[[ $ISOLATION == vm ]] || skip "vm only: a container of namespaces has the interfaces themselves"
	# shellcheck disable=SC2016 # of jq
	config '.linux.namespaces |= map(if .type == "network" then .path = "/run/netns/\($id)" else . end)
		| .process.capabilities |= map_values(. + ["CAP_NET_RAW"])' --arg id "$id"
	target 'ip netns add $id && ip -n $id link set lo up'
}

test_teardown() {
	[[ $ISOLATION != vm ]] || target 'ip link del near 2>/dev/null; ip netns del $id 2>/dev/null; true'
}

# A pair like a CNI plugin's.
wire='ip link add near type veth peer name eth0 netns $id && ip addr add 10.1.2.1/24 dev near &&
	ip -6 addr add fd00::1/64 dev near nodad && ip link set near up &&
	ip -n $id link set eth0 address 02:00:00:00:00:07 mtu 1400 && ip -n $id addr add 10.1.2.3/24 dev eth0 &&
	ip -n $id -6 addr add fd00::3/64 dev eth0 nodad && ip -n $id link set eth0 up &&
	ip -n $id route add default via 10.1.2.1 && ip -n $id route add 192.0.2.0/24 via 10.1.2.9 metric 7 &&
	ip -n $id neigh add 10.1.2.8 lladdr 02:00:00:00:00:08 dev eth0 nud permanent; '
nothing_left='! ip -n $id link show | grep caisson && ! ip -n $id -d qdisc show 2>/dev/null | grep ingress &&
	! ip netns exec $id tc qdisc show | grep ingress && '

@test "an interface re-appears with name, address, MTU, addresses, routes and neighbours; packets flow" {
	program sh -c 'ip addr show eth0; ip route; ip neigh; ip -6 route;
		ping -c 1 -W 5 10.1.2.1 && ping6 -c 1 -W 5 fd00::1 && echo both'
	target "$wire"'caisson run --bundle $bundle $id && '"$nothing_left"'echo clean'
	like "$output" 'mtu 1400'
	like "$output" 'link/ether 02:00:00:00:00:07'
	like "$output" 'inet 10\.1\.2\.3/24'
	like "$output" 'inet6 fd00::3/64'
	like "$output" 'default via 10\.1\.2\.1 dev eth0'
	like "$output" '192\.0\.2\.0/24 via 10\.1\.2\.9 dev eth0 *metric 7'
	like "$output" '10\.1\.2\.8 dev eth0 lladdr 02:00:00:00:00:08 .*PERMANENT'
	like "$output" $'both\nclean$'
}

@test "a macvlan re-appears, and packets flow" {
	program sh -c 'ip addr show eth0; ping -c 1 -W 5 10.1.3.1 && echo reached'
	target 'modprobe macvlan && ip link add near type veth peer name far && ip addr add 10.1.3.1/24 dev far &&
		ip link set far up && ip link set near up && ip link add link near name mv0 type macvlan mode bridge &&
		ip link set mv0 address 02:00:00:00:00:09 && ip link set mv0 netns $id && ip -n $id link set mv0 name eth0 &&
		ip -n $id addr add 10.1.3.2/24 dev eth0 && ip -n $id link set eth0 up &&
		caisson run --bundle $bundle $id && '"$nothing_left"'echo clean'
	like "$output" 'link/ether 02:00:00:00:00:09'
	like "$output" 'inet 10\.1\.3\.2/24'
	like "$output" $'reached\nclean$'
}

@test "the kernel moves the packets where the host has vhost-net" {
	program sh -c 'ping -c 1 -W 5 10.1.2.1 && sleep 1 && ping6 -c 1 -W 5 fd00::1 && echo both'
	target "$wire"'modprobe vhost_net && {
			for i in $(seq 300); do pgrep -x "vhost-[0-9]*" >mover && break; sleep 0.05; done & } &&
		caisson run --bundle $bundle $id; rmmod vhost_net; test -s mover && '"$nothing_left"'echo clean'
	like "$output" $'both\nclean$'
}

@test "the kernel moves packets into memory that came later, too" {
	config '.linux.resources.memory = {limit: 67108864}'
	mount_at /mnt tmpfs tmpfs size=250m
	program sleep 1000
	limit=120
	target "$wire"'modprobe vhost_net && caisson run -d --bundle $bundle $id && caisson update --memory 256m $id &&
		caisson exec $id sh -c "dd if=/dev/zero of=/mnt/full bs=1M count=130 2>/dev/null; ping -c 3 -W 5 10.1.2.1 >/dev/null && echo reached" &&
		dd if=/dev/urandom of=$bundle/sent bs=1M count=4 2>/dev/null && { caisson exec $id sh -c "nc -l -p 7 -e dd of=/mnt/got bs=64k 2>/dev/null; md5sum </mnt/got" >got & } &&
		eventually_soon caisson exec $id sh -c "netstat -ltn | grep -q :7" && timeout 30 socat -u FILE:$bundle/sent TCP:10.1.2.3:7; wait $!; md5sum <$bundle/sent | diff - got && echo same
		caisson delete -f $id; rmmod vhost_net'
	is "$output" $'reached\nsame'
}

@test "interfaces that come between create and start; each is a card of its own" {
	program sh -c 'ls /sys/class/net; ping -c 1 -W 5 10.1.2.1 >/dev/null && echo reached'
	target 'caisson create --bundle $bundle $id && '"$wire"'
		ip -n $id link add net7 type veth peer name other && ip -n $id link set net7 up &&
		caisson start $id >&2 && for i in $(seq 100); do [ "$(status_of $id)" != stopped ] || break; sleep 0.1; done
		caisson delete $id; '"$nothing_left"'echo clean'
	like "$output$stderr" 'eth0'
	like "$output$stderr" 'net7'
	like "$output$stderr" 'reached'
	like "$output" 'clean$'
}

@test "four interfaces re-appear; a fifth is refused in one line, and nothing is left" {
	program sh -c 'ls /sys/class/net | tr "\n" " "'
	add='for i in 1 2 3 4; do ip -n $id link add card$i type veth peer name other$i netns 1 && ip -n $id link set card$i up; done; '
	target "$add"'caisson run --bundle $bundle $id; ip -n $id link add card5 type veth peer name other5 netns 1'
	is "$output" 'card1 card2 card3 card4 lo '
	try target 'caisson run --bundle $bundle $id; s=$?; '"$nothing_left"'echo clean; exit $s'
	is "$output" clean
	refused 'network namespace has 5 interfaces: a virtual machine gets 4 at most'
	[[ $(wc -l <<<"$stderr") == 1 ]] || fail 'not one line'
}

@test "an empty namespace gives the loopback only" {
	program sh -c 'ls /sys/class/net; ping -c 1 -W 5 127.0.0.1 >/dev/null && echo lo works'
	caisson run "$id"
	is "$output" $'lo\nlo works'
}

@test "a namespace that another virtual machine has is refused in one line; its own goes on" {
	program sleep 1000
	target "$wire"'caisson run -d --bundle $bundle $id && ! caisson run --bundle $bundle ${id}2 && 
		ping -c 1 -W 5 10.1.2.3 >/dev/null && echo goes on; caisson delete -f $id; caisson delete -f ${id}2'
	like "$stderr" "network namespace belongs to the virtual machine of container $id"
	like "$output" 'goes on'
}

@test "the host's network is refused, with the reason" {
	config '.linux.namespaces |= map(select(.type != "network"))'
	program true
	try caisson run "$id"
	refused "host's network"
}

@test "a monitor that is killed leaves no tap; delete --force takes the rest away" {
	program sleep 1000
	target "$wire"'caisson run -d --bundle $bundle $id && ip -n $id link show | grep -o caisson &&
		kill -9 $(pid_of $id) && for i in $(seq 50); do ip -n $id link show | grep -q caisson || break; sleep 0.1; done
		caisson delete --force $id && '"$nothing_left"'echo clean'
	is "$output" $'caisson\nclean'
}

@test "SIGKILL of start and of its monitor at 12 points: delete --force leaves neither tap nor redirection" {
	limit=300
	program sleep 1000
	target "$wire"'
		cd $bundle; for i in $(seq 0 11); do
			caisson create $id || echo "$i: create"; pid=$(pid_of $id)
			caisson start $id >/dev/null 2>&1 & p=$!; usleep $((i * 12000)); kill -KILL $p 2>/dev/null
			[ $((i % 3)) != 0 ] || kill -KILL $pid 2>/dev/null; wait $p 2>/dev/null
			caisson state $id >/dev/null || echo "$i: state"
			caisson delete --force $id || echo "$i: delete"
			for try in $(seq 40); do ip -n $id link show | grep -q caisson || break; sleep 0.05; done
			'"$nothing_left"': || echo "$i: left"
		done'
	is "$output" ''
}

@test "connections to the namespace's own loopback reach the guest" {
	program sh -c 'echo from the guest >/dev/shm/f && httpd -p 127.0.0.1:80 -h /dev/shm && sleep 1000'
	target "$wire"'caisson run -d --bundle $bundle $id && for i in $(seq 50); do
			ip netns exec $id wget -q -O - http://127.0.0.1:80/f 2>/dev/null && break; sleep 0.2; done
		caisson delete -f $id; ip netns exec $id wget -q -O - http://127.0.0.1:80/f || echo gone'
	is "$output" $'from the guest\ngone'
}
