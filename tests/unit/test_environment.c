/* SPDX-License-Identifier: Apache-2.0 */
/* A container's /etc/passwd is the attacker's file. */
#include "runtime/ns/environment.h"

#include <fcntl.h>
#include <limits.h>
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

static char directory[] = "/tmp/caisson-test-environment-XXXXXX";
static int root, procfs;

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	root = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	procfs = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return root < 0 || procfs < 0 || mkdirat(root, "etc", 0755) < 0;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static void write_passwd(const char *text, size_t length)
{
	unlinkat(root, "etc/passwd", 0);
	int fd = openat(root, "etc/passwd", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, length), (ssize_t)length);
	close(fd);
}

static const char *home_of(uid_t uid)
{
	static char home[PATH_MAX];

	return environment_find_home(root, procfs, uid, home, sizeof(home)) ? home : NULL;
}

static void entries_are_read_exactly(void **state)
{
	static const char text[] = "\n:\n:::::::::\nname\nroot:x:0:0:root:/root:/bin/sh\n"
				   "wrap:x:4294968296:0::/wrap:/bin/sh\n"
				   "sign:x:-1000:0::/sign:/bin/sh\nplus:x:+1000:0::/plus:/bin/sh\n"
				   "hex:x:0x3e8:0::/hex:/bin/sh\nblank:x: 1000:0::/blank:/bin/sh\n"
				   "empty:x::0::/empty:/bin/sh\n"
				   "relative:x:1000:0::home:/bin/sh\nshort:x:1000:0\n"
				   "none:x:1000:0:::/bin/sh\n"
				   "right:x:1000:0:gecos:/home/right:/bin/sh:more:fields\n"
				   "second:x:1000:0::/second:/bin/sh\n"
				   "no-shell:x:7:7::/seven\nlarge:x:4294967294:0::/large:\n"
				   "last:x:8:8::/eight:";

	(void)state;
	write_passwd(text, sizeof(text) - 1);
	assert_string_equal(home_of(0), "/root");
	assert_string_equal(home_of(1000), "/home/right");
	assert_string_equal(home_of(7), "/seven");
	assert_string_equal(home_of(8), "/eight");
	assert_string_equal(home_of(4294967294U), "/large");
	assert_null(home_of(1));
	assert_null(home_of(4294967295U));
}

static void long_lines_and_large_files_end(void **state)
{
	size_t size = 3 * 1024 * 1024, used;
	char *text = malloc(size);

	(void)state;
	assert_non_null(text);
	/* A line longer than any buffer, whose end looks like an entry. */
	memset(text, 'a', size);
	used = 10000;
	used += (size_t)snprintf(text + used, 100, "\nx:x:5:5::/five:\n");
	write_passwd(text, used);
	assert_string_equal(home_of(5), "/five");
	memset(text, 'a', 20000);
	used = 4096 + (size_t)snprintf(text + 4096, 100, "x:x:5:5::/five:\n");
	write_passwd(text, used);
	assert_null(home_of(5));
	used = 4096 + (size_t)snprintf(text + 4096, 100, "x:x:5:5::/five:");
	write_passwd(text, used);
	assert_null(home_of(5));
	/* What lies behind the first MiB is not read. */
	for (size_t i = 0; i < size; i += 16)
		memcpy(text + i, "u:x:6:6:aaaaaa:\n", 16);
	memcpy(text + 2 * 1024 * 1024, "\nx:x:5:5::/fiv:\n", 16);
	write_passwd(text, size);
	assert_null(home_of(5));
	/* A home longer than a path. */
	memcpy(text, "x:x:5:5::/", 10);
	memset(text + 10, 'b', 5000);
	text[5010] = '\n';
	write_passwd(text, 5011);
	assert_null(home_of(5));
	/* NUL bytes. */
	write_passwd("x:x:5:5::/a\0b:\n", 15);
	assert_null(home_of(5));
	free(text);
}

static void what_is_no_file_is_not_opened(void **state)
{
	char path[64];

	(void)state;
	unlinkat(root, "etc/passwd", 0);
	assert_null(home_of(0));
	assert_int_equal(mkfifoat(root, "etc/passwd", 0666), 0);
	assert_null(home_of(0));
	unlinkat(root, "etc/passwd", 0);
	assert_int_equal(mkdirat(root, "etc/passwd", 0755), 0);
	assert_null(home_of(0));
	assert_int_equal(unlinkat(root, "etc/passwd", AT_REMOVEDIR), 0);
	/* The host's own, through a link: stays inside of the root. */
	assert_int_equal(symlinkat("/../../../../etc/passwd", root, "etc/passwd"), 0);
	assert_null(home_of(0));
	unlinkat(root, "etc/passwd", 0);
	/* Through a descriptor of this process. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", open("/etc/passwd", O_RDONLY));
	assert_int_equal(symlinkat(path, root, "etc/passwd"), 0);
	assert_null(home_of(0));
}

static void variables_are_found_by_their_whole_name(void **state)
{
	char *const environment[] = { (char *)"PATHX=no", (char *)"PAT=no", (char *)"PATH",
		(char *)"PATH=yes", (char *)"PATH=late", NULL };

	(void)state;
	assert_string_equal(environment_get(environment, "PATH"), "yes");
	assert_string_equal(environment_get(environment, "PAT"), "no");
	assert_null(environment_get(environment, "P"));
	assert_null(environment_get(environment, "PATHXX"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_read_exactly),
		cmocka_unit_test(long_lines_and_large_files_end),
		cmocka_unit_test(what_is_no_file_is_not_opened),
		cmocka_unit_test(variables_are_found_by_their_whole_name),
	};

	return cmocka_run_group_tests_name("environment", tests, set_up, tear_down);
}
