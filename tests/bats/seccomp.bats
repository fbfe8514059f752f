#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# budget: 30 s, vm 90 s
# linux.seccomp: actions, arguments, errnoRet, flags, and an agent at listenerPath.
load lib/common.bash

# x86-64's numbers: getcwd 79, mkdir 83, personality 135, sync 162
seccomp() {
	config ".linux.seccomp = $1"
}

@test "errnoRet: a system call fails with the errno of the rule, EPERM by default" {
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [
		{names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 38}, {names: ["personality"], action: "SCMP_ACT_ERRNO"}]}'
	container 'tool syscall 83 0; tool syscall 135 0xffffffff'
	is "$output" $'-1 ENOSYS\n-1 EPERM'
}

@test "defaultErrnoRet: what no rule names fails with it" {
	seccomp '{defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 95, syscalls: [{action: "SCMP_ACT_ALLOW", names: [
		"execve","exit","exit_group","brk","mmap","munmap","mprotect","arch_prctl","set_tid_address","set_robust_list","rseq","prlimit64","readlinkat","readlink","getrandom",
		"write","writev","read","close","fstat","newfstatat","futex","rt_sigaction","rt_sigprocmask","ioctl","open","openat","uname","prctl","close_range","fcntl","access","faccessat","faccessat2","capset","getuid","getpid","sigaltstack","poll"]}]}'
	program tool syscall 83 0
	caisson run "$id"
	is "$output" '-1 EOPNOTSUPP'
}

@test "KILL_PROCESS: the program dies of SIGSYS" {
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_KILL_PROCESS"}]}'
	container 'tool syscall 83 0; echo $?'
	like "$output" '159$'
}

@test "KILL, TRAP and LOG do what they say" {
	for action in SCMP_ACT_KILL SCMP_ACT_KILL_THREAD SCMP_ACT_TRAP; do
		seccomp "{defaultAction: \"SCMP_ACT_ALLOW\", syscalls: [{names: [\"mkdir\"], action: \"$action\"}]}"
		container 'tool syscall 83 0; echo $?'
		like "$output" '159$'
	done
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_LOG"}]}'
	container 'tool syscall 83 0'
	is "$output" '-1 EFAULT'
}

@test "arguments: every operator" {
	local op value
	while read -r op value; do
		# rlimit resource in the first argument of getrlimit (97)
		seccomp "{defaultAction: \"SCMP_ACT_ALLOW\", syscalls: [{names: [\"getrlimit\"], action: \"SCMP_ACT_ERRNO\", errnoRet: 40, args: [{index: 0, value: $value, valueTwo: 2, op: \"$op\"}]}]}"
		container 'for n in 1 2 3; do tool syscall 97 $n 0; done | tr "\n" " "'
		case $op in
		SCMP_CMP_EQ) want='-1 EFAULT -1 ELOOP -1 EFAULT ' ;;
		SCMP_CMP_NE) want='-1 ELOOP -1 EFAULT -1 ELOOP ' ;;
		SCMP_CMP_LT) want='-1 ELOOP -1 EFAULT -1 EFAULT ' ;;
		SCMP_CMP_LE) want='-1 ELOOP -1 ELOOP -1 EFAULT ' ;;
		SCMP_CMP_GT) want='-1 EFAULT -1 EFAULT -1 ELOOP ' ;;
		SCMP_CMP_GE) want='-1 EFAULT -1 ELOOP -1 ELOOP ' ;;
		SCMP_CMP_MASKED_EQ) want='-1 EFAULT -1 ELOOP -1 ELOOP ' ;; # value is the mask 2
		esac
		is "$output" "$want"
	done <<<$'SCMP_CMP_EQ 2\nSCMP_CMP_NE 2\nSCMP_CMP_LT 2\nSCMP_CMP_LE 2\nSCMP_CMP_GT 2\nSCMP_CMP_GE 2\nSCMP_CMP_MASKED_EQ 2'
}

@test "two rules on one argument of one call are alternatives" {
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [
		{names: ["getrlimit"], action: "SCMP_ACT_ERRNO", errnoRet: 40, args: [{index: 0, value: 1, op: "SCMP_CMP_EQ"}]},
		{names: ["getrlimit"], action: "SCMP_ACT_ERRNO", errnoRet: 40, args: [{index: 0, value: 3, op: "SCMP_CMP_EQ"}]}]}'
	container 'for n in 1 2 3; do tool syscall 97 $n 0; done | tr "\n" " "'
	is "$output" '-1 ELOOP -1 EFAULT -1 ELOOP '
}

@test "names that this kernel does not know are skipped" {
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["not_a_system_call", "mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 40}]}'
	container 'tool syscall 83 0'
	is "$output" '-1 ELOOP'
}

@test "architectures: those listed; the native one always" {
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_X86_64"], syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 40}]}'
	container 'tool syscall 83 0'
	is "$output" '-1 ELOOP'
}

@test "flags: LOG, SPEC_ALLOW and TSYNC are accepted, an unknown one is refused by its name" {
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"], syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 40}]}'
	container 'tool syscall 83 0'
	is "$output" '-1 ELOOP'
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", flags: ["SECCOMP_FILTER_FLAG_LUCK"]}'
	container true
	refused 'SECCOMP_FILTER_FLAG_LUCK'
}

@test "an action, operator or architecture that does not exist is refused by its name" {
	seccomp '{defaultAction: "SCMP_ACT_HOPE"}'
	container true
	refused SCMP_ACT_HOPE
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_Z80"]}'
	container true
	refused SCMP_ARCH_Z80
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", args: [{index: 0, value: 1, op: "SCMP_CMP_ISH"}]}]}'
	container true
	refused SCMP_CMP_ISH
}

@test "without noNewPrivileges, and as an ordinary user, the filter is loaded too" {
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 40}]}'
	config '.process.noNewPrivileges = false | .process.user.uid = 1000'
	container 'tool syscall 83 0; grep "^Seccomp:" /proc/self/status | tr -d "\t"'
	is "$output" $'-1 ELOOP\nSeccomp:2'
}

@test "exec: the same filter" {
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 40}]}'
	sleeping
	caisson exec "$id" tool syscall 83 0
	is "$output" '-1 ELOOP'
}

@test "the compiled filter is kept: a second container of the same profile gets the same filter" {
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 40}]}'
	container 'tool syscall 83 0'
	container 'tool syscall 83 0'
	is "$output" '-1 ELOOP'
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_ERRNO", errnoRet: 39}]}'
	container 'tool syscall 83 0'
	is "$output" '-1 ENOTEMPTY'
}

@test "NOTIFY: the agent at listenerPath gets the state and answers" {
	namespaces_only 'a seccomp listener cannot leave a guest'
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", listenerPath: "'"$bundle"'/agent", listenerMetadata: "some data", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NOTIFY"}]}'
	program sh -c 'tool syscall 83 0'
	target 'cd $bundle && { tool seccomp-agent $bundle/agent 61 >$bundle/agent.out & } && eventually test -S agent && caisson run $id; sleep 0.2; kill $! 2>/dev/null; cat agent.out'
	like "$output" '-1 ENODATA'
	line=$(grep '^{' <<<"$output")
	# shellcheck disable=SC2016 # of jq
	jq -e --arg id "$id" '.ociVersion and .fds == ["seccompFd"] and .pid > 0 and .metadata == "some data" and .state.id == $id and .state.pid > 0' <<<"$line" >/dev/null || fail "$line"
	like "$output" 'notified: 83'
}

@test "NOTIFY: without a listenerPath, or with none listening, is refused" {
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NOTIFY"}]}'
	container true
	refused 'listenerPath|listener'
	seccomp '{defaultAction: "SCMP_ACT_ALLOW", listenerPath: "/no/such/agent", syscalls: [{names: ["mkdir"], action: "SCMP_ACT_NOTIFY"}]}'
	container true
	if vm_differs 'a listener cannot leave a guest'; then
		refused 'listener on the host cannot answer'
	else
		refused '/no/such/agent'
	fi
}

@test "a big profile: 400 names and 50 rules with arguments" {
	# shellcheck disable=SC2016 # of jq
	config '.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: ([range(50) | {names: ["prctl"], action: "SCMP_ACT_ERRNO", errnoRet: 40, args: [{index: 0, value: (1000 + .), op: "SCMP_CMP_EQ"}]}]
		+ [{names: ["mkdir", "mkdirat", "swapon", "swapoff", "reboot", "init_module", "kexec_load"], action: "SCMP_ACT_ERRNO", errnoRet: 40}])}'
	container 'tool syscall 157 1000; tool syscall 157 1049; tool syscall 157 1050; tool syscall 83 0'
	is "$output" $'-1 ELOOP\n-1 ELOOP\n-1 EINVAL\n-1 ELOOP'
}
