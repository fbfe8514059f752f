/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/monitor/confine.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/error.h"
#include "runtime/vm/monitor/confine_filter.h"

#define REFUSE_IF(value) UNLESS_EQUAL_SKIP(value, 1), RETURN(SECCOMP_RET_ERRNO | EPERM)

#define NAMESPACES                                                                     \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
		CLONE_NEWPID | CLONE_NEWNET)
#define UNLESS_ANY_SKIP(mask, skip) BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (mask), 0, (skip))

static const struct sock_filter main_filter[] = {
	LOAD(arch),
	UNLESS_EQUAL_SKIP(AUDIT_ARCH_X86_64, 1),
	BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
	RETURN(SECCOMP_RET_KILL_PROCESS),
	LOAD(nr),
	/* The x32 numbers are other names of the same calls. */
	BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1),
	RETURN(SECCOMP_RET_ERRNO | EPERM),
	/* Threads only, in the namespaces of the others; clone3's flags are out of sight here. */
	UNLESS_EQUAL_SKIP(SYS_clone3, 1),
	RETURN(SECCOMP_RET_ERRNO | ENOSYS),
	UNLESS_EQUAL_SKIP(SYS_clone, 6),
	LOAD(args[0]),
	UNLESS_ANY_SKIP(NAMESPACES, 1),
	RETURN(SECCOMP_RET_ERRNO | EPERM),
	UNLESS_ANY_SKIP(CLONE_THREAD, 1),
	RETURN(SECCOMP_RET_ALLOW),
	RETURN(SECCOMP_RET_ERRNO | EPERM),
	UNLESS_EQUAL_SKIP(SYS_unshare, 4),
	LOAD(args[0]),
	UNLESS_EQUAL_SKIP(CLONE_FS, 1),
	RETURN(SECCOMP_RET_ALLOW),
	RETURN(SECCOMP_RET_ERRNO | EPERM),
	REFUSE_IF(SYS_execve),
	REFUSE_IF(SYS_execveat),
	REFUSE_IF(SYS_fork),
	REFUSE_IF(SYS_vfork),
	REFUSE_IF(SYS_ptrace),
	REFUSE_IF(SYS_process_vm_readv),
	REFUSE_IF(SYS_process_vm_writev),
	REFUSE_IF(SYS_kcmp),
	REFUSE_IF(SYS_pidfd_getfd),
	REFUSE_IF(SYS_mount),
	REFUSE_IF(SYS_umount2),
	REFUSE_IF(SYS_pivot_root),
	REFUSE_IF(SYS_chroot),
	REFUSE_IF(SYS_fsopen),
	REFUSE_IF(SYS_fsmount),
	REFUSE_IF(SYS_move_mount),
	REFUSE_IF(SYS_mount_setattr),
	REFUSE_IF(SYS_open_by_handle_at),
	REFUSE_IF(SYS_setns),
	REFUSE_IF(SYS_bpf),
	REFUSE_IF(SYS_perf_event_open),
	REFUSE_IF(SYS_userfaultfd),
	REFUSE_IF(SYS_keyctl),
	REFUSE_IF(SYS_add_key),
	REFUSE_IF(SYS_request_key),
	REFUSE_IF(SYS_init_module),
	REFUSE_IF(SYS_finit_module),
	REFUSE_IF(SYS_delete_module),
	REFUSE_IF(SYS_kexec_load),
	REFUSE_IF(SYS_kexec_file_load),
	REFUSE_IF(SYS_reboot),
	REFUSE_IF(SYS_swapon),
	REFUSE_IF(SYS_iopl),
	REFUSE_IF(SYS_ioperm),
	REFUSE_IF(SYS_personality),
	RETURN(SECCOMP_RET_ALLOW),
};

int confine_load_filter(const struct sock_filter *filter, size_t count, struct error *err)
{
	const struct sock_fprog program = {
		.len = (unsigned short)count,
		.filter = (struct sock_filter *)filter,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, errno, "set no_new_privs");
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return error_set(err, errno, "load a thread's seccomp filter");
	return 0;
}

/* Keeps of the permitted and effective sets what `mask` has, and nothing of the others. */
static int keep_capabilities(uint64_t mask, struct error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, errno, "set no_new_privs");
	if (mask != 0 && syscall(SYS_capget, &header, data) < 0)
		return error_set(err, errno, "read the capabilities");
	for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(mask >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	/* Ambient capabilities go with the permitted and inheritable ones. */
	if (syscall(SYS_capset, &header, data) < 0)
		return error_set(err, errno, "drop capabilities");
	return 0;
}

int confine_drop_capabilities(struct error *err)
{
	return keep_capabilities(0, err);
}

int confine_keep_file_capabilities(struct error *err)
{
	static const unsigned int kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH,
		CAP_FOWNER, CAP_FSETID, CAP_SETGID, CAP_SETUID, CAP_MKNOD, CAP_SETFCAP };
	uint64_t mask = 0;

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		mask |= UINT64_C(1) << kept[i];
	return keep_capabilities(mask, err);
}

int confine_monitor(struct error *err)
{
	int r = confine_keep_file_capabilities(err);

	return r < 0 ? r : confine_main_thread(err);
}

/* What cannot be had is not what protects the host first: the container's wall is the guest's. */
static void close_file_systems(void)
{
	const long abi = syscall(
		SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct landlock_ruleset_attr all = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	};

	if (abi < 1)
		return;
	/* Of version 2: renaming and linking across directories; of version 3: truncating. */
	for (long version = 2; version <= abi && version <= 3; version++)
		all.handled_access_fs = all.handled_access_fs << 1 | 1;
	int rules = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (rules < 0)
		return;
	syscall(SYS_landlock_restrict_self, rules, 0);
	close(rules);
}

int confine_outside(struct error *err)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return error_set(err, errno, "go into namespaces of its own");
	int r = confine_drop_capabilities(err);
	if (r < 0)
		return r;
	close_file_systems();
	return confine_main_thread(err);
}

int confine_main_thread(struct error *err)
{
	return confine_load_filter(main_filter, sizeof(main_filter) / sizeof(main_filter[0]), err);
}
