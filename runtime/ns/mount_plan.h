/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One entry of config.json's `mounts`, from its check to the mount: what can be known, refused or
 * opened on the caller's side is done before anything exists; the rest in the container's process,
 * in order, each mount point resolved at the moment of mounting.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "runtime/ns/mount_options.h"

struct error;
struct oci_mount;
struct rootfs_options;

struct mount_plan {
	const struct oci_mount *mount;
	size_t index; /* in config.json's list; SIZE_MAX for a mount of the runtime's own */
	struct mount_options options;
	char *destination;     /* cleaned, absolute */
	char *source;	       /* of a bind mount: absolute */
	char *link;	       /* copy-symlink of a source that is one: its target */
	int tree;	       /* a bind's source, or a mount that turns read-only at the end */
	int procfs;	       /* the mount at /proc, where it is plain and writable */
	int user_namespace;    /* of an idmapped mount, or negative */
	bool directory;	       /* the bind's source is one */
	bool read_only_at_end; /* a tmpfs that others may want mount points in */
};

/*
 * Checks the mount and makes its plan; with the caller's rights over the host's mounts
 * (!options->rootless) also opens a bind's source. `ret` is given back by mount_plan_free(), also
 * after a failure.
 */
int mount_plan_prepare(const struct rootfs_options *options, const struct oci_mount *mount,
	size_t index, unsigned long propagation, struct mount_plan *ret, struct error *err);

/* Makes the mount below `root`. */
int mount_plan_execute(
	struct mount_plan *plan, const struct rootfs_options *options, int root, struct error *err);

/* What had to wait until all mount points and devices were there. */
int mount_plan_finish(struct mount_plan *plan, struct error *err);

void mount_plan_free(struct mount_plan *plan);
