/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bounds or places a process and is not a credential: one function for each field of
 * config.json's `process` and `linux`, one file each. All act on the calling process, do nothing
 * where the config asks for nothing, and need the privilege that is dropped later.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;
struct oci_io_priority;
struct oci_memory_policy;
struct oci_personality;
struct oci_rlimit;
struct oci_scheduler;
struct optional_i32;

/*
 * process.rlimits: changes only the limits that differ. -EPERM when a hard limit would rise without
 * CAP_SYS_RESOURCE: the message names both values.
 */
int rlimits_set(const struct oci_rlimit *limits, size_t n_limits, struct error *err);

/*
 * process.oomScoreAdj of process `pid`, 0 for the calling one, through `procfs`. With `keep` a
 * refusal to lower the score (proc(5): that needs CAP_SYS_RESOURCE) leaves it as it is.
 */
int oom_score_set(
	int procfs, pid_t pid, const struct optional_i32 *score, bool keep, struct error *err);

/* process.scheduler: sched_setattr(2), every policy. */
int scheduler_set(const struct oci_scheduler *scheduler, struct error *err);

/* process.ioPriority: ioprio_set(2). */
int io_priority_set(const struct oci_io_priority *priority, struct error *err);

/*
 * process.execCPUAffinity: `cpus` is a list such as "0-3,7", or NULL for no change. `initial` is
 * set by exec's caller before the process enters the container's cgroup, `final` after
 * (process_prepare() does that one).
 */
int affinity_set(const char *cpus, struct error *err);

/* linux.memoryPolicy: set_mempolicy(2). */
int memory_policy_set(const struct oci_memory_policy *policy, struct error *err);

/* linux.personality: personality(2). */
int personality_set(const struct oci_personality *wanted, struct error *err);
