/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/masks.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <linux/major.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/ns/mount.h"
#include "runtime/ns/mount_options.h"
#include "runtime/ns/path.h"

#define NULL_MINOR 3

struct masks {
	int root;
	int null;      /* the host's /dev/null */
	int directory; /* the top of an empty tmpfs, once a directory was covered by it */
};

/* Returns an fd, or -ENOENT for what is not there. */
static int open_path(int root, const char *path, struct error *err)
{
	int fd = path_open(root, path, O_PATH, NULL);

	if (fd == -ENOENT || fd == -ENOTDIR || fd == -EACCES)
		return -ENOENT;
	return fd < 0 ? error_set(err, -fd, "open %s in the container", path) : fd;
}

static int make_read_only(int root, const char *path, struct error *err)
{
	_cleanup_close_ int fd = open_path(root, path, err);
	_cleanup_close_ int tree = -EBADF;
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	tree = mount_clone(fd, true, err);
	if (tree < 0)
		return tree;
	r = mount_set_attributes(tree, true, MOUNT_ATTR_RDONLY, 0, 0);
	if (r < 0)
		return error_set(err, -r, "make %s read-only", path);
	return mount_attach(tree, fd, err);
}

static int open_null(struct error *err)
{
	_cleanup_close_ int fd = open("/dev/null", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, errno, "open the host's /dev/null");
	if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(MEM_MAJOR, NULL_MINOR))
		return error_say(err, ENODEV,
			"the host's /dev/null is not the null device: mend it "
			"(mknod -m 666 /dev/null c 1 3)");
	return take_fd(&fd);
}

/* One tmpfs for all: the first directory gets it, the others a copy of that mount. */
static int empty_directory(const struct masks *masks, struct error *err)
{
	if (masks->directory >= 0)
		return mount_clone(masks->directory, false, err);
	return mount_new_tmpfs("mode=0555",
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
}

static int mask(struct masks *masks, const char *path, struct error *err)
{
	_cleanup_close_ int fd = open_path(masks->root, path, err);
	_cleanup_close_ int tree = -EBADF;
	struct stat st;
	int r;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "stat %s in the container", path);
	tree = S_ISDIR(st.st_mode) ? empty_directory(masks, err)
				   : mount_clone(masks->null, false, err);
	if (tree < 0)
		return tree;
	r = mount_attach(tree, fd, err);
	if (r >= 0 && S_ISDIR(st.st_mode) && masks->directory < 0)
		masks->directory = take_fd(&tree);
	return r;
}

int masks_apply(int root, const struct string_list *masked, const struct string_list *readonly,
	struct error *err)
{
	_cleanup_close_ int null = -EBADF;
	struct masks masks = { .root = root, .directory = -EBADF };
	int r = 0;

	for (size_t i = 0; i < readonly->count; i++) {
		r = make_read_only(root, readonly->items[i], err);
		if (r < 0)
			return error_prefix(
				err, "linux.readonlyPaths[%zu] (%s)", i, readonly->items[i]);
	}
	if (masked->count == 0)
		return 0;
	masks.null = null = open_null(err);
	if (null < 0)
		return null;
	for (size_t i = 0; r >= 0 && i < masked->count; i++) {
		r = mask(&masks, masked->items[i], err);
		if (r < 0)
			error_prefix(err, "linux.maskedPaths[%zu] (%s)", i, masked->items[i]);
	}
	close_fd(masks.directory);
	return r;
}
