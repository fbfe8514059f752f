/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one door to a container's paths. Over half of the known escapes from OCI runtimes are path
 * resolution in a root file system that the attacker controls, so every path of a container is
 * resolved here, with openat2(2) below a directory fd, and no other file of runtime/ns calls a
 * path-taking system call on one.
 *
 * Everywhere: `root` is an fd of the root file system's top directory; `path` is the container's
 * own, with or without a leading '/'; symbolic links are resolved as the container would see them,
 * below `root`; magic links (/proc/self/fd/N) are never followed. Returned fds are close-on-exec
 * and the caller's.
 *
 * Linux 5.6 or newer (openat2) is needed.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

struct error;

/* Opens an existing path. `flags` as for open(2) (O_PATH, O_DIRECTORY, O_NOFOLLOW …). */
int path_open(int root, const char *path, int flags, struct error *err);

/* Like path_open(), but any symbolic link on the way, or at the end, fails with -ELOOP. */
int path_open_no_symlinks(int root, const char *path, int flags, struct error *err);

/*
 * Opens (O_PATH) the mount point at `path`; what is missing is made first: directories with 0755,
 * and a directory (`directory`) or an empty file (0644) at its end. A missing target of a symbolic
 * link is made where the container would look for it. Each step is made below an open directory,
 * so that no renamed or exchanged link leads outside of `root` (CVE-2021-30465, CVE-2024-45310).
 * Errors: -ENOTDIR for a file where a directory was asked for.
 */
int path_make_mount_point(int root, const char *path, bool directory, struct error *err);

/* Like path_make_mount_point(), but the last component itself may not be a link: -ELOOP. */
int path_make_mount_point_nofollow(int root, const char *path, bool directory, struct error *err);

/* Makes missing directories and returns an fd (O_PATH) of the last one. */
int path_make_directories(int root, const char *path, mode_t mode, struct error *err);

/*
 * Makes the directories above `path` (0755) and returns an fd (O_PATH) of the one that holds it;
 * *ret_name points to the last component, inside `path`. Errors: -EINVAL for a path that ends in
 * '/', "." or "..".
 */
int path_make_parent(int root, const char *path, const char **ret_name, struct error *err);

/*
 * Returns 1 when `name` (one component) directly below `root` is a symbolic link, 0 when it is not
 * or is missing, a negative errno on failure.
 */
int path_is_symlink(int root, const char *name);

/*
 * Returns the path with "//", "." and ".." resolved by its text alone, beginning with '/', never
 * above it; NULL when memory is short. For comparing destinations, never for opening them.
 */
char *path_clean(const char *path);

/*
 * Returns an fd of a procfs instance that no mount of the container can cover, for the calling
 * process's pid namespace (fsopen(2), else the host's /proc checked by file system type and
 * inode; CVE-2019-16884, CVE-2025-52881). Writes to /proc/self, /proc/sys go through it only.
 */
int path_open_procfs(struct error *err);

/*
 * Returns an fd of the procfs at /proc, for a process that has not entered a container's mount
 * namespace yet: what it sees there is the host's, and the fd stays that when it enters. `self` is
 * the calling process also after it has entered a pid namespace below. Costs a tenth of a
 * millisecond less than an instance of its own.
 */
int path_open_callers_procfs(struct error *err);

/*
 * Opens `file` below the procfs fd. Crosses no mount and follows no magic link; "self" and
 * "thread-self" are followed.
 */
int path_open_in_procfs(int procfs, const char *file, int flags, struct error *err);

/* Writes `value` to `file` below the procfs fd, in one write(2). */
int path_write_procfs(int procfs, const char *file, const char *value, struct error *err);
