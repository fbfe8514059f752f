/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's mount interfaces, on fds: a mount is made detached (fsopen, open_tree), gets its
 * attributes, and is then moved onto a mount point that runtime/ns/path.h opened. Nothing here
 * takes a path of a container. Linux 5.12 or newer (mount_setattr) is needed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;
struct mount_options;

/*
 * Makes a detached mount of a new file system. `source` may be NULL; `label` is a SELinux context
 * or NULL. Only options->set, the superblock flags and the data count. Returns its fd, the
 * caller's. Errors: the file system's own message where it gives one; -EOPNOTSUPP for what only
 * mount_classic() can say.
 */
int mount_new_filesystem(const char *type, const char *source, const struct mount_options *options,
	const char *label, struct error *err);

/*
 * A detached, empty tmpfs: `mode` is its top directory's as an option ("mode=0755"), `attributes`
 * are MOUNT_ATTR_…. Returns its fd, the caller's.
 */
int mount_new_tmpfs(const char *mode, uint64_t attributes, struct error *err);

/*
 * The same by mount(2), onto the directory `target`, for options and lengths that fsconfig(2) does
 * not take, and for remounts. Changes the working directory to the target.
 */
int mount_classic(const char *type, const char *source, const struct mount_options *options,
	const char *label, int target, struct error *err);

/*
 * Attributes and propagation of a mount or a detached tree (an fd of its top). `remount`: also the
 * plain options that lift a restriction (rw, dev, exec …), which on a bind mount otherwise only
 * name the default and leave what the source's mount forbids. `propagation` (MS_… with MS_REC, or
 * 0) comes before that of the options. `user_namespace` is an fd for an idmapped mount, or
 * negative.
 */
int mount_apply_options(int tree, const struct mount_options *options, unsigned long propagation,
	int user_namespace, bool remount, struct error *err);

/* mount_setattr(2) on the mount whose top `tree` is. Errors: errno, without a message. */
int mount_set_attributes(
	int tree, bool recursive, uint64_t set, uint64_t clear, unsigned long propagation);

/* Moves the detached tree onto the mount point. The fd stays the caller's. */
int mount_attach(int tree, int target, struct error *err);

/* A detached copy of the mount at an fd of the caller's own mount namespace. */
int mount_clone(int fd, bool recursive, struct error *err);
