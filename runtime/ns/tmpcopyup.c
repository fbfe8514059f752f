/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/tmpcopyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"

/* Each level holds three fds. */
#define DEPTH_MAX 128

#define CHUNK (1 << 20)

static int copy_data(int from, int to)
{
	ssize_t copied;

	do {
		copied = sendfile(to, from, NULL, CHUNK);
	} while (copied > 0 || (copied < 0 && errno == EINTR));
	return copied < 0 ? -errno : 0;
}

/* What the tmpfs or our rights do not take (trusted.*, security.* in a user namespace) is left. */
static int copy_attributes(int from, int to)
{
	char names[XATTR_LIST_MAX / 16], value[4096];
	ssize_t length = flistxattr(from, names, sizeof(names));

	if (length < 0)
		return errno == EOPNOTSUPP || errno == ERANGE ? 0 : -errno;
	for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
		ssize_t size = fgetxattr(from, names + at, value, sizeof(value));

		if (size < 0 || fsetxattr(to, names + at, value, (size_t)size, 0) == 0)
			continue;
		if (errno != EOPNOTSUPP && errno != EPERM && errno != EINVAL)
			return -errno;
	}
	return 0;
}

/* The mode after the owner, because a change of owner takes the set-id bits away. */
static int finish(int from, int to, const struct stat *st)
{
	const struct timespec times[] = { st->st_atim, st->st_mtim };
	int r;

	if (fchown(to, st->st_uid, st->st_gid) < 0 || fchmod(to, st->st_mode & 07777) < 0)
		return -errno;
	r = copy_attributes(from, to);
	if (r < 0)
		return r;
	return futimens(to, times) < 0 ? -errno : 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st)
{
	_cleanup_close_ int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	_cleanup_close_ int out = -EBADF;
	int r;

	if (in < 0)
		return -errno;
	out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (out < 0)
		return -errno;
	r = copy_data(in, out);
	return r < 0 ? r : finish(in, out, st);
}

static int copy_link(int from, int to, const char *name, const struct stat *st)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(from, name, target, sizeof(target));

	if (length < 0)
		return -errno;
	if ((size_t)length == sizeof(target))
		return -ENAMETOOLONG;
	target[length] = '\0';
	if (symlinkat(target, to, name) < 0 ||
		fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	return 0;
}

static int copy_node(int to, const char *name, const struct stat *st)
{
	if (mknodat(to, name, st->st_mode & ~07777U, st->st_rdev) < 0)
		return -errno;
	if (fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
		fchmodat(to, name, st->st_mode & 07777, 0) < 0)
		return -errno;
	return 0;
}

static int copy_directory(int from, int to, dev_t device, int depth, struct error *err);

static int copy_subdirectory(int from, int to, const char *name, const struct stat *st,
	dev_t device, int depth, struct error *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	_cleanup_close_ int in = -EBADF, out = -EBADF;
	int r;

	if (mkdirat(to, name, 0700) < 0)
		return -errno;
	in = openat(from, name, flags);
	out = openat(to, name, flags);
	if (in < 0 || out < 0)
		return -errno;
	if (st->st_dev == device) {
		r = copy_directory(in, out, device, depth + 1, err);
		if (r < 0)
			return r;
	}
	return finish(in, out, st);
}

static int copy_entry(
	int from, int to, const char *name, dev_t device, int depth, struct error *err)
{
	struct stat st;
	int r;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, errno, "tmpcopyup: stat %s", name);
	if (S_ISDIR(st.st_mode))
		r = copy_subdirectory(from, to, name, &st, device, depth, err);
	else if (S_ISREG(st.st_mode))
		r = copy_file(from, to, name, &st);
	else if (S_ISLNK(st.st_mode))
		r = copy_link(from, to, name, &st);
	else
		r = copy_node(to, name, &st);
	if (r < 0 && (err == NULL || err->errnum == 0))
		return error_set(err, -r, "tmpcopyup: copy %s", name);
	return r;
}

static int copy_directory(int from, int to, dev_t device, int depth, struct error *err)
{
	_cleanup_closedir_ DIR *dir = NULL;
	_cleanup_close_ int fd = -EBADF;
	struct dirent *entry;
	int r = 0;

	if (depth > DEPTH_MAX)
		return error_set(err, ELOOP, "tmpcopyup: more than %d levels", DEPTH_MAX);
	fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "tmpcopyup: open the mount point");
	dir = fdopendir(fd);
	if (dir == NULL)
		return error_set(err, errno, "tmpcopyup: read the mount point");
	take_fd(&fd);
	while (r >= 0) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL)
			return errno == 0 ? 0
					  : error_set(err, errno, "tmpcopyup: read a directory");
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			r = copy_entry(from, to, entry->d_name, device, depth, err);
	}
	return r;
}

int tmpcopyup_copy(int from, int to, struct error *err)
{
	struct stat st;

	if (fstat(from, &st) < 0)
		return error_set(err, errno, "tmpcopyup: stat the mount point");
	return copy_directory(from, to, st.st_dev, 0, err);
}
