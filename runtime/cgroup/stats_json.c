/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statistics as runc's types.Stats (stats.h). Members that Go leaves out when empty are left out
 * here as well, so that the text is the one that callers have seen.
 */
#include "runtime/cgroup/stats.h"

#include "lib/json_write.h"

static void write_nonzero(struct json_writer *writer, const char *key, uint64_t value)
{
	if (value != 0)
		json_write_uint_member(writer, key, value);
}

static void write_stall(
	struct json_writer *writer, const char *key, const struct cgroup_stall *stall)
{
	json_write_object_member(writer, key);
	json_write_key(writer, "avg10");
	json_write_hundredths(writer, stall->avg10);
	json_write_key(writer, "avg60");
	json_write_hundredths(writer, stall->avg60);
	json_write_key(writer, "avg300");
	json_write_hundredths(writer, stall->avg300);
	json_write_uint_member(writer, "total", stall->total);
	json_write_end(writer);
}

static void write_pressure(struct json_writer *writer, const struct cgroup_pressure *pressure)
{
	if (!pressure->set)
		return;
	json_write_object_member(writer, "psi");
	write_stall(writer, "some", &pressure->some);
	write_stall(writer, "full", &pressure->full);
	json_write_end(writer);
}

static void write_cpu(struct json_writer *writer, const struct cgroup_stats *stats)
{
	json_write_object_member(writer, "cpu");
	json_write_object_member(writer, "usage");
	write_nonzero(writer, "total", stats->cpu.usage);
	json_write_uint_member(writer, "kernel", stats->cpu.system);
	json_write_uint_member(writer, "user", stats->cpu.user);
	json_write_end(writer);
	json_write_object_member(writer, "throttling");
	write_nonzero(writer, "periods", stats->cpu.periods);
	write_nonzero(writer, "throttledPeriods", stats->cpu.throttled_periods);
	write_nonzero(writer, "throttledTime", stats->cpu.throttled);
	json_write_end(writer);
	write_pressure(writer, &stats->cpu.pressure);
	json_write_end(writer);
}

/* cgroup v2 has none of these flags; cgroup v1's readers expect them. */
static void write_cpuset(struct json_writer *writer)
{
	static const char *const flags[] = { "cpu_exclusive", "mem_hardwall", "mem_exclusive",
		"memory_migrate", "memory_spread_page", "memory_spread_slab", "memory_pressure",
		"sched_load_balance", "sched_relax_domain_level" };

	json_write_object_member(writer, "cpuset");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		json_write_uint_member(writer, flags[i], 0);
	json_write_end(writer);
}

static void write_memory_entry(struct json_writer *writer, const char *key, uint64_t limit,
	uint64_t usage, uint64_t peak, uint64_t failures)
{
	json_write_object_member(writer, key);
	json_write_uint_member(writer, "limit", limit);
	write_nonzero(writer, "usage", usage);
	write_nonzero(writer, "max", peak);
	json_write_uint_member(writer, "failcnt", failures);
	json_write_end(writer);
}

static uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static void write_memory(struct json_writer *writer, const struct cgroup_stats *stats)
{
	json_write_object_member(writer, "memory");
	if (stats->memory.set) {
		uint64_t swap_limit = stats->memory.swap_set ? stats->memory.swap_limit : 0;

		write_nonzero(writer, "cache", stats->memory.cache);
		write_memory_entry(writer, "usage", stats->memory.limit, stats->memory.usage,
			stats->memory.peak, stats->memory.events.max);
		/* cgroup v1's memsw: both together. There is no peak of the sum. */
		write_memory_entry(writer, "swap", add(stats->memory.limit, swap_limit),
			add(stats->memory.usage, stats->memory.swap_usage), 0, 0);
	} else {
		write_memory_entry(writer, "usage", 0, 0, 0, 0);
		write_memory_entry(writer, "swap", 0, 0, 0, 0);
	}
	write_memory_entry(writer, "kernel", 0, 0, 0, 0);
	write_memory_entry(writer, "kernelTCP", 0, 0, 0, 0);
	if (stats->memory.n_raw > 0) {
		json_write_object_member(writer, "raw");
		for (size_t i = 0; i < stats->memory.n_raw; i++)
			json_write_uint_member(
				writer, stats->memory.raw[i].name, stats->memory.raw[i].value);
		json_write_end(writer);
	}
	write_pressure(writer, &stats->memory.pressure);
	json_write_end(writer);
}

static void write_blkio_entry(struct json_writer *writer, const struct cgroup_io_device *device,
	const char *operation, uint64_t value)
{
	json_write_object(writer);
	write_nonzero(writer, "major", device->major);
	write_nonzero(writer, "minor", device->minor);
	json_write_string_member(writer, "op", operation);
	write_nonzero(writer, "value", value);
	json_write_end(writer);
}

static void write_blkio(struct json_writer *writer, const struct cgroup_stats *stats)
{
	const struct cgroup_io_device *devices = stats->io.devices;

	json_write_object_member(writer, "blkio");
	if (stats->io.n_devices > 0) {
		json_write_array_member(writer, "ioServiceBytesRecursive");
		for (size_t i = 0; i < stats->io.n_devices; i++) {
			write_blkio_entry(writer, &devices[i], "Read", devices[i].read_bytes);
			write_blkio_entry(writer, &devices[i], "Write", devices[i].write_bytes);
		}
		json_write_end(writer);
		json_write_array_member(writer, "ioServicedRecursive");
		for (size_t i = 0; i < stats->io.n_devices; i++) {
			write_blkio_entry(writer, &devices[i], "Read", devices[i].reads);
			write_blkio_entry(writer, &devices[i], "Write", devices[i].writes);
		}
		json_write_end(writer);
	}
	write_pressure(writer, &stats->io.pressure);
	json_write_end(writer);
}

static void write_hugetlb(struct json_writer *writer, const struct cgroup_stats *stats)
{
	json_write_object_member(writer, "hugetlb");
	for (size_t i = 0; i < stats->n_hugetlb; i++) {
		json_write_object_member(writer, stats->hugetlb[i].page_size);
		write_nonzero(writer, "usage", stats->hugetlb[i].usage);
		json_write_uint_member(writer, "failcnt", stats->hugetlb[i].failures);
		json_write_end(writer);
	}
	json_write_end(writer);
}

/* Not among runc's: readers of its type pass over it. */
static void write_rdma(struct json_writer *writer, const struct cgroup_stats *stats)
{
	if (stats->n_rdma == 0)
		return;
	json_write_object_member(writer, "rdma");
	for (size_t i = 0; i < stats->n_rdma; i++) {
		json_write_object_member(writer, stats->rdma[i].device);
		json_write_uint_member(writer, "hca_handle", stats->rdma[i].handles);
		json_write_uint_member(writer, "hca_object", stats->rdma[i].objects);
		json_write_end(writer);
	}
	json_write_end(writer);
}

void cgroup_stats_write(struct json_writer *writer, const struct cgroup_stats *stats)
{
	json_write_object(writer);
	write_cpu(writer, stats);
	write_cpuset(writer);
	write_memory(writer, stats);
	json_write_object_member(writer, "pids");
	write_nonzero(writer, "current", stats->pids.current);
	write_nonzero(writer, "limit", stats->pids.limit);
	json_write_end(writer);
	write_blkio(writer, stats);
	write_hugetlb(writer, stats);
	write_rdma(writer, stats);
	json_write_object_member(writer, "intel_rdt");
	json_write_end(writer);
	json_write_key(writer, "network_interfaces");
	json_write_null(writer);
	json_write_end(writer);
}
