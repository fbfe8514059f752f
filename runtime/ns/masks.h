/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.maskedPaths and linux.readonlyPaths (config-linux.md): what of /proc and /sys a container
 * shall not read, or not write. Done before the host's root goes away, because the masks are copies
 * of the host's /dev/null.
 */
#pragma once

struct error;
struct string_list;

/*
 * Makes every path of `readonly` read-only, then covers every one of `masked`: a directory by an
 * empty read-only one, anything else by /dev/null, taken from the host's /dev and checked by its
 * device number (CVE-2025-31133). Paths that are missing are left out. `root` is an fd of the
 * container's root.
 */
int masks_apply(int root, const struct string_list *masked, const struct string_list *readonly,
	struct error *err);
