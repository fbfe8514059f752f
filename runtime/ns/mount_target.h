/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a mount lands: its mount point below the container's root, opened at the moment of
 * mounting, made where it is missing, and refused where a link in the root file system would lead
 * it to a directory that the runtime itself uses.
 */
#pragma once

#include <stdbool.h>

struct error;

/*
 * Opens (O_PATH) the mount point at `destination`, which path_clean() made; `directory` says what
 * to make where it is missing, and *ret_made that it was. `nofollow`: a link at the end is itself
 * the mount point. Errors: -ELOOP, -EPERM for links to /dev, /proc, /sys (CVE-2019-19921,
 * CVE-2023-27561).
 */
int mount_target_open(int root, const char *destination, bool directory, bool nofollow,
	bool *ret_made, struct error *err);

/* Makes a link to `target` at `destination`; one that is there already and says the same is good.
 */
int mount_target_make_link(
	int root, const char *destination, const char *target, struct error *err);
