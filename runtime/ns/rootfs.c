/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/ns/devices.h"
#include "runtime/ns/host_access.h"
#include "runtime/ns/masks.h"
#include "runtime/ns/mount.h"
#include "runtime/ns/mount_plan.h"
#include "runtime/ns/path.h"
#include "runtime/ns/pivot.h"

struct rootfs {
	struct rootfs_options options;
	const struct oci_config *config;
	char *path; /* of the root on the host, absolute */
	unsigned long
		propagation; /* MS_… of linux.rootfsPropagation with MS_REC where asked, or 0 */
	int root;	     /* detached tree or, later, the mounted root */
	int image;	     /* of the root, for another kernel; or -EBADF */
	struct oci_mount notify; /* the mount of options.notify_socket_directory */
	char *notify_options[6]; /* as many as there are words for it */
	struct mount_plan *mounts;
	size_t n_mounts;
	bool host_dev; /* /dev is a bind mount: nothing is made there */
};

/* ---- caller's side ----------------------------------------------------------------------------
 */

static int check_label(const struct oci_linux *linux, struct error *err)
{
	struct statfs fs;

	if (linux->mount_label == NULL || linux->mount_label[0] == '\0')
		return 0;
	if (statfs("/sys/fs/selinux", &fs) == 0 && fs.f_type == SELINUX_MAGIC)
		return 0;
	return error_say(err, ENOTSUP,
		"linux.mountLabel: SELinux is not enabled on this host: leave it out");
}

/* Without a mount namespace every change would be the host's. */
static int check_no_mount_namespace(const struct oci_config *config, struct error *err)
{
	const char *what = NULL;

	if (config->n_mounts > 0)
		what = "mounts";
	else if (config->root.readonly)
		what = "root.readonly";
	else if (config->linux.masked_paths.count > 0)
		what = "linux.maskedPaths";
	else if (config->linux.readonly_paths.count > 0)
		what = "linux.readonlyPaths";
	else if (config->linux.n_devices > 0)
		what = "linux.devices";
	if (what == NULL)
		return 0;
	return error_say(err, EINVAL,
		"%s: needs a mount namespace of the container's own: add one to linux.namespaces",
		what);
}

static int parse_propagation(struct rootfs *rootfs, struct error *err)
{
	const char *name = rootfs->config->linux.rootfs_propagation;

	if (name == NULL || name[0] == '\0')
		return 0;
	rootfs->propagation = mount_propagation_by_name(name);
	if (rootfs->propagation == 0)
		return error_say(err, EINVAL,
			"linux.rootfsPropagation: %s is none of shared, slave, private, "
			"unbindable, "
			"or one of these with r before",
			name);
	return 0;
}

/*
 * What the new namespace's mounts, and so copies of the host's, become first. Unbindable ones
 * could not be copied: the root turns that at the end.
 */
static unsigned long namespace_propagation(const struct rootfs *rootfs)
{
	if (rootfs->propagation & MS_UNBINDABLE)
		return MS_PRIVATE | MS_REC;
	return rootfs->propagation != 0 ? rootfs->propagation : MS_SLAVE | MS_REC;
}

/*
 * For a user namespace the kernel makes every copy of the host's mounts a slave, so that the
 * namespace can't mount anything on the host; those that the caller opens for it are no exception.
 */
static unsigned long tree_propagation(const struct rootfs *rootfs)
{
	return rootfs->options.user_namespace ? MS_SLAVE | MS_REC : namespace_propagation(rootfs);
}

/* Whether mounts of the new namespace may go on sending what happens to them to the host's. */
static bool stays_shared(const struct rootfs *rootfs)
{
	unsigned long propagation = namespace_propagation(rootfs);

	return (propagation & MS_SHARED) || !(propagation & MS_REC);
}

static int make_root_path(struct rootfs *rootfs, struct error *err)
{
	const char *path = rootfs->config->root.path;
	int length;

	if (!rootfs->config->root.set || path == NULL)
		return error_say(err, EINVAL, "root.path is missing");
	length = path[0] == '/' ? asprintf(&rootfs->path, "%s", path)
				: asprintf(&rootfs->path, "%s/%s", rootfs->options.bundle, path);
	if (length < 0) {
		rootfs->path = NULL;
		error_set(err, ENOMEM, "root.path");
		return -ENOMEM;
	}
	return 0;
}

/*
 * A copy of the root's mounts, which is the container's own to change: private, so that nothing
 * mounted in it reaches the host's view of the directory.
 */
static int open_root_tree(struct rootfs *rootfs, unsigned long propagation, struct error *err)
{
	_cleanup_close_ int tree = open_tree(
		AT_FDCWD, rootfs->path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	int r = 0;

	if (tree < 0)
		return error_set(err, errno, "root.path: open %s", rootfs->path);
	if (propagation != 0)
		r = mount_set_attributes(tree, true, 0, 0, propagation & ~(unsigned long)MS_REC);
	if (r >= 0)
		r = mount_set_attributes(tree, false, 0, 0, MS_PRIVATE);
	if (r < 0)
		return error_set(err, -r, "root.path: make the copy of %s private", rootfs->path);
	rootfs->root = take_fd(&tree);
	return 0;
}

static bool is_image(mode_t mode)
{
	return S_ISREG(mode) || S_ISBLK(mode);
}

/* Opened without a wait for anybody, and only what was looked at. */
static int open_image(struct rootfs *rootfs, struct error *err)
{
	struct stat st;

	if (!rootfs->options.mount_namespace)
		return error_say(err, EINVAL,
			"root.path: %s is an image: it needs a mount namespace of the container's "
			"own: add one to linux.namespaces",
			rootfs->path);
	rootfs->image = open(rootfs->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (rootfs->image < 0 || fstat(rootfs->image, &st) < 0)
		return error_set(err, errno, "root.path: open the image %s", rootfs->path);
	return is_image(st.st_mode) ? 0
				    : error_set(err, ENOTDIR, "root.path: open %s", rootfs->path);
}

static int check_root(struct rootfs *rootfs, struct error *err)
{
	struct stat st;

	if (stat(rootfs->path, &st) < 0)
		return error_set(err, errno, "root.path: open %s", rootfs->path);
	if (rootfs->options.own_kernel && is_image(st.st_mode))
		return open_image(rootfs, err);
	if (is_image(st.st_mode))
		return error_say(err, ENOTDIR,
			"root.path: %s is no directory; an image of a file system as root needs "
			"--isolation vm",
			rootfs->path);
	if (!S_ISDIR(st.st_mode))
		return error_set(err, ENOTDIR, "root.path: open %s", rootfs->path);
	return 0;
}

static bool is_dev_bind(const struct mount_plan *plan)
{
	return plan->options.bind && strcmp(plan->destination, "/dev") == 0;
}

static int prepare_mounts(struct rootfs *rootfs, struct error *err)
{
	const struct oci_config *config = rootfs->config;
	const struct rootfs_options *options = &rootfs->options;
	unsigned long propagation = tree_propagation(rootfs);
	int r = 0;

	rootfs->mounts = calloc(config->n_mounts + 1, sizeof(*rootfs->mounts));
	if (rootfs->mounts == NULL)
		return error_set(err, ENOMEM, "mounts");
	for (size_t i = 0; r >= 0 && i < config->n_mounts; i++) {
		struct mount_plan *plan = &rootfs->mounts[rootfs->n_mounts++];

		r = mount_plan_prepare(options, &config->mounts[i], i, propagation, plan, err);
		if (r >= 0 && is_dev_bind(plan))
			rootfs->host_dev = true;
	}
	if (r >= 0 && options->notify_socket_directory != NULL) {
		static const char *const words[] = { "bind", "ro", "nosuid", "nodev", "noexec",
			"rprivate" };

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			rootfs->notify_options[i] = (char *)words[i];
		rootfs->notify = (struct oci_mount){
			.destination = (char *)"/run/notify",
			.source = (char *)options->notify_socket_directory,
			.options = { rootfs->notify_options, sizeof(words) / sizeof(words[0]) },
		};
		r = mount_plan_prepare(options, &rootfs->notify, SIZE_MAX, propagation,
			&rootfs->mounts[rootfs->n_mounts++], err);
	}
	return r;
}

static int prepare(struct rootfs *rootfs, struct error *err)
{
	int r = make_root_path(rootfs, err);

	if (r >= 0)
		r = check_root(rootfs, err);
	if (r >= 0)
		r = check_label(&rootfs->config->linux, err);
	if (r >= 0)
		r = parse_propagation(rootfs, err);
	if (r >= 0 && !rootfs->options.mount_namespace)
		return check_no_mount_namespace(rootfs->config, err);
	if (r >= 0 && rootfs->options.no_pivot)
		r = pivot_check_no_pivot(err);
	/* The path may be closed to the user namespace's root: opened with the caller's rights. */
	if (r >= 0 && rootfs->image < 0 && rootfs->options.user_namespace &&
		!rootfs->options.rootless &&
		!host_access_as_container_root(&rootfs->config->linux, rootfs->path)) {
		r = open_root_tree(rootfs, tree_propagation(rootfs), err);
		if (r == -EPERM) {
			if (err != NULL)
				*err = ERROR_INIT;
			r = 0;
		}
	}
	return r < 0 ? r : prepare_mounts(rootfs, err);
}

int rootfs_prepare(const struct rootfs_options *options, struct rootfs **ret, struct error *err)
{
	struct rootfs *rootfs = calloc(1, sizeof(*rootfs));
	int r;

	if (rootfs == NULL)
		return error_set(err, ENOMEM, "root file system");
	rootfs->options = *options;
	rootfs->config = options->config;
	rootfs->root = rootfs->image = -EBADF;
	r = prepare(rootfs, err);
	if (r < 0) {
		rootfs_free(rootfs);
		return r;
	}
	*ret = rootfs;
	return 0;
}

/* ---- container's side -------------------------------------------------------------------------
 */

/*
 * pivot_root(2) refuses a root whose parent mount is shared. Which mount that is, only trying
 * tells: the nearest one above the path.
 */
static int make_parent_private(const char *path, struct error *err)
{
	_cleanup_free_ char *parent = realpath(path, NULL);

	if (parent == NULL)
		return error_set(err, errno, "root.path: resolve %s", path);
	for (;;) {
		char *slash = strrchr(parent, '/');

		if (mount(NULL, parent, NULL, MS_PRIVATE, NULL) == 0)
			return 0;
		if (errno != EINVAL || strcmp(parent, "/") == 0)
			return error_set(err, errno, "make the mount of %s private", path);
		slash[slash == parent ? 1 : 0] = '\0';
	}
}

/* Any place serves pivot_root(2). */
static int mount_memory_root(struct rootfs *rootfs, struct error *err)
{
	if (stays_shared(rootfs) && mount(NULL, "/", NULL, MS_PRIVATE, NULL) < 0)
		return error_set(err, errno, "make the mount of / private");
	rootfs->root = mount_new_tmpfs("mode=0755", MOUNT_ATTR_NODEV, err);
	if (rootfs->root < 0)
		return rootfs->root;
	if (move_mount(rootfs->root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_set(err, errno, "mount an empty root file system");
	return 0;
}

static int mount_root(struct rootfs *rootfs, struct error *err)
{
	const unsigned long propagation = namespace_propagation(rootfs);
	int r = 0;

	if (mount(NULL, "/", NULL, propagation, NULL) < 0)
		return error_set(err, errno, "set the propagation of the new namespace's mounts%s",
			errno == EINVAL ? " (the root directory is no mount point)" : "");
	if (rootfs->image >= 0)
		return mount_memory_root(rootfs, err);
	if (stays_shared(rootfs))
		r = make_parent_private(rootfs->path, err);
	if (r >= 0 && rootfs->root < 0)
		r = open_root_tree(rootfs, 0, err);
	if (r < 0)
		return r;
	if (move_mount(rootfs->root, "", AT_FDCWD, rootfs->path,
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_SYMLINKS) == 0)
		return 0;
	/* A path that is closed to the user namespace: any place serves pivot_root(2). */
	if (errno == EACCES &&
		move_mount(rootfs->root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0)
		return 0;
	return error_set(err, errno, "mount the root file system %s", rootfs->path);
}

/*
 * A root file system whose /proc, /sys or /dev is a link would have what is mounted and made there
 * land where its maker chose (CVE-2019-19921, CVE-2023-27561, CVE-2026-41579).
 */
static int refuse_links(int root, struct error *err)
{
	static const char *const names[] = { "proc", "sys", "dev" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int r = path_is_symlink(root, names[i]);

		if (r < 0)
			return error_set(err, -r, "root file system: /%s", names[i]);
		if (r > 0)
			return error_say(err, ELOOP,
				"root file system: /%s is a symbolic link: it must be a directory",
				names[i]);
	}
	return 0;
}

static int make_devices(const struct rootfs *rootfs, struct error *err)
{
	struct oci_linux wanted = rootfs->config->linux;

	if (rootfs->host_dev)
		return 0;
	if (rootfs->options.own_kernel)
		wanted.n_devices = 0;
	int r = devices_make(rootfs->root, &wanted, rootfs->options.user_namespace, err);
	return r < 0 ? r : devices_make_links(rootfs->root, err);
}

int rootfs_mount(struct rootfs *rootfs, struct error *err)
{
	int r;

	if (!rootfs->options.mount_namespace) {
		rootfs->root = open(rootfs->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		return rootfs->root < 0 ? error_set(err, errno, "open %s", rootfs->path) : 0;
	}
	r = mount_root(rootfs, err);
	if (r >= 0)
		r = refuse_links(rootfs->root, err);
	for (size_t i = 0; r >= 0 && i < rootfs->n_mounts; i++)
		r = mount_plan_execute(&rootfs->mounts[i], &rootfs->options, rootfs->root, err);
	return r < 0 ? r : make_devices(rootfs, err);
}

int rootfs_bind_console(struct rootfs *rootfs, int pts, struct error *err)
{
	return devices_bind_console(rootfs->root, pts, err);
}

static int change_root(const struct rootfs *rootfs, struct error *err)
{
	if (!rootfs->options.mount_namespace)
		return pivot_chroot(rootfs->root, err);
	if (rootfs->options.no_pivot)
		return pivot_enter_by_chroot(rootfs->root, err);
	return pivot_enter(rootfs->root, stays_shared(rootfs), err);
}

/* Only now, because pivot_root(2) takes no shared root. Private it has been from the beginning. */
static int set_propagation(const struct rootfs *rootfs, struct error *err)
{
	unsigned long type = rootfs->propagation & ~(unsigned long)MS_REC;
	int r;

	if (type == 0 || type == MS_PRIVATE || !rootfs->options.mount_namespace)
		return 0;
	r = mount_set_attributes(rootfs->root, rootfs->propagation & MS_REC, 0, 0, type);
	return r < 0 ? error_set(err, -r, "linux.rootfsPropagation") : 0;
}

int rootfs_enter(struct rootfs *rootfs, struct error *err)
{
	const struct oci_linux *linux = &rootfs->config->linux;
	int r = 0;

	/* Now that all mount points, devices and the console are in place. */
	for (size_t i = 0; r >= 0 && i < rootfs->n_mounts; i++)
		r = mount_plan_finish(&rootfs->mounts[i], err);
	if (r >= 0 && rootfs->options.mount_namespace)
		r = masks_apply(rootfs->root, &linux->masked_paths, &linux->readonly_paths, err);
	if (r >= 0)
		r = change_root(rootfs, err);
	if (r >= 0)
		r = set_propagation(rootfs, err);
	if (r >= 0 && rootfs->config->root.readonly) {
		r = mount_set_attributes(rootfs->root, false, MOUNT_ATTR_RDONLY, 0, 0);
		if (r < 0)
			error_set(err, -r, "root.readonly: make the root file system read-only");
	}
	return r;
}

int rootfs_fd(const struct rootfs *rootfs)
{
	return rootfs->root;
}

int rootfs_image(const struct rootfs *rootfs)
{
	return rootfs->image;
}

int rootfs_take_procfs(struct rootfs *rootfs)
{
	for (size_t i = 0; i < rootfs->n_mounts; i++) {
		if (rootfs->mounts[i].procfs >= 0)
			return take_fd(&rootfs->mounts[i].procfs);
	}
	return -EBADF;
}

/* A mount that receives what is mounted on the host does so where it is attached only. */
static bool is_slave(const struct mount_options *options)
{
	for (size_t i = 0; i < options->n_propagations; i++) {
		if (options->propagation[i].type == MS_SLAVE)
			return true;
	}
	return false;
}

static int export_bind(const struct mount_plan *plan, struct error *err)
{
	if (!is_slave(&plan->options))
		return mount_clone(plan->tree, plan->options.recursive_bind, err);
	int fd = fcntl(plan->tree, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? error_set(err, errno, "keep a mount") : fd;
}

int rootfs_export(const struct rootfs *rootfs, size_t mount, struct error *err)
{
	if (mount == ROOTFS_EXPORT_ROOT)
		return mount_clone(rootfs->root, false, err);
	for (size_t i = 0; i < rootfs->n_mounts; i++) {
		const struct mount_plan *plan = &rootfs->mounts[i];

		if (plan->index == mount && plan->options.bind && plan->tree >= 0)
			return export_bind(plan, err);
	}
	return error_say(err, ENOENT, "mounts[%zu] is no bind mount", mount);
}

void rootfs_free(struct rootfs *rootfs)
{
	if (rootfs == NULL)
		return;
	for (size_t i = 0; i < rootfs->n_mounts; i++)
		mount_plan_free(&rootfs->mounts[i]);
	free(rootfs->mounts);
	free(rootfs->path);
	close_fd(rootfs->root);
	close_fd(rootfs->image);
	free(rootfs);
}
