/* SPDX-License-Identifier: Apache-2.0 */
/* Resource control groups of Intel's RDT (config-linux.md, "Intel RDT"; resctrl). */
#pragma once

#include <sys/types.h>

struct error;
struct oci_intel_rdt;

/* Makes (or uses) the group, writes its schemata, puts the process in. */
int intel_rdt_apply(
	const struct oci_intel_rdt *rdt, const char *group, pid_t pid, struct error *err);

/* Removes the group that was made for the container `id`; a shared one (another name) stays. */
int intel_rdt_remove(const char *group, const char *id, struct error *err);
