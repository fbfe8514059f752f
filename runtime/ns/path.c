/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include <linux/openat2.h>

#include "lib/cleanup.h"
#include "lib/error.h"

/* As many links as the kernel follows in one resolution (path_resolution(7)). */
#define LINKS_MAX 40

/* Inode number of a procfs instance's top directory (PROC_ROOT_INO). */
#define PROCFS_ROOT_INODE 1

/*
 * openat2(2) answers EAGAIN when a rename or a mount happened anywhere while it resolved a "..":
 * an attacker who renames in a loop can only delay, not for ever.
 */
#define RESOLUTION_TRIES 1024

static int open_resolved(int dirfd, const char *path, int flags, mode_t mode, uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = flags & O_CREAT ? mode : 0,
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};

	for (int i = 0; i < RESOLUTION_TRIES; i++) {
		long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

static int set_open_error(struct error *err, int errnum, const char *path)
{
	if (errnum == ENOSYS)
		return error_say(err, errnum, "this kernel lacks openat2(2): Linux 5.6 is needed");
	if (errnum == EAGAIN)
		return error_say(err, errnum,
			"open %s in the root file system: it is being renamed all the time", path);
	return error_set(err, errnum, "open %s in the root file system", path);
}

static const char *from_root(const char *path)
{
	while (*path == '/')
		path++;
	return *path == '\0' ? "." : path;
}

int path_open(int root, const char *path, int flags, struct error *err)
{
	int fd = open_resolved(root, from_root(path), flags, 0, RESOLVE_IN_ROOT);

	return fd < 0 ? set_open_error(err, -fd, path) : fd;
}

int path_open_no_symlinks(int root, const char *path, int flags, struct error *err)
{
	int fd = open_resolved(
		root, from_root(path), flags, 0, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);

	return fd < 0 ? set_open_error(err, -fd, path) : fd;
}

/*
 * A walk through a path that makes what is missing. `rest` is what is still to be walked; `done`
 * is where `fd` is, as a path below the root that had no links when it was walked: only "..", which
 * a directory's fd can't answer safely, needs it.
 */
struct walk {
	int root;
	int fd;
	char rest[PATH_MAX];
	char done[PATH_MAX];
	unsigned int links;
	mode_t mode;	/* of directories that are made */
	bool directory; /* the end is a directory, else a file */
	bool nofollow;	/* the end may not be a link */
};

static int walk_to(struct walk *walk, int fd)
{
	if (fd < 0)
		return fd;
	close_fd(walk->fd);
	walk->fd = fd;
	return 0;
}

static int walk_to_root(struct walk *walk)
{
	walk->done[0] = '\0';
	return walk_to(walk, open_resolved(walk->root, ".", O_PATH | O_DIRECTORY, 0, 0));
}

static int walk_up(struct walk *walk)
{
	char *slash = strrchr(walk->done, '/');

	if (slash == NULL)
		return walk_to_root(walk);
	*slash = '\0';
	return walk_to(walk,
		open_resolved(walk->root, walk->done, O_PATH | O_DIRECTORY, 0,
			RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS));
}

/*
 * The links of procfs that lead to a path show a name of another tree: the kernel's own ("magic",
 * openat2(2)), which is not to be made here.
 */
static bool is_magic_link(int fd, const char *target)
{
	struct statfs fs;

	return target[0] == '/' && fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* Puts the target of the link `fd` before what is still to be walked. */
static int walk_link(struct walk *walk, int fd)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(fd, "", target, sizeof(target));
	size_t rest = strlen(walk->rest);

	if (length < 0)
		return -errno;
	if (++walk->links > LINKS_MAX || (length > 0 && is_magic_link(fd, target)))
		return -ELOOP;
	if ((size_t)length + 1 + rest + 1 > sizeof(walk->rest))
		return -ENAMETOOLONG;
	memmove(walk->rest + length + 1, walk->rest, rest + 1);
	memcpy(walk->rest, target, (size_t)length);
	walk->rest[length] = '/';
	return length > 0 && target[0] == '/' ? walk_to_root(walk) : 0;
}

static int walk_make(struct walk *walk, const char *name, bool directory)
{
	if (directory)
		return mkdirat(walk->fd, name, walk->mode) < 0 ? -errno : 0;

	int fd = openat(walk->fd, name,
		O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_WRONLY | O_NONBLOCK, 0644);

	if (fd < 0)
		return -errno;
	close_fd(fd);
	return 0;
}

/* Opens one component, a link itself where it is one, and makes it where it is missing. */
static int walk_open(struct walk *walk, const char *name, bool directory)
{
	for (int i = 0; i < RESOLUTION_TRIES; i++) {
		int fd = open_resolved(walk->fd, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH);
		int made;

		if (fd != -ENOENT)
			return fd;
		made = walk_make(walk, name, directory);
		if (made < 0 && made != -EEXIST)
			return made;
	}
	return -EAGAIN;
}

static int walk_component(struct walk *walk, const char *name, bool last)
{
	_cleanup_close_ int fd = -EBADF;
	struct stat st;
	size_t length = strlen(walk->done);

	fd = walk_open(walk, name, !last || walk->directory);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode))
		return last && walk->nofollow ? -ELOOP : walk_link(walk, fd);
	if (!S_ISDIR(st.st_mode) && (!last || walk->directory))
		return -ENOTDIR;
	if (length + 1 + strlen(name) + 1 > sizeof(walk->done))
		return -ENAMETOOLONG;
	if (length > 0)
		walk->done[length++] = '/';
	strcpy(walk->done + length, name);
	return walk_to(walk, take_fd(&fd));
}

static int walk_all(struct walk *walk)
{
	int r = walk_to_root(walk);

	while (r >= 0) {
		char name[NAME_MAX + 1];
		const char *start = walk->rest + strspn(walk->rest, "/");
		size_t length = strcspn(start, "/");
		const char *next = start + length + strspn(start + length, "/");

		if (length == 0)
			return 0;
		if (length > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, start, length);
		name[length] = '\0';
		memmove(walk->rest, next, strlen(next) + 1);
		if (strcmp(name, "..") == 0)
			r = walk_up(walk);
		else if (strcmp(name, ".") != 0)
			r = walk_component(walk, name, walk->rest[0] == '\0');
	}
	return r;
}

static int make_path(int root, const char *path, mode_t mode, bool directory, bool nofollow)
{
	int flags = O_PATH | (directory ? O_DIRECTORY : 0) | (nofollow ? O_NOFOLLOW : 0);
	int r = open_resolved(root, from_root(path), flags, 0, RESOLVE_IN_ROOT);
	struct walk walk = { .root = root,
		.fd = -EBADF,
		.mode = mode,
		.directory = directory,
		.nofollow = nofollow };

	if (r >= 0 && nofollow && !directory) {
		struct stat st;

		if (fstat(r, &st) == 0 && S_ISLNK(st.st_mode)) {
			close_fd(r);
			return -ELOOP;
		}
	}
	if (r != -ENOENT)
		return r;
	if (strlen(path) >= sizeof(walk.rest))
		return -ENAMETOOLONG;
	strcpy(walk.rest, path);
	r = walk_all(&walk);
	if (r < 0) {
		close_fd(walk.fd);
		return r;
	}
	return walk.fd;
}

static int make_mount_point(
	int root, const char *path, bool directory, bool nofollow, struct error *err)
{
	int fd = make_path(root, path, 0755, directory, nofollow);

	if (fd == -ENOTDIR)
		return error_say(err, ENOTDIR,
			"mount point %s: a part of it is a file in the root file system, where a "
			"directory is needed",
			path);
	if (fd == -EROFS)
		return error_say(err, EROFS,
			"mount point %s is missing and its file system is read-only: make it "
			"beforehand",
			path);
	if (fd == -ELOOP && nofollow)
		return error_say(err, ELOOP, "mount point %s is a symbolic link", path);
	if (fd < 0)
		return error_set(err, -fd, "make the mount point %s", path);
	return fd;
}

int path_make_mount_point(int root, const char *path, bool directory, struct error *err)
{
	return make_mount_point(root, path, directory, false, err);
}

int path_make_mount_point_nofollow(int root, const char *path, bool directory, struct error *err)
{
	return make_mount_point(root, path, directory, true, err);
}

int path_make_directories(int root, const char *path, mode_t mode, struct error *err)
{
	int fd = make_path(root, path, mode, true, false);

	if (fd < 0)
		return error_set(err, -fd, "make the directory %s in the root file system", path);
	return fd;
}

int path_make_parent(int root, const char *path, const char **ret_name, struct error *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	char parent[PATH_MAX];
	size_t length = (size_t)(name - path);
	int fd;

	if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_say(err, EINVAL, "%s does not name a file", path);
	if (length >= sizeof(parent) || strlen(name) > NAME_MAX)
		return error_set(err, ENAMETOOLONG, "%s", path);
	memcpy(parent, path, length);
	parent[length] = '\0';
	fd = path_make_directories(root, parent, 0755, err);
	if (fd >= 0)
		*ret_name = name;
	return fd;
}

int path_is_symlink(int root, const char *name)
{
	char c;

	if (readlinkat(root, name, &c, 1) >= 0)
		return 1;
	return errno == EINVAL || errno == ENOENT ? 0 : -errno;
}

char *path_clean(const char *path)
{
	char *clean = malloc(strlen(path) + 2);
	size_t end = 0; /* what is before it has the form (/name)* */

	if (clean == NULL)
		return NULL;
	while (*path != '\0') {
		size_t length = strcspn(path, "/");

		if (length == 2 && path[0] == '.' && path[1] == '.') {
			while (end > 0 && clean[--end] != '/')
				;
		} else if (length > 0 && !(length == 1 && path[0] == '.')) {
			clean[end++] = '/';
			memcpy(clean + end, path, length);
			end += length;
		}
		path += length;
		path += strspn(path, "/");
	}
	if (end == 0)
		clean[end++] = '/';
	clean[end] = '\0';
	return clean;
}

static int open_private_procfs(void)
{
	_cleanup_close_ int context = fsopen("proc", FSOPEN_CLOEXEC);
	int fd;

	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(
		context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

int path_open_callers_procfs(struct error *err)
{
	struct statfs fs;
	struct stat st;
	_cleanup_close_ int fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open /proc");
	if (fstatfs(fd, &fs) < 0 || fstat(fd, &st) < 0)
		return error_set(err, errno, "stat /proc");
	if (fs.f_type != PROC_SUPER_MAGIC || st.st_ino != PROCFS_ROOT_INODE)
		return error_say(err, ENOTSUP,
			"/proc is no procfs: mount one there (mount -t proc proc /proc)");
	return take_fd(&fd);
}

int path_open_procfs(struct error *err)
{
	_cleanup_close_ int fd = open_private_procfs();

	return fd >= 0 ? take_fd(&fd) : path_open_callers_procfs(err);
}

int path_open_in_procfs(int procfs, const char *file, int flags, struct error *err)
{
	int fd = open_resolved(
		procfs, from_root(file), flags, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV);

	if (fd == -EXDEV)
		return error_say(err, EXDEV, "/proc/%s is covered by a mount", from_root(file));
	if (fd < 0)
		return error_set(err, -fd, "open /proc/%s", from_root(file));
	return fd;
}

int path_write_procfs(int procfs, const char *file, const char *value, struct error *err)
{
	_cleanup_close_ int fd = path_open_in_procfs(procfs, file, O_WRONLY, err);
	size_t length = strlen(value);
	ssize_t written;

	if (fd < 0)
		return fd;
	written = write(fd, value, length);
	if (written < 0)
		return error_set(err, errno, "write \"%.64s\" to /proc/%s", value, from_root(file));
	if ((size_t)written != length)
		return error_say(err, EIO, "write \"%.64s\" to /proc/%s: only a part was taken",
			value, from_root(file));
	return 0;
}
