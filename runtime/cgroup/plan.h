/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a plan of writes (resources.h) is put together: what its parts share. A function that returns
 * no write has set `err`: the value is out of range, or memory is short.
 */
#pragma once

#include <stdint.h>

struct cgroup_plan;
struct cgroup_write;
struct error;
struct key_value_list;
struct oci_block_io;

/* What the names of fields begin with in messages. */
#define CGROUP_FIELD "linux.resources."

/* Appends an empty write. `controllers` (enum cgroup_controller) are what it needs. */
struct cgroup_write *cgroup_plan_append(
	struct cgroup_plan *plan, unsigned int controllers, const char *field, struct error *err);

/* Appends a write of a formatted value. */
struct cgroup_write *cgroup_plan_add(struct cgroup_plan *plan, unsigned int controllers,
	const char *field, const char *file, struct error *err, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* Appends a write of a number of bytes of memory, where -1 is "max". */
struct cgroup_write *cgroup_plan_add_bytes(struct cgroup_plan *plan, const char *field,
	const char *file, int64_t bytes, struct error *err);

/* Says that cgroup v2 cannot do what `field` asks for: -ENOTSUP. */
int cgroup_plan_refuse(struct error *err, const char *field, const char *reason);

/* The parts that have files of their own. 0, or negative with `err` set. */
int cgroup_plan_block_io(
	struct cgroup_plan *plan, const struct oci_block_io *io, struct error *err);
int cgroup_plan_unified(
	struct cgroup_plan *plan, const struct key_value_list *unified, struct error *err);
