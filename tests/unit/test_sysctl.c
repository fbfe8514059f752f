/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/oci.h"
#include "lib/error.h"
#include "lib/number_list.h"
#include "runtime/ns/path.h"

#define TEXT(literal) ((char *)(literal))

static void keys_become_paths(void **state)
{
	static const struct {
		const char *key, *path;
	} cases[] = {
		{ "kernel.msgmax", "kernel/msgmax" },
		{ "kernel/msgmax", "kernel/msgmax" },
		{ "net.ipv4.conf.eth0/1.mtu", "net/ipv4/conf/eth0.1/mtu" },
		{ "net/ipv4/conf/eth0.1/mtu", "net/ipv4/conf/eth0.1/mtu" },
		{ "net.ipv4.ip_forward", "net/ipv4/ip_forward" },
	};
	static const char *const wrong[] = { "", ".", "..", "/", "kernel..x", "kernel.", ".kernel",
		"/kernel/msgmax", "net/../../../etc/passwd", "net/ipv4/..", "net.//", "net./.x",
		"a/./b", "a/.../b" };
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(sysctl_path(cases[i].key, path, sizeof(path)), 0);
		assert_string_equal(path, cases[i].path);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (sysctl_path(wrong[i], path, sizeof(path)) != -EINVAL)
			fail_msg("\"%s\" became \"%s\"", wrong[i], path);
	}
	assert_int_equal(sysctl_path("kernel.msgmax", path, 13), -ENAMETOOLONG);
	assert_int_equal(sysctl_path("kernel.msgmax", path, 14), 0);
}

static void values_reach_the_own_namespaces(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct error err = ERROR_INIT;
		struct key_value parameters[] = { { TEXT("kernel.msgmax"), TEXT("4321") },
			{ TEXT("net.ipv4.ip_forward"), TEXT("1") } };
		struct key_value missing = { TEXT("kernel.none"), TEXT("1") };
		char text[16] = "";

		if (unshare(CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS) < 0)
			_exit(1);
		int procfs = path_open_procfs(&err);
		if (sysctl_apply(procfs, &(struct key_value_list){ parameters, 2 }, &err) < 0)
			_exit(2);
		int fd = openat(procfs, "sys/kernel/msgmax", O_RDONLY);
		if (read(fd, text, sizeof(text) - 1) < 0 || strcmp(text, "4321\n") != 0)
			_exit(3);
		if (sysctl_apply(procfs, &(struct key_value_list){ &missing, 1 }, &err) != -ENOENT)
			_exit(4);
		if (strstr(err.message, "linux.sysctl: set kernel.none to \"1\"") == NULL)
			_exit(5);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void lists_of_numbers(void **state)
{
	unsigned long bits[4] = { 0 };
	static const char *const wrong[] = { "", ",", "1,", ",1", "1-", "-1", "2-1", "a", "1 ",
		" 1", "+1", "0x1", "1--2", "1-2-3", "99999999999999999999999" };

	(void)state;
	assert_int_equal(number_list_parse("0-3,64,7", bits, 256), 2);
	assert_int_equal(bits[0], 0x8f);
	assert_int_equal(bits[1], 1);
	memset(bits, 0, sizeof(bits));
	assert_int_equal(number_list_parse("255", bits, 256), 4);
	assert_true(bits[3] == 1UL << 63);
	assert_int_equal(number_list_parse("256", bits, 256), -ERANGE);
	assert_int_equal(number_list_parse("0-999999999", bits, 256), -ERANGE);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (number_list_parse(wrong[i], bits, 256) != -EINVAL)
			fail_msg("\"%s\" was taken", wrong[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_become_paths),
		cmocka_unit_test(values_reach_the_own_namespaces),
		cmocka_unit_test(lists_of_numbers),
	};

	return cmocka_run_group_tests_name("sysctl", tests, NULL, NULL);
}
