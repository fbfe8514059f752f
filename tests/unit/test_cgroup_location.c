/* SPDX-License-Identifier: Apache-2.0 */
/* What linux.cgroupsPath means, and the texts of control files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/error.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/controllers.h"
#include "runtime/cgroup/file.h"
#include "runtime/cgroup/location.h"

static void is_at(const char *cgroups_path, const char *own, const char *expected)
{
	struct error err = ERROR_INIT;
	char *path = NULL;

	if (cgroup_path_cgroupfs(cgroups_path, "id", own, strlen(own), &path, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(path, expected);
	free(path);
}

static void is_refused(const char *cgroups_path, int errnum)
{
	struct error err = ERROR_INIT;
	char *path = NULL;

	assert_int_equal(cgroup_path_cgroupfs(cgroups_path, "id", "/", 1, &path, &err), -errnum);
	assert_null(path);
	assert_memory_equal(err.message, "linux.cgroupsPath: ", 19);
}

static void test_cgroupfs(void **state)
{
	char long_name[5000];

	(void)state;
	is_at("/a/b", "/user.slice/x", "/a/b");
	is_at("//a/./b//", "/user.slice/x", "/a/b");
	is_at("/..a/b..", "/", "/..a/b..");
	is_at(NULL, "/", "/id");
	is_at("", "/", "/id");
	/* Beside the caller's cgroup, which has processes in it. */
	is_at(NULL, "/user.slice/session.scope", "/user.slice/id");
	is_at("a/b", "/user.slice/session.scope", "/user.slice/a/b");
	is_at("a", "/../../x", "/a");
	is_refused("/a/../b", EINVAL);
	is_refused("..", EINVAL);
	is_refused("../a", EINVAL);
	is_refused("/", EINVAL);
	is_refused("/.", EINVAL);
	is_refused(".", EINVAL);
	is_refused("/a\nb", EINVAL);
	memset(long_name, 'x', sizeof(long_name) - 1);
	long_name[sizeof(long_name) - 1] = '\0';
	is_refused(long_name, ENAMETOOLONG);
	long_name[256] = '\0';
	is_refused(long_name, ENAMETOOLONG);
	long_name[255] = '\0';
	char *path = NULL;
	assert_int_equal(cgroup_path_cgroupfs(long_name, "id", "", 0, &path, NULL), 0);
	free(path);
}

static void test_own_path(void **state)
{
	size_t length = 0;
	const char *text = "9:name=systemd:/a\n0::/user.slice/b\n", *path;

	(void)state;
	path = cgroup_own_path(text, &length);
	assert_non_null(path);
	assert_int_equal(length, strlen("/user.slice/b"));
	assert_memory_equal(path, "/user.slice/b", length);
	assert_null(cgroup_own_path("1:cpu:/x\n", &length));
	assert_null(cgroup_own_path("", &length));
	assert_non_null(cgroup_own_path("0::/", &length));
	assert_int_equal(length, 1);
}

static void unit_is(const char *cgroups_path, bool user, const char *slice, const char *unit)
{
	struct cgroup_location location = { .user_manager = user };
	struct error err = ERROR_INIT;

	if (cgroup_path_systemd(cgroups_path, "id", &location, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(location.slice, slice);
	assert_string_equal(location.unit, unit);
	cgroup_location_free(&location);
}

static void test_systemd(void **state)
{
	static const char *const bad[] = { "a", "a:b", "a:b:c:d", "/a/b",
		"::", "machine.slice:a:b/c", "system.slice:p:x.slice" };

	(void)state;
	unit_is("machine.slice:libpod:abc", false, "machine.slice", "libpod-abc.scope");
	unit_is("machine.slice::abc", false, "machine.slice", "abc.scope");
	unit_is(":docker:abc", false, "system.slice", "docker-abc.scope");
	unit_is(NULL, false, "system.slice", "caisson-id.scope");
	unit_is(NULL, true, "user.slice", "caisson-id.scope");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cgroup_location location = { 0 };
		struct error err = ERROR_INIT;

		assert_int_equal(cgroup_path_systemd(bad[i], "id", &location, &err), -EINVAL);
		assert_memory_equal(err.message, "linux.cgroupsPath: ", 19);
		cgroup_location_free(&location);
	}
}

static void slice_is(const char *slice, const char *expected)
{
	struct error err = ERROR_INIT;
	char *path = cgroup_slice_path(slice, &err);

	if (expected == NULL) {
		assert_null(path);
		assert_int_equal(err.errnum, EINVAL);
		return;
	}
	assert_non_null(path);
	assert_string_equal(path, expected);
	free(path);
}

static void test_slice(void **state)
{
	(void)state;
	slice_is("system.slice", "/system.slice");
	slice_is("a-b-c.slice", "/a.slice/a-b.slice/a-b-c.slice");
	slice_is("-.slice", "/");
	slice_is("user-1000.slice", "/user.slice/user-1000.slice");
	slice_is(".slice", NULL);
	slice_is("a--b.slice", NULL);
	slice_is("-a.slice", NULL);
	slice_is("a-.slice", NULL);
	slice_is("a", NULL);
	slice_is("", NULL);
	slice_is("a/b.slice", NULL);
}

static void test_slice_too_deep(void **state)
{
	char slice[256] = "", *end = slice;
	struct error err = ERROR_INIT;

	(void)state;
	for (int i = 0; i < 120; i++)
		end += sprintf(end, "a-");
	strcpy(end, "a.slice");
	assert_null(cgroup_slice_path(slice, &err));
	assert_int_equal(err.errnum, ENAMETOOLONG);
}

static void test_controllers(void **state)
{
	(void)state;
	assert_int_equal(cgroup_controllers_parse("cpuset cpu io memory hugetlb pids rdma misc\n"),
		CGROUP_CHEAP | CGROUP_RDMA | CGROUP_MISC);
	assert_int_equal(cgroup_controllers_parse("cp cpux memor unknown"), 0);
	assert_int_equal(cgroup_controllers_parse(""), 0);
	assert_string_equal(cgroup_controller_name(CGROUP_CPUSET), "cpuset");
}

static void test_text(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_int_equal(cgroup_text_find("populated 1\nfrozen 0\n", "frozen", &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(cgroup_text_find("oom 3\noom_kill 5\n", "oom_kill", &value), 0);
	assert_int_equal(value, 5);
	assert_int_equal(cgroup_text_find("oom_kill 5\n", "oom", &value), -ENOENT);
	assert_int_equal(cgroup_text_find("oom x\n", "oom", &value), -EINVAL);
	assert_int_equal(cgroup_text_find("oom 18446744073709551616\n", "oom", &value), -EINVAL);
	assert_int_equal(cgroup_text_find("oom 18446744073709551615", "oom", &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(cgroup_text_find("a max\n", "a", &value), 0);
	assert_null(cgroup_text_number("1x", &value));
	assert_null(cgroup_text_number("", &value));
	assert_null(cgroup_text_number("-1", &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cgroupfs),
		cmocka_unit_test(test_own_path),
		cmocka_unit_test(test_systemd),
		cmocka_unit_test(test_slice),
		cmocka_unit_test(test_slice_too_deep),
		cmocka_unit_test(test_controllers),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
