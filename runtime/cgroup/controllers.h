/* SPDX-License-Identifier: Apache-2.0 */
/* Controllers: which there are, and handing them down the tree to a container's cgroup. */
#pragma once

struct error;

/* Controllers as a mask. */
enum cgroup_controller {
	CGROUP_CPU = 1 << 0,
	CGROUP_MEMORY = 1 << 1,
	CGROUP_PIDS = 1 << 2,
	CGROUP_IO = 1 << 3,
	CGROUP_CPUSET = 1 << 4,
	CGROUP_HUGETLB = 1 << 5,
	CGROUP_RDMA = 1 << 6,
	CGROUP_MISC = 1 << 7,
};

/* What a container gets whether a limit asks for it or not: statistics and later updates. */
#define CGROUP_CHEAP \
	(CGROUP_CPU | CGROUP_MEMORY | CGROUP_PIDS | CGROUP_IO | CGROUP_CPUSET | CGROUP_HUGETLB)

/* The name of the lowest controller in the mask. */
const char *cgroup_controller_name(unsigned int mask);

/* The mask of a controller's name of `length` bytes, 0 for one that is not in the enum. */
unsigned int cgroup_controller_find(const char *name, int length);

/* The mask of a list such as cgroup.controllers holds; what is not in the enum is left out. */
unsigned int cgroup_controllers_parse(const char *text);

/*
 * Hands the controllers in `wanted` (as far as they exist) and in `needed` down from the root of
 * the hierarchy to the cgroup `fd` at `path`, writing only where one is missing. A wanted one that
 * a level refuses is let go. Errors: -ENOTSUP with one line that says which needed controller is
 * missing and why.
 */
int cgroup_controllers_enable(int root, const char *path, int fd, unsigned int wanted,
	unsigned int needed, struct error *err);
