/* SPDX-License-Identifier: Apache-2.0 */
/* Where distributions keep their kernels, and how one is told from a kernel made for guests. */
#pragma once

#include <limits.h>
#include <stdbool.h>

#include "runtime/vm/kernel/modules.h"

struct error;

struct distribution_kernel {
	char path[PATH_MAX];
	char version[KERNEL_VERSION_MAX];
};

/*
 * Opens the kernel that guests get where none is named or installed: that of `running` (uname -r)
 * where its file and its modules are there, else the newest of those that have both, below `root`
 * ("": the system's own). Debian keeps them in /boot, Fedora and Arch beside their modules too.
 * Errors: -ENOENT where there is none; -EACCES with its path and what to do where the only ones
 * cannot be read by this user (Ubuntu's).
 */
int distribution_open(
	const char *root, const char *running, struct distribution_kernel *ret, struct error *err);

/*
 * Whether `fd` is a bzImage of a kernel whose modules are below `root`: a distribution's. `ret`
 * gets its version.
 */
bool distribution_is(const char *root, int fd, char ret[KERNEL_VERSION_MAX]);
