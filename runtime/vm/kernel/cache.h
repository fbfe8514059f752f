/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The initramfs of a distribution's kernel is made on first use and kept: by root in
 * /var/cache/caisson, by others in $XDG_CACHE_HOME/caisson or ~/.cache/caisson. A file's name tells
 * the kernel's version, its modules and the agent that it was made of, so that a new one of either
 * makes a new file. Nobody but its owner may have written it.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>

struct error;

#define CACHE_SYSTEM_DIRECTORY "/var/cache/caisson"

/* Where it is kept; "" where this user has no such place. */
void cache_directory(char ret[PATH_MAX]);

/*
 * Opens, for reading, the initramfs of kernel `version` with the agent of the archive `agent`, and
 * makes it first where it is not there yet, or is not as it was left. Where it cannot be kept it is
 * made for this once, which the log says. Errors: initramfs_write()'s.
 */
int cache_open_initramfs(
	const char *directory, const char *root, const char *version, int agent, struct error *err);

/* Whether it is there already; `ret` gets its path. Changes nothing. */
bool cache_has_initramfs(const char *directory, const char *root, const char *version, int agent,
	char ret[PATH_MAX]);
