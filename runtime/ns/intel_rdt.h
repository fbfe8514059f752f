/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.intelRdt (config-linux.md, "IntelRdt"): cache and memory bandwidth through the resctrl file
 * system (the kernel's arch/x86/resctrl.rst), on the caller's side.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;
struct oci_intel_rdt;

/* True where a resctrl is mounted at its place, /sys/fs/resctrl. */
bool intel_rdt_available(void);

/*
 * Puts process `pid` into the class of service that `rdt` asks for: `group` is its name (closID, or
 * the container's id where that is absent; "/" is the default class), `id` the container's, which
 * names a monitoring group. Makes what the specification wants made, takes it back on failure.
 * -EOPNOTSUPP without resctrl, -ENOENT for a class that should be there, -EEXIST for one whose
 * schemata are others.
 */
int intel_rdt_apply(const struct oci_intel_rdt *rdt, const char *group, const char *id, pid_t pid,
	struct error *err);

/*
 * Removes the container's monitoring group, and the class of service where it is the container's
 * own (`group` equals `id`). What is gone, or was never made, is no error.
 */
int intel_rdt_remove(const char *group, const char *id, struct error *err);

/*
 * True when `text`, what a schemata file holds, has the line `wanted`: blanks before it and zeroes
 * before a mask do not count. A pure function.
 */
bool intel_rdt_schemata_hold(const char *text, const char *wanted);
