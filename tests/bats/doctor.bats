#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 60 s
# caisson doctor: what works, and the command that mends the rest.
load lib/common.bash

checks() {
	jq -r --arg isolation "$1" '.[$isolation].checks[] | "\(.status) \(.name)"' <<<"$output"
}

mends() {
	jq -r --arg name "$1" '.[].checks[] | select(.name == $name) | .mend' <<<"$output"
}

# What does not work is followed by what mends it, in the text that people read.
mended() {
	local line missing=''
	while IFS= read -r line; do
		[[ -z $missing || $line =~ ^' '+mend:\ .+ ]] || fail "no mend for: $missing"
		missing=''
		[[ ! $line =~ ^'  '(missing|optional) ]] || missing=$line
	done <<<"$output"
	[[ -z $missing ]] || fail "no mend for: $missing"
}

# The guest's kernel and agent, in the target; the settings that name them.
guest_files() {
	local top=$BATS_TEST_DIRNAME/../..
	[[ -e $top/build/guest/bzImage ]] || skip "no guest kernel: 'make guest-kernel'"
	tar -C "$top/build/guest" -c bzImage agent.cpio |
		"$top/build/machine/run" --stdin --timeout 60 --sh 'mkdir -p /tmp/t/doctor && tar -C /tmp/t/doctor -x -m'
	settings='--settings /tmp/t/doctor/settings.json'
	target 'echo "{\"vm\": {\"kernel\": \"$T/doctor/bzImage\", \"initrd\": \"$T/doctor/agent.cpio\"}}" >$T/doctor/settings.json'
}

@test "doctor on this very machine: its verdict on the processors is that of a guest that is tried" {
	try target '$CAISSON vm probe 2>&1'
	local probe=$status why=$output
	target 'caisson doctor'
	mended
	target 'caisson doctor --format json'
	case $(checks vm) in
	*'ok processors'*) ((probe == 0)) || fail "no guest runs here: $why" ;;
	*'missing processors'*)
		((probe != 0)) || fail 'a guest runs here'
		like "$(mends processors)" 'nested virtualization|a kernel whose KVM'
		;;
	*'missing /dev/kvm'*) like "$(mends /dev/kvm)" 'modprobe kvm' ;;
	*) fail 'nothing is said of the processors' ;;
	esac
}

@test "doctor in the test machine, with kernel and agent: both isolations work, nothing is to be mended" {
	[[ $TARGET == machine ]] || skip 'the host may be one where no guest runs'
	guest_files
	target "caisson $settings doctor"
	like "$output" 'namespace isolation: works'
	like "$output" 'vm isolation: works'
	unlike "$output" 'missing'
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
	json '.vm.checks[] | select(.name == "/dev/kvm") | .detail | test("No such file")'
	json '.namespace.works and (.vm.works | not)'
}

@test "doctor without a right to /dev/kvm: names the group" {
	target 'unshare -m sh -c "mount -t tmpfs none /dev && mknod -m 600 /dev/kvm c 10 232 &&
		/usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups $CAISSON doctor --format json || true"'
	like "$(checks vm)" 'missing /dev/kvm'
	like "$(mends /dev/kvm)" 'usermod -aG kvm USER'
	json '.vm.works | not'
	# What it says mends it.
	target 'unshare -m sh -c "mount -t tmpfs none /dev && mknod -m 660 /dev/kvm c 10 232 && chgrp 4711 /dev/kvm &&
		/usr/bin/setpriv --reuid 65534 --regid 65534 --groups 4711 $CAISSON doctor --format json || true"'
	[[ $(mends /dev/kvm) != *usermod* ]] || fail 'a member of the group is told to become one'
	target 'unshare -m sh -c "mount -t tmpfs none /dev && mknod -m 600 /dev/kvm c 10 232 &&
		/usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups $CAISSON doctor || true"'
	mended
}

@test "doctor without a guest kernel, then with the one that is named: what it says mends it" {
	guest_files
	target "mv \$T/doctor/bzImage \$T/doctor/away; caisson $settings doctor --format json; mv \$T/doctor/away \$T/doctor/bzImage"
	like "$(checks vm)" 'missing guest kernel'
	like "$(checks vm)" 'ok guest agent'
	like "$(mends 'guest kernel')" 'make guest-kernel && sudo make install; or name a kernel in the settings'
	json '.vm.works | not'
	target "caisson $settings doctor --format json"
	like "$(checks vm)" 'ok guest kernel'
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
