/* SPDX-License-Identifier: Apache-2.0 */
/* Which of a distribution's kernels a guest gets, in directories like a distribution's. */
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

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "runtime/vm/kernel/distribution.h"

static char root[64];

static void in_root(char path[PATH_MAX], const char *format, const char *version)
{
	char name[PATH_MAX - sizeof(root)];

	snprintf(name, sizeof(name), format, version);
	snprintf(path, PATH_MAX, "%s%s", root, name);
}

static void make_parents(const char *path)
{
	char directory[PATH_MAX];

	snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path), path);
	assert_int_equal(make_directories(directory, 0755, NULL), 0);
}

static void put(const char *path, const void *bytes, size_t size)
{
	make_parents(path);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write_all(fd, bytes, size), 0);
}

/* A bzImage as far as its version goes, which is `says`. */
static void put_kernel(const char *place, const char *version, const char *says)
{
	uint8_t image[1024] = { [0x1fe] = 0x55, 0xaa, [0x202] = 'H', 'd', 'r', 'S' };
	uint16_t offset = 0x100;
	char path[PATH_MAX];

	memcpy(image + 0x20e, &offset, sizeof(offset));
	memcpy(image + 0x300, says, strlen(says) + 1);
	in_root(path, place, version);
	put(path, image, sizeof(image));
}

static void put_modules(const char *version)
{
	char path[PATH_MAX];

	in_root(path, "/lib/modules/%s/modules.dep", version);
	put(path, "", 0);
}

static void put_both(const char *version)
{
	char says[128];

	snprintf(says, sizeof(says), "%s (somebody@somewhere) #1 SMP", version);
	put_kernel("/boot/vmlinuz-%s", version, says);
	put_modules(version);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(root, "/tmp/test-distribution.XXXXXX");
	return mkdtemp(root) != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return remove_tree(AT_FDCWD, root, NULL);
}

static void expect(const char *running, const char *place, const char *version)
{
	struct distribution_kernel kernel;
	struct error err = ERROR_INIT;
	char path[PATH_MAX];
	_cleanup_close_ int fd = distribution_open(root, running, &kernel, &err);

	if (fd < 0)
		fail_msg("%s", err.message);
	in_root(path, place, version);
	assert_string_equal(kernel.path, path);
}

static void the_running_kernel_comes_first(void **state)
{
	(void)state;
	put_both("6.1.0-9-amd64");
	put_both("6.1.0-10-amd64");
	expect("6.1.0-9-amd64", "/boot/vmlinuz-%s", "6.1.0-9-amd64");
}

static void else_the_newest_by_number(void **state)
{
	(void)state;
	put_both("6.1.0-9-amd64");
	put_both("6.1.0-10-amd64");
	put_both("5.10.0-30-amd64");
	expect("6.18.5", "/boot/vmlinuz-%s", "6.1.0-10-amd64");
}

static void one_without_its_modules_is_none(void **state)
{
	(void)state;
	put_both("6.1.0-9-amd64");
	put_kernel("/boot/vmlinuz-%s", "6.12.0", "6.12.0 #1");
	put_kernel("/boot/vmlinuz-%s", "6.13.0", "../../etc #1");
	put_kernel("/boot/vmlinuz-%s", "6.14.0", "");
	put_modules("6.15.0");
	expect("6.12.0", "/boot/vmlinuz-%s", "6.1.0-9-amd64");
}

static void kernels_beside_their_modules_count(void **state)
{
	(void)state;
	put_both("6.1.0-9-amd64");
	put_modules("6.11.2-arch1");
	put_kernel("/usr/lib/modules/%s/vmlinuz", "6.11.2-arch1", "6.11.2-arch1 (l@a) #1");
	expect("6.18.5", "/usr/lib/modules/%s/vmlinuz", "6.11.2-arch1");
	expect("6.11.2-arch1", "/usr/lib/modules/%s/vmlinuz", "6.11.2-arch1");
}

/* The name says nothing (Arch's /boot/vmlinuz-linux); what the file says counts. */
static void the_file_says_its_version(void **state)
{
	(void)state;
	put_modules("6.11.2-arch1");
	put_kernel("/boot/vmlinuz-%s", "linux", "6.11.2-arch1 (l@a) #1");
	expect("6.18.5", "/boot/vmlinuz-%s", "linux");
}

static void a_file_that_is_no_kernel_is_passed_over(void **state)
{
	char path[PATH_MAX];

	(void)state;
	put_both("6.1.0-9-amd64");
	put_modules("6.12.0");
	in_root(path, "/boot/vmlinuz-%s", "6.12.0");
	put(path, "text", 4);
	put_modules("6.13.0");
	in_root(path, "/boot/vmlinuz-%s", "6.13.0");
	assert_int_equal(mkfifo(path, 0644), 0);
	expect("6.12.0", "/boot/vmlinuz-%s", "6.1.0-9-amd64");
}

static void nothing_there_is_an_error_that_names_the_places(void **state)
{
	struct distribution_kernel kernel;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(distribution_open(root, "6.18.5", &kernel, &err), -ENOENT);
	assert_non_null(strstr(err.message, "/lib/modules"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_running_kernel_comes_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(else_the_newest_by_number, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_without_its_modules_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			kernels_beside_their_modules_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_file_says_its_version, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_file_that_is_no_kernel_is_passed_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			nothing_there_is_an_error_that_names_the_places, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
