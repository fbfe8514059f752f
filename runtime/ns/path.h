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
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

struct error;

/* Opens an existing path. `flags` as for open(2) (O_PATH, O_DIRECTORY, O_NOFOLLOW …). */
int path_open(int root, const char *path, int flags, struct error *err);

/*
 * Opens (O_PATH) the mount point at `path`; what is missing is made first: directories with 0755,
 * and a directory (`directory`) or an empty file at its end. Never follows a link to make
 * something.
 */
int path_make_mount_point(int root, const char *path, bool directory, struct error *err);

/* Makes missing directories and returns an fd of the last one. */
int path_make_directories(int root, const char *path, mode_t mode, struct error *err);

/*
 * Returns an fd of a procfs instance that no mount of the container can cover, for the calling
 * process's pid namespace (fsopen(2), else the host's /proc checked by file system type and
 * inode; CVE-2019-16884, CVE-2025-52881). Writes to /proc/self, /proc/sys go through it only.
 */
int path_open_procfs(struct error *err);

/* Writes `value` to `file` below the procfs fd, in one write(2). */
int path_write_procfs(int procfs, const char *file, const char *value, struct error *err);
