/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One list of system calls for each kind of thread, made into a filter when a thread of that kind
 * starts. What is not on a list fails with EPERM: a thread that meets a call nobody thought of says
 * so, instead of ending the guest.
 */
#include "runtime/vm/monitor/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <linux/vhost.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/error.h"
#include "runtime/vm/monitor/confine_filter.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Of every thread: wait, signal eventfds, allocate, log, end. mmap and mprotect: see below. */
static const uint16_t common_calls[] = {
	SYS_read,
	SYS_write,
	SYS_writev,
	SYS_sendto,
	SYS_sendmsg,
	SYS_futex,
	SYS_rt_sigreturn,
	SYS_rt_sigprocmask,
	SYS_rt_tgsigqueueinfo,
	SYS_getpid,
	SYS_gettid,
	SYS_tgkill,
	SYS_clock_gettime,
	SYS_clock_nanosleep,
	SYS_brk,
	SYS_munmap,
	SYS_madvise,
	SYS_sched_yield,
	SYS_sigaltstack, /* a sanitizer's, when a thread ends */
	SYS_restart_syscall,
	SYS_exit,
	SYS_exit_group,
};

/* The registers of devices are written in it: a reset, a notification. */
static const uint16_t vcpu_calls[] = { SYS_readv, SYS_epoll_ctl, SYS_timerfd_settime };
static const uint32_t vcpu_ioctls[] = { KVM_RUN, KVM_IRQ_LINE, KVM_GET_REGS, KVM_KVMCLOCK_CTRL };

static const uint16_t disk_calls[] = { SYS_preadv, SYS_preadv2, SYS_pwrite64, SYS_pwritev2,
	SYS_pwritev, SYS_fdatasync, SYS_fallocate, SYS_io_uring_enter, SYS_epoll_wait, SYS_poll,
	SYS_ppoll };
static const uint32_t disk_ioctls[] = { KVM_IRQ_LINE };

static const uint16_t network_calls[] = { SYS_readv, SYS_epoll_wait, SYS_epoll_ctl, SYS_close };
static const uint32_t network_ioctls[] = { KVM_IRQ_LINE, TUNSETOFFLOAD, TUNSETQUEUE,
	VHOST_SET_FEATURES, VHOST_SET_MEM_TABLE, VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE,
	VHOST_GET_VRING_BASE, VHOST_SET_VRING_ADDR, VHOST_SET_VRING_KICK, VHOST_SET_VRING_CALL,
	VHOST_SET_VRING_ERR, VHOST_NET_SET_BACKEND };

/* Files by descriptor or beneath one, as any user: but no socket, process, mount or namespace. */
static const uint16_t files_calls[] = { SYS_epoll_wait, SYS_preadv, SYS_preadv2, SYS_pwritev,
	SYS_pwritev2, SYS_lseek, SYS_open, SYS_openat, SYS_openat2, SYS_close, SYS_fcntl, SYS_fstat,
	SYS_newfstatat, SYS_statx, SYS_getdents64, SYS_readlinkat, SYS_mkdirat, SYS_mknodat,
	SYS_linkat, SYS_symlinkat, SYS_unlinkat, SYS_renameat, SYS_renameat2, SYS_ftruncate,
	SYS_fallocate, SYS_copy_file_range, SYS_chmod, SYS_fchmod, SYS_fchmodat, SYS_fchownat,
	SYS_utimensat, SYS_fstatfs, SYS_fsync, SYS_fdatasync, SYS_syncfs, SYS_setxattr,
	SYS_getxattr, SYS_listxattr, SYS_removexattr, SYS_fchdir, SYS_umask, SYS_capget, SYS_capset,
	SYS_setgroups, SYS_setfsuid, SYS_setfsgid, SYS_geteuid, SYS_getegid, SYS_prlimit64,
	SYS_mremap };
static const uint32_t files_ioctls[] = { KVM_IRQ_LINE };

struct rules {
	bool powerless; /* no capability */
	bool own_paths; /* may have a working directory and a umask of its own: unshare(CLONE_FS) */
	const uint16_t *calls;
	size_t n_calls;
	const uint32_t *ioctls;
	size_t n_ioctls;
};

#define LISTS(kind)                                                                     \
	.calls = kind##_calls, .n_calls = COUNT(kind##_calls), .ioctls = kind##_ioctls, \
	.n_ioctls = COUNT(kind##_ioctls)

static const struct rules rules[] = {
	[CONFINE_VCPU] = { .powerless = true, LISTS(vcpu) },
	[CONFINE_DISK] = { .powerless = true, LISTS(disk) },
	[CONFINE_NETWORK] = { .powerless = true, LISTS(network) },
	[CONFINE_FILES] = { .own_paths = true, LISTS(files) },
};

#define PROGRAM_MAX 256

struct program {
	struct sock_filter code[PROGRAM_MAX];
	size_t length;
};

static void emit(struct program *program, struct sock_filter instruction)
{
	/* One too many is seen when the program is loaded. */
	if (program->length < PROGRAM_MAX)
		program->code[program->length] = instruction;
	program->length++;
}

static void allow_if(struct program *program, uint32_t value)
{
	emit(program, (struct sock_filter)UNLESS_EQUAL_SKIP(value, 1));
	emit(program, (struct sock_filter)RETURN(SECCOMP_RET_ALLOW));
}

/* ioctl: by its request. */
static void add_ioctls(struct program *program, const struct rules *of)
{
	emit(program,
		(struct sock_filter)UNLESS_EQUAL_SKIP(SYS_ioctl, (uint8_t)(2 * of->n_ioctls + 2)));
	emit(program, (struct sock_filter)LOAD(args[1]));
	for (size_t i = 0; i < of->n_ioctls; i++)
		allow_if(program, of->ioctls[i]);
	emit(program, (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM));
}

/* malloc's: memory that is no code. */
static void add_memory(struct program *program, uint32_t call)
{
	emit(program, (struct sock_filter)UNLESS_EQUAL_SKIP(call, 4));
	emit(program, (struct sock_filter)LOAD(args[2]));
	emit(program, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0));
	emit(program, (struct sock_filter)RETURN(SECCOMP_RET_ALLOW));
	emit(program, (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM));
}

static void add_unshare(struct program *program)
{
	emit(program, (struct sock_filter)UNLESS_EQUAL_SKIP(SYS_unshare, 4));
	emit(program, (struct sock_filter)LOAD(args[0]));
	allow_if(program, CLONE_FS);
	emit(program, (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM));
}

static void compile(const struct rules *of, struct program *program)
{
	static const struct sock_filter native[] = {
		LOAD(arch),
		UNLESS_EQUAL_SKIP(AUDIT_ARCH_X86_64, 1),
		BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
	};

	program->length = 0;
	for (size_t i = 0; i < COUNT(native); i++)
		emit(program, native[i]);
	add_ioctls(program, of);
	for (size_t i = 0; i < COUNT(common_calls); i++)
		allow_if(program, common_calls[i]);
	for (size_t i = 0; i < of->n_calls; i++)
		allow_if(program, of->calls[i]);
	add_memory(program, SYS_mmap);
	add_memory(program, SYS_mprotect);
	if (of->own_paths)
		add_unshare(program);
	emit(program, (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EPERM));
}

int confine_thread(enum confine_kind kind, struct error *err)
{
	const struct rules *of = &rules[kind];
	struct program program;

	if (kind == CONFINE_NOTHING)
		return 0;
	int r = of->powerless ? confine_drop_capabilities(err) : 0;
	if (r < 0)
		return r;
	compile(of, &program);
	if (program.length > PROGRAM_MAX)
		return error_say(err, E2BIG, "a thread's seccomp filter is too long");
	return confine_load_filter(program.code, program.length, err);
}
