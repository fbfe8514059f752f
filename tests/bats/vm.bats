#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 240 s
# What only a virtual machine has: its choice, its jail, its failures. Needs ISOLATION=vm.
# bats file_tags=machine,vm
load lib/common.bash

test_setup() {
	[[ $ISOLATION == vm ]] || skip 'is about virtual machines: ISOLATION=vm'
}

# Runs the program with these settings instead of the usual ones: a jq filter of the latter.
with_settings() {
	local filter=$1
	shift
	jq -n '{vm: {kernel: "/tmp/t/guest/vmlinux", initrd: "/tmp/t/guest/agent.cpio",
		kernel_parameters: ["noxsave"]}} | '"$filter" >"$BATS_TEST_TMPDIR/settings.json"
	target 'mkdir -p $bundle; cat >$bundle/settings.json <<-EOT
		'"$(cat "$BATS_TEST_TMPDIR/settings.json")"'
	EOT'
	try target 'cd $bundle && flags= && caisson --settings $bundle/settings.json "$@"' "$@"
}

one_line() {
	[[ -n $stderr && $(wc -l <<<"$stderr") == 1 ]] || fail 'not one line'
}

@test "the monitor has its own user namespace, few capabilities, no_new_privs and a filter in each thread" {
	sleeping
	target 'p=$(pid_of $id)
		for n in user mnt pid net ipc uts cgroup; do
			[ "$(readlink /proc/$p/ns/$n)" != "$(readlink /proc/self/ns/$n)" ] || echo "same $n"
		done
		for t in /proc/$p/task/*; do
			grep -q "^NoNewPrivs:.1$" $t/status || echo "$t may gain privileges"
			grep -q "^Seccomp:.2$" $t/status || echo "$t has no filter"
			cap=$(sed -n "s/^CapEff:.//p" $t/status)
			[ $((0x$cap & ~0x880000df)) = 0 ] || echo "$t has capabilities $cap"
		done
		cat /proc/$p/uid_map | tr -s " "
		grep -c . /proc/$p/task/*/status >/dev/null'
	is "$output" ' 0 0 4294967295'
}

@test "the monitor's thread for a processor has no capability at all" {
	sleeping
	target 'grep -h "^CapPrm" /proc/$(pid_of $id)/task/*/status | sort -u | tr -s "\t" " "'
	like "$output" 'CapPrm: 0000000000000000'
}

@test "a name of its own means vm: caisson-vm; a flag is stronger" {
	program cat /proc/version
	target 'ln -sf caisson $T/caisson-vm; cd $bundle && uname -r
		$T/caisson-vm --root $ROOT --settings $T/settings.json run $id
		$T/caisson-vm --root $ROOT --isolation namespace run $id'
	mapfile -t line <<<"$output"
	[[ ${line[1]} != *"${line[0]}"* ]] || fail 'the same kernel'
	like "${line[2]}" "${line[0]}"
}

@test "state says vm" {
	sleeping
	caisson state "$id"
	json '.isolation == "vm" and .annotations["caisson.isolation"] == "vm"'
}

@test "an annotation raises the isolation where the settings allow it, never lowers it" {
	program cat /proc/version
	config '.annotations = {"caisson.isolation": "vm"}'
	with_settings '. + {allowed_annotations: ["caisson.isolation"]}' run "$id"
	succeeded
	target 'cat /proc/version'
	with_settings . run "$id"
	refused 'annotation caisson.isolation: not allowed'
	one_line
	config '.annotations = {"caisson.isolation": "namespace"}'
	with_settings '. + {allowed_annotations: ["caisson.isolation"]}' --isolation vm run "$id"
	refused 'never lower'
}

@test "auto uses namespaces where no guest can be booted, and says so in the log" {
	program cat /proc/version
	with_settings '.isolation = "auto" | .vm.kernel = "/nonexistent/vmlinux"' --log-level info run "$id"
	succeeded
	like "$stderr" 'isolation auto: using namespaces.*vmlinux'
	is "$output" "$(target 'cat /proc/version' && echo "$output")"
}

@test "no kernel, no agent, a file that is no kernel: one line that names it" {
	with_settings '.vm.kernel = "/nonexistent/vmlinux"' --isolation vm run "$id"
	refused '/nonexistent/vmlinux'
	one_line
	with_settings '.vm.initrd = "/nonexistent/agent.cpio"' --isolation vm run "$id"
	refused '/nonexistent/agent.cpio'
	one_line
	with_settings '.vm.kernel = "/tmp/t/target.sh"' --isolation vm run "$id"
	refused 'kernel'
	one_line
	target 'made_containers; true'
	is "$output" ''
}

@test "no permission for /dev/kvm: one line that says what mends it" {
	try target 'cd $bundle && mount --bind /dev/null /dev/kvm
		caisson run $id; s=$?; umount /dev/kvm; exit $s'
	refused kvm
	one_line
}

@test "a guest that panics at boot: its last words, and nothing is left" {
	with_settings '.vm.initrd = "/tmp/t/target.sh"' --isolation vm run "$id"
	refused 'panic'
	one_line
	target 'made_containers; true'
	is "$output" ''
}

@test "a guest that hangs at boot is given up after 10 s" {
	target 'mkdir -p $bundle/i/bin && cd $bundle/i && cp $T/bin/busybox bin/ && mkdir dev proc &&
		printf "#!/bin/busybox sh\necho hangs here >/dev/kmsg\n/bin/busybox sleep 1000\n" >init &&
		chmod 755 init && find . | cpio -o -H newc >../hang.cpio 2>/dev/null && rm -r $bundle/i'
	target 'printf "{\"vm\": {\"kernel\": \"/tmp/t/guest/vmlinux\", \"initrd\": \"$bundle/hang.cpio\",
		\"kernel_parameters\": [\"noxsave\"]}}" >$bundle/settings.json'
	try target 'cd $bundle && flags= && caisson --settings $bundle/settings.json --isolation vm run $id'
	refused 'did not answer within 10 s'
	one_line
	target 'made_containers; true'
	is "$output" ''
}

@test "a guest that dies under its program: one line with the cause, status 255" {
	config '.linux.readonlyPaths = [] | .linux.maskedPaths = []'
	program sh -c 'echo 1 >/proc/sys/vm/panic_on_oom && for i in 1 2 3; do dd if=/dev/zero of=/dev/null bs=120M count=9 & done; wait'
	try caisson run "$id"
	((status == 255)) || fail 'not 255'
	like "$stderr" 'the guest ended: .*panic'
	one_line
}

@test "CVE-2020-27151: config.json names no kernel and no agent of the host's, and no parameters" {
	config '.vm = {kernel: {path: "/etc/passwd"}}'
	try caisson run "$id"
	refused 'vm.kernel.path'
	config '.vm = {kernel: {path: "/tmp/t/guest/vmlinux", initrd: "/etc/passwd"}}'
	try caisson run "$id"
	refused 'vm.kernel.initrd: /etc/passwd'
	one_line
	config '.vm = {kernel: {path: "/tmp/t/guest/vmlinux", parameters: ["nosmep"]}}'
	try caisson run "$id"
	refused 'vm.kernel.parameters'
	one_line
	with_settings '.vm.container_paths = true' --isolation vm run "$id"
	refused 'vm.kernel.parameters'
}

@test "the vm object: the size is honoured, what nobody can honour is refused" {
	program grep MemTotal /proc/meminfo
	config '.vm = {kernel: {path: "/tmp/t/guest/vmlinux"}, hwConfig: {memory: 134217728}}'
	caisson run "$id"
	like "$output" 'MemTotal: +1[0-2][0-9]{4} kB'
	config '.vm.hypervisor = {path: "/usr/bin/qemu"}'
	try caisson run "$id"
	refused 'vm.hypervisor'
}

@test "kill KILL loses nothing that was written: as much is there as in a namespace container" {
	config '.root.readonly = false'
	mount_at /data bind "$bundle" bind,rw
	own_rootfs
	program sh -c 'dd if=/dev/urandom of=/data/a bs=64k count=16 2>/dev/null; cp /data/a /copy
		md5sum </data/a >/data/sum; echo ready >/data/ready; sleep 1000'
	target 'cd $bundle && caisson run -d $id && eventually test -s ready && caisson kill $id KILL &&
		eventually has_status $id stopped && md5sum <a | diff - sum && md5sum <rootfs/copy | diff - sum &&
		echo kept'
	is "$output" kept
}

@test "a normal end loses nothing that was written" {
	mount_at /data bind "$bundle" bind,rw
	container 'dd if=/dev/urandom of=/data/a bs=64k count=16 2>/dev/null; md5sum </data/a'
	local sum=$output
	target 'md5sum <$bundle/a'
	is "$output" "$sum"
}

@test "SIGKILL of the monitor, created or running: delete --force clears all" {
	program sleep 1000
	target 'cd $bundle && caisson create $id && kill -KILL $(pid_of $id) && caisson delete --force $id &&
		caisson run -d $id && kill -KILL $(pid_of $id) && eventually has_status $id stopped &&
		caisson delete --force $id && made_containers; echo cleared'
	is "$output" cleared
}

@test "SIGKILL of create and its monitor while the guest boots: delete --force clears all" {
	program sleep 1000
	target 'cd $bundle && for delay in 0.05 0.3 0.8; do
			caisson create $id & sleep $delay; kill -KILL $! 2>/dev/null; wait $! 2>/dev/null
			caisson delete --force $id || echo "not deleted after $delay"
		done; made_containers; echo cleared'
	is "$output" cleared
}

@test "memory: the limit holds in the guest, whose end by it is status 137" {
	config '.linux.resources.memory = {limit: 33554432}'
	program sh -c 'cat /sys/fs/cgroup/memory.max; head -c 100000000 /dev/zero | tail'
	config '.process.env += ["X=1"]'
	try caisson run "$id"
	like "$output" '^33554432'
	((status != 0)) || fail 'not killed'
}

@test "size: memory is the limit and the overhead, processors the quota rounded up" {
	config '.linux.resources = {memory: {limit: 134217728}, cpu: {quota: 150000, period: 100000}}'
	program sh -c 'grep MemTotal /proc/meminfo; nproc'
	caisson run "$id"
	like "$output" 'MemTotal: +1[5-9][0-9]{4} kB'
	target 'nproc'
	like "$output" '^[12]$'
}

@test "update: limits of the guest's; ps and events show the guest" {
	sleeping
	caisson update --memory 64m --pids-limit 50 "$id"
	caisson exec "$id" cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max
	is "$output" $'67108864\n50'
	caisson ps "$id"
	like "$output" 'sleep 1000'
	caisson events --stats "$id"
	json '.host.memory.usage.usage > .data.memory.usage.usage and .data.pids.current == 1'
}

@test "pause: the guest's clock is right after it" {
	sleeping
	target 'caisson pause $id && sleep 2 && caisson resume $id && a=$(caisson exec $id date +%s) &&
		b=$(date +%s) && [ $((b - a)) -le 1 ] && [ $((a - b)) -le 1 ] && echo right'
	is "$output" right
}

@test "a descriptor cannot be passed into a guest: refused with the reason" {
	program true
	try target 'cd $bundle && exec 3</dev/null && caisson run --preserve-fds 1 $id'
	refused 'preserve-fds'
}

@test "an ordinary user who may open /dev/kvm runs one too; who may not is told the group" {
	program sh -c 'id -u; uname -r'
	config '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [{containerID: 0, hostID: 1000, size: 1}]
		| .linux.gidMappings = [{containerID: 0, hostID: 1000, size: 1}]
		| .mounts |= map(select(.destination != "/sys/fs/cgroup"))
		| (.mounts[] | select(.destination == "/dev/pts") | .options) = ["nosuid", "noexec"]'
	try target 'mkdir -p $bundle/state && chown -R 1000:1000 $bundle && chmod 711 $T $T/bundles && cd $bundle
		user() { setpriv --reuid 1000 --regid 1000 --clear-groups "$CAISSON" --root $bundle/state $flags --cgroup-manager disabled "$@"; }
		mode=$(stat -c %a /dev/kvm); chmod 666 /dev/kvm; user run $id; chmod 600 /dev/kvm; user run $id; s=$?
		chmod $mode /dev/kvm; ls -A state; exit $s'
	like "$output" '^0.*guest'
	refused 'kvm'
	one_line
}
