/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources of a container in a virtual machine hold twice: in the guest's cgroup as they are
 * written, on the monitor's with what the machine itself needs on top. Pure functions; docs/vm.md
 * has a row for each field.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/oci.h"

struct error;
struct json_writer;

/*
 * The monitor's limits: memory (of `unified` too) and `overhead` bytes; in place of the number of
 * processes the threads that the monitor and as many stand-ins may have; no device rules, for the
 * monitor's devices are opened before. The lists are shared with `wanted`, or live in `arena`.
 * Errors: -ENOMEM.
 */
int vm_split_resources(const struct oci_resources *wanted, uint64_t overhead, struct arena *arena,
	struct oci_resources *ret, struct error *err);

/* Whether a file of `unified` is the guest's: of memory, CPU time, processes, and cgroup.*. */
bool vm_split_unified_is_guests(const char *file);

/* Writes what of an update is the guest's, as an object of linux.resources. */
void vm_split_write_guest_resources(
	struct json_writer *writer, const struct oci_resources *resources);
