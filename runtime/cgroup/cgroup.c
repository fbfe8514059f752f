/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/cgroup/cgroupfs.h"
#include "runtime/cgroup/controllers.h"
#include "runtime/cgroup/devices.h"
#include "runtime/cgroup/file.h"
#include "runtime/cgroup/location.h"
#include "runtime/cgroup/mark.h"
#include "runtime/cgroup/resources.h"
#include "runtime/cgroup/systemd.h"
#include "runtime/cgroup/tree.h"

void cgroup_location_free(struct cgroup_location *location)
{
	free(location->path);
	free(location->unit);
	free(location->slice);
	*location = (struct cgroup_location){ 0 };
}

static int check_hierarchy(struct error *err)
{
	struct statfs file_system;

	if (statfs(CGROUP_MOUNT, &file_system) < 0)
		return error_set(err, errno, "%s: no cgroup hierarchy", CGROUP_MOUNT);
	if (file_system.f_type != CGROUP2_SUPER_MAGIC)
		return error_say(err, ENOTSUP,
			"%s is not a unified (version 2) cgroup hierarchy: boot with "
			"systemd.unified_cgroup_hierarchy=1, mount cgroup2 there, or use "
			"--cgroup-manager disabled",
			CGROUP_MOUNT);
	return 0;
}

static int locate_cgroupfs(
	const struct cgroup_request *request, struct cgroup_location *location, struct error *err)
{
	const char *path = request->cgroups_path, *own = "";
	_cleanup_free_ char *text = NULL;
	size_t length = 0;

	if (path == NULL || *path != '/') {
		ssize_t n = cgroup_file_read_all(
			AT_FDCWD, "/proc/self/cgroup", (size_t)1 << 20, &text);

		if (n < 0)
			return error_set(err, (int)-n, "/proc/self/cgroup");
		own = cgroup_own_path(text, &length);
		if (own == NULL) {
			own = "";
			length = 0;
		}
	}
	return cgroup_path_cgroupfs(path, request->id, own, length, &location->path, err);
}

/* True when the caller may make the cgroup: asks the deepest directory that is there. */
static bool can_create(const char *path)
{
	char text[PATH_MAX];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s%s", CGROUP_MOUNT, path);

	if (n >= sizeof(text))
		return false;
	for (;;) {
		char *slash = strrchr(text, '/');

		if (slash == NULL || slash == text)
			return false;
		*slash = '\0';
		if (faccessat(AT_FDCWD, text, F_OK, 0) == 0)
			break;
	}
	return faccessat(AT_FDCWD, text, W_OK | X_OK, AT_EACCESS) == 0;
}

/* Whether any limit is asked for that needs a cgroup of its own; device rules are no reason. */
static int has_limits(const struct oci_resources *resources, struct error *err)
{
	_cleanup_(cgroup_plan_free) struct cgroup_plan plan = { 0 };
	int status = cgroup_plan_make(resources, NULL, &plan, err);

	return status < 0 ? status : plan.count > 0;
}

static int settle_rootless(
	const struct cgroup_request *request, struct cgroup_location *location, struct error *err)
{
	int limits;

	if (location->path == NULL || can_create(location->path))
		return 0;
	limits = has_limits(request->resources, err);
	if (limits < 0)
		return limits;
	if (limits > 0)
		return error_say(err, EACCES,
			"cgroup %s: a rootless caller cannot make it, and linux.resources asks for "
			"limits: use --systemd-cgroup, have the parent delegated (chown), or drop "
			"the "
			"limits",
			location->path);
	if (request->cgroups_path != NULL && *request->cgroups_path != '\0')
		log_warning("cgroup %s: cannot be made by a rootless caller; the container shares "
			    "the caller's cgroup",
			location->path);
	else
		log_debug("cgroup %s: cannot be made; the container shares the caller's cgroup",
			location->path);
	location->path[0] = '\0';
	return 0;
}

static int locate(
	const struct cgroup_request *request, struct cgroup_location *location, struct error *err)
{
	int status;

	if (request->manager == CGROUP_MANAGER_DISABLED) {
		location->path = strdup("");
		return location->path != NULL ? 0 : error_set(err, ENOMEM, "cgroup");
	}
	status = check_hierarchy(err);
	if (status < 0)
		return status;
	if (request->manager == CGROUP_MANAGER_SYSTEMD)
		return cgroup_systemd_locate(request, location, err);
	status = locate_cgroupfs(request, location, err);
	if (status == 0 && request->rootless)
		status = settle_rootless(request, location, err);
	return status;
}

int cgroup_locate(
	const struct cgroup_request *request, struct cgroup_location *ret, struct error *err)
{
	struct cgroup_location location = { .manager = request->manager };
	int status = locate(request, &location, err);

	if (status < 0)
		cgroup_location_free(&location);
	else
		*ret = location;
	return status;
}

int cgroup_create(const struct cgroup_location *location, const struct cgroup_request *request,
	int *ret_fd, int *ret_holder, struct error *err)
{
	_cleanup_(cgroup_plan_free) struct cgroup_plan plan = { 0 };
	int status = cgroup_plan_make(request->resources, NULL, &plan, err);

	if (status < 0)
		return status;
	if (*location->path == '\0') {
		if (plan.count > 0)
			log_debug("cgroup: the limits in linux.resources are left to the caller");
		*ret_fd = -EBADF;
		*ret_holder = -EBADF;
		return 0;
	}
	if (location->manager == CGROUP_MANAGER_SYSTEMD)
		return cgroup_systemd_create(location, request, &plan, ret_fd, ret_holder, err);
	status = cgroupfs_create(location->path, request, &plan, ret_fd, err);
	if (status == 0)
		*ret_holder = -EBADF;
	return status;
}

int cgroup_set_devices(int fd, const struct cgroup_request *request, struct error *err)
{
	return cgroup_devices_set(fd, request->resources, false, request->rootless, err);
}

void cgroup_creation_done(int holder)
{
	cgroup_systemd_release(holder);
}

int cgroup_open(const struct cgroup_location *location, struct error *err)
{
	char path[PATH_MAX];

	if (location->path == NULL || *location->path == '\0')
		return error_say(err, ENOTSUP, "the container has no cgroup of its own");
	snprintf(path, sizeof(path), "%s%s", CGROUP_MOUNT, location->path);

	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? error_set(err, errno, "cgroup %s", location->path) : fd;
}

int cgroup_update_undoable(int fd, const struct cgroup_location *location,
	const struct oci_resources *resources, bool rootless, struct cgroup_undo *ret,
	struct error *err)
{
	_cleanup_(cgroup_plan_free) struct cgroup_plan plan = { 0 };
	struct cgroup_undo undo = { 0 };
	struct cgroup_present present;
	int status;

	cgroup_present_read(fd, &present);
	status = cgroup_plan_make(resources, &present, &plan, err);
	if (status == 0)
		status = cgroupfs_update(location->path, fd, &plan, &undo, err);
	if (status < 0)
		return status;
	if (location->manager == CGROUP_MANAGER_SYSTEMD) {
		status = cgroup_systemd_update(location, &plan, resources, err);
		/* systemd has written its own idea of the values: a percent, not a microsecond. */
		if (status == 0)
			status = cgroup_plan_apply(&plan, fd, NULL, err);
	}
	/* Last: the filter is one step, which either happens or does not. */
	if (status == 0 && resources != NULL && resources->n_devices > 0)
		status = cgroup_devices_set(fd, resources, true, rootless, err);
	if (status < 0) {
		cgroup_update_undo(fd, location, &undo);
		return status;
	}
	*ret = undo;
	return 0;
}

void cgroup_update_undo(int fd, const struct cgroup_location *location, struct cgroup_undo *undo)
{
	_cleanup_(cgroup_plan_free) struct cgroup_plan plan = { 0 };
	struct error err = ERROR_INIT;

	if (undo->count > 0 && location->manager == CGROUP_MANAGER_SYSTEMD &&
		cgroup_undo_plan(undo, &plan) == 0 &&
		cgroup_systemd_update(location, &plan, NULL, &err) < 0)
		log_warning(
			"%s: cannot have its limits of before: %s", location->unit, err.message);
	cgroup_undo_run(undo, fd);
	cgroup_undo_free(undo);
}

int cgroup_update(int fd, const struct cgroup_location *location,
	const struct oci_resources *resources, bool rootless, struct error *err)
{
	_cleanup_(cgroup_undo_free) struct cgroup_undo undo = { 0 };

	return cgroup_update_undoable(fd, location, resources, rootless, &undo, err);
}

int64_t cgroup_oom_killed(int fd, uint64_t *ret_limit)
{
	uint64_t count;
	int status = cgroup_file_find(fd, "memory.events", "oom_kill", &count);

	if (ret_limit != NULL && cgroup_file_read_number(fd, "memory.max", ret_limit) < 0)
		*ret_limit = UINT64_MAX;
	if (status == -ENOENT)
		return 0;
	return status < 0 ? status : (int64_t)(count & INT64_MAX);
}

int cgroup_destroy_unfinished(
	const struct cgroup_location *location, const char *mark, struct error *err)
{
	if (location->path == NULL || *location->path == '\0')
		return 0;

	char path[PATH_MAX];
	_cleanup_close_ int fd = cgroup_open(location, NULL);
	int marked = fd < 0 ? fd : cgroup_has_mark(fd, mark);

	if (marked == -ENOENT)
		return 0;
	/* A kernel without marks tells nothing apart. */
	if (marked != 0)
		return cgroup_destroy(location, err);
	snprintf(path, sizeof(path), "%s%s", CGROUP_MOUNT, location->path);
	if (unlinkat(AT_FDCWD, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		log_debug("cgroup %s: is not ours, and stays", location->path);
	return 0;
}

int cgroup_destroy(const struct cgroup_location *location, struct error *err)
{
	if (location->path == NULL || *location->path == '\0')
		return 0;
	return location->manager == CGROUP_MANAGER_SYSTEMD ? cgroup_systemd_destroy(location, err)
							   : cgroupfs_destroy(location->path, err);
}
