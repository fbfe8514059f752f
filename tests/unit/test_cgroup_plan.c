/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources -> writes: conversions, ranges, order. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/oci.h"
#include "lib/error.h"
#include "runtime/cgroup/controllers.h"
#include "runtime/cgroup/resources.h"

static struct oci_resources resources;
static struct cgroup_present present;
static struct error err;

static int setup(void **state)
{
	(void)state;
	resources = (struct oci_resources){ .set = true };
	present = (struct cgroup_present){ .memory_max = UINT64_MAX };
	err = ERROR_INIT;
	return 0;
}

/* The plan as one text: "file=value;file=value". */
static const char *planned(void)
{
	static char text[4096];
	struct cgroup_plan plan = { 0 };
	int status = cgroup_plan_make(&resources, &present, &plan, &err);

	text[0] = '\0';
	if (status < 0)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < plan.count; i++) {
		strcat(text, i > 0 ? ";" : "");
		strcat(text, plan.writes[i].file);
		strcat(text, "=");
		strcat(text, plan.writes[i].value);
	}
	cgroup_plan_free(&plan);
	return text;
}

static void refused(int errnum, const char *part)
{
	struct cgroup_plan plan = { 0 };

	assert_int_equal(cgroup_plan_make(&resources, &present, &plan, &err), -errnum);
	if (strstr(err.message, part) == NULL)
		fail_msg("'%s' is not in '%s'", part, err.message);
	assert_null(plan.writes);
}

#define SET_TO(x)                         \
	{                                 \
		.set = true, .value = (x) \
	}
#define I64(x) ((struct optional_i64)SET_TO(x))
#define U64(x) ((struct optional_u64)SET_TO(x))
#define U32(x) ((struct optional_u32)SET_TO(x))
#define BOOL(x) ((struct optional_bool)SET_TO(x))

static void test_nothing(void **state)
{
	struct cgroup_plan plan = { 0 };

	(void)state;
	assert_string_equal(planned(), "");
	assert_int_equal(cgroup_plan_make(NULL, NULL, &plan, &err), 0);
	assert_int_equal(plan.count, 0);
	cgroup_plan_free(&plan);
}

/* The values that runc's and crun's documents give for the formula of 2025. */
static void test_cpu_weight(void **state)
{
	static const struct {
		uint64_t shares, weight;
	} known[] = { { 0, 0 }, { 1, 1 }, { 2, 1 }, { 3, 2 }, { 1024, 100 }, { 2000, 170 },
		{ 262143, 10000 }, { 262144, 10000 }, { 262145, 10000 }, { UINT64_MAX, 10000 } };

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		assert_int_equal(cgroup_cpu_weight(known[i].shares), known[i].weight);
	for (uint64_t shares = 3, before = 1; shares < 262144; shares += 7) {
		uint64_t weight = cgroup_cpu_weight(shares);

		assert_in_range(weight, before, 10000);
		before = weight;
	}
	resources.cpu.shares = U64(1024);
	assert_string_equal(planned(), "cpu.weight=100");
}

static void test_memory(void **state)
{
	(void)state;
	resources.memory.limit = I64(524288);
	assert_string_equal(planned(), "memory.max=524288");
	resources.memory.reservation = I64(4096);
	resources.memory.swap = I64(524288);
	assert_string_equal(planned(), "memory.swap.max=0;memory.max=524288;memory.low=4096");
	resources.memory.swap = I64(1048576);
	resources.memory.reservation = I64(-1);
	assert_string_equal(planned(), "memory.swap.max=524288;memory.max=524288;memory.low=max");
	resources.memory.swap = I64(-1);
	resources.memory.reservation = I64(0);
	assert_string_equal(planned(), "memory.swap.max=max;memory.max=524288");
	/* No limit on memory takes swap along when nothing is said of it, as in cgroup v1. */
	resources.memory.swap = I64(0);
	resources.memory.limit = I64(-1);
	assert_string_equal(planned(), "memory.swap.max=max;memory.max=max");
	/* 0 is "not set". */
	resources.memory.limit = I64(0);
	assert_string_equal(planned(), "");
	resources.memory.limit = I64(INT64_MAX);
	assert_string_equal(planned(), "memory.max=9223372036854775807");
}

static void test_memory_out_of_range(void **state)
{
	(void)state;
	resources.memory.limit = I64(-2);
	refused(EINVAL, "memory.limit: -2 is out of range");
	resources.memory.limit = I64(4096);
	resources.memory.swap = I64(4095);
	refused(EINVAL, "memory.swap: 4095 is memory and swap together");
	resources.memory.swap = I64(-3);
	refused(EINVAL, "memory.swap: -3 is out of range");
	resources.memory.swap = I64(4096);
	resources.memory.limit.set = false;
	refused(EINVAL, "set memory.limit");
	/* An update completes it with the limit that is there. */
	present.memory_max = 1024;
	assert_string_equal(planned(), "memory.swap.max=3072");
	resources.memory.swap.set = false;
	resources.memory.reservation = I64(-5);
	refused(EINVAL, "memory.reservation: -5");
}

static void test_memory_of_v1(void **state)
{
	(void)state;
	resources.memory.disable_oom_killer = BOOL(true);
	refused(ENOTSUP, "memory.disableOOMKiller");
	resources.memory.disable_oom_killer = BOOL(false);
	resources.memory.kernel = I64(1);
	resources.memory.kernel_tcp = I64(1);
	resources.memory.use_hierarchy = BOOL(true);
	assert_string_equal(planned(), "");
	resources.memory.swappiness = U64(60);
	refused(ENOTSUP, "memory.swappiness");
	resources.memory.swappiness = U64(101);
	refused(EINVAL, "expected 0 to 100");
}

static void test_cpu_max(void **state)
{
	(void)state;
	resources.cpu.quota = I64(50000);
	assert_string_equal(planned(), "cpu.max=50000");
	resources.cpu.period = U64(100000);
	assert_string_equal(planned(), "cpu.max=50000 100000");
	resources.cpu.burst = U64(10000);
	assert_string_equal(planned(), "cpu.max.burst=10000;cpu.max=50000 100000");
	resources.cpu.burst = U64(50001);
	refused(EINVAL, "cpu.burst: 50001");
	resources.cpu.burst.set = false;
	resources.cpu.quota = I64(-1);
	assert_string_equal(planned(), "cpu.max=max 100000");
	resources.cpu.quota.set = false;
	assert_string_equal(planned(), "cpu.max=max 100000");
	strcpy(present.cpu_quota, "20000");
	assert_string_equal(planned(), "cpu.max=20000 100000");
	resources.cpu.period = U64(999);
	refused(EINVAL, "cpu.period: 999");
	resources.cpu.period = U64(1000001);
	refused(EINVAL, "cpu.period: 1000001");
	resources.cpu.period.set = false;
	resources.cpu.quota = I64(999);
	refused(EINVAL, "cpu.quota: 999");
}

static void test_cpu_idle(void **state)
{
	(void)state;
	resources.cpu.shares = U64(2048);
	resources.cpu.idle = I64(1);
	assert_string_equal(planned(), "cpu.idle=1");
	resources.cpu.idle = I64(0);
	assert_string_equal(planned(), "cpu.idle=0;cpu.weight=174");
	resources.cpu.idle = I64(2);
	refused(EINVAL, "cpu.idle: 2");
	resources.cpu.idle.set = false;
	resources.cpu.realtime_runtime = I64(950000);
	refused(ENOTSUP, "cpu.realtimeRuntime");
	resources.cpu.realtime_runtime = I64(0);
	resources.cpu.realtime_period = U64(0);
	assert_string_equal(planned(), "cpu.weight=174");
}

static void test_cpuset(void **state)
{
	char cpus[] = "0-3,7", mems[] = "0", bad[] = "0;1", empty[] = "";

	(void)state;
	resources.cpu.cpus = cpus;
	resources.cpu.mems = mems;
	assert_string_equal(planned(), "cpuset.mems=0;cpuset.cpus=0-3,7");
	resources.cpu.mems = empty;
	assert_string_equal(planned(), "cpuset.cpus=0-3,7");
	resources.cpu.cpus = bad;
	refused(EINVAL, "cpu.cpus: '0;1'");
	resources.cpu.cpus = resources.cpu.mems = NULL;
}

static void test_pids(void **state)
{
	(void)state;
	resources.pids_limit = I64(-1);
	assert_string_equal(planned(), "pids.max=max");
	resources.pids_limit = I64(0);
	assert_string_equal(planned(), "pids.max=1");
	resources.pids_limit = I64(4194304);
	assert_string_equal(planned(), "pids.max=4194304");
	resources.pids_limit = I64(4194305);
	refused(EINVAL, "pids.limit: 4194305");
	resources.pids_limit = I64(-2);
	refused(EINVAL, "pids.limit: -2");
}

static void test_block_io(void **state)
{
	struct oci_weight_device weights[] = { { .major = 8, .minor = 0, .weight = SET_TO(500) } };
	struct oci_throttle_device throttles[] = { { 8, 16, 1048576 }, { 8, 32, 0 } };
	struct cgroup_plan plan = { 0 };

	(void)state;
	resources.block_io.weight = U32(1000);
	resources.block_io.weight_devices = weights;
	resources.block_io.n_weight_devices = 1;
	resources.block_io.read_bps = (struct oci_throttle_list){ throttles, 2 };
	resources.block_io.write_bps = (struct oci_throttle_list){ throttles, 1 };
	resources.block_io.read_iops = (struct oci_throttle_list){ throttles, 1 };
	resources.block_io.write_iops = (struct oci_throttle_list){ throttles, 1 };
	assert_string_equal(planned(),
		"io.bfq.weight=default 1000;io.bfq.weight=8:0 500;io.max=8:16 rbps=1048576;"
		"io.max=8:32 rbps=max;io.max=8:16 wbps=1048576;io.max=8:16 riops=1048576;"
		"io.max=8:16 wiops=1048576");
	assert_int_equal(cgroup_plan_make(&resources, NULL, &plan, &err), 0);
	assert_string_equal(plan.writes[0].other_file, "io.weight");
	assert_string_equal(plan.writes[0].other_value, "default 10000");
	assert_string_equal(plan.writes[1].other_value, "8:0 4950");
	cgroup_plan_free(&plan);

	resources.block_io.weight = U32(9);
	refused(EINVAL, "blockIO.weight: 9");
	resources.block_io.weight = U32(1001);
	refused(EINVAL, "blockIO.weight: 1001");
	resources.block_io.weight = U32(0);
	throttles[0].major = 4096;
	refused(EINVAL, "throttleReadBpsDevice: 4096:16 is not a device number");
	throttles[0].major = 8;
	weights[0].leaf_weight = U32(10);
	refused(ENOTSUP, "leafWeight");
	resources.block_io.n_weight_devices = 0;
	resources.block_io.leaf_weight = U32(10);
	refused(ENOTSUP, "leafWeight");
}

static void test_hugetlb(void **state)
{
	static const char *const bad[] = { "", "MB", "2", "2mb", "02MB", "2MB/..", "12345678MB",
		"2 MB" };
	char size[16] = "2MB";
	struct oci_hugepage_limit limit = { size, 4194304 };

	(void)state;
	resources.hugepage_limits = &limit;
	resources.n_hugepage_limits = 1;
	assert_string_equal(planned(), "hugetlb.2MB.max=4194304;hugetlb.2MB.rsvd.max=4194304");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(size, bad[i]);
		refused(EINVAL, "is not a page size");
	}
}

static void test_rdma(void **state)
{
	char name[] = "mlx5_0", bad[] = "a b";
	struct oci_rdma rdma = { .name = name };

	(void)state;
	resources.rdma = &rdma;
	resources.n_rdma = 1;
	refused(EINVAL, "expected hcaHandles or hcaObjects");
	rdma.hca_handles = U32(3);
	assert_string_equal(planned(), "rdma.max=mlx5_0 hca_handle=3");
	rdma.hca_objects = U32(10000);
	assert_string_equal(planned(), "rdma.max=mlx5_0 hca_handle=3 hca_object=10000");
	rdma.hca_objects = U32(UINT32_MAX);
	refused(EINVAL, "out of range");
	rdma.name = bad;
	refused(EINVAL, "'a b' is not the name");
}

static void test_network(void **state)
{
	(void)state;
	resources.network.class_id = U32(0);
	assert_string_equal(planned(), "");
	resources.network.class_id = U32(1);
	refused(ENOTSUP, "network");
}

static void test_unified(void **state)
{
	static const char *const bad[] = { "", "../memory.max", "memory/max", "memory",
		".hidden.file", "cgroup.procs", "cgroup.kill", "cgroup.freeze",
		"cgroup.subtree_control", "cgroup.threads" };
	char key[64] = "memory.high", value[] = "1073741824", io[] = "io.max",
	     lines[] = "8:0 rbps=1\n8:16 wbps=2\n", empty[] = "";
	struct key_value items[] = { { key, value }, { io, lines } };
	struct cgroup_plan plan = { 0 };

	(void)state;
	resources.unified = (struct key_value_list){ items, 2 };
	resources.memory.limit = I64(4096);
	/* Last, and a line at a time. */
	assert_string_equal(planned(),
		"memory.max=4096;memory.high=1073741824;io.max=8:0 rbps=1;io.max=8:16 wbps=2");
	assert_int_equal(cgroup_plan_make(&resources, NULL, &plan, &err), 0);
	assert_int_equal(plan.controllers, CGROUP_MEMORY | CGROUP_IO);
	assert_string_equal(plan.writes[3].key, "8:16");
	cgroup_plan_free(&plan);
	items[0].value = empty;
	resources.unified.count = 1;
	assert_string_equal(planned(), "memory.max=4096;memory.high=");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		strcpy(key, bad[i]);
		refused(EINVAL, "unified");
	}
	strcpy(key, "cgroup.max.depth");
	assert_string_equal(planned(), "memory.max=4096;cgroup.max.depth=");
}

static void test_check_before_update(void **state)
{
	struct cgroup_plan plan = { 0 };

	(void)state;
	resources.memory.limit = I64(4096);
	resources.memory.check_before_update = BOOL(true);
	assert_int_equal(cgroup_plan_make(&resources, NULL, &plan, &err), 0);
	assert_true(plan.check_memory);
	assert_int_equal(plan.memory_limit, 4096);
	cgroup_plan_free(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_nothing, setup),
		cmocka_unit_test_setup(test_cpu_weight, setup),
		cmocka_unit_test_setup(test_memory, setup),
		cmocka_unit_test_setup(test_memory_out_of_range, setup),
		cmocka_unit_test_setup(test_memory_of_v1, setup),
		cmocka_unit_test_setup(test_cpu_max, setup),
		cmocka_unit_test_setup(test_cpu_idle, setup),
		cmocka_unit_test_setup(test_cpuset, setup),
		cmocka_unit_test_setup(test_pids, setup),
		cmocka_unit_test_setup(test_block_io, setup),
		cmocka_unit_test_setup(test_hugetlb, setup),
		cmocka_unit_test_setup(test_rdma, setup),
		cmocka_unit_test_setup(test_network, setup),
		cmocka_unit_test_setup(test_unified, setup),
		cmocka_unit_test_setup(test_check_before_update, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
