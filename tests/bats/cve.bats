#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 120 s, vm 240 s
# Known holes of container runtimes, each attacked as it was found. A test fails on a runtime
# without the defence.
load lib/common.bash

# How often a race is tried: the emulated machine is many times slower.
rounds() {
	if [[ $ISOLATION == vm ]]; then echo 6; elif [[ $TARGET == host ]]; then echo 300; else echo 60; fi
}

binary_hash() {
	target 'sha256sum $CAISSON | cut -c1-64'
	hash=$output
}

@test "CVE-2019-5736: a container cannot overwrite the runtime's binary through /proc/PID/exe" {
	own_rootfs
	all_capabilities
	config '.process.noNewPrivileges = false | .linux.maskedPaths = [] | .linux.readonlyPaths = []'
	binary_hash
	before=$hash
	# The program of every exec is /proc/self/exe: a runtime that runs itself in the container is seen.
	program tool grab-exe
	target 'cd $bundle && caisson run -d $id >$bundle/grabbed && ln -sf /proc/self/exe $rootfs/bin/again
		for i in 1 2 3 4 5 6 7 8 9 10; do caisson exec $id true; caisson exec $id /bin/again 2>/dev/null; done; sleep 1.5; sort -u $bundle/grabbed | head -n 20; true'
	unlike "$output" 'overwritten: /tmp/t/caisson'
	binary_hash
	is "$hash" "$before"
	target 'caisson --version >/dev/null'
}

@test "CVE-2019-5736: not by the init stage either: a program that is /proc/self/exe" {
	own_rootfs
	all_capabilities
	binary_hash
	before=$hash
	target 'ln -sf /proc/self/exe $rootfs/bin/again'
	program /bin/again --version
	try caisson run "$id"
	binary_hash
	is "$hash" "$before"
	# A library that the dynamic loader would take from the root file system must not be run.
	program sh -c 'for f in /proc/1/exe /proc/self/exe; do echo >>$f; done'
	try caisson run "$id"
	binary_hash
	is "$hash" "$before"
}

@test "CVE-2016-9962: a process on its way into the container cannot be traced, nor its descriptors read" {
	config '.linux.maskedPaths = []'
	program tool peek
	target 'cd $bundle && caisson run -d $id >$bundle/seen && for i in $(seq $1); do caisson exec $id true; done; sort -u $bundle/seen | head -n 20; true' "$(times 20 5)"
	unlike "$output" 'traced: [^ ]*caisson'
	unlike "$output" 'descriptor read:'
}

@test "CVE-2016-9962: the same for a container that joins the pid namespace of another" {
	namespaces_only 'a virtual machine cannot join a namespace of processes'
	program tool peek
	target 'cd $bundle && caisson run -d $id >$bundle/seen && mkdir $bundle/two && cp config.json two/ && ln -sf /proc/$(pid_of $id)/ns/pid pidns'
	config '.linux.namespaces |= map(if .type == "pid" then .path = "/tmp/t/bundles/'"$id"'/pidns" else . end) | .process.args = ["true"]'
	"$top/build/machine/run" --stdin --sh 'cat >"$1/two/config.json"' -- "$bundle" <"$BATS_TEST_TMPDIR/config.json"
	changed=
	target 'for i in $(seq 20); do caisson run --bundle $bundle/two $id-two; done; sort -u $bundle/seen | head -n 20; true'
	unlike "$output" 'traced: [^ ]*caisson'
	unlike "$output" 'descriptor read:'
}

@test "CVE-2019-16884, CVE-2019-19921: a root file system whose /proc is a symbolic link or a volume is refused" {
	own_rootfs
	target 'rm -r $rootfs/proc && mkdir $rootfs/fake && ln -s fake $rootfs/proc'
	config '.process.apparmorProfile = ""'
	container 'grep " /fake " /proc/self/mountinfo /fake/self/mountinfo 2>/dev/null && echo mounted'
	unlike "$output" mounted
	target 'rm $rootfs/proc && ln -s /tmp $rootfs/proc'
	container 'stat -f -c %T /tmp'
	unlike "$output" proc
	refused 'proc'
}

@test "CVE-2023-27561, CVE-2023-28642: a bind over /proc or /sys that is not procfs or sysfs is refused, or cannot hide labels" {
	target 'mkdir -p $bundle/fake/self/attr && echo >$bundle/fake/self/attr/exec'
	config '.mounts |= map(if .destination == "/proc" then {destination: "/proc", type: "bind", source: "/tmp/t/bundles/'"$id"'/fake", options: ["rbind"]} else . end)'
	container 'cat /proc/self/attr/exec'
	((status != 0)) || is "$output" ''
	own_rootfs
	target 'rm -r $rootfs/sys && ln -s tmp $rootfs/sys'
	config '.mounts |= map(select(.source | endswith("fake") | not))'
	container 'stat -f -c %T /tmp'
	unlike "$output" sysfs
}

@test "CVE-2021-30465: a mount target exchanged for a symbolic link meanwhile never leaves the root" {
	own_rootfs
	# The volume's directory turns into a link to the host's root and back, as fast as it can.
	target 'mkdir -p $rootfs/vol/a/mnt $bundle/secret && ln -s ../../../../../../../..$bundle/secret $rootfs/vol/b'
	mount_at /vol/a/mnt tmpfs attack
	program true
	limit=200
	target "rounds=$(rounds);"'cd $bundle && mkdir -p secret/mnt && { tool exchange $rootfs/vol/a $rootfs/vol/b & } && x=$! && i=0
		while [ $i -lt $rounds ]; do caisson run $id >/dev/null 2>&1; [ -z "$(ls -A secret/mnt)" ] || echo "written outside"; i=$((i + 1)); done
		kill $x; grep "$bundle/secret" /proc/self/mountinfo; true'
	is "$output" ''
}

@test "CVE-2021-43784: 64 KiB and more of mappings, arguments or paths are set up in full, or refused clearly" {
	config '.linux.namespaces += [{type: "user"}]
		| .linux.uidMappings = [range(280) | {containerID: ., hostID: (100000 + . * 2), size: 1}]
		| .linux.gidMappings = [range(280) | {containerID: ., hostID: (100000 + . * 2), size: 1}]'
	container 'wc -l </proc/self/uid_map; id -u'
	if vm_differs 'a guest maps no ids: the host does'; then
		is "$output" $'1\n0'
	else
		is "$output" $'280\n0'
	fi
	config '.linux.uidMappings = [range(5000) | {containerID: ., hostID: (100000 + . * 2), size: 1}]'
	container true
	refused 'mapping'
	config 'del(.linux.uidMappings, .linux.gidMappings) | .linux.namespaces |= map(select(.type != "user"))
		| .process.env += ["BIG=" + ("x" * 100000)] | .linux.maskedPaths += [range(3000) | "/no/such/path/number/\(.)"]'
	container 'echo ${#BIG}; grep -c . /proc/self/mountinfo >/dev/null && echo ran'
	is "$output" $'100000\nran'
}

@test "CVE-2022-29162, CVE-2022-27650: inheritable capabilities are empty unless asked for, in run and exec" {
	sleeping
	caisson exec "$id" grep ^CapInh /proc/self/status
	is "$output" $'CapInh:\t0000000000000000'
	caisson exec --cap CAP_NET_RAW "$id" grep ^CapInh /proc/self/status
	is "$output" $'CapInh:\t0000000000000000'
	target 'grep ^CapInh /proc/$(pid_of $id)/status'
	is "$output" $'CapInh:\t0000000000000000'
}

@test "CVE-2023-25809: without a cgroup namespace the cgroup tree is not writable in the container" {
	without_namespace cgroup
	user_namespace
	config '.mounts |= map(if .destination == "/sys/fs/cgroup" then .options = ["nosuid", "noexec", "nodev", "rw"] else . end)'
	container 'mkdir /sys/fs/cgroup/evil 2>/dev/null && echo made; for d in /sys/fs/cgroup /sys/fs/cgroup/..; do echo $$ >$d/cgroup.procs; done 2>/dev/null; find /sys/fs/cgroup -maxdepth 1 -name "caisson*" -o -maxdepth 1 -name "system.slice" | head -n 3'
	target 'find /sys/fs/cgroup -name evil | grep -v "$id"; true'
	is "$output" ''
	# As the other report of it: sysfs bound from the host, with cgroup below.
	config '.mounts |= map(select(.destination != "/sys/fs/cgroup")) | .mounts |= map(if .destination == "/sys" then {destination: "/sys", type: "none", source: "/sys", options: ["rbind", "nosuid", "noexec", "nodev", "ro"]} else . end)'
	container 'mkdir /sys/fs/cgroup/evil 2>/dev/null && echo made; true'
	unlike "$output" made
}

@test "CVE-2024-21626: cwd through each /proc/self/fd/N fails or stays inside; no descriptor leads outside" {
	own_rootfs
	program sh -c 'pwd -P; ls /tmp/t/caisson 2>/dev/null; cat ../../../../../tmp/t/target.sh 2>/dev/null | head -n 1; true'
	numbers='3 4 5 6 7 8 9 10 11 12'
	if vm_differs 'a guest boots for each, in which the agent has few open'; then numbers='3 5 7'; fi
	for n in $numbers; do
		# shellcheck disable=SC2016 # of jq
		config '.process.cwd = $c' --arg c "/proc/self/fd/$n"
		try caisson run "$id"
		unlike "$output" 'caisson'
		unlike "$output" 'SPDX'
	done
	target 'ls -A $rootfs/tmp' # a name that a link of procfs shows is not made, either
	is "$output" ''
	config '.process.cwd = "/"'
	sleeping
	target 'for n in 3 4 5 6 7 8 9 10 11 12 13 14; do caisson exec --cwd /proc/self/fd/$n $id sh -c "cat ../../../../../tmp/t/target.sh 2>/dev/null; true" 2>/dev/null; done; ls -l /proc/$(pid_of $id)/fd | grep -c " [3-9] -> \| [0-9][0-9] -> "; true'
	unlike "$output" 'SPDX'
	vm_differs 'the descriptors are the monitor'"'"'s, which runs no program' || is "${output##*$'\n'}" 0
	target 'caisson exec $id sh -c "ln -s /proc/self/fd/7/ /dev/shm/cwd"; for n in 3 4 5 6 7 8 9; do caisson exec $id ln -sfn /proc/self/fd/$n /dev/shm/cwd; caisson exec --cwd /dev/shm/cwd $id sh -c "cat ../../../../../tmp/t/target.sh 2>/dev/null; true" 2>/dev/null; done; true'
	unlike "$output" 'SPDX'
}

@test "CVE-2024-45310: directories for mount points are never made outside through a racing link" {
	own_rootfs
	target 'mkdir -p $rootfs/vol/a $bundle/outside && ln -s ../../../../../../../..$bundle/outside $rootfs/vol/b'
	mount_at /vol/a/made/by/runtime tmpfs attack
	program true
	limit=200
	target "rounds=$(rounds);"'cd $bundle && { tool exchange $rootfs/vol/a $rootfs/vol/b & } && x=$! && i=0
		while [ $i -lt $rounds ]; do caisson run $id >/dev/null 2>&1; rm -rf $rootfs/vol/a/made $rootfs/vol/b/made 2>/dev/null; i=$((i + 1)); done
		kill $x; ls -A outside'
	is "$output" ''
}

@test "CVE-2025-31133: a fake /dev/null in the root does not unmask a masked path" {
	own_rootfs
	# The runtime masks files with a bind of /dev/null, which here comes from the bundle.
	target 'mkdir -p $bundle/dev && echo fake >$bundle/dev/null && mkdir -p $rootfs/dev && ln -s /proc/sys/kernel/core_pattern $bundle/dev/link && echo secret >$rootfs/etc/secret'
	config '.mounts |= map(if .destination == "/dev" then {destination: "/dev", type: "bind", source: "/tmp/t/bundles/'"$id"'/dev", options: ["rbind", "rw"]} else . end)
		| .linux.maskedPaths += ["/etc/secret"] | .mounts |= map(select(.destination | startswith("/dev/") | not))'
	container 'cat /etc/secret'
	unlike "$output" secret
	unlike "$output" fake
	target 'rm $bundle/dev/null && ln -s /proc/sys/kernel/hostname $bundle/dev/null'
	container 'cat /etc/secret; echo x >/etc/secret; hostname'
	unlike "$output" secret
	unlike "$output" '^x$'
}

@test "CVE-2025-52565: /dev/console is bound from the terminal itself, not through a swapped /dev/pts" {
	own_rootfs
	target 'mkdir -p $bundle/dev/pts && echo >$bundle/dev/console && ln -s /proc/sys/kernel/core_pattern $bundle/dev/pts/0'
	config '.process.terminal = true | .mounts |= map(select(.destination | startswith("/dev") | not))'
	mount_at /dev bind "$bundle/dev" rbind,rw
	program sh -c 'grep -c "core_pattern\|/proc" /proc/self/mountinfo; stat -c %t /dev/console; ls -l /dev/console; cat /dev/console </dev/null >/dev/null & sleep 0.1'
	try target 'cd $bundle && tool pty $CAISSON --root $ROOT $flags run $id'
	unlike "$output" 'core_pattern'
	target 'cd $bundle && rm -f dev/console && ln -s /proc/sysrq-trigger dev/console; tool pty $CAISSON --root $ROOT $flags run $id 2>&1; true'
	unlike "$output" 'sysrq'
}

@test "CVE-2025-52881: sysctls and labels are written to procfs itself, whatever lies over /proc" {
	own_rootfs
	target 'mkdir -p $bundle/fake/sys/net/ipv4 $bundle/fake/sys/kernel && echo 0 >$bundle/fake/sys/net/ipv4/ip_forward && echo >$bundle/fake/sys/kernel/hostname'
	config '.linux.sysctl = {"net.ipv4.ip_forward": "1"}'
	mount_at /proc/sys bind "$bundle/fake/sys" bind,rw
	try caisson run "$id"
	target 'cat $bundle/fake/sys/net/ipv4/ip_forward'
	is "$output" 0
}

@test "CVE-2026-41579, CVE-2026-47766: a root file system whose /dev is a symbolic link makes nothing on the host" {
	own_rootfs
	target 'rm -r $rootfs/dev && mkdir $bundle/outside && ln -s ../../../../../../../..$bundle/outside $rootfs/dev'
	try caisson run "$id"
	target 'ls -A $bundle/outside; grep "$bundle/outside" /proc/self/mountinfo; true'
	is "$output" ''
	config '.mounts |= map(select(.destination | startswith("/dev") | not))'
	try caisson run "$id"
	target 'ls -A $bundle/outside; true'
	is "$output" ''
	target 'rm $rootfs/dev && ln -s '"$bundle"'/outside $rootfs/dev'
	try caisson run "$id"
	target 'ls -A $bundle/outside; true'
	is "$output" ''
}

@test "CVE-2026-30892: exec --user is parsed exactly, or refused; it never becomes another user" {
	sleeping
	caisson exec --user 1000 "$id" id -u
	is "$output" 1000
	for bad in '' : 1000: :1000 +1 -1 0x0 0x3e8 ' 1000' '1000 ' 1e3 4294967295 4294967296 4294968296 18446744073709551616 99999999999999999999 1000:x 1000:+1 1000:4294967296 1000:1000:1000 $'1000\n' no-such-user; do
		try caisson exec --user "$bad" "$id" sh -c 'echo $(id -u):$(id -g)'
		((status != 0)) || {
			# What is accepted must be what it says.
			case $bad in
			1000:) is "$output" 1000:0 ;;
			*) fail "--user '$bad' ran as $output" ;;
			esac
		}
	done
}

@test "CVE-2025-24965: the runtime writes nothing of its own into the root file system" {
	own_rootfs
	sleeping
	target 'caisson exec $id true; caisson delete --force $id; cd $bundle/rootfs && find . -newer $bundle/config.json -type f; find . -name "*caisson*" -o -name "*krun*"'
	is "$output" ''
}

@test "CVE-2020-15257: no control socket is reachable from a container with the caller's network" {
	without_namespace network
	config '.mounts |= map(select(.destination != "/sys"))'
	program tool abstract-connect
	if vm_differs 'it never has the network of its caller'; then
		try caisson run "$id"
		refused "host's network"
		config '.linux.namespaces += [{type: "network"}]'
	else
		caisson run "$id"
		unlike "$output" 'caisson'
	fi
	# What there is lies in a directory of the owner's only.
	program sleep 1000
	target 'cd $bundle && caisson run -d $id && find $ROOT -type s -perm /077; find $ROOT -maxdepth 1 -type d -name "$id" ! -perm 700; true'
	is "$output" ''
}

@test "CVE-2024-40635: large ids never become 0" {
	for big in 2147483647 2147483648 4294967294; do
		# shellcheck disable=SC2016 # of jq
		config '.process.user = {uid: ($u | tonumber), gid: ($u | tonumber)}' --arg u "$big"
		container 'echo $(id -u):$(id -g)'
		is "$output" "$big:$big"
	done
	for big in 4294967295 4294967296 4294967297 8589934592 18446744073709551615 -1 1e3000 1.5; do
		config ".process.user = {uid: 5, gid: 5}"
		sed -i "s/\"uid\": 5/\"uid\": $big/" "$BATS_TEST_TMPDIR/config.json"
		changed=yes
		try caisson run "$id"
		refused 'uid'
	done
}
