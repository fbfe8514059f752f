/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user's program is started with: its environment, its executable file, its working
 * directory. Everything here runs inside the container's root and namespaces.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;
struct oci_process;

/*
 * Makes the environment: process.env in its order (of one name the last entry), then `extra`
 * (NULL-terminated, or NULL), whose names replace those of process.env, then HOME where nobody set
 * it, or to nothing: the user's home directory in the container's /etc/passwd, or "/". `root` is an
 * fd of the container's root, `procfs` a private one. *ret (one block, given back by free()) is
 * NULL-terminated.
 */
int environment_make(const struct oci_process *process, const char *const *extra, int root,
	int procfs, char ***ret, struct error *err);

/* Returns the value of `name` in the NULL-terminated list, or NULL. */
const char *environment_get(char *const *environment, const char *name);

/*
 * Copies the home directory of `uid` in the container's /etc/passwd to `ret` (`size` bytes).
 * Returns false when there is none: no file, no regular file, no entry, an absurd one.
 */
bool environment_find_home(int root, int procfs, uid_t uid, char *ret, size_t size);

/*
 * Finds the executable file that `name` means, as execvp(3) does: itself where it holds a '/', else
 * in the directories of `path` (NULL: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:
 * /bin"). *ret_program is the caller's. Errors: -ENOENT (a shell says 127), -EACCES (126: a
 * directory, or not executable for this user).
 */
int program_find(const char *name, const char *path, char **ret_program, struct error *err);

/*
 * Makes `cwd` below `root` where it is missing, while the root is still writable: for a root that
 * turns read-only. That it cannot is for working_directory_enter() to say.
 */
void working_directory_make(int root, const char *cwd);

/*
 * Changes to `cwd` below `root`; with `make` a missing directory is made first. -EACCES and -EPERM
 * may mean that the container's user can where root cannot: the caller tries again as that user.
 * Afterwards the directory is inside the root, or it is an error (CVE-2024-21626).
 */
int working_directory_enter(int root, const char *cwd, bool make, struct error *err);
