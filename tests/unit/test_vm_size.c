/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/plan/size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>

#include "config/oci.h"
#include "config/settings.h"
#include "lib/error.h"

#define MIB (UINT64_C(1) << 20)

static struct settings_vm built_in(void)
{
	struct settings settings;

	settings_default(&settings);
	return settings.vm;
}

static uint64_t host_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void memory_is_the_limit_and_the_overhead(void **state)
{
	const struct settings_vm settings = built_in();

	(void)state;
	assert_int_equal(vm_memory_for(100 * MIB, &settings), 164 * MIB);
	/* Blocks of 2 MiB; never less than a kernel lives in, never more than the host has. */
	assert_int_equal(vm_memory_for(101 * MIB, &settings), 164 * MIB);
	assert_in_range(
		vm_memory_for(INT64_MAX, &settings), host_memory() - 2 * MIB, host_memory());

	struct settings_vm none = settings;

	none.overhead = 0;
	assert_int_equal(vm_memory_for(1, &none), 64 * MIB);
	none.overhead = UINT64_MAX;
	assert_int_equal(vm_memory_for(128 * MIB, &none), 128 * MIB);
}

static void a_machine_may_grow_up_to_what_is_declared(void **state)
{
	struct settings_vm settings = built_in();
	struct oci_config config = { 0 };

	(void)state;
	config.linux.resources.memory.limit = (struct optional_i64){ true, 64 * MIB };
	settings.memory_max = 512 * MIB;
	assert_int_equal(vm_size(&config, &settings).memory, 128 * MIB);
	assert_int_equal(vm_size(&config, &settings).spare, 384 * MIB);
	settings.memory_max = 100 * MIB;
	assert_int_equal(vm_size(&config, &settings).spare, 0);
	settings.memory_max = 0;
	assert_in_range(vm_size(&config, &settings).spare, 1, host_memory() - 128 * MIB);
	/* One whose size the container's configuration says stays as it is. */
	config.vm.hw_config.memory = (struct optional_u64){ true, 256 * MIB };
	assert_int_equal(vm_size(&config, &settings).memory, 256 * MIB);
	assert_int_equal(vm_size(&config, &settings).spare, 0);
}

static void processors_follow_quota_and_list(void **state)
{
	static const struct {
		struct oci_cpu cpu;
		unsigned int cpus;
	} cases[] = {
		{ { .shares = { false, 0 } }, 0 },
		{ { .quota = { true, -1 } }, 0 },
		{ { .quota = { true, 50000 } }, 1 },
		{ { .quota = { true, 100001 } }, 2 },
		{ { .quota = { true, 150000 }, .period = { true, 50000 } }, 3 },
		{ { .quota = { true, INT64_MAX }, .period = { true, 1 } }, UINT16_MAX },
		{ { .cpus = (char *)"0-3,7" }, 5 },
		{ { .cpus = (char *)"" }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_int_equal(vm_cpus_for(&cases[i].cpu), cases[i].cpus);
}

static void processors_are_no_more_than_the_hosts(void **state)
{
	struct settings_vm settings = built_in();
	struct oci_config config = { 0 };
	unsigned int host = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);

	(void)state;
	assert_int_equal(vm_size(&config, &settings).cpus, 1);
	assert_int_equal(vm_size(&config, &settings).cpus_max, host < 4 ? host : 4);
	settings.vcpus = 1000;
	assert_int_equal(vm_size(&config, &settings).cpus, host);
	assert_int_equal(vm_size(&config, &settings).cpus_max, host);
	config.vm.hw_config.vcpus = (struct optional_u32){ true, 1 };
	assert_int_equal(vm_size(&config, &settings).cpus_max, 1);
}

static void what_config_json_says_and_no_host_has_is_refused(void **state)
{
	static const uint64_t wrong[] = { 1, 64 * MIB - 1, UINT64_C(1) << 50, UINT64_MAX };
	unsigned int host = (unsigned int)sysconf(_SC_NPROCESSORS_ONLN);
	struct oci_config config = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct error err = ERROR_INIT;

		config.vm.hw_config.memory = (struct optional_u64){ true, wrong[i] };
		assert_int_equal(vm_size_check(&config, &err), -ERANGE);
		assert_non_null(strstr(err.message, "vm.hwConfig.memory"));
	}
	config.vm.hw_config.memory = (struct optional_u64){ true, 64 * MIB };
	assert_int_equal(vm_size_check(&config, NULL), 0);
	config.vm.hw_config.vcpus = (struct optional_u32){ true, host };
	assert_int_equal(vm_size_check(&config, NULL), 0);
	config.vm.hw_config.vcpus.value = host + 1;
	assert_int_equal(vm_size_check(&config, NULL), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_the_limit_and_the_overhead),
		cmocka_unit_test(a_machine_may_grow_up_to_what_is_declared),
		cmocka_unit_test(processors_follow_quota_and_list),
		cmocka_unit_test(processors_are_no_more_than_the_hosts),
		cmocka_unit_test(what_config_json_says_and_no_host_has_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
