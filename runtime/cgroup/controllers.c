/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup/controllers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/cgroup/file.h"

static const char *const names[] = { "cpu", "memory", "pids", "io", "cpuset", "hugetlb", "rdma",
	"misc" };

#define N_NAMES (sizeof(names) / sizeof(names[0]))

const char *cgroup_controller_name(unsigned int mask)
{
	unsigned int i = (unsigned int)__builtin_ctz(mask | 1U << (N_NAMES - 1));

	return names[i];
}

unsigned int cgroup_controller_find(const char *name, int length)
{
	for (unsigned int i = 0; i < N_NAMES; i++) {
		if (strncmp(names[i], name, (size_t)length) == 0 && names[i][length] == '\0')
			return 1U << i;
	}
	return 0;
}

unsigned int cgroup_controllers_parse(const char *text)
{
	unsigned int mask = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, " \n");

		/* The longest name in the table has 7 bytes. */
		if (n > 0 && n < 16)
			mask |= cgroup_controller_find(text, (int)n);
		text += n;
		text += strspn(text, " \n");
	}
	return mask;
}

static unsigned int controllers_of(int fd)
{
	char text[512];

	return cgroup_file_read(fd, "cgroup.controllers", text, sizeof(text)) < 0
		? 0
		: cgroup_controllers_parse(text);
}

/* Why a level refused; the last reason is the one that counts. */
struct refusal {
	int errnum;
	char level[256];
};

static void refuse(struct refusal *refusal, const char *level, int errnum)
{
	/* What a level does not have follows from the refusal of one above it. */
	if (refusal->errnum == 0 || errnum != ENOENT) {
		refusal->errnum = errnum;
		snprintf(refusal->level, sizeof(refusal->level), "%.255s", level);
	}
	log_debug("cgroup %s: cgroup.subtree_control: %s", level, strerror(errnum));
}

static int write_controllers(int fd, unsigned int mask)
{
	char text[160];
	int used = 0;

	for (unsigned int rest = mask; rest != 0; rest &= rest - 1)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "%s+%s",
			used > 0 ? " " : "", cgroup_controller_name(rest));
	return cgroup_file_write(fd, "cgroup.subtree_control", text);
}

static bool has_processes(int fd)
{
	char text[16];

	return cgroup_file_read(fd, "cgroup.procs", text, sizeof(text)) > 0;
}

/* Controllers that threads can be under: all others need a cgroup without processes above. */
#define THREADED (CGROUP_CPU | CGROUP_CPUSET | CGROUP_PIDS)

/* Enables `mask` at a level whose child has `have`. */
static void enable_at(
	int fd, const char *level, unsigned int mask, unsigned int have, struct refusal *refusal)
{
	bool only_threaded = ((mask | have) & ~(unsigned int)THREADED) == 0;
	/* The root, which may have processes, is the one without a type; a namespace's root has. */
	bool is_root = only_threaded && faccessat(fd, "cgroup.type", F_OK, 0) < 0;
	int status;

	/*
	 * With a process of its own, a cgroup that hands down threaded controllers only would turn
	 * into a threaded domain, and the one below into one that no process can enter.
	 */
	if (only_threaded && !is_root && has_processes(fd)) {
		refuse(refusal, level, EBUSY);
		return;
	}
	status = write_controllers(fd, mask);
	if (status == 0)
		return;
	refuse(refusal, level, -status);
	/* The write is all or nothing: one refused controller must not take the others along. */
	if (status == -EBUSY || status == -EOPNOTSUPP || status == -EACCES || status == -EPERM)
		return;
	for (unsigned int rest = mask; rest != 0; rest &= rest - 1) {
		unsigned int one = rest & -rest;

		if ((one & THREADED) != 0 && has_processes(fd) &&
			faccessat(fd, "cgroup.type", F_OK, 0) == 0)
			continue;
		status = write_controllers(fd, one);
		if (status < 0)
			refuse(refusal, level, -status);
	}
}

/* Says why `missing` did not reach the cgroup at `path`. */
static int say_missing(unsigned int missing, unsigned int available, const char *path,
	const struct refusal *refusal, struct error *err)
{
	const char *name = cgroup_controller_name(missing);

	if ((available & missing & -missing) == 0)
		return error_say(err, ENOTSUP,
			"cgroup %s: the limits need the %s controller, which cgroup v2 on this "
			"host does not have (%s/cgroup.controllers): boot with it in the unified "
			"hierarchy, or drop the limits",
			path, name, CGROUP_MOUNT);
	if (refusal->errnum == EBUSY)
		return error_say(err, ENOTSUP,
			"cgroup %s: the limits need the %s controller, but %s has processes of its "
			"own and cannot hand it down (\"no internal processes\"): move them to a "
			"cgroup below it, or choose another cgroupsPath",
			path, name, refusal->level);
	if (refusal->errnum == EACCES || refusal->errnum == EPERM || refusal->errnum == EROFS)
		return error_say(err, ENOTSUP,
			"cgroup %s: the limits need the %s controller, which is not delegated: "
			"%s/cgroup.subtree_control: %s",
			path, name, refusal->level, strerror(refusal->errnum));
	return error_say(err, ENOTSUP,
		"cgroup %s: the limits need the %s controller, which does not reach it%s%s%s%s",
		path, name, refusal->errnum != 0 ? ": " : "",
		refusal->errnum != 0 ? refusal->level : "", refusal->errnum != 0 ? ": " : "",
		refusal->errnum != 0 ? strerror(refusal->errnum) : "");
}

int cgroup_controllers_enable(int root, const char *path, int fd, unsigned int wanted,
	unsigned int needed, struct error *err)
{
	unsigned int have = controllers_of(fd);
	struct refusal refusal = { .level = "/" };

	wanted |= needed;
	if ((have & wanted) == wanted)
		return 0;

	unsigned int available = controllers_of(root);

	wanted &= available;
	if ((have & wanted) != wanted && (needed & ~available) == 0) {
		char level[PATH_MAX];
		_cleanup_close_ int parent = -EBADF;

		/*
		 * From the top down: a level can only hand on what it has. What the last one cannot
		 * do is seen in the cgroup itself.
		 */
		for (const char *slash = path; slash != NULL; slash = strchr(slash + 1, '/')) {
			const char *next = strchrnul(slash + 1, '/');
			int child = *next == '\0' ? fd : -EBADF;
			_cleanup_close_ int opened = -EBADF;

			snprintf(level, sizeof(level), "%.*s", (int)(next - path), path);
			if (child < 0) {
				opened = openat(root, level + 1,
					O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
				if (opened < 0)
					return error_set(err, errno, "cgroup %s: open", level);
				child = opened;
			}

			unsigned int below = controllers_of(child), missing = wanted & ~below;

			if (missing != 0) {
				snprintf(level, sizeof(level), "%.*s", (int)(slash - path), path);
				enable_at(parent >= 0 ? parent : root, *level != '\0' ? level : "/",
					missing, below, &refusal);
			}
			if (parent >= 0)
				close(parent);
			parent = take_fd(&opened);
			if (child == fd)
				break;
		}
		have = controllers_of(fd);
	}
	if ((needed & ~have) != 0)
		return say_missing(needed & ~have, available, path, &refusal, err);
	return 0;
}
