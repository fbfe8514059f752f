/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
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

#include "config/settings.h"
#include "lib/error.h"
#include "lib/log.h"

static void assert_defaults(const struct settings *settings)
{
	assert_int_equal(settings->isolation, SETTINGS_ISOLATION_NAMESPACE);
	assert_int_equal(settings->cgroup_manager, SETTINGS_CGROUP_CGROUPFS);
	assert_int_equal(settings->log_level, LOG_LEVEL_WARNING);
	assert_null(settings->root);
	assert_int_equal(settings->allowed_annotations.count, 0);
	assert_null(settings->vm.kernel);
	assert_null(settings->vm.initrd);
	assert_int_equal(settings->vm.memory, 256 << 20);
	assert_int_equal(settings->vm.vcpus, 1);
	assert_int_equal(settings->vm.overhead, 64 << 20);
}

static void test_everything(void **state)
{
	static const char text[] =
		"{\"isolation\":\"auto\",\"cgroup_manager\":\"systemd\",\"root\":\"/run/x\","
		"\"log_level\":\"debug\",\"allowed_annotations\":[\"a.b\",\"c.*\"],"
		"\"vm\":{\"kernel\":\"/k\",\"initrd\":\"/i\",\"kernel_parameters\":[\"quiet\"],"
		"\"memory\":536870912,\"vcpus\":4,\"overhead\":0}}";
	struct settings settings;

	(void)state;
	assert_int_equal(settings_decode(text, strlen(text), &settings, NULL), 0);
	assert_int_equal(settings.isolation, SETTINGS_ISOLATION_AUTO);
	assert_int_equal(settings.cgroup_manager, SETTINGS_CGROUP_SYSTEMD);
	assert_string_equal(settings.root, "/run/x");
	assert_int_equal(settings.log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(settings.allowed_annotations.count, 2);
	assert_string_equal(settings.vm.kernel, "/k");
	assert_string_equal(settings.vm.initrd, "/i");
	assert_string_equal(settings.vm.kernel_parameters.items[0], "quiet");
	assert_int_equal(settings.vm.memory, 536870912);
	assert_int_equal(settings.vm.vcpus, 4);
	assert_int_equal(settings.vm.overhead, 0);

	assert_true(settings_annotation_allowed(&settings, "a.b"));
	assert_true(settings_annotation_allowed(&settings, "c.d"));
	assert_true(settings_annotation_allowed(&settings, "c."));
	assert_false(settings_annotation_allowed(&settings, "a.bc"));
	assert_false(settings_annotation_allowed(&settings, "c"));
	assert_false(settings_annotation_allowed(&settings, ""));
	settings_free(&settings);
}

static const struct {
	const char *text, *message;
} refusals[] = {
	{ "", "not valid JSON" },
	{ "[]", "expected an object, found an array" },
	{ "{\"isolaton\":\"vm\"}", "isolaton: no such setting; remove it or mend its name" },
	{ "{\"vm\":{\"cpus\":1}}", "vm.cpus: no such setting" },
	{ "{\"isolation\":\"kvm\"}",
		"isolation: expected one of namespace, vm, auto, found \"kvm\"" },
	{ "{\"isolation\":1}", "isolation: expected a string, found a number" },
	{ "{\"cgroup_manager\":\"v2\"}",
		"cgroup_manager: expected one of cgroupfs, systemd, disabled" },
	{ "{\"root\":\"run\"}", "root: expected an absolute path" },
	{ "{\"log_level\":\"loud\"}", "log_level: expected one of error, warning, info, debug" },
	{ "{\"allowed_annotations\":[\"\"]}", "allowed_annotations[0]: expected a string that" },
	{ "{\"vm\":{\"kernel\":\"k\"}}", "vm.kernel: expected an absolute path" },
	{ "{\"vm\":{\"memory\":1024}}", "vm.memory: expected an integer from 16777216" },
	{ "{\"vm\":{\"vcpus\":0}}", "vm.vcpus: expected an integer from 1 to 1024, found 0" },
};

static void test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct settings settings;
		struct error err = ERROR_INIT;

		assert_int_equal(settings_decode(refusals[i].text, strlen(refusals[i].text),
					 &settings, &err),
			-EINVAL);
		if (strncmp(err.message, refusals[i].message, strlen(refusals[i].message)) != 0)
			fail_msg("%s: %s", refusals[i].text, err.message);
		assert_defaults(&settings);
		settings_free(&settings);
	}
}

static void test_files(void **state)
{
	char path[] = "/tmp/test_settings.XXXXXX";
	struct settings settings;
	struct error err = ERROR_INIT;
	char expected[128];

	(void)state;
	assert_int_equal(settings_load("/nonexistent/config.json", &settings, &err), 0);
	assert_defaults(&settings);
	assert_int_equal(settings_load("/", &settings, &err), -EINVAL);
	assert_string_equal(err.message, "/: not a regular file");

	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "{\"isolation\":\"vm\"}", 18), 18);
	assert_int_equal(settings_load(path, &settings, &err), 0);
	assert_int_equal(settings.isolation, SETTINGS_ISOLATION_VM);
	settings_free(&settings);

	assert_int_equal(pwrite(fd, "{\"isolation\":\"xx\"}", 18, 0), 18);
	assert_int_equal(settings_load(path, &settings, &err), -EINVAL);
	snprintf(expected, sizeof(expected), "%s: isolation: expected one of", path);
	assert_memory_equal(err.message, expected, strlen(expected));

	assert_int_equal(ftruncate(fd, 2 * 1024 * 1024), 0);
	assert_int_equal(settings_load(path, &settings, &err), -E2BIG);
	close(fd);
	unlink(path);

	/* A fifo without a writer does not block. */
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(settings_load(path, &settings, &err), -EINVAL);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
