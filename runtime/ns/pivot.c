/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/pivot.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
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

int pivot_enter_by_chroot(int root, struct error *err)
{
	if (fchdir(root) < 0)
		return error_set(err, errno, "enter the container's root directory");
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)
		return error_set(err, errno, "move the container's root over the host's");
	return pivot_chroot(root, err);
}

int pivot_chroot(int root, struct error *err)
{
	if (fchdir(root) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return error_set(err, errno, "change the root directory");
	return 0;
}
