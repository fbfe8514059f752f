/* SPDX-License-Identifier: Apache-2.0 */
/* What linux.cgroupsPath means to each driver: pure functions on text. */
#pragma once

#include <stddef.h>

struct cgroup_location;
struct error;

/*
 * Finds the cgroup2 entry ("0::PATH") in the text of /proc/PID/cgroup and returns where its path
 * begins, with its length in *ret_length; NULL when there is none.
 */
const char *cgroup_own_path(const char *text, size_t *ret_length);

/*
 * The cgroupfs driver's rule, which is runc's: an absolute path is below the root of the hierarchy,
 * a relative one (and the id, where there is no path) below the parent of the caller's own cgroup
 * `own` (not NUL-terminated), because that one has processes in it and cannot hand controllers
 * down. The result begins with '/', has no empty, '.' or '..' component, and is the caller's to
 * free. Errors: -EINVAL, -ENAMETOOLONG, -ENOMEM.
 */
int cgroup_path_cgroupfs(const char *cgroups_path, const char *id, const char *own,
	size_t own_length, char **ret, struct error *err);

/*
 * The systemd driver's rule: "slice:prefix:name", or the default slice and "caisson-ID.scope".
 * Sets slice and unit of `location` (the caller frees them with it, also on failure). Errors:
 * -EINVAL, -ENOMEM.
 */
int cgroup_path_systemd(const char *cgroups_path, const char *id, struct cgroup_location *location,
	struct error *err);

/*
 * Expands a slice's name to its path: "a-b.slice" is in "/a.slice/a-b.slice", "-.slice" is "/".
 * Returns NULL and sets `err` for a name that systemd would refuse.
 */
char *cgroup_slice_path(const char *slice, struct error *err);
