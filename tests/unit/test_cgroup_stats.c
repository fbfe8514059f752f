/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of control files as numbers, and the numbers as runc's JSON. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/error.h"
#include "lib/json_write.h"
#include "runtime/cgroup/stats.h"

static void test_cpu(void **state)
{
	struct cgroup_stats stats = { 0 };

	(void)state;
	cgroup_stats_parse_cpu("usage_usec 5\nuser_usec 3\nsystem_usec 2\nnice_usec 9\n"
			       "nr_periods 7\nnr_throttled 6\nthrottled_usec 18446744073709551\n"
			       "nr_bursts 1\nburst_usec 18446744073709552\n",
		&stats);
	assert_int_equal(stats.cpu.usage, 5000);
	assert_int_equal(stats.cpu.user, 3000);
	assert_int_equal(stats.cpu.system, 2000);
	assert_int_equal(stats.cpu.periods, 7);
	assert_int_equal(stats.cpu.throttled_periods, 6);
	assert_true(stats.cpu.throttled == UINT64_C(18446744073709551000));
	assert_true(stats.cpu.burst == UINT64_MAX);
}

static void test_memory(void **state)
{
	struct cgroup_stats stats = { 0 };

	(void)state;
	assert_int_equal(
		cgroup_stats_parse_memory("anon 4096\nfile 8192\n\nbad\nworse x\nlast 1", &stats),
		0);
	assert_int_equal(stats.memory.n_raw, 3);
	assert_string_equal(stats.memory.raw[0].name, "anon");
	assert_int_equal(stats.memory.raw[0].value, 4096);
	assert_string_equal(stats.memory.raw[2].name, "last");
	assert_int_equal(stats.memory.cache, 8192);
	cgroup_stats_parse_memory_events(
		"low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n",
		&stats.memory.events);
	assert_int_equal(stats.memory.events.max, 3);
	assert_int_equal(stats.memory.events.oom_kill, 5);
	assert_int_equal(stats.memory.events.oom_group_kill, 6);
	cgroup_stats_free(&stats);
	assert_int_equal(cgroup_stats_parse_memory("", &stats), 0);
	assert_int_equal(stats.memory.n_raw, 0);
	cgroup_stats_free(&stats);
}

static void test_io(void **state)
{
	struct cgroup_stats stats = { 0 };

	(void)state;
	assert_int_equal(
		cgroup_stats_parse_io("8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 "
				      "dbytes=0 dios=0 cost.usage=12\n8:0 rbytes=1\nnonsense\n"
				      "4294967296:0 rbytes=1\n9: rbytes=1\n253:5 \n",
			&stats),
		0);
	assert_int_equal(stats.io.n_devices, 3);
	assert_int_equal(stats.io.devices[0].major, 8);
	assert_int_equal(stats.io.devices[0].minor, 16);
	assert_int_equal(stats.io.devices[0].read_bytes, 1459200);
	assert_int_equal(stats.io.devices[0].write_bytes, 314773504);
	assert_int_equal(stats.io.devices[0].reads, 192);
	assert_int_equal(stats.io.devices[0].writes, 353);
	assert_int_equal(stats.io.devices[1].read_bytes, 1);
	assert_int_equal(stats.io.devices[2].major, 253);
	cgroup_stats_free(&stats);
}

static void test_rdma(void **state)
{
	struct cgroup_stats stats = { 0 };

	(void)state;
	assert_int_equal(cgroup_stats_parse_rdma("mlx4_0 hca_handle=1 hca_object=20\nocrdma1 "
						 "hca_handle=max hca_object=23\n",
				 &stats),
		0);
	assert_int_equal(stats.n_rdma, 2);
	assert_string_equal(stats.rdma[0].device, "mlx4_0");
	assert_int_equal(stats.rdma[0].objects, 20);
	assert_int_equal(stats.rdma[1].objects, 23);
	cgroup_stats_free(&stats);
}

static void test_pressure(void **state)
{
	struct cgroup_pressure pressure = { 0 };

	(void)state;
	cgroup_stats_parse_pressure("some avg10=1.25 avg60=100.00 avg300=0.07 total=123456\n"
				    "full avg10=0.5 avg60=3 avg300=x total=99\n",
		&pressure);
	assert_true(pressure.set);
	assert_int_equal(pressure.some.avg10, 125);
	assert_int_equal(pressure.some.avg60, 10000);
	assert_int_equal(pressure.some.avg300, 7);
	assert_int_equal(pressure.some.total, 123456);
	assert_int_equal(pressure.full.avg10, 50);
	assert_int_equal(pressure.full.avg60, 300);
	assert_int_equal(pressure.full.avg300, 0);
	assert_int_equal(pressure.full.total, 99);
}

static void assert_json(const struct cgroup_stats *stats, const char *expected)
{
	struct json_writer writer;
	const char *text;
	size_t length;

	assert_int_equal(json_writer_open(&writer, false, NULL), 0);
	cgroup_stats_write(&writer, stats);
	assert_int_equal(json_writer_text(&writer, &text, &length, NULL), 0);
	assert_string_equal(text, expected);
	json_writer_close(&writer);
}

#define CPUSET                                                                    \
	"\"cpuset\":{\"cpu_exclusive\":0,\"mem_hardwall\":0,\"mem_exclusive\":0," \
	"\"memory_migrate\":0,\"memory_spread_page\":0,\"memory_spread_slab\":0," \
	"\"memory_pressure\":0,\"sched_load_balance\":0,\"sched_relax_domain_level\":0},"
#define NO_ENTRY "{\"limit\":0,\"failcnt\":0}"

static void test_json_of_nothing(void **state)
{
	struct cgroup_stats stats = { 0 };

	(void)state;
	assert_json(&stats,
		"{\"cpu\":{\"usage\":{\"kernel\":0,\"user\":0},\"throttling\":{}}," CPUSET
		"\"memory\":{\"usage\":" NO_ENTRY ",\"swap\":" NO_ENTRY ",\"kernel\":" NO_ENTRY
		",\"kernelTCP\":" NO_ENTRY "},\"pids\":{},"
		"\"blkio\":{},\"hugetlb\":{},\"intel_rdt\":{},"
		"\"network_interfaces\":null}");
}

static void test_json(void **state)
{
	struct cgroup_io_device device = { .major = 8, .read_bytes = 5, .writes = 6 };
	struct cgroup_hugetlb_use huge = { "2MB", 4194304, CGROUP_NO_LIMIT, 1 };
	struct cgroup_counter raw = { "anon", 9 };
	struct cgroup_stats stats = { 0 };

	(void)state;
	stats.cpu.usage = 3;
	stats.cpu.user = 2;
	stats.cpu.system = 1;
	stats.cpu.throttled = 4;
	stats.cpu.pressure.set = true;
	stats.cpu.pressure.some.avg10 = 5;
	stats.memory.set = true;
	stats.memory.usage = 4096;
	stats.memory.peak = 8192;
	stats.memory.limit = CGROUP_NO_LIMIT;
	stats.memory.swap_set = true;
	stats.memory.swap_usage = 1;
	stats.memory.swap_limit = 7;
	stats.memory.events.max = 2;
	stats.memory.raw = &raw;
	stats.memory.n_raw = 1;
	stats.pids.current = 1;
	stats.pids.limit = 10;
	stats.io.devices = &device;
	stats.io.n_devices = 1;
	stats.hugetlb = &huge;
	stats.n_hugetlb = 1;
	assert_json(&stats,
		"{\"cpu\":{\"usage\":{\"total\":3,\"kernel\":1,\"user\":2},\"throttling\":{"
		"\"throttledTime\":4},\"psi\":{\"some\":{\"avg10\":0.05,\"avg60\":0.00,"
		"\"avg300\":0.00,\"total\":0},\"full\":{\"avg10\":0.00,\"avg60\":0.00,"
		"\"avg300\":0.00,\"total\":0}}}," CPUSET
		"\"memory\":{\"usage\":{\"limit\":18446744073709551615,\"usage\":4096,"
		"\"max\":8192,\"failcnt\":2},\"swap\":{\"limit\":18446744073709551615,"
		"\"usage\":4097,\"failcnt\":0},\"kernel\":" NO_ENTRY ",\"kernelTCP\":" NO_ENTRY
		",\"raw\":{\"anon\":9}},\"pids\":{\"current\":1,\"limit\":10},"
		"\"blkio\":{\"ioServiceBytesRecursive\":[{\"major\":8,\"op\":\"Read\","
		"\"value\":5},{\"major\":8,\"op\":\"Write\"}],\"ioServicedRecursive\":[{"
		"\"major\":8,\"op\":\"Read\"},{\"major\":8,\"op\":\"Write\",\"value\":6}]},"
		"\"hugetlb\":{\"2MB\":{\"usage\":4194304,\"failcnt\":1}},\"intel_rdt\":{},"
		"\"network_interfaces\":null}");
}

static void put(int dir, const char *name, const char *text)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* A directory of plain files reads like a cgroup. */
static void test_read(void **state)
{
	static const char *const names[] = { "memory.current", "memory.max", "memory.peak",
		"memory.stat", "memory.swap.current", "memory.swap.max", "pids.current", "pids.max",
		"hugetlb.2MB.current", "hugetlb.2MB.rsvd.current", "hugetlb.1GB.max",
		"hugetlb.2MB.events", "cgroup.procs" };
	char path[] = "/tmp/test_cgroup_statsXXXXXX";
	struct cgroup_stats stats;
	struct error err = ERROR_INIT;
	int dir;

	(void)state;
	assert_non_null(mkdtemp(path));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(cgroup_stats_read(dir, &stats, &err), -ENOENT);
	put(dir, "cgroup.procs", "1\n22\n");
	assert_int_equal(cgroup_stats_read(dir, &stats, &err), 0);
	assert_false(stats.memory.set);
	assert_int_equal(stats.pids.current, 2);
	cgroup_stats_free(&stats);
	put(dir, "memory.current", "12288\n");
	put(dir, "memory.max", "max\n");
	put(dir, "memory.peak", "16384\n");
	put(dir, "memory.stat", "anon 1\n");
	put(dir, "memory.swap.current", "3\n");
	put(dir, "memory.swap.max", "4096\n");
	put(dir, "pids.current", "7\n");
	put(dir, "pids.max", "max\n");
	put(dir, "hugetlb.2MB.current", "1\n");
	put(dir, "hugetlb.2MB.rsvd.current", "2097152\n");
	put(dir, "hugetlb.2MB.events", "max 4\n");
	put(dir, "hugetlb.1GB.max", "0\n");
	assert_int_equal(cgroup_stats_read(dir, &stats, &err), 0);
	assert_true(stats.memory.set && stats.memory.swap_set);
	assert_int_equal(stats.memory.usage, 12288);
	assert_true(stats.memory.limit == CGROUP_NO_LIMIT);
	assert_int_equal(stats.memory.peak, 16384);
	assert_int_equal(stats.memory.swap_limit, 4096);
	assert_int_equal(stats.pids.current, 7);
	assert_int_equal(stats.pids.limit, 0);
	assert_int_equal(stats.n_hugetlb, 1);
	assert_string_equal(stats.hugetlb[0].page_size, "2MB");
	assert_int_equal(stats.hugetlb[0].usage, 2097152);
	assert_int_equal(stats.hugetlb[0].failures, 4);
	cgroup_stats_free(&stats);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(dir, names[i], 0);
	close(dir);
	assert_int_equal(rmdir(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_io),
		cmocka_unit_test(test_rdma),
		cmocka_unit_test(test_pressure),
		cmocka_unit_test(test_json_of_nothing),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
