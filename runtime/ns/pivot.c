/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/pivot.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "lib/cleanup.h"
#include "lib/error.h"

int pivot_enter(int root, bool shared, struct error *err)
{
	_cleanup_close_ int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old < 0)
		return error_set(err, errno, "open the host's root directory");
	if (fchdir(root) < 0)
		return error_set(err, errno, "enter the container's root directory");
	/* The old root comes to lie over the new one, at the same place: no directory is needed. */
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return error_set(err, errno, "pivot_root%s",
			errno == EINVAL ? " (the host's root directory is an initial ramfs, or "
					  "no mount point: try --no-pivot)"
					: "");
	if (fchdir(old) < 0)
		return error_set(err, errno, "enter the host's root directory");
	if (shared && mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0)
		return error_set(err, errno, "stop the propagation of the host's mounts");
	if (umount2(".", MNT_DETACH) < 0)
		return error_set(err, errno, "unmount the host's root directory");
	if (chdir("/") < 0)
		return error_set(err, errno, "enter the container's root directory");
	return 0;
}

int pivot_check_no_pivot(struct error *err)
{
	struct statfs fs;

	if (statfs("/", &fs) < 0)
		return error_set(err, errno, "statfs /");
	if (fs.f_type == RAMFS_MAGIC || fs.f_type == TMPFS_MAGIC)
		return 0;
	return error_say(err, ENOTSUP,
		"--no-pivot is refused: the host's root file system would stay mounted below the "
		"container's; only a host that runs from an initial ramfs needs it: leave it out");
}

/* Undoes the octal escapes of /proc/<pid>/mountinfo (proc(5)), in place. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0'; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
			from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* What can't be unmounted, because a user namespace may not uncover it, is covered. */
static void take_away(const char *mount_point)
{
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (umount2(mount_point, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != ENOENT)
		mount("none", mount_point, "tmpfs", flags, "mode=0");
}

/*
 * All other mounts of the host's go, as its root directory can't: the working directory is that
 * root, below the container's. `mounts` is the text of mountinfo from before the change.
 */
static int take_away_mounts(char *mounts, struct error *err)
{
	char *rest = NULL;

	for (char *line = strtok_r(mounts, "\n", &rest); line != NULL;
		line = strtok_r(NULL, "\n", &rest)) {
		char point[PATH_MAX];

		if (sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
			return error_say(err, EIO, "/proc/self/mountinfo has an unknown form");
		unescape(point);
		if (point[0] == '/' && point[1] != '\0')
			take_away(point + 1);
	}
	return 0;
}

static char *read_mounts(struct error *err)
{
	_cleanup_fclose_ FILE *file = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *text = NULL;
	size_t size = 0;

	if (file == NULL || getdelim(&text, &size, '\0', file) < 0) {
		error_set(err, errno, "read /proc/self/mountinfo");
		return NULL;
	}
	return take_ptr(&text);
}

int pivot_enter_by_chroot(int root, struct error *err)
{
	_cleanup_close_ int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *mounts = read_mounts(err);
	int r;

	if (mounts == NULL)
		return -EIO;
	if (old < 0)
		return error_set(err, errno, "open the host's root directory");
	if (fchdir(root) < 0)
		return error_set(err, errno, "enter the container's root directory");
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		return error_set(err, errno, "move the container's root over the host's");
	if (fchdir(old) < 0)
		return error_set(err, errno, "enter the host's root directory");
	r = take_away_mounts(mounts, err);
	return r < 0 ? r : pivot_chroot(root, err);
}

int pivot_chroot(int root, struct error *err)
{
	if (fchdir(root) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return error_set(err, errno, "change the root directory");
	return 0;
}
