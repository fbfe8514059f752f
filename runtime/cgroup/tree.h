/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is below a cgroup, which may be a container's own making: of any depth and number, and
 * changing while we look. Every walk is bounded in memory, descriptors and time.
 */
#pragma once

#include <stdint.h>

struct error;
struct pid_list;

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t cgroup_now(void);

/*
 * Waits until `key` in cgroup.events has the value `value`, or until the deadline (cgroup_now()'s
 * clock). Returns 0, -ETIMEDOUT, or a negative errno (-ENODEV, -ENOENT: the cgroup is gone).
 */
int cgroup_wait_event(int fd, const char *key, unsigned int value, int64_t deadline);

/*
 * Removes every cgroup below `fd`, deepest first; all must be without processes. Returns 0,
 * -EBUSY when one still is not at the deadline, or another negative errno.
 */
int cgroup_remove_below(int fd, int64_t deadline);

/* cgroup_processes() of cgroup.h. */
int cgroup_collect(int fd, struct pid_list *ret, struct error *err);
