/* SPDX-License-Identifier: Apache-2.0 */
#include "config/names.h"

#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "config/oci.h"

#define SAME(constant)                          \
	{                                       \
#constant, (uint64_t)(constant) \
	}
#define WORD(text)      \
	{               \
		text, 0 \
	}
#define END             \
	{               \
		NULL, 0 \
	}

const struct name_value rlimit_names[] = {
	SAME(RLIMIT_AS),
	SAME(RLIMIT_CORE),
	SAME(RLIMIT_CPU),
	SAME(RLIMIT_DATA),
	SAME(RLIMIT_FSIZE),
	SAME(RLIMIT_LOCKS),
	SAME(RLIMIT_MEMLOCK),
	SAME(RLIMIT_MSGQUEUE),
	SAME(RLIMIT_NICE),
	SAME(RLIMIT_NOFILE),
	SAME(RLIMIT_NPROC),
	SAME(RLIMIT_RSS),
	SAME(RLIMIT_RTPRIO),
	SAME(RLIMIT_RTTIME),
	SAME(RLIMIT_SIGPENDING),
	SAME(RLIMIT_STACK),
	END,
};

const struct name_value capability_names[] = {
	SAME(CAP_CHOWN),
	SAME(CAP_DAC_OVERRIDE),
	SAME(CAP_DAC_READ_SEARCH),
	SAME(CAP_FOWNER),
	SAME(CAP_FSETID),
	SAME(CAP_KILL),
	SAME(CAP_SETGID),
	SAME(CAP_SETUID),
	SAME(CAP_SETPCAP),
	SAME(CAP_LINUX_IMMUTABLE),
	SAME(CAP_NET_BIND_SERVICE),
	SAME(CAP_NET_BROADCAST),
	SAME(CAP_NET_ADMIN),
	SAME(CAP_NET_RAW),
	SAME(CAP_IPC_LOCK),
	SAME(CAP_IPC_OWNER),
	SAME(CAP_SYS_MODULE),
	SAME(CAP_SYS_RAWIO),
	SAME(CAP_SYS_CHROOT),
	SAME(CAP_SYS_PTRACE),
	SAME(CAP_SYS_PACCT),
	SAME(CAP_SYS_ADMIN),
	SAME(CAP_SYS_BOOT),
	SAME(CAP_SYS_NICE),
	SAME(CAP_SYS_RESOURCE),
	SAME(CAP_SYS_TIME),
	SAME(CAP_SYS_TTY_CONFIG),
	SAME(CAP_MKNOD),
	SAME(CAP_LEASE),
	SAME(CAP_AUDIT_WRITE),
	SAME(CAP_AUDIT_CONTROL),
	SAME(CAP_SETFCAP),
	SAME(CAP_MAC_OVERRIDE),
	SAME(CAP_MAC_ADMIN),
	SAME(CAP_SYSLOG),
	SAME(CAP_WAKE_ALARM),
	SAME(CAP_BLOCK_SUSPEND),
	SAME(CAP_AUDIT_READ),
	SAME(CAP_PERFMON),
	SAME(CAP_BPF),
	SAME(CAP_CHECKPOINT_RESTORE),
	END,
};

/* glibc's <sched.h> and <linux/sched.h> cannot be had together; SCHED_OTHER is SCHED_NORMAL. */
const struct name_value scheduler_policy_names[] = {
	{ "SCHED_OTHER", SCHED_NORMAL },
	SAME(SCHED_FIFO),
	SAME(SCHED_RR),
	SAME(SCHED_BATCH),
	{ "SCHED_ISO", SCHED_ISO_ },
	SAME(SCHED_IDLE),
	SAME(SCHED_DEADLINE),
	END,
};

const struct name_value scheduler_flag_names[] = {
	SAME(SCHED_FLAG_RESET_ON_FORK),
	SAME(SCHED_FLAG_RECLAIM),
	SAME(SCHED_FLAG_DL_OVERRUN),
	SAME(SCHED_FLAG_KEEP_POLICY),
	SAME(SCHED_FLAG_KEEP_PARAMS),
	SAME(SCHED_FLAG_UTIL_CLAMP_MIN),
	SAME(SCHED_FLAG_UTIL_CLAMP_MAX),
	END,
};

const struct name_value io_priority_class_names[] = {
	SAME(IOPRIO_CLASS_RT),
	SAME(IOPRIO_CLASS_BE),
	SAME(IOPRIO_CLASS_IDLE),
	END,
};

const struct name_value namespace_names[] = {
	{ "pid", OCI_NAMESPACE_PID },
	{ "network", OCI_NAMESPACE_NETWORK },
	{ "mount", OCI_NAMESPACE_MOUNT },
	{ "ipc", OCI_NAMESPACE_IPC },
	{ "uts", OCI_NAMESPACE_UTS },
	{ "user", OCI_NAMESPACE_USER },
	{ "cgroup", OCI_NAMESPACE_CGROUP },
	{ "time", OCI_NAMESPACE_TIME },
	END,
};

/* The forms with 'r' are not the specification's, but what mount(8) and other runtimes take. */
const struct name_value propagation_names[] = {
	WORD("shared"),
	WORD("slave"),
	WORD("private"),
	WORD("unbindable"),
	WORD("rshared"),
	WORD("rslave"),
	WORD("rprivate"),
	WORD("runbindable"),
	END,
};

const struct name_value personality_names[] = {
	{ "LINUX", PER_LINUX },
	{ "LINUX32", PER_LINUX32 },
	END,
};

const struct name_value memory_policy_mode_names[] = {
	SAME(MPOL_DEFAULT),
	SAME(MPOL_BIND),
	SAME(MPOL_INTERLEAVE),
	{ "MPOL_WEIGHTED_INTERLEAVE", 6 }, /* Linux 6.9 */
	SAME(MPOL_PREFERRED),
	SAME(MPOL_PREFERRED_MANY),
	SAME(MPOL_LOCAL),
	END,
};

const struct name_value memory_policy_flag_names[] = {
	SAME(MPOL_F_NUMA_BALANCING),
	SAME(MPOL_F_RELATIVE_NODES),
	SAME(MPOL_F_STATIC_NODES),
	END,
};

const struct name_value seccomp_action_names[] = {
	WORD("SCMP_ACT_ALLOW"),
	WORD("SCMP_ACT_ERRNO"),
	WORD("SCMP_ACT_KILL"),
	WORD("SCMP_ACT_KILL_PROCESS"),
	WORD("SCMP_ACT_KILL_THREAD"),
	WORD("SCMP_ACT_TRAP"),
	WORD("SCMP_ACT_TRACE"),
	WORD("SCMP_ACT_LOG"),
	WORD("SCMP_ACT_NOTIFY"),
	END,
};

const struct name_value seccomp_operator_names[] = {
	WORD("SCMP_CMP_NE"),
	WORD("SCMP_CMP_LT"),
	WORD("SCMP_CMP_LE"),
	WORD("SCMP_CMP_EQ"),
	WORD("SCMP_CMP_GE"),
	WORD("SCMP_CMP_GT"),
	WORD("SCMP_CMP_MASKED_EQ"),
	END,
};

const struct name_value seccomp_architecture_names[] = {
	WORD("SCMP_ARCH_X86_64"),
	WORD("SCMP_ARCH_X86"),
	WORD("SCMP_ARCH_X32"),
	WORD("SCMP_ARCH_ARM"),
	WORD("SCMP_ARCH_AARCH64"),
	WORD("SCMP_ARCH_LOONGARCH64"),
	WORD("SCMP_ARCH_M68K"),
	WORD("SCMP_ARCH_MIPS"),
	WORD("SCMP_ARCH_MIPS64"),
	WORD("SCMP_ARCH_MIPS64N32"),
	WORD("SCMP_ARCH_MIPSEL"),
	WORD("SCMP_ARCH_MIPSEL64"),
	WORD("SCMP_ARCH_MIPSEL64N32"),
	WORD("SCMP_ARCH_PPC"),
	WORD("SCMP_ARCH_PPC64"),
	WORD("SCMP_ARCH_PPC64LE"),
	WORD("SCMP_ARCH_S390"),
	WORD("SCMP_ARCH_S390X"),
	WORD("SCMP_ARCH_SH"),
	WORD("SCMP_ARCH_SHEB"),
	WORD("SCMP_ARCH_PARISC"),
	WORD("SCMP_ARCH_PARISC64"),
	WORD("SCMP_ARCH_RISCV64"),
	END,
};

const struct name_value seccomp_flag_names[] = {
	WORD("SECCOMP_FILTER_FLAG_TSYNC"),
	WORD("SECCOMP_FILTER_FLAG_LOG"),
	WORD("SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
	WORD("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"),
	END,
};

const struct name_value vm_image_format_names[] = {
	WORD("raw"),
	WORD("qcow2"),
	WORD("vdi"),
	WORD("vmdk"),
	WORD("vhd"),
	END,
};
