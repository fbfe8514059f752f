/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's file system view: root, mounts, devices, masked and read-only paths, made with
 * the new mount API (open_tree, fsopen, mount_setattr, move_mount) on fds.
 *
 * Three steps: rootfs_prepare() on the caller's side, before the process is cloned; rootfs_mount()
 * in the new mount namespace, while the host's paths still exist (createContainer hooks come after
 * it); rootfs_enter() makes it the process's root.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;
struct oci_config;

struct rootfs_options {
	const struct oci_config *config;
	const char *bundle;	/* absolute */
	bool user_namespace;	/* the process will be in a user namespace of the container's own */
	bool rootless;		/* the caller has no capability over the host's mounts */
	bool mount_namespace;	/* false: the caller's; only then is nothing mounted or pivoted */
	bool cgroup_namespace;	/* a new one, or joined */
	bool network_namespace; /* new or joined, not the host's: sysfs may be mounted */
	bool no_pivot;
	const char *cgroup_path; /* below the cgroup2 mount: what a cgroup mount shows without a
				    cgroup namespace */
	const char *notify_socket_directory; /* host directory to appear at /run/notify, or NULL */
	/*
	 * The program runs under another kernel: binds are kept for rootfs_export(), none of the
	 * configuration's devices is made here, and root.path may be a file or block device that
	 * holds a file system for that kernel: here the root is an empty tmpfs then.
	 */
	bool own_kernel;
};

struct rootfs;

/*
 * Checks every mount (options, types, what may not be mounted over), opens the root and
 * the bind sources with the caller's rights, makes idmapped trees. Nothing is visible to
 * anybody yet. Keeps pointers to the config and to the strings of the options; its fds are
 * inherited by the process that calls rootfs_mount(), and the caller's copy is given back once that
 * is cloned. `ret` is given back by rootfs_free().
 */
int rootfs_prepare(const struct rootfs_options *options, struct rootfs **ret, struct error *err);

/*
 * The image that root.path names, open for reading; stays the rootfs's. -EBADF where the root is a
 * directory.
 */
int rootfs_image(const struct rootfs *rootfs);

/*
 * In the container's process, which has joined all its namespaces (the cgroup namespace too) and is
 * root in its user namespace: stops propagation as linux.rootfsPropagation asks, mounts root and
 * all mounts in order, makes devices and /dev links, mount points. May change the working
 * directory. Errors name the entry, "mounts[3] (/dev/shm): …".
 */
int rootfs_mount(struct rootfs *rootfs, struct error *err);

/* Binds the terminal `pts` (an fd of it) at /dev/console (CVE-2025-52565). */
int rootfs_bind_console(struct rootfs *rootfs, int pts, struct error *err);

/*
 * Masked and read-only paths, pivot_root(2) (or, with no_pivot, a moved mount and chroot), a
 * read-only root, the root's propagation. The working directory is the new root afterwards.
 * Without a mount namespace: chroot(2) alone.
 */
int rootfs_enter(struct rootfs *rootfs, struct error *err);

/* An fd (O_PATH) of the root's top directory: valid between rootfs_mount() and rootfs_free(). */
int rootfs_fd(const struct rootfs *rootfs);

/*
 * After rootfs_mount(): an fd, from then on the caller's, of the procfs that was mounted at /proc,
 * as good as path_open_procfs()'s and for free: path_open_in_procfs() refuses what a later mount
 * covers there (linux.readonlyPaths comes with rootfs_enter()). -EBADF where the container has none
 * of its own, or one with options.
 */
int rootfs_take_procfs(struct rootfs *rootfs);

#define ROOTFS_EXPORT_ROOT ((size_t)-1)

/*
 * A detached tree of the root file system (without what is mounted in it), or of the bind mount
 * `mount` (its index in config.json's mounts) as it was mounted, whatever covers it now; of one
 * with slave propagation the mount itself, in which mounts of the host go on appearing. Between
 * rootfs_mount() and rootfs_enter(), with options->own_kernel. Returns its fd, the caller's;
 * -ENOENT for a mount that is no bind.
 */
int rootfs_export(const struct rootfs *rootfs, size_t mount, struct error *err);

void rootfs_free(struct rootfs *rootfs);
