/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup/cgroupfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/controllers.h"
#include "runtime/cgroup/devices.h"
#include "runtime/cgroup/file.h"
#include "runtime/cgroup/mark.h"
#include "runtime/cgroup/resources.h"
#include "runtime/cgroup/tree.h"

#define DESTROY_MILLISECONDS 10000

static int open_root(struct error *err)
{
	int root = open(CGROUP_MOUNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return root < 0 ? error_set(err, errno, "%s", CGROUP_MOUNT) : root;
}

static int say_mkdir(const char *path, int errnum, struct error *err)
{
	const char *advice = "";

	if (errnum == EACCES || errnum == EPERM || errnum == EROFS)
		advice = ": the caller may not make cgroups here (delegation)";
	else if (errnum == EAGAIN)
		advice = ": cgroup.max.depth or cgroup.max.descendants of a parent is reached";
	return error_say(err, errnum, "cgroup %s: mkdir: %s%s", path, strerror(errnum), advice);
}

/*
 * Makes the directory and the missing ones above. *ret_made gets the length of the shortest path
 * that was made here: what a failure has to take back; 0 when all was there.
 */
static int make_directories(int root, const char *path, size_t *ret_made, struct error *err)
{
	size_t made = 0;

	/* Nearly always the parents are there. */
	if (mkdirat(root, path + 1, 0755) == 0) {
		*ret_made = strlen(path);
		return 0;
	}
	if (errno != ENOENT) {
		*ret_made = 0;
		return errno == EEXIST ? 0 : say_mkdir(path, errno, err);
	}
	for (const char *end = strchrnul(path + 1, '/');; end = strchrnul(end + 1, '/')) {
		char level[PATH_MAX];

		snprintf(level, sizeof(level), "%.*s", (int)(end - path), path);
		if (mkdirat(root, level + 1, 0755) == 0) {
			if (made == 0)
				made = (size_t)(end - path);
		} else if (errno != EEXIST) {
			*ret_made = made;
			return say_mkdir(level, errno, err);
		}
		if (*end == '\0')
			break;
	}
	*ret_made = made;
	return 0;
}

/* Removes what make_directories() made, the deepest first. */
static void unmake_directories(int root, const char *path, size_t made)
{
	char level[PATH_MAX];

	if (made == 0)
		return;
	snprintf(level, sizeof(level), "%s", path);
	while (strlen(level) >= made) {
		char *slash = strrchr(level, '/');

		/* ENOENT: mkdir did not get that far. EBUSY: another container moved in meanwhile.
		 */
		if (unlinkat(root, level + 1, AT_REMOVEDIR) < 0 && errno != ENOENT) {
			log_debug("cgroup %s: rmdir: %s", level, strerror(errno));
			return;
		}
		if (slash == level)
			return;
		*slash = '\0';
	}
}

/* A cgroup that was there is taken over only when nothing is in it: as runc. */
static int check_found(int fd, const char *path, struct error *err)
{
	int populated = cgroup_populated(fd);

	if (populated < 0)
		return error_set(err, -populated, "cgroup %s: cgroup.events", path);
	if (populated > 0)
		return error_say(err, EBUSY,
			"cgroup %s exists and has processes in it: choose another cgroupsPath or "
			"id, "
			"or end them",
			path);
	if (cgroup_frozen(fd) == 1)
		return error_say(err, EBUSY,
			"cgroup %s exists and is frozen: write 0 to its cgroup.freeze", path);
	return 0;
}

int cgroupfs_delegate(int fd, unsigned int uid, unsigned int gid, struct error *err)
{
	char list[CGROUP_FILE_SMALL];
	ssize_t n = cgroup_file_read(AT_FDCWD, "/sys/kernel/cgroup/delegate", list, sizeof(list));

	/* Before Linux 4.15 there was no list. */
	if (n < 0)
		snprintf(list, sizeof(list),
			"cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n");
	if (fchown(fd, uid, gid) < 0)
		return error_set(err, errno, "cgroup: give it to %u:%u", uid, gid);
	for (char *rest = list, *name; (name = strsep(&rest, "\n")) != NULL;) {
		if (*name == '\0' || strchr(name, '/') != NULL)
			continue;
		/* The list also names files of controllers that are not here. */
		if (fchownat(fd, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
			return error_set(err, errno, "cgroup: give %s to %u:%u", name, uid, gid);
	}
	return 0;
}

int cgroupfs_set_up(int root, const char *path, int fd, const struct cgroup_request *request,
	const struct cgroup_plan *plan, struct error *err)
{
	if (request->mark != NULL)
		cgroup_set_mark(fd, request->mark);

	int status = cgroup_controllers_enable(
		root, path, fd, CGROUP_CHEAP, plan->controllers, err);

	if (status < 0)
		return status;
	status = cgroup_plan_apply(plan, fd, NULL, err);
	if (status == 0 && !request->devices_later)
		status = cgroup_set_devices(fd, request, err);
	if (status == 0 && request->owner_set)
		status = cgroupfs_delegate(fd, request->owner_uid, request->owner_gid, err);
	return status;
}

int cgroupfs_create(const char *path, const struct cgroup_request *request,
	const struct cgroup_plan *plan, int *ret_fd, struct error *err)
{
	_cleanup_close_ int root = open_root(err);
	_cleanup_close_ int fd = -EBADF;
	size_t made;
	int status;

	if (root < 0)
		return root;
	status = make_directories(root, path, &made, err);
	if (status == 0) {
		fd = openat(root, path + 1, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd < 0)
			status = error_set(err, errno, "cgroup %s: open", path);
	}
	if (status == 0 && made == 0)
		status = check_found(fd, path, err);
	if (status == 0)
		status = cgroupfs_set_up(root, path, fd, request, plan, err);
	if (status < 0) {
		unmake_directories(root, path, made);
		return status;
	}
	*ret_fd = take_fd(&fd);
	return 0;
}

int cgroupfs_update(const char *path, int fd, const struct cgroup_plan *plan,
	struct cgroup_undo *undo, struct error *err)
{
	if (plan->controllers != 0) {
		_cleanup_close_ int root = open_root(err);

		if (root < 0)
			return root;

		int status = cgroup_controllers_enable(root, path, fd, 0, plan->controllers, err);

		if (status < 0)
			return status;
	}
	return cgroup_plan_apply(plan, fd, undo, err);
}

/* Ends what is inside and removes what is below, until rmdir of `path` succeeds or time is up. */
static int destroy_slowly(const char *full, int fd, const char *path, struct error *err)
{
	int64_t deadline = cgroup_now() + DESTROY_MILLISECONDS;

	for (int pause = 1;; pause = pause < 64 ? 2 * pause : pause) {
		/* Again each time: without cgroup.kill, a fork may have been missed. */
		if (cgroup_populated(fd) == 1)
			cgroup_signal(fd, SIGKILL, NULL);
		if (cgroup_wait_event(fd, "populated", 0, deadline) == 0)
			cgroup_remove_below(fd, deadline);
		if (unlinkat(AT_FDCWD, full, AT_REMOVEDIR) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY)
			return error_set(err, errno, "cgroup %s: rmdir", path);
		if (cgroup_now() >= deadline)
			break;
		/* Unpopulated and busy: the last process is not wholly reaped. */
		poll(NULL, 0, pause);
	}
	return error_say(err, EBUSY, "cgroup %s: cannot be removed within %d s: %s", path,
		DESTROY_MILLISECONDS / 1000,
		cgroup_populated(fd) == 1 ? "a process inside does not die (state D in ps)"
					  : "it is still in use");
}

int cgroupfs_destroy(const char *path, struct error *err)
{
	_cleanup_close_ int fd = -EBADF;
	char full[PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", CGROUP_MOUNT, path);
	if (unlinkat(AT_FDCWD, full, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != EBUSY)
		return error_set(err, errno, "cgroup %s: rmdir", path);
	fd = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_set(err, errno, "cgroup %s: open", path);
	return destroy_slowly(full, fd, path, err);
}
