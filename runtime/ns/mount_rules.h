/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a container's config.json may mount what. A mount on or below /proc could make a later
 * write of the runtime or of a tool in the container land somewhere else, so only what is harmless
 * there is let through (CVE-2019-16884, CVE-2019-19921, CVE-2023-27561). Pure: no system call.
 */
#pragma once

#include <stdbool.h>

struct error;

/*
 * Checks a mount of `type` (NULL for a bind mount) onto `destination`, which path_clean() made.
 * Errors: -EPERM with a reason.
 */
int mount_rules_check(const char *destination, const char *type, bool bind, struct error *err);

/*
 * True for destinations that may not be reached through a symbolic link: /dev, /sys, and /proc with
 * all below it.
 */
bool mount_rules_guarded(const char *destination);
