/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, device rules and annotations as properties of a systemd unit. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/oci.h"
#include "lib/error.h"
#include "runtime/cgroup/resources.h"
#include "runtime/cgroup/systemd.h"

static char text[8192];

static const char *join(struct cgroup_properties *properties)
{
	text[0] = '\0';
	for (size_t i = 0; i < properties->count; i++) {
		strcat(text, i > 0 ? ";" : "");
		strcat(text, properties->items[i]);
	}
	if (properties->items != NULL)
		assert_null(properties->items[properties->count]);
	cgroup_properties_free(properties);
	return text;
}

static const char *planned(const struct oci_resources *resources)
{
	struct cgroup_properties properties = { 0 };
	struct cgroup_plan plan = { 0 };
	struct error err = ERROR_INIT;

	if (cgroup_plan_make(resources, NULL, &plan, &err) < 0 ||
		cgroup_properties_add_plan(&properties, &plan, &err) < 0) {
		strcpy(text, err.message);
		cgroup_properties_free(&properties);
		cgroup_plan_free(&plan);
		return text;
	}
	cgroup_plan_free(&plan);
	return join(&properties);
}

#define SET_TO(x)                         \
	{                                 \
		.set = true, .value = (x) \
	}
#define I64(x) ((struct optional_i64)SET_TO(x))
#define U64(x) ((struct optional_u64)SET_TO(x))

static void test_limits(void **state)
{
	char cpus[] = "0-2,9", mems[] = "1";
	struct oci_resources resources = { .set = true };

	(void)state;
	assert_string_equal(planned(&resources), "");
	resources.memory.limit = I64(4096);
	resources.memory.swap = I64(-1);
	resources.memory.reservation = I64(1);
	resources.pids_limit = I64(-1);
	resources.cpu.shares = U64(1024);
	resources.cpu.quota = I64(12345);
	resources.cpu.period = U64(50000);
	resources.cpu.cpus = cpus;
	resources.cpu.mems = mems;
	assert_string_equal(planned(&resources),
		"TasksMax=t 18446744073709551615;MemorySwapMax=t 18446744073709551615;"
		"MemoryMax=t 4096;MemoryLow=t 1;CPUWeight=t 100;CPUQuotaPeriodUSec=t 50000;"
		"CPUQuotaPerSecUSec=t 250000;AllowedMemoryNodes=ay 02;AllowedCPUs=ay 0702");
}

static void test_cpu(void **state)
{
	char cpus[] = "0-8192";
	struct oci_resources resources = { .set = true };

	(void)state;
	resources.cpu.quota = I64(-1);
	resources.cpu.idle = I64(1);
	assert_string_equal(
		planned(&resources), "CPUWeight=t 0;CPUQuotaPerSecUSec=t 18446744073709551615");
	resources.cpu.quota = I64(INT64_MAX);
	assert_non_null(strstr(planned(&resources), "out of range"));
	resources.cpu.quota.set = false;
	resources.cpu.cpus = cpus;
	assert_non_null(strstr(planned(&resources), "cpuset.cpus: cannot set 0-8192"));
	strcpy(cpus, "3-1");
	assert_non_null(strstr(planned(&resources), "cpuset.cpus: cannot set 3-1"));
	strcpy(cpus, "0-8191");
	assert_null(strstr(planned(&resources), "cannot set"));
}

static void test_io(void **state)
{
	char key[] = "io.max", value[] = "8:0 rbps=1 wbps=max\n8:16 wiops=7",
	     weight[] = "io.weight", device[] = "default 50\n8:0 60";
	struct key_value items[] = { { key, value }, { weight, device } };
	struct oci_resources resources = { .set = true, .unified = { items, 2 } };

	(void)state;
	resources.block_io.weight = (struct optional_u32){ true, 10 };
	assert_string_equal(planned(&resources),
		"IOWeight=t 1;IOReadBandwidthMax=a(st) /dev/block/8:0 1;"
		"IOWriteBandwidthMax=a(st) /dev/block/8:0 18446744073709551615;"
		"IOWriteIOPSMax=a(st) /dev/block/8:16 7;IOWeight=t 50;"
		"IODeviceWeight=a(st) /dev/block/8:0 60");
}

static void test_devices(void **state)
{
	struct oci_device_rule rules[] = {
		{ .type = 'a', .read = true, .write = true, .mknod = true },
		{ .allow = true,
			.type = 'b',
			.major = { true, 8 },
			.minor = { true, 1 },
			.read = true },
		{ .allow = true, .type = 'c', .major = { true, 10 }, .read = true, .write = true },
		{ .allow = true, .type = 'a', .mknod = true },
	};
	struct oci_resources resources = { .set = true, .devices = rules, .n_devices = 4 };
	struct cgroup_properties properties = { 0 };
	const char *got;

	(void)state;
	assert_int_equal(cgroup_properties_add_devices(&properties, &resources, true, NULL), 0);
	got = join(&properties);
	assert_memory_equal(got, "DevicePolicy=s strict;DeviceAllow=a(ss);", 40);
	assert_non_null(strstr(got, ";DeviceAllow=a(ss) /dev/char/1:3 rwm;"));
	assert_non_null(strstr(got, ";DeviceAllow=a(ss) char-136 rwm;"));
	assert_non_null(strstr(got,
		"DeviceAllow=a(ss) /dev/block/8:1 r;DeviceAllow=a(ss) char-10 rw;"
		"DeviceAllow=a(ss) block-* m;DeviceAllow=a(ss) char-* m"));
}

static int annotate(const char *key, const char *value, const char **ret)
{
	struct key_value item = { (char *)key, (char *)value };
	struct key_value_list list = { &item, 1 };
	struct cgroup_properties properties = { 0 };
	int status = cgroup_properties_add_annotations(&properties, &list, NULL);

	*ret = join(&properties);
	return status;
}

static void test_annotations(void **state)
{
	static const char *const bad[] = { "ab", "A=b", "A b", "", "PIDs", "Slice", "Delegate",
		"Expr.x" };
	const char *got;

	(void)state;
	assert_int_equal(annotate("org.systemd.property.TimeoutStopUSec", "uint64 5", &got), 0);
	assert_string_equal(got, "TimeoutStopUSec=v uint64 5");
	assert_int_equal(annotate("org.example", "x", &got), 0);
	assert_string_equal(got, "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char key[64] = "org.systemd.property.";

		strcat(key, bad[i]);
		assert_int_equal(annotate(key, "x", &got), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_io),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_annotations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
