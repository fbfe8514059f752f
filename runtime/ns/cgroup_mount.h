/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of type cgroup and cgroup2: the container's own part of the unified hierarchy.
 */
#pragma once

#include <stdbool.h>

struct error;
struct mount_options;

/*
 * Returns a detached tree, the caller's. With `cgroup_namespace`, a new mount, which begins at the
 * namespace's root. Without one, a copy of the host's mount that begins at `cgroup_path` (below
 * /sys/fs/cgroup; NULL or "": all of it) and is always read-only, or the container could move
 * itself about in the host's tree (CVE-2023-25809).
 */
int cgroup_mount_open(bool cgroup_namespace, const char *cgroup_path,
	const struct mount_options *options, struct error *err);
