/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/cgroup_mount.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/ns/bind_source.h"
#include "runtime/ns/mount.h"
#include "runtime/ns/mount_options.h"

#define CGROUP_MOUNT "/sys/fs/cgroup"

/* Where the unified hierarchy is: also beside version 1 hierarchies ("hybrid"). */
static const char *find_hierarchy(void)
{
	static const char *const places[] = { CGROUP_MOUNT, CGROUP_MOUNT "/unified" };
	struct statfs fs;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
			return places[i];
	}
	return NULL;
}

static int open_host_tree(const char *cgroup_path, const struct mount_options *options,
	bool read_only, struct error *err)
{
	const char *hierarchy = find_hierarchy();
	struct mount_options bind = *options;
	char path[PATH_MAX];
	bool directory;
	int length;

	if (hierarchy == NULL)
		return error_say(err, ENOTSUP,
			"no unified cgroup hierarchy (version 2) is mounted at " CGROUP_MOUNT);
	length = snprintf(
		path, sizeof(path), "%s%s", hierarchy, cgroup_path != NULL ? cgroup_path : "");
	if (length < 0 || (size_t)length >= sizeof(path))
		return error_set(err, ENAMETOOLONG, "the path of the container's cgroup");
	bind.bind = true;
	bind.recursive_bind = false;
	if (read_only)
		bind.set |= MOUNT_ATTR_RDONLY;
	return bind_source_open(path, &bind, 0, -EBADF, &directory, err);
}

int cgroup_mount_open(bool cgroup_namespace, const char *cgroup_path,
	const struct mount_options *options, struct error *err)
{
	struct mount_options plain = *options;
	int fd;

	if (!cgroup_namespace)
		return open_host_tree(cgroup_path, options, true, err);
	/* The hierarchy's own options are the host's matter. */
	plain.n_data = 0;
	plain.superblock_set = 0;
	fd = mount_new_filesystem("cgroup2", "cgroup", &plain, NULL, err);
	if (fd != -EPERM && fd != -EBUSY)
		return fd;
	log_debug("a new cgroup2 mount is refused here: the host's is shown read-only");
	return open_host_tree(cgroup_path, options, true, err);
}
