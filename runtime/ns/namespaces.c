/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/channel.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
	int flag;
	const char *name;
} kinds[OCI_NAMESPACE_TYPES] = {
	[OCI_NAMESPACE_USER] = { CLONE_NEWUSER, "user" },
	[OCI_NAMESPACE_PID] = { CLONE_NEWPID, "pid" },
	[OCI_NAMESPACE_NETWORK] = { CLONE_NEWNET, "network" },
	[OCI_NAMESPACE_MOUNT] = { CLONE_NEWNS, "mount" },
	[OCI_NAMESPACE_IPC] = { CLONE_NEWIPC, "ipc" },
	[OCI_NAMESPACE_UTS] = { CLONE_NEWUTS, "uts" },
	[OCI_NAMESPACE_CGROUP] = { CLONE_NEWCGROUP, "cgroup" },
	[OCI_NAMESPACE_TIME] = { CLONE_NEWTIME, "time" },
};

static const char *kind_name(int flag)
{
	for (int i = 0; i < OCI_NAMESPACE_TYPES; i++) {
		if (kinds[i].flag == flag)
			return kinds[i].name;
	}
	return "unknown";
}

static int open_join(int type, const char *path, struct namespaces *namespaces, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set(
			err, errno, "open the %s namespace to join, %s", kinds[type].name, path);
	int flag = ioctl(fd, NS_GET_NSTYPE);
	if (flag != kinds[type].flag)
		return error_say(err, EINVAL, "%s is not a %s namespace", path, kinds[type].name);
	namespaces->joins[namespaces->n_joins++] = (struct namespace_join){ .flag = flag,
		.fd = take_fd(&fd) };
	namespaces->joined_flags |= (unsigned long)flag;
	return 0;
}

int namespaces_prepare(
	const struct oci_linux *linux, bool rootless, struct namespaces *ret, struct error *err)
{
	struct namespaces namespaces = { .linux = linux, .rootless = rootless };

	for (int type = 0; type < OCI_NAMESPACE_TYPES; type++) {
		const struct oci_namespace *wanted = &linux->namespaces[type];

		if (!wanted->set)
			continue;
		if (wanted->path == NULL || wanted->path[0] == '\0') {
			namespaces.new_flags |= (unsigned long)kinds[type].flag;
			continue;
		}
		int status = open_join(type, wanted->path, &namespaces, err);
		if (status < 0) {
			namespaces_close(&namespaces);
			return status;
		}
	}
	*ret = namespaces;
	return 0;
}

void namespaces_close(struct namespaces *namespaces)
{
	for (unsigned int i = 0; i < namespaces->n_joins; i++)
		close_fd(namespaces->joins[i].fd);
	namespaces->n_joins = 0;
}

bool namespaces_has(const struct namespaces *namespaces, int flag)
{
	return (namespaces->new_flags | namespaces->joined_flags) & (unsigned long)flag;
}

static bool has_time_offsets(const struct namespaces *namespaces)
{
	return namespaces->new_flags & CLONE_NEWTIME &&
		(namespaces->linux->monotonic_offset.set || namespaces->linux->boottime_offset.set);
}

bool namespaces_needs_intermediate(const struct namespaces *namespaces)
{
	return namespaces->joined_flags & (CLONE_NEWPID | CLONE_NEWUSER) ||
		(namespaces->new_flags & CLONE_NEWUSER && namespaces->n_joins > 0) ||
		has_time_offsets(namespaces);
}

static pid_t clone_process(uint64_t flags, int cgroup, int *pidfd)
{
	struct clone_args arguments = {
		.flags = flags,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = flags & CLONE_PARENT ? 0 : SIGCHLD,
	};

	if (pidfd != NULL)
		arguments.flags |= CLONE_PIDFD;
	if (cgroup >= 0) {
		arguments.flags |= CLONE_INTO_CGROUP;
		arguments.cgroup = (uint64_t)cgroup;
	}
	return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

static int clone_failed(struct error *err)
{
	if (errno == ENOSYS || errno == E2BIG)
		return error_say(err, errno,
			"this kernel, or a filter around the runtime, has no clone3(2) into a "
			"cgroup: "
			"Linux 5.7 or later is needed");
	if (errno == ENOSPC)
		return error_say(err, errno,
			"make the container's namespaces: too many, or too deeply nested: see "
			"/proc/sys/user/max_*_namespaces");
	return error_set(err, errno, "make the container's process and namespaces");
}

pid_t namespaces_clone(
	const struct namespaces *namespaces, int cgroup, int *ret_pidfd, struct error *err)
{
	uint64_t flags = 0;
	int pidfd = -EBADF;

	/*
	 * A cgroup namespace is rooted where its maker is: the new process makes it, once inside
	 * its cgroup.
	 */
	if (!namespaces_needs_intermediate(namespaces))
		flags = namespaces->new_flags & ~(unsigned long)CLONE_NEWCGROUP;
	pid_t pid = clone_process(flags, cgroup, &pidfd);
	if (pid < 0 && errno == EPERM && flags & CLONE_NEWUSER)
		return error_set(
			err, EPERM, "make a user namespace (see sysctl user.max_user_namespaces)");
	if (pid < 0 && errno == EBUSY && cgroup >= 0)
		return error_say(err, EBUSY,
			"the container's cgroup has cgroups below it and may not hold a process");
	if (pid < 0)
		return clone_failed(err);
	if (pid > 0)
		*ret_pidfd = pidfd;
	return pid;
}

/*
 * Before any namespace is entered: later /proc may be another's, and the file not this process's
 * own. What counts is who opened it, and where the process is when it is written.
 */
static int open_offsets(const struct namespaces *namespaces, struct error *err)
{
	if (!has_time_offsets(namespaces))
		return -EBADF;
	int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	return fd < 0 ? error_set(err, errno, "linux.timeOffsets: open /proc/self/timens_offsets")
		      : fd;
}

static int write_offsets(int fd, const struct oci_linux *linux, struct error *err)
{
	char text[160] = "";
	size_t used = 0;

	if (linux->monotonic_offset.set)
		used += (size_t)snprintf(text, sizeof(text), "monotonic %" PRId64 " %" PRIu32 "\n",
			linux->monotonic_offset.secs, linux->monotonic_offset.nanosecs);
	if (linux->boottime_offset.set)
		snprintf(text + used, sizeof(text) - used, "boottime %" PRId64 " %" PRIu32 "\n",
			linux->boottime_offset.secs, linux->boottime_offset.nanosecs);

	if (write(fd, text, strlen(text)) < 0)
		return error_set(err, errno, "set linux.timeOffsets");
	return 0;
}

/* Joins every namespace that can be joined with the rights of now; clears what it joined. */
static int join_possible(
	struct namespace_join *joins, unsigned int count, bool user, bool must, struct error *err)
{
	for (unsigned int i = 0; i < count; i++) {
		if (joins[i].fd < 0 || (joins[i].flag == CLONE_NEWUSER) != user)
			continue;
		if (setns(joins[i].fd, joins[i].flag) == 0) {
			joins[i].fd = close_fd(joins[i].fd);
			continue;
		}
		if (must || errno != EPERM)
			return error_set(
				err, errno, "join the %s namespace", kind_name(joins[i].flag));
	}
	return 0;
}

/* The first id of the mappings: where 0 is none of them, it stands in for it. */
static unsigned int first_id(int procfs, const char *map)
{
	_cleanup_close_ int fd = openat(procfs, map, O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return 0;
	return (unsigned int)strtoul(text, NULL, 10);
}

int namespaces_become_root(int procfs, struct error *err)
{
	unsigned int id = 0;
	int status = setresgid(id, id, id);

	if (status < 0 && errno == EINVAL) {
		id = first_id(procfs, "self/gid_map");
		status = setresgid(id, id, id);
	}
	if (status < 0)
		return error_set(err, errno, "become group %u in the user namespace", id);
	id = 0;
	status = setresuid(id, id, id);
	if (status < 0 && errno == EINVAL) {
		id = first_id(procfs, "self/uid_map");
		status = setresuid(id, id, id);
	}
	return status < 0 ? error_set(err, errno, "become user %u in the user namespace", id) : 0;
}

static int become_root(struct error *err)
{
	_cleanup_close_ int procfs = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	return namespaces_become_root(procfs, err);
}

static int enter_new_user_namespace(int channel, struct error *err)
{
	int status = channel_send(channel, CHANNEL_MAP, 0, NULL, -EBADF);

	if (status < 0)
		return error_set(err, -status, "ask for the id mappings");
	status = channel_wait_go(channel, err);
	return status < 0 ? status : become_root(err);
}

/*
 * The intermediate process: joins and makes what has to come before, then the container's first
 * process as a child of the creator. Returns only in that process.
 */
static int pass_intermediate(const struct namespaces *namespaces, int channel, struct error *err)
{
	struct namespaces rest = *namespaces;
	unsigned long flags = rest.new_flags & ~(unsigned long)CLONE_NEWCGROUP;
	_cleanup_close_ int offsets = open_offsets(namespaces, err);

	if (offsets < 0 && has_time_offsets(namespaces))
		return offsets;
	/* The caller's rights first; a namespace that belongs to the user namespace comes after it.
	 */
	int status = join_possible(rest.joins, rest.n_joins, false, false, err);
	if (status == 0)
		status = join_possible(rest.joins, rest.n_joins, true, true, err);
	if (status == 0)
		status = join_possible(rest.joins, rest.n_joins, false, true, err);
	if (status < 0)
		return status;
	if (flags & CLONE_NEWUSER) {
		if (unshare(CLONE_NEWUSER) < 0)
			return error_set(err, errno, "make a user namespace");
		status = enter_new_user_namespace(channel, err);
		if (status < 0)
			return status;
		flags &= ~(unsigned long)CLONE_NEWUSER;
	} else if (rest.joined_flags & CLONE_NEWUSER) {
		status = become_root(err);
		if (status < 0)
			return status;
	}
	if (has_time_offsets(&rest)) {
		if (unshare(CLONE_NEWTIME) < 0)
			return error_set(err, errno, "make a time namespace");
		status = write_offsets(offsets, rest.linux, err);
		if (status < 0)
			return status;
		flags &= ~(unsigned long)CLONE_NEWTIME;
	}
	prctl(PR_SET_DUMPABLE, 0);

	pid_t pid = clone_process(flags | CLONE_PARENT, -EBADF, NULL);
	if (pid < 0)
		return clone_failed(err);
	if (pid > 0) {
		status = channel_send(channel, CHANNEL_PID, pid, NULL, -EBADF);
		_exit(status < 0 ? 1 : 0);
	}
	/* What it says next is about this process: the creator has to know of it first. */
	return channel_wait_go(channel, err);
}

int namespaces_settle(const struct namespaces *namespaces, int channel, struct error *err)
{
	int status;

	if (namespaces_needs_intermediate(namespaces)) {
		status = pass_intermediate(namespaces, channel, err);
	} else if (namespaces->new_flags & CLONE_NEWUSER) {
		status = enter_new_user_namespace(channel, err);
		prctl(PR_SET_DUMPABLE, 0);
	} else {
		struct namespaces rest = *namespaces;

		prctl(PR_SET_DUMPABLE, 0);
		status = join_possible(rest.joins, rest.n_joins, false, true, err);
	}
	if (status < 0)
		return status;
	if (namespaces->new_flags & CLONE_NEWCGROUP && unshare(CLONE_NEWCGROUP) < 0)
		return error_set(err, errno, "make a cgroup namespace");
	return 0;
}
