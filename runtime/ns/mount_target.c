/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/mount_target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/ns/mount_rules.h"
#include "runtime/ns/path.h"

/*
 * A link that leads a mount to one of the directories which the runtime itself uses: it would be
 * taken there for what it is not (procfs), or written to (/dev).
 */
static int refuse_by_link(int root, int target, struct error *err)
{
	static const char *const names[] = { "/dev", "/proc", "/sys" };
	struct stat st, other;
	struct statfs fs;

	if (fstatfs(target, &fs) < 0 || fstat(target, &st) < 0)
		return error_set(err, errno, "stat the mount point");
	if (fs.f_type == PROC_SUPER_MAGIC)
		return error_say(err, EPERM, "the mount point leads into /proc by a symbolic link");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		_cleanup_close_ int fd = path_open(root, names[i], O_PATH, NULL);

		if (fd >= 0 && fstat(fd, &other) == 0 && other.st_dev == st.st_dev &&
			other.st_ino == st.st_ino)
			return error_say(err, EPERM,
				"the mount point leads to %s by a symbolic link", names[i]);
	}
	return 0;
}

/*
 * Below /proc, whose own links are the kernel's (/proc/net is one), if it is a procfs. What is
 * missing there can't be made.
 */
static int open_in_proc(int root, const char *destination, struct error *err)
{
	_cleanup_close_ int proc = path_open_no_symlinks(root, "/proc", O_PATH | O_DIRECTORY, err);
	struct statfs fs;

	if (proc < 0)
		return proc;
	if (fstatfs(proc, &fs) < 0)
		return error_set(err, errno, "stat /proc");
	if (fs.f_type != PROC_SUPER_MAGIC)
		return error_say(err, EPERM, "no procfs is mounted at /proc: mount it before");
	return path_open(proc, destination + strlen("/proc"), O_PATH, err);
}

int mount_target_open(int root, const char *destination, bool directory, bool nofollow,
	bool *ret_made, struct error *err)
{
	_cleanup_close_ int fd = -EBADF;
	int found, r;

	*ret_made = false;
	if (strncmp(destination, "/proc/", 6) == 0)
		return open_in_proc(root, destination, err);
	if (nofollow) {
		fd = path_open(root, destination, O_PATH | O_NOFOLLOW, NULL);
		if (fd >= 0)
			return take_fd(&fd);
	}
	found = path_open_no_symlinks(root, destination, O_PATH, NULL);
	if (found >= 0)
		return found;
	if (found == -ELOOP && mount_rules_guarded(destination))
		return error_say(
			err, ELOOP, "%s is a symbolic link in the root file system", destination);
	fd = path_make_mount_point(root, destination, directory, err);
	if (fd < 0)
		return fd;
	*ret_made = found == -ENOENT;
	r = found == -ELOOP ? refuse_by_link(root, fd, err) : 0;
	return r < 0 ? r : take_fd(&fd);
}

int mount_target_make_link(int root, const char *destination, const char *target, struct error *err)
{
	_cleanup_close_ int parent = -EBADF;
	char present[PATH_MAX];
	const char *name;
	ssize_t length;

	parent = path_make_parent(root, destination, &name, err);
	if (parent < 0)
		return parent;
	if (symlinkat(target, parent, name) == 0)
		return 0;
	if (errno != EEXIST)
		return error_set(err, errno, "make the link to %s", target);
	length = readlinkat(parent, name, present, sizeof(present));
	if (length == (ssize_t)strlen(target) && memcmp(present, target, (size_t)length) == 0)
		return 0;
	return error_set(err, EEXIST, "make the link to %s", target);
}
