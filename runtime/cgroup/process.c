/* SPDX-License-Identifier: Apache-2.0 */
/* A cgroup's processes: moving in, freezing, signals (cgroup.h). */
#include "runtime/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/cgroup/file.h"
#include "runtime/cgroup/tree.h"

#define FREEZE_MILLISECONDS 10000

/* To hold still for signals; a process that does not stop gets its signal all the same. */
#define HOLD_MILLISECONDS 500

int cgroup_entry_error(int fd, int errnum, struct error *err)
{
	char type[64] = "", controllers[256] = "";

	cgroup_file_read(fd, "cgroup.type", type, sizeof(type));
	type[strcspn(type, "\n")] = '\0';
	cgroup_file_read(fd, "cgroup.subtree_control", controllers, sizeof(controllers));
	controllers[strcspn(controllers, "\n")] = '\0';

	if (errnum == EBUSY && *controllers != '\0')
		return error_say(err, EBUSY,
			"cgroup: no process may enter, for it hands controllers down (%s): use a "
			"cgroup below it (\"no internal processes\")",
			controllers);
	if (errnum == EOPNOTSUPP && *type != '\0' && strcmp(type, "domain") != 0)
		return error_say(err, EOPNOTSUPP,
			"cgroup: a process cannot enter a cgroup of type '%s': its parent is in "
			"threaded mode; choose a cgroupsPath elsewhere",
			type);
	if (errnum == EAGAIN)
		return error_set(err, errnum,
			"cgroup: a process cannot enter; is pids.max of a parent reached?");
	if (errnum == EACCES || errnum == EPERM)
		return error_set(err, errnum,
			"cgroup: a process cannot enter; moving one needs write access to "
			"cgroup.procs here and in the common ancestor (delegation)");
	if (errnum == ENODEV || errnum == ENOENT)
		return error_set(err, errnum, "cgroup: it was removed meanwhile");
	return error_set(err, errnum, "cgroup: a process cannot enter");
}

int cgroup_open_below(int fd, const char *sub, struct error *err)
{
	const char *inside = sub + strspn(sub, "/"), *p = inside;

	if (*sub == '\0')
		return error_say(err, EINVAL,
			"cgroup '': expected a path relative to the container's cgroup");
	while (*p != '\0') {
		size_t n = strcspn(p, "/");

		if (n == 2 && strncmp(p, "..", 2) == 0)
			return error_say(err, EINVAL,
				"cgroup '%s' leaves the container's cgroup: remove the '..'", sub);
		p += n;
		p += strspn(p, "/");
	}

	int below = openat(fd, *inside == '\0' ? "." : inside,
		O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (below < 0)
		return error_set(err, errno, "cgroup '%s' below the container's", sub);
	return below;
}

int cgroup_attach(int fd, const char *sub, pid_t pid, struct error *err)
{
	_cleanup_close_ int below = -EBADF;
	char text[16];
	int status;

	if (sub != NULL && *sub != '\0') {
		below = cgroup_open_below(fd, sub, err);
		if (below < 0)
			return below;
		fd = below;
	}
	snprintf(text, sizeof(text), "%d", (int)pid);
	status = cgroup_file_write(fd, "cgroup.procs", text);
	if (status == -ESRCH)
		return error_set(err, ESRCH, "cgroup: move process %d", (int)pid);
	return status < 0 ? cgroup_entry_error(fd, -status, err) : 0;
}

int cgroup_frozen(int fd)
{
	uint64_t value;
	int status = cgroup_file_find(fd, "cgroup.events", "frozen", &value);

	return status < 0 ? status : value != 0;
}

int cgroup_populated(int fd)
{
	uint64_t value;
	int status = cgroup_file_find(fd, "cgroup.events", "populated", &value);

	return status < 0 ? status : value != 0;
}

static int freeze_within(int fd, bool freeze, int milliseconds, struct error *err)
{
	int64_t deadline = cgroup_now() + milliseconds;
	int status = cgroup_file_write(fd, "cgroup.freeze", freeze ? "1" : "0");

	if (status < 0)
		return error_set(err, -status, "cgroup.freeze: cannot set %d", freeze);
	status = cgroup_wait_event(fd, "frozen", freeze, deadline);
	if (status == 0)
		return 0;
	if (status == -ETIMEDOUT && freeze) {
		cgroup_file_write(fd, "cgroup.freeze", "0");
		return error_say(err, ETIMEDOUT,
			"cgroup.freeze: not frozen after %d s, so thawed again: a process inside "
			"is "
			"in an uninterruptible wait (state D in ps)",
			FREEZE_MILLISECONDS / 1000);
	}
	if (status == -ETIMEDOUT)
		return error_say(err, ETIMEDOUT,
			"cgroup.freeze: not thawed after %d ms: is a cgroup above it frozen?",
			milliseconds);
	return error_set(err, -status, "cgroup.events: wait for frozen %d", freeze);
}

int cgroup_freeze(int fd, bool freeze, struct error *err)
{
	return freeze_within(fd, freeze, FREEZE_MILLISECONDS, err);
}

/*
 * One by one: only a frozen cgroup holds still meanwhile, and only in one that is frozen does no
 * pid pass to another process.
 */
static int signal_each(int fd, int signal, struct error *err)
{
	_cleanup_(pid_list_free) struct pid_list list = { 0 };
	bool was_frozen = cgroup_frozen(fd) == 1;
	int status = was_frozen ? 0 : freeze_within(fd, true, HOLD_MILLISECONDS, NULL);
	/* A cgroup that will not freeze gets the signal as well as can be. */
	bool thaw = !was_frozen && status == 0;

	status = cgroup_processes(fd, &list, err);
	for (size_t i = 0; i < list.count; i++) {
		if (kill(list.items[i], signal) < 0 && errno != ESRCH && status == 0)
			status = error_set(
				err, errno, "signal %d to process %d", signal, (int)list.items[i]);
	}
	if (thaw && cgroup_file_write(fd, "cgroup.freeze", "0") < 0 && status == 0)
		status = error_say(err, EIO, "cgroup.freeze: cannot thaw after signal %d", signal);
	return status;
}

int cgroup_signal(int fd, int signal, struct error *err)
{
	if (signal == SIGKILL) {
		/* EOPNOTSUPP: threaded; ENOENT: before Linux 5.14. */
		int status = cgroup_file_write(fd, "cgroup.kill", "1");

		if (status == 0 || (status != -ENOENT && status != -EOPNOTSUPP))
			return status == 0 ? 0 : error_set(err, -status, "cgroup.kill");
	}
	return signal_each(fd, signal, err);
}

int cgroup_processes(int fd, struct pid_list *ret, struct error *err)
{
	return cgroup_collect(fd, ret, err);
}

void pid_list_free(struct pid_list *list)
{
	free(list->items);
	*list = (struct pid_list){ 0 };
}
