/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/exe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)
#define SELF "/proc/self/exe"

static bool is_safe(int exe)
{
	struct statvfs st;

	if (fstatvfs(exe, &st) == 0 && st.f_flag & ST_RDONLY)
		return true;
	int seals = fcntl(exe, F_GET_SEALS);
	return seals >= 0 && (seals & SEALS) == SEALS;
}

/* Not root and not the owner: neither is then whoever breaks out of what this process enters. */
static bool is_out_of_reach(int exe)
{
	struct stat st;

	return geteuid() != 0 && fstat(exe, &st) == 0 && st.st_uid != geteuid() &&
		faccessat(AT_FDCWD, SELF, W_OK, AT_EACCESS) < 0;
}

/* A mount of the file alone, in no mount namespace, that can never become writable. */
static int open_read_only(void)
{
	struct mount_attr attributes = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV };
	_cleanup_close_ int tree = (int)syscall(
		SYS_open_tree, AT_FDCWD, SELF, OPEN_TREE_CLONE | O_CLOEXEC);

	if (tree < 0 ||
		syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes,
			sizeof(attributes)) < 0)
		return -errno;
	return take_fd(&tree);
}

static int open_copy(int exe, struct error *err)
{
	const char *name = "caisson";
	struct stat st;
	off_t done = 0;

	_cleanup_close_ int copy = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	if (copy < 0 && errno == EINVAL) /* before Linux 6.3 */
		copy = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (copy < 0 || fstat(exe, &st) < 0)
		return error_set(err, errno, "copy the runtime's program into memory");
	while (done < st.st_size) {
		ssize_t n = sendfile(copy, exe, &done, (size_t)(st.st_size - done));

		if (n <= 0)
			return error_set(
				err, n < 0 ? errno : EIO, "copy the runtime's program into memory");
	}
	if (fchmod(copy, 0500) < 0 || fcntl(copy, F_ADD_SEALS, SEALS) < 0)
		return error_set(err, errno, "seal the copy of the runtime's program");
	return take_fd(&copy);
}

int exe_protect(char **argv, struct error *err)
{
	_cleanup_close_ int exe = open(SELF, O_RDONLY | O_CLOEXEC);

	if (exe < 0)
		return error_set(err, errno, "open " SELF);
	if (is_safe(exe) || is_out_of_reach(exe)) {
		/* Executed by descriptor, the process would be called after the descriptor's
		 * number. */
		prctl(PR_SET_NAME, "caisson");
		return 0;
	}
	_cleanup_close_ int safe = open_read_only();
	if (safe < 0)
		safe = open_copy(exe, err);
	if (safe < 0)
		return safe;
	syscall(SYS_execveat, safe, "", argv, environ, AT_EMPTY_PATH);
	return error_set(err, errno, "execute a protected copy of the runtime's program");
}
