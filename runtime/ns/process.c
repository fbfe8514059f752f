/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/ns/credentials.h"
#include "runtime/ns/environment.h"
#include "runtime/ns/limits.h"
#include "runtime/ns/path.h"
#include "runtime/ns/seccomp.h"

/* runc's and crun's, where process.user.umask is absent. */
#define DEFAULT_UMASK 022

static bool refused(int status)
{
	return status == -EACCES || status == -EPERM;
}

static int set_limits(const struct process_setup *setup, struct error *err)
{
	const struct oci_process *process = setup->process;
	int status;

	status = oom_score_set(
		setup->procfs, 0, &process->oom_score_adj, setup->keep_oom_score, err);
	if (status < 0)
		return status;
	if (setup->linux != NULL) {
		status = memory_policy_set(&setup->linux->memory_policy, err);
		if (status < 0)
			return status;
		status = personality_set(&setup->linux->personality, err);
		if (status < 0)
			return status;
	}
	if (setup->exec) {
		status = affinity_set(process->exec_cpu_affinity.final, err);
		if (status < 0)
			return status;
	}
	status = io_priority_set(&process->io_priority, err);
	if (status < 0)
		return status;
	return scheduler_set(&process->scheduler, err);
}

static int set_labels(const struct process_setup *setup, struct error *err)
{
	const struct oci_process *process = setup->process;
	int status;

	if (setup->keyring_name != NULL) {
		status = keyring_join_session(
			setup->procfs, setup->keyring_name, process->selinux_label, err);
		if (status < 0)
			return status;
	}
	status = label_set_apparmor(setup->procfs, process->apparmor_profile, err);
	if (status < 0)
		return status;
	return label_set_selinux(setup->procfs, process->selinux_label, err);
}

/*
 * The program may open /dev/stdout again only if its pipe or terminal is its own. Nothing else is
 * given away: a file or a device that the caller redirects from stays the caller's.
 */
static int own_stdio(const struct oci_process *process, struct error *err)
{
	for (int fd = 0; fd < 3; fd++) {
		struct stat st;

		if (fstat(fd, &st) < 0) {
			if (errno == EBADF)
				continue;
			return error_set(err, errno, "look at file descriptor %d", fd);
		}
		bool terminal = process->terminal && S_ISCHR(st.st_mode) &&
			major(st.st_rdev) >= 136 && major(st.st_rdev) <= 143;
		if (!(S_ISFIFO(st.st_mode) || terminal) || st.st_uid == process->user.uid)
			continue;
		/* Refused where the owner is not mapped, or the file system is read-only: then the
		 * program does without, as it does under other runtimes. */
		if (fchown(fd, process->user.uid, (gid_t)-1) < 0 && errno != EPERM &&
			errno != EINVAL && errno != EROFS)
			return error_set(err, errno, "give file descriptor %d to user %u", fd,
				process->user.uid);
	}
	return 0;
}

/* For kernels before 5.11, and filters around us that know no close_range(2). */
static int mark_each_fd(const struct process_setup *setup, struct error *err)
{
	unsigned long first = 3 + setup->extra_fds;
	int fd = openat(setup->procfs, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL) {
		int failure = errno;

		close_fd(fd);
		return error_set(err, failure, "list the open file descriptors");
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		char *end;
		unsigned long number = strtoul(entry->d_name, &end, 10);

		if (*end == '\0' && number >= first && fcntl((int)number, F_SETFD, FD_CLOEXEC) < 0)
			return error_set(err, errno, "close file descriptor %lu", number);
	}
	return 0;
}

/*
 * Closed by execve(2) rather than now, so that a failure of it can still be reported.
 */
static int mark_fds(const struct process_setup *setup, struct error *err)
{
	if (syscall(SYS_close_range, (unsigned int)(3 + setup->extra_fds), ~0U,
		    CLOSE_RANGE_CLOEXEC) == 0)
		return 0;
	if (errno != ENOSYS && errno != EINVAL && errno != EPERM)
		return error_set(
			err, errno, "close all file descriptors but %zu", 3 + setup->extra_fds);
	return mark_each_fd(setup, err);
}

/*
 * Enters the working directory as root, or else as the user, who may have rights that root lacks
 * (a volume on a network file system). *again says that the second is needed.
 */
static int enter_directory(
	const struct process_setup *setup, int root, bool *again, struct error *err)
{
	int status = working_directory_enter(
		root, setup->process->cwd, !setup->exec && !*again, err);

	if (status < 0 && refused(status) && !*again) {
		*again = true;
		return 0;
	}
	return status;
}

/*
 * From here on the process cannot be looked into by others of its user (CVE-2016-9962): a process
 * of the container that shares the pid namespace would find the runtime's descriptors and memory.
 */
static int become_user(const struct process_setup *setup, struct error *err)
{
	const struct oci_user *user = &setup->process->user;
	int status;

	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return error_set(err, errno, "make the process not dumpable");
	status = capabilities_bound(&setup->process->capabilities, err);
	if (status < 0)
		return status;
	status = ids_set(setup->procfs, user, setup->keep_groups, err);
	if (status < 0)
		return status;
	umask(user->umask.set ? user->umask.value : DEFAULT_UMASK);
	return 0;
}

/* The listener's number: the lowest free one, which the kernel is bound to give (open(2)). */
static int announce(const struct process_setup *setup, struct error *err)
{
	int fd = fcntl(0, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		fd = open("/", O_PATH | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "find a free file descriptor");
	close(fd);
	return setup->announce_listener(fd, setup->announce_data, err);
}

static int load_filter(const struct process_setup *setup, int *ret_listener, struct error *err)
{
	if (setup->seccomp->listener && setup->announce_listener != NULL) {
		int status = announce(setup, err);

		if (status < 0)
			return status;
	}
	int status = seccomp_filter_load(setup->seccomp, ret_listener, err);
	/* The parent takes its copy while this one is open: until execve(2). */
	if (status == 0 && setup->announce_listener != NULL)
		*ret_listener = -EBADF;
	return status;
}

/* Without no_new_privs a filter needs CAP_SYS_ADMIN; a listener must reach its agent before. */
static bool loads_early(const struct process_setup *setup)
{
	return setup->seccomp != NULL &&
		(!setup->process->no_new_privileges || setup->seccomp->listener);
}

/*
 * Everything that a filter might forbid comes before it, but for the last capset(2) and prctl(2).
 */
static int confine(const struct process_setup *setup, int *ret_listener, struct error *err)
{
	const struct oci_process *process = setup->process;
	int status;

	if (process->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set(err, errno, "process.noNewPrivileges: set no_new_privs");
	if (loads_early(setup)) {
		status = mark_fds(setup, err);
		if (status < 0)
			return status;
		status = load_filter(setup, ret_listener, err);
		if (status < 0)
			return status;
	}
	return 0;
}

/* The last steps that need what the process is about to lose, and the loss itself. */
static int drop_privilege(const struct process_setup *setup, char *const *environment, int root,
	bool enter_again, char **ret_program, int *ret_listener, struct error *err)
{
	const struct oci_process *process = setup->process;
	bool early = loads_early(setup) && !process->no_new_privileges;
	_cleanup_free_ char *program = NULL;
	_cleanup_close_ int listener = -EBADF;
	int status;

	status = become_user(setup, err);
	if (status < 0)
		return status;
	status = capabilities_apply(
		&process->capabilities, early ? UINT64_C(1) << CAP_SYS_ADMIN : 0, err);
	if (status < 0)
		return status;
	if (enter_again) {
		status = enter_directory(setup, root, &enter_again, err);
		if (status < 0)
			return status;
	}
	status = program_find(
		process->args.items[0], environment_get(environment, "PATH"), &program, err);
	if (status < 0)
		return status;
	status = confine(setup, &listener, err);
	if (status < 0)
		return status;
	if (early) {
		status = capabilities_apply(&process->capabilities, 0, err);
		if (status < 0)
			return status;
	}
	*ret_program = take_ptr(&program);
	*ret_listener = take_fd(&listener);
	return 0;
}

int process_prepare(
	const struct process_setup *setup, char **ret_program, int *ret_listener, struct error *err)
{
	const struct oci_process *process = setup->process;
	_cleanup_free_ char **environment = NULL;
	bool enter_again = false;
	int status;

	if (process->args.count == 0)
		return error_say(err, EINVAL, "process.args: there is no program to execute");

	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_set(err, errno, "open the container's root");
	status = environment_make(
		process, setup->extra_env, root, setup->procfs, &environment, err);
	if (status < 0)
		return status;
	status = set_labels(setup, err);
	if (status < 0)
		return status;
	status = set_limits(setup, err);
	if (status < 0)
		return status;
	status = enter_directory(setup, root, &enter_again, err);
	if (status < 0)
		return status;
	status = own_stdio(process, err);
	if (status < 0)
		return status;
	/* Last of the limits: a small RLIMIT_NOFILE or RLIMIT_AS counts for the runtime too. */
	status = rlimits_set(process->rlimits, process->n_rlimits, err);
	if (status < 0)
		return status;
	status = drop_privilege(
		setup, environment, root, enter_again, ret_program, ret_listener, err);
	if (status < 0)
		return status;
	environ = take_ptr(&environment);
	return 0;
}

const struct seccomp_filter *process_late_filter(const struct process_setup *setup)
{
	return loads_early(setup) ? NULL : setup->seccomp;
}

int process_execute(const struct process_setup *setup, const char *program, struct error *err)
{
	int status;

	if (!loads_early(setup)) {
		int listener;

		status = mark_fds(setup, err);
		if (status < 0)
			return status;
		if (setup->seccomp != NULL) {
			status = load_filter(setup, &listener, err);
			if (status < 0)
				return status;
		}
	}
	execve(program, setup->process->args.items, environ);
	if (errno == ENOENT && access(program, F_OK) == 0)
		return error_say(err, ENOENT,
			"process.args: exec %s: no such file or directory: the interpreter that "
			"it names does not exist in the container",
			program);
	if (errno == ENOEXEC)
		return error_say(err, ENOEXEC,
			"process.args: exec %s: exec format error: not a program of this "
			"machine's kind (a script "
			"begins with #! and its interpreter)",
			program);
	return error_set(err, errno, "process.args: exec %s", program);
}
