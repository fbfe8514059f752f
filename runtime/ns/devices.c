/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>
#include <linux/major.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/ns/mount.h"
#include "runtime/ns/path.h"

/* Majors of pseudo-terminals' ends (admin-guide/devices.txt). */
#define PTS_MAJORS 8

#define DEFAULT_MODE 0666

struct node {
	const char *path;
	mode_t mode; /* with S_IFCHR, S_IFBLK or S_IFIFO */
	dev_t device;
	uid_t uid;
	gid_t gid;
};

static const struct {
	const char *path;
	unsigned int major, minor;
} defaults[] = {
	{ "/dev/null", MEM_MAJOR, 3 },
	{ "/dev/zero", MEM_MAJOR, 5 },
	{ "/dev/full", MEM_MAJOR, 7 },
	{ "/dev/random", MEM_MAJOR, 8 },
	{ "/dev/urandom", MEM_MAJOR, 9 },
	{ "/dev/tty", TTYAUX_MAJOR, 0 },
};

static bool is_node(const struct stat *st, const struct node *node)
{
	return (st->st_mode & S_IFMT) == (node->mode & S_IFMT) &&
		(S_ISFIFO(node->mode) || st->st_rdev == node->device);
}

static int set_wrong_node(struct error *err, const struct node *node)
{
	return error_say(err, EEXIST,
		"%s exists in the root file system and is not the device %u:%u: mount a tmpfs on "
		"/dev, or remove the file",
		node->path, major(node->device), minor(node->device));
}

/* Puts the host's own node at the path of the container's. */
static int bind_node(int root, const struct node *node, struct error *err)
{
	_cleanup_close_ int tree = open_tree(
		AT_FDCWD, node->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);
	_cleanup_close_ int target = -EBADF;
	struct stat st;

	if (tree < 0)
		return error_set(err, errno, "open the host's device %s", node->path);
	if (fstat(tree, &st) < 0)
		return error_set(err, errno, "stat the host's device %s", node->path);
	if (!is_node(&st, node))
		return error_say(err, ENODEV, "the host's %s is not the device %u:%u", node->path,
			major(node->device), minor(node->device));
	target = path_make_mount_point_nofollow(root, node->path, false, err);
	if (target < 0)
		return target;
	return mount_attach(tree, target, err);
}

/* Returns 1 where the kernel does not let us make a device. */
static int make_node(int directory, const char *name, const struct node *node, struct error *err)
{
	struct stat st;

	if (mknodat(directory, name, node->mode, node->device) == 0) {
		if (node->uid == 0 && node->gid == 0)
			return 0;
		if (fchownat(directory, name, node->uid, node->gid, AT_SYMLINK_NOFOLLOW) < 0)
			return error_set(err, errno, "chown the device %s", node->path);
		return 0;
	}
	if (errno == EPERM)
		return 1;
	if (errno != EEXIST)
		return error_set(err, errno, "make the device %s", node->path);
	if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, errno, "stat the device %s", node->path);
	return is_node(&st, node) ? 0 : set_wrong_node(err, node);
}

/*
 * `dev` is an fd of /dev, for the nodes right in it. *bind is set when it turns out that devices
 * can't be made here.
 */
static int make_or_bind(int root, int dev, const struct node *node, bool *bind, struct error *err)
{
	_cleanup_close_ int parent = -EBADF;
	const char *name = node->path + strlen("/dev/");
	int directory = dev, r;

	if (*bind && !S_ISFIFO(node->mode))
		return bind_node(root, node, err);
	if (strncmp(node->path, "/dev/", 5) != 0 || strchr(name, '/') != NULL) {
		/* A link on the way could lead into a volume of the host's. */
		r = path_open_no_symlinks(root, node->path, O_PATH | O_NOFOLLOW, NULL);
		if (r == -ELOOP)
			return error_set(err, ELOOP, "make the device %s", node->path);
		close_fd(r);
		parent = path_make_parent(root, node->path, &name, err);
		if (parent < 0)
			return parent;
		directory = parent;
	}
	r = make_node(directory, name, node, err);
	if (r <= 0)
		return r;
	if (S_ISFIFO(node->mode))
		return error_set(err, EPERM, "make the fifo %s", node->path);
	*bind = true;
	return bind_node(root, node, err);
}

static bool is_configured(const struct oci_linux *linux, const char *path)
{
	for (size_t i = 0; i < linux->n_devices; i++) {
		if (strcmp(linux->devices[i].path, path) == 0)
			return true;
	}
	return false;
}

static int make_defaults(
	int root, int dev, const struct oci_linux *linux, bool *bind, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < sizeof(defaults) / sizeof(defaults[0]); i++) {
		struct node node = {
			.path = defaults[i].path,
			.mode = S_IFCHR | DEFAULT_MODE,
			.device = makedev(defaults[i].major, defaults[i].minor),
		};

		if (!is_configured(linux, node.path))
			r = make_or_bind(root, dev, &node, bind, err);
	}
	return r;
}

static int make_configured(
	int root, int dev, const struct oci_linux *linux, bool *bind, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < linux->n_devices; i++) {
		const struct oci_device *d = &linux->devices[i];
		struct node node = {
			.path = d->path,
			.mode = (d->file_mode.set ? d->file_mode.value : DEFAULT_MODE) & 07777,
			.device = makedev((unsigned int)d->major, (unsigned int)d->minor),
			.uid = d->uid.set ? d->uid.value : 0,
			.gid = d->gid.set ? d->gid.value : 0,
		};

		if (d->type == 'p')
			node.mode |= S_IFIFO;
		else
			node.mode |= d->type == 'b' ? S_IFBLK : S_IFCHR;
		r = make_or_bind(root, dev, &node, bind, err);
		if (r < 0)
			error_prefix(err, "linux.devices[%zu]", i);
	}
	return r;
}

int devices_make(int root, const struct oci_linux *linux, bool bind, struct error *err)
{
	_cleanup_close_ int dev = path_make_directories(root, "/dev", 0755, err);
	mode_t mask;
	int r;

	if (dev < 0)
		return dev;
	mask = umask(0);
	r = make_defaults(root, dev, linux, &bind, err);
	if (r >= 0)
		r = make_configured(root, dev, linux, &bind, err);
	umask(mask);
	return r;
}

int devices_make_links(int root, struct error *err)
{
	static const char *const links[][2] = {
		{ "fd", "/proc/self/fd" },
		{ "stdin", "/proc/self/fd/0" },
		{ "stdout", "/proc/self/fd/1" },
		{ "stderr", "/proc/self/fd/2" },
		{ "core", "/proc/kcore" },
		{ "ptmx", "pts/ptmx" },
	};
	_cleanup_close_ int dev = path_make_directories(root, "/dev", 0755, err);

	if (dev < 0)
		return dev;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		if (symlinkat(links[i][1], dev, links[i][0]) < 0 && errno != EEXIST)
			return error_set(err, errno, "make the link /dev/%s", links[i][0]);
	}
	return 0;
}

int devices_bind_console(int root, int pts, struct error *err)
{
	_cleanup_close_ int target = -EBADF, tree = -EBADF;
	struct statfs fs;
	struct stat st;
	int r;

	if (fstat(pts, &st) < 0 || fstatfs(pts, &fs) < 0)
		return error_set(err, errno, "stat the terminal");
	if (!S_ISCHR(st.st_mode) || fs.f_type != DEVPTS_SUPER_MAGIC ||
		major(st.st_rdev) < UNIX98_PTY_SLAVE_MAJOR ||
		major(st.st_rdev) >= UNIX98_PTY_SLAVE_MAJOR + PTS_MAJORS)
		return error_say(err, EINVAL, "the terminal is not a pseudo-terminal of a devpts");
	tree = mount_clone(pts, false, err);
	if (tree < 0)
		return error_prefix(err, "/dev/console");
	target = path_make_mount_point_nofollow(root, "/dev/console", false, err);
	if (target < 0)
		return target;
	r = mount_attach(tree, target, err);
	return r < 0 ? error_prefix(err, "/dev/console") : 0;
}
