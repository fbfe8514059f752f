/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cgroup used: every number that cgroup v2 keeps, as one struct, and as the JSON that
 * `events --stats` prints. The parsers take the text of a control file and are pure; a line that
 * they do not understand is left out, because kernels add lines.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"

struct error;
struct json_writer;

#define CGROUP_NO_LIMIT UINT64_MAX

/* Pressure stall information (Documentation/accounting/psi.rst). */
struct cgroup_stall {
	uint32_t avg10, avg60, avg300; /* hundredths of a percent */
	uint64_t total;		       /* microseconds */
};

struct cgroup_pressure {
	bool set;
	struct cgroup_stall some, full;
};

struct cgroup_counter {
	const char *name;
	uint64_t value;
};

struct cgroup_io_device {
	uint32_t major, minor;
	uint64_t read_bytes, write_bytes, discard_bytes;
	uint64_t reads, writes, discards;
};

struct cgroup_hugetlb_use {
	const char *page_size; /* "2MB" */
	uint64_t usage;	       /* bytes, reserved ones too where the kernel counts them */
	uint64_t limit;	       /* bytes, or CGROUP_NO_LIMIT */
	uint64_t failures;
};

struct cgroup_rdma_use {
	const char *device;
	uint64_t handles, objects;
};

/* memory.events. */
struct cgroup_memory_events {
	uint64_t low, high, max, oom, oom_kill, oom_group_kill;
};

struct cgroup_stats {
	struct arena arena; /* of every pointer below */
	struct {
		uint64_t usage, user, system; /* nanoseconds */
		uint64_t periods, throttled_periods, throttled;
		uint64_t bursts, burst;
		struct cgroup_pressure pressure;
	} cpu;
	struct {
		bool set; /* the controller is there */
		uint64_t usage, peak, limit;
		bool swap_set; /* swap is accounted */
		uint64_t swap_usage, swap_peak, swap_limit;
		uint64_t cache;
		struct cgroup_counter *raw; /* memory.stat */
		size_t n_raw;
		struct cgroup_memory_events events;
		struct cgroup_pressure pressure;
	} memory;
	struct {
		uint64_t current, limit; /* limit 0: none */
	} pids;
	struct {
		struct cgroup_io_device *devices;
		size_t n_devices;
		struct cgroup_pressure pressure;
	} io;
	struct cgroup_hugetlb_use *hugetlb;
	size_t n_hugetlb;
	struct cgroup_rdma_use *rdma;
	size_t n_rdma;
};

/*
 * Reads all numbers of the cgroup `fd` into `ret`, to be given back with cgroup_stats_free(). What
 * the cgroup does not have stays 0. Errors: -ENODEV or -ENOENT when the cgroup is gone, -ENOMEM.
 */
int cgroup_stats_read(int fd, struct cgroup_stats *ret, struct error *err);

void cgroup_stats_free(struct cgroup_stats *stats);

/*
 * Writes the numbers as the next value: the object that `runc events --stats` has as "data"
 * (opencontainers/runc, types/events.go) on cgroup v2, which go-runc, containerd and podman parse.
 * Its differences from cgroup v1 are runc's: swap is memory and swap together, pids.limit 0 is no
 * limit, memory limits of 2^64-1 are none.
 */
void cgroup_stats_write(struct json_writer *writer, const struct cgroup_stats *stats);

/* The parsers, one for each form of file. They add to `stats`. Errors: -ENOMEM. */
void cgroup_stats_parse_cpu(const char *text, struct cgroup_stats *stats);
int cgroup_stats_parse_memory(const char *text, struct cgroup_stats *stats);
void cgroup_stats_parse_memory_events(const char *text, struct cgroup_memory_events *ret);
int cgroup_stats_parse_io(const char *text, struct cgroup_stats *stats);
int cgroup_stats_parse_rdma(const char *text, struct cgroup_stats *stats);
void cgroup_stats_parse_pressure(const char *text, struct cgroup_pressure *ret);
