#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 40 s, vm 100 s
# process: credentials and every attribute that the program starts with.
load lib/common.bash

field() {
	sed -n "s/^$1:[[:space:]]*//p" <<<"$output"
}

probe() {
	program tool probe
	try caisson run "$id"
	succeeded
}

@test "user: uid, gid and additional groups, exactly" {
	config '.process.user = {uid: 1000, gid: 1001, additionalGids: [5, 10, 4000000000]}'
	container 'grep "^[UG]id:\|^Groups:" /proc/self/status'
	is "$(field Uid | tr '\t' ' ')" '1000 1000 1000 1000'
	is "$(field Gid | tr '\t' ' ')" '1001 1001 1001 1001'
	is "$(field Groups)" '5 10 4000000000 '
}

@test "user: without additionalGids there are none, whatever the caller has" {
	container 'grep "^Groups:" /proc/self/status'
	is "$(field Groups)" ''
}

@test "capabilities: the five sets are those of the configuration" {
	config '.process.capabilities = {bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_SETUID"], permitted: ["CAP_CHOWN", "CAP_KILL"],
		effective: ["CAP_KILL"], inheritable: ["CAP_CHOWN"], ambient: ["CAP_CHOWN"]}'
	program grep '^Cap' /proc/self/status
	config '.process.user.uid = 1000'
	caisson run "$id"
	is "$(field CapBnd)" 00000000000000a1
	is "$(field CapInh)" 0000000000000001
	is "$(field CapAmb)" 0000000000000001
	is "$(field CapPrm)" 0000000000000001
}

@test "capabilities: root's program has the bounding set at most" {
	container 'grep ^Cap /proc/self/status'
	is "$(field CapEff)" 0000000020000420
	is "$(field CapBnd)" 0000000020000420
	is "$(field CapInh)" 0000000000000000
	is "$(field CapAmb)" 0000000000000000
}

@test "capabilities: empty sets leave root with none" {
	config '.process.capabilities = {bounding: [], effective: [], permitted: [], inheritable: [], ambient: []}'
	container 'grep ^Cap /proc/self/status | tr -d "\n\t"; chown 5 /tmp 2>/dev/null || echo -n " refused"'
	is "$output" 'CapInh:0000000000000000CapPrm:0000000000000000CapEff:0000000000000000CapBnd:0000000000000000CapAmb:0000000000000000 refused'
}

@test "capabilities: one that this kernel does not know is a warning, not an error" {
	config '.process.capabilities.bounding += ["CAP_TIME_TRAVEL"]'
	container 'echo ran'
	is "$output" ran
	target 'caisson --log $bundle/log --log-format text run --bundle $bundle $id >/dev/null; cat $bundle/log'
	like "$output" 'CAP_TIME_TRAVEL'
}

@test "capabilities: an ordinary user keeps only what is ambient" {
	config '.process.user.uid = 1000 | .process.capabilities.ambient = [] | .process.capabilities.inheritable = []'
	container 'grep "^Cap[PE]" /proc/self/status'
	is "$(field CapEff)" 0000000000000000
}

@test "rlimits: soft and hard of every kind; unlimited" {
	config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 100, hard: 200}, {type: "RLIMIT_CORE", soft: 0, hard: 0}, {type: "RLIMIT_NPROC", soft: 50, hard: 60},
		{type: "RLIMIT_FSIZE", soft: 4096, hard: 8192}, {type: "RLIMIT_STACK", soft: 1048576, hard: 2097152}, {type: "RLIMIT_CPU", soft: 500, hard: 600}]'
	container "sed -n 's/  */ /g; /open files\|core file\|processes\|file size\|stack\|cpu time/p' /proc/self/limits"
	like "$output" 'Max open files 100 200'
	like "$output" 'Max core file size 0 0'
	like "$output" 'Max processes 50 60'
	like "$output" 'Max file size 4096 8192'
	like "$output" 'Max stack size 1048576 2097152'
	like "$output" 'Max cpu time 500 600'
}

@test "rlimits: the same type twice, soft above hard, an unknown type are refused" {
	config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 1, hard: 9}, {type: "RLIMIT_NOFILE", soft: 2, hard: 9}]'
	container true
	refused 'RLIMIT_NOFILE|rlimit'
	config '.process.rlimits = [{type: "RLIMIT_NOFILE", soft: 10, hard: 9}]'
	container true
	refused
	config '.process.rlimits = [{type: "RLIMIT_PATIENCE", soft: 1, hard: 9}]'
	container true
	refused 'RLIMIT_PATIENCE'
}

@test "noNewPrivileges: set only when asked for" {
	probe
	is "$(field no_new_privs)" 1
	config '.process.noNewPrivileges = false'
	probe
	is "$(field no_new_privs)" 0
}

@test "oomScoreAdj: the value, or the caller's when absent" {
	config '.process.oomScoreAdj = 500'
	container 'cat /proc/self/oom_score_adj'
	is "$output" 500
	if ! vm_differs 'a guest chooses among its own processes'; then
		config 'del(.process.oomScoreAdj)'
		target 'echo 100 >/proc/self/oom_score_adj; caisson run --bundle $bundle $id'
		is "$output" 100
	fi
	config '.process.oomScoreAdj = 2000'
	container true
	refused 'oomScoreAdj|oom_score_adj'
}

@test "oomScoreAdj: lower than the caller's, by root, with a user namespace as without" {
	config '.process.oomScoreAdj = 100'
	program cat /proc/self/oom_score_adj
	target 'echo 300 >/proc/self/oom_score_adj; caisson run --bundle $bundle $id'
	is "$output" 100
	config '.linux.namespaces += [{type: "user"}] | .linux.uidMappings = [{containerID: 0, hostID: 0, size: 65536}] | .linux.gidMappings = .linux.uidMappings'
	target 'echo 300 >/proc/self/oom_score_adj; caisson run --bundle $bundle $id'
	is "$output" 100
}

@test "umask: the value, 0022 by default" {
	probe
	is "$(field umask)" 0022
	config '.process.user.umask = 63'
	probe
	is "$(field umask)" 0077
}

@test "the program starts a session, is dumpable, has no death signal and only 0, 1 and 2 open" {
	probe
	is "$(field session)" 1
	is "$(field dumpable)" 1
	is "$(field pdeathsig)" 0
	is "$(field subreaper)" 0
	is "$(field fds)" '0 1 2'
}

@test "the program starts with no signal blocked or ignored" {
	program grep '^Sig[BI]' /proc/self/status
	caisson run "$id"
	is "$(field SigBlk)" 0000000000000000
	is "$(field SigIgn)" 0000000000000000
}

@test "scheduler: policy, nice, priority and flags" {
	config '.process.scheduler = {policy: "SCHED_BATCH", nice: 5}'
	probe
	is "$(field policy) $(field nice)" '3 5'
	config '.process.scheduler = {policy: "SCHED_OTHER", nice: 7, flags: ["SCHED_FLAG_RESET_ON_FORK"]}'
	probe
	is "$(field policy) $(field nice) $(field flags)" '0 7 1'
	config '.process.scheduler = {policy: "SCHED_IDLE"}'
	probe
	is "$(field policy)" 5
}

@test "scheduler: a nice value beside a policy that has none is ignored" {
	config '.process.scheduler = {policy: "SCHED_IDLE", nice: 5}'
	container 'echo ran'
	is "$output" ran
}

# bats test_tags=machine
@test "scheduler: real-time policies" {
	config '.process.scheduler = {policy: "SCHED_FIFO", priority: 10}'
	probe
	is "$(field policy) $(field priority)" '1 10'
	config '.process.scheduler = {policy: "SCHED_RR", priority: 20}'
	probe
	is "$(field policy) $(field priority)" '2 20'
}

@test "scheduler: an unknown policy or flag is refused by its name" {
	config '.process.scheduler = {policy: "SCHED_LUCK"}'
	container true
	refused 'SCHED_LUCK'
	config '.process.scheduler = {policy: "SCHED_OTHER", flags: ["SCHED_FLAG_LUCK"]}'
	container true
	refused 'SCHED_FLAG_LUCK'
}

@test "ioPriority: class and priority" {
	config '.process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 6}'
	probe
	is "$(field ioprio)" '2 6'
	config '.process.ioPriority = {class: "IOPRIO_CLASS_IDLE", priority: 0}'
	probe
	is "$(field ioprio)" '3 0'
	config '.process.ioPriority = {class: "IOPRIO_CLASS_IDLE"}'
	probe
	is "$(field ioprio)" '3 0'
	config '.process.ioPriority = {class: "IOPRIO_CLASS_LUCK", priority: 0}'
	container true
	refused 'IOPRIO_CLASS_LUCK'
}

@test "execCPUAffinity: an exec'd process runs on the final CPUs" {
	namespaces_only 'a guest has processors of its own'
	program sleep 1000
	config '.process.execCPUAffinity = {initial: "0-1", final: "1"}'
	target 'cd $bundle && caisson run -d $id && caisson exec $id tool probe'
	is "$(field cpus)" 1
}

@test "execCPUAffinity: a list that is no list is refused" {
	config '.process.execCPUAffinity = {initial: "0-", final: "x"}'
	container true
	refused 'execCPUAffinity|cpu'
}

@test "personality: the domain of the configuration" {
	config '.linux.personality = {domain: "LINUX32"}'
	container 'uname -m; tool probe | grep personality'
	is "$output" $'i686\npersonality: 0x8'
	config '.linux.personality = {domain: "VMS"}'
	container true
	refused 'VMS'
}

@test "memoryPolicy: mode, nodes and flags" {
	config '.linux.memoryPolicy = {mode: "MPOL_INTERLEAVE", nodes: "0"}'
	if vm_differs 'it is where the memory of the whole guest comes from'; then
		program sleep 1000
		target 'cd $bundle && caisson run -d $id && grep -c " interleave:0 " /proc/$(pid_of $id)/numa_maps; caisson delete --force $id'
		((output > 0)) || fail 'another policy'
		config '.linux.memoryPolicy = {mode: "MPOL_LUCK", nodes: "0"}'
		container true
		refused 'MPOL_LUCK'
		return
	fi
	probe
	is "$(field mempolicy)" '3 1'
	config '.linux.memoryPolicy = {mode: "MPOL_PREFERRED", nodes: "0", flags: ["MPOL_F_STATIC_NODES"]}'
	probe
	like "$(field mempolicy)" '^3?[0-9]+ 1$'
	config '.linux.memoryPolicy = {mode: "MPOL_LUCK", nodes: "0"}'
	container true
	refused 'MPOL_LUCK'
}

@test "session keyring: a new one for the container, the caller's with --no-new-keyring" {
	namespaces_only 'the keyrings of the caller are another kernel'"'"'s'
	program tool keyring
	caisson run "$id"
	new=$output
	target 'tool keyring'
	[[ ${new%% *} != "${output%% *}" ]] || fail 'the same keyring'
	program tool keyring
	target 'a=$(tool keyring); b=$(cd $bundle && caisson run --no-new-keyring $id); [ "${a%% *}" = "${b%% *}" ] && echo same'
	is "$output" same
}

@test "apparmorProfile and selinuxLabel: an error where this machine has neither" {
	config '.process.apparmorProfile = "caisson-default"'
	container true
	[[ $stderr == *pparmor* || $stderr == *ppArmor* ]] && ((status != 0)) || fail 'not refused'
	config 'del(.process.apparmorProfile) | .process.selinuxLabel = "system_u:system_r:container_t:s0"'
	container true
	refused 'selinux'
}

@test "intelRdt: an error where this machine has no resctrl" {
	config '.linux.intelRdt = {closID: "group", l3CacheSchema: "L3:0=ff"}'
	container true
	refused 'resctrl|rdt'
}

@test "args: absent or empty is refused; the first one is searched in PATH of the container" {
	config '.process.args = []'
	try caisson run "$id"
	refused 'args'
	own_rootfs
	target 'mkdir -p $rootfs/my/bin && printf "#!/bin/sh\necho mine\n" >$rootfs/my/bin/thing && chmod +x $rootfs/my/bin/thing'
	config '.process.env = ["PATH=/my/bin:/bin"]'
	program thing
	caisson run "$id"
	is "$output" mine
}

@test "a program without permission, a directory, a file that is no program: named, status 126 or 1" {
	own_rootfs
	target 'echo text >$rootfs/bin/plain; mkdir $rootfs/bin/directory; echo garbage >$rootfs/bin/garbage; chmod +x $rootfs/bin/garbage'
	for p in plain directory; do
		program "/bin/$p"
		try caisson run "$id"
		refused "$p"
	done
}
