/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a command works with: the directory that holds the containers' states, and the choices that
 * were made for all of them. One per caller; there may be many containers, and many callers in one
 * process (the agent).
 */
#pragma once

#include <stdbool.h>

#include "runtime/cgroup/cgroup.h"

struct error;
struct isolation;
struct settings;
struct settings_vm;

/* The inode of /proc/self/ns/user for who is in the first one (the kernel's PROC_USER_INIT_INO). */
#define RUNTIME_INITIAL_USER_NAMESPACE 0xEFFFFFFDU

struct runtime {
	int root; /* fd of the state root (--root), -EBADF while nothing was created below it */
	char *root_path; /* absolute */
	enum cgroup_manager cgroup_manager;
	bool rootless;	 /* the caller is not root of the host's initial user namespace */
	bool privileged; /* the caller may mount in its own mount namespace (CAP_SYS_ADMIN) */
	const struct isolation *isolation; /* for containers that are created */
	const struct settings_vm *vm;	   /* for those in a virtual machine */
	const struct settings *settings;   /* NULL in a guest */
};

/* Whether the caller is not root of the host's initial user namespace. */
bool runtime_is_rootless(void);

/*
 * Opens the state root at `path` (NULL: /run/caisson, or $XDG_RUNTIME_DIR/caisson when rootless),
 * and finds out what the caller is. `rootless`: 1, 0, or -1 to find out. With `create` the
 * directory is made, mode 0700; without, a missing one is no error and holds no container. Errors:
 * -EPERM where the directory is another user's or others may write to it.
 */
int runtime_open(
	const char *path, int rootless, bool create, struct runtime *ret, struct error *err);

void runtime_close(struct runtime *runtime);

/* Opens the directory of compiled seccomp filters (seccomp.h) below the state root, or fails. */
int runtime_open_seccomp_cache(const struct runtime *runtime);
