/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.resources as writes to control files. A plan is made first, by a pure function that checks
 * and converts every value; only then is anything written. The device rules are devices.h's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"

struct error;
struct oci_cpu;
struct oci_memory;
struct oci_resources;

/* One write. Text is in the plan's arena. */
struct cgroup_write {
	const char *field; /* in linux.resources, for messages */
	const char *file;
	const char *value;
	/* A second name and value for kernels that do not have `file`; NULL: none. */
	const char *other_file, *other_value;
	/* In a file with one line per device: that line's key ("8:0"), for the undo; else NULL. */
	const char *key;
	const char *key_default; /* what follows the key to say "no limit" */
	bool optional;		 /* a missing file is no error: the limit holds without */
	bool may_retry; /* EINVAL: try again after the others (cpu.max.burst before cpu.max) */
	bool verbatim;	/* of `unified` */
};

struct cgroup_plan {
	struct arena arena;
	struct cgroup_write *writes;
	size_t count, room;
	unsigned int controllers; /* enum cgroup_controller, what the writes need */
	bool check_memory;	  /* memory.checkBeforeUpdate */
	uint64_t memory_limit;	  /* of the check, UINT64_MAX: none */
};

/* What a limit that is given alone is completed with: the cgroup's present values. */
struct cgroup_present {
	uint64_t memory_max; /* bytes, UINT64_MAX: none or unknown */
	char cpu_quota[24];  /* the first word of cpu.max, "" where unknown */
};

/*
 * Checks and converts `resources` (may be NULL: an empty plan) into `ret`, to be given back with
 * cgroup_plan_free(). `present` (may be NULL for a new cgroup) holds what the cgroup has now.
 * Errors: -EINVAL for a value out of range, -ENOTSUP for what cgroup v2 cannot do, each in one line
 * that begins with the field; -ENOMEM.
 */
int cgroup_plan_make(const struct oci_resources *resources, const struct cgroup_present *present,
	struct cgroup_plan *ret, struct error *err);

void cgroup_plan_free(struct cgroup_plan *plan);

/* Old values of the files that a plan has written, to be put back or dropped. */
struct cgroup_undo {
	struct cgroup_saved *items;
	size_t count;
};

/*
 * Does the plan's writes through the directory `fd`. With `undo` (empty; may be NULL), the old
 * values are read before; when a write fails they are put back, else *undo has them, for
 * cgroup_undo_run() or cgroup_undo_free(). Errors: the kernel's errno in a line that names field,
 * file, value and reason.
 */
int cgroup_plan_apply(
	const struct cgroup_plan *plan, int fd, struct cgroup_undo *undo, struct error *err);

/* Puts the old values back; what cannot be put back is a warning in the log. */
void cgroup_undo_run(struct cgroup_undo *undo, int fd);

/*
 * The old values as a plan, for who else was told of the new ones; `undo` must outlive it. -ENOMEM.
 */
int cgroup_undo_plan(const struct cgroup_undo *undo, struct cgroup_plan *ret);

/* Drops the old values. */
void cgroup_undo_free(struct cgroup_undo *undo);

/* Fills `ret` with what the cgroup `fd` has; what cannot be read is unknown. */
void cgroup_present_read(int fd, struct cgroup_present *ret);

/*
 * cpu.shares (2 to 262144, clamped) as cpu.weight (1 to 10000), by the formula that crun 1.23 and
 * runc 1.3.2 introduced: a curve of the logarithm through minimum, default (1024 -> 100) and
 * maximum. 0 (unset) stays 0.
 */
uint64_t cgroup_cpu_weight(uint64_t shares);

/* blkio.weight (10 to 1000) as io.weight (1 to 10000), linear as in runc and crun. */
uint64_t cgroup_io_weight(uint64_t weight);

/*
 * cgroup v1's memory+swap limit as memory.swap.max, given the memory limit (both -1 for
 * unlimited). Returns 0 with the value in *ret (-1: "max"), or -EINVAL.
 */
int cgroup_swap_max(int64_t memory_and_swap, int64_t memory, int64_t *ret, struct error *err);

/* True for a list of CPUs or memory nodes as the kernel reads it ("0-3,7"), at most 4 KiB. */
bool cgroup_list_is_valid(const char *list);
