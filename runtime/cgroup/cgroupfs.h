/* SPDX-License-Identifier: Apache-2.0 */
/* The cgroupfs driver: directories below /sys/fs/cgroup, made and removed by ourselves. */
#pragma once

#include <stdbool.h>

struct cgroup_plan;
struct cgroup_request;
struct cgroup_undo;
struct error;

/*
 * Makes the cgroup at `path` (begins with '/', checked), with the parents that are missing, hands
 * controllers down, writes the plan and sets the device filter and the owner. Returns 0 with the
 * directory's fd in *ret_fd; on failure the directories that it made are gone again.
 */
int cgroupfs_create(const char *path, const struct cgroup_request *request,
	const struct cgroup_plan *plan, int *ret_fd, struct error *err);

/*
 * Sets up a cgroup that someone else (systemd) made: what cgroupfs_create() does after the
 * directory is there.
 */
int cgroupfs_set_up(int root, const char *path, int fd, const struct cgroup_request *request,
	const struct cgroup_plan *plan, struct error *err);

/* Enables what the plan needs and writes it; `undo` as for cgroup_plan_apply(). */
int cgroupfs_update(const char *path, int fd, const struct cgroup_plan *plan,
	struct cgroup_undo *undo, struct error *err);

/* cgroup_destroy() of cgroup.h for a path. */
int cgroupfs_destroy(const char *path, struct error *err);

/*
 * Gives the cgroup and those of its files that /sys/kernel/cgroup/delegate lists to the owner
 * (Documentation/admin-guide/cgroup-v2.rst, "Delegation").
 */
int cgroupfs_delegate(int fd, unsigned int uid, unsigned int gid, struct error *err);
