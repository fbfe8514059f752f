#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 20 s
# caisson doctor: what works, and the command that mends the rest.
load lib/common.bash

checks() {
	jq -r --arg isolation "$1" '.[$isolation].checks[] | "\(.status) \(.name)"' <<<"$output"
}

mends() {
	jq -r --arg name "$1" '.[].checks[] | select(.name == $name) | .mend' <<<"$output"
}

@test "doctor: namespaces work where containers run, and its status is 0" {
	target 'caisson doctor'
	like "$output" 'namespace isolation: works'
	like "$output" 'vm isolation: '
}

@test "doctor --format json: each thing has a state, each missing one a command" {
	target 'caisson doctor --format json'
	json '.namespace.works and (.vm.works | type == "boolean")'
	json '[.[].checks[] | select(.status != "ok" and .mend == null)] == []'
	json '[.[].checks[].status] - ["ok", "optional", "missing"] == []'
	like "$(checks namespace)" 'ok system calls'
	like "$(checks namespace)" 'ok seccomp'
	try caisson doctor --format xml
	refused 'must be text or json'
}

@test "doctor without /dev/kvm: says how to get it" {
	target 'unshare -m sh -c "mount -t tmpfs none /dev && $CAISSON doctor --format json"'
	like "$(checks vm)" 'missing /dev/kvm'
	like "$(mends /dev/kvm)" 'modprobe kvm-intel'
	like "$(mends 'network cards')" 'modprobe tun'
	json '.namespace.works and (.vm.works | not)'
}

@test "doctor without a right to /dev/kvm: names the group" {
	target 'unshare -m sh -c "mount -t tmpfs none /dev && mknod -m 600 /dev/kvm c 10 232 &&
		/usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups $CAISSON doctor --format json || true"'
	like "$(checks vm)" 'missing /dev/kvm'
	like "$(mends /dev/kvm)" 'usermod -aG kvm USER'
}

@test "doctor without a guest kernel, or with a wrong one: says how to make it" {
	target 'unshare -m sh -c "mkdir -p /etc && mount -t tmpfs none /etc && mkdir /etc/caisson &&
		echo not a kernel >/etc/caisson/kernel &&
		echo {\\\"vm\\\": {\\\"kernel\\\": \\\"/etc/caisson/kernel\\\", \\\"initrd\\\": \\\"/nowhere\\\"}} >/etc/caisson/config.json &&
		$CAISSON doctor --format json"'
	like "$(checks vm)" 'missing guest kernel'
	like "$(checks vm)" 'missing guest agent'
	like "$(mends 'guest kernel')" 'make guest-kernel'
	json '.vm.checks[] | select(.name == "guest kernel") | .detail | contains("/etc/caisson/kernel")'
}
