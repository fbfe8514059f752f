/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/oci.h"
#include "lib/error.h"
#include "lib/log.h"

#define STATE "{\"id\":\"c1\"}"
#define TEXT(literal) ((char *)(literal))

static char directory[] = "/tmp/caisson-test-hooks-XXXXXX";
static char logged[65536];

static void collect(enum log_level level, const char *message, void *data)
{
	(void)data;
	size_t used = strlen(logged);
	snprintf(logged + used, sizeof(logged) - used, "%d:%s\n", level, message);
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	log_set_sink(collect, NULL, LOG_LEVEL_DEBUG);
	return chdir(directory);
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

/* A hook that is a line of shell. */
static struct oci_hook shell(char **args, const char *script)
{
	args[0] = TEXT("hook-name");
	args[1] = TEXT("-c");
	args[2] = TEXT(script);
	args[3] = NULL;
	return (struct oci_hook){ .path = TEXT("/bin/sh"), .args = { args, 3 } };
}

static int run_shell(const char *script, struct error *err)
{
	char *args[4];
	struct oci_hook hook = shell(args, script);
	struct oci_hook_list list = { &hook, 1 };

	logged[0] = '\0';
	return hooks_run(&list, "createRuntime", STATE, -EBADF, false, err);
}

static const char *read_result(const char *name)
{
	static char text[4096];
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static void state_is_on_standard_input(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(run_shell("cat >state", &err), 0);
	assert_string_equal(read_result("state"), STATE);
	/* One that never reads it is no failure. */
	assert_int_equal(run_shell("exit 0", &err), 0);
}

static void arguments_and_environment_are_exact(void **state)
{
	struct error err = ERROR_INIT;
	char *args[] = { TEXT("zero"), TEXT("-c"), TEXT("/usr/bin/env >env; echo $0 >name"), NULL };
	char *env[] = { TEXT("A=1"), TEXT("B=x y"), NULL };
	struct oci_hook hooks[] = { { .path = TEXT("/bin/sh"), .args = { args, 3 } } };
	struct oci_hook_list list = { hooks, 1 };

	(void)state;
	setenv("SECRET", "of-the-caller", 1);
	assert_int_equal(hooks_run(&list, "prestart", STATE, -EBADF, false, &err), 0);
	assert_string_equal(read_result("name"), "zero\n");
	assert_null(strstr(read_result("env"), "SECRET"));
	assert_null(strstr(read_result("env"), "A="));

	hooks[0].env = (struct string_list){ env, 2 };
	assert_int_equal(hooks_run(&list, "prestart", STATE, -EBADF, false, &err), 0);
	assert_non_null(strstr(read_result("env"), "A=1\n"));
	assert_non_null(strstr(read_result("env"), "B=x y\n"));
	assert_null(strstr(read_result("env"), "SECRET"));
}

static void nothing_of_the_caller_leaks(void **state)
{
	struct error err = ERROR_INIT;
	sigset_t blocked, before;
	int leaked = open("/", O_RDONLY);

	(void)state;
	assert_true(leaked >= 0);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	signal(SIGUSR1, SIG_IGN);
	assert_int_equal(run_shell("ls /proc/self/fd >fds; grep -E 'Sig(Blk|Ign)' "
				   "/proc/self/status >signals; "
				   "cut -d' ' -f4,5 /proc/self/stat >group",
				 &err),
		0);
	signal(SIGUSR1, SIG_DFL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	close(leaked);
	/* 3 is ls's own. */
	assert_string_equal(read_result("fds"), "0\n1\n2\n3\n");
	unsigned long long mask, ignored;
	assert_int_equal(
		sscanf(read_result("signals"), "SigBlk: %llx SigIgn: %llx", &mask, &ignored), 2);
	assert_int_equal(mask, 0);
	/* The C library keeps its two signals (32, 33) to itself. */
	assert_int_equal(ignored & 0x7fffffff, 0);
	/* cut's parent is the shell, which leads a process group of its own. */
	int parent, group;
	assert_int_equal(sscanf(read_result("group"), "%d %d", &parent, &group), 2);
	assert_int_equal(parent, group);
	assert_int_not_equal(group, getpgrp());
}

static void failures_carry_the_last_line(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(
		run_shell("echo out; echo first >&2; echo why >&2; exit 3", &err), -ECHILD);
	assert_string_equal(
		err.message, "hooks.createRuntime[0] (/bin/sh): exited with status 3: why");
	assert_non_null(strstr(logged, "3:hook hooks.createRuntime[0] (/bin/sh): out\n"));
	assert_non_null(strstr(logged, "first\n"));
	assert_int_equal(run_shell("kill -9 $$", &err), -ECHILD);
	assert_non_null(strstr(err.message, "killed by signal 9"));
	assert_int_equal(run_shell("printf 'no line feed' >&2; exit 1", &err), -ECHILD);
	assert_non_null(strstr(err.message, "status 1: no line feed"));
}

static void a_missing_hook_says_so(void **state)
{
	struct error err = ERROR_INIT;
	struct oci_hook hook = { .path = TEXT("/no/such/hook") };
	struct oci_hook_list list = { &hook, 1 };

	(void)state;
	assert_int_equal(hooks_run(&list, "poststop", STATE, -EBADF, false, &err), -ENOENT);
	assert_string_equal(err.message,
		"hooks.poststop[0] (/no/such/hook): execute it: No such "
		"file or directory");
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void a_timeout_kills_the_whole_group(void **state)
{
	struct error err = ERROR_INIT;
	char *args[4];
	struct oci_hook hook = shell(args, "sh -c 'echo $$ >child; sleep 60' & sleep 60");
	struct oci_hook_list list = { &hook, 1 };
	double start = seconds();

	(void)state;
	hook.timeout = (struct optional_i32){ true, 1 };
	assert_int_equal(hooks_run(&list, "createRuntime", STATE, -EBADF, false, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.message, "killed after its timeout of 1 s"));
	assert_true(seconds() - start < 5);
	int child = atoi(read_result("child"));
	assert_true(child > 1);
	for (int tries = 0; tries < 100 && kill(child, 0) == 0; tries++) {
		/* Until its new parent has reaped it, it may be a zombie. */
		char path[64];
		snprintf(path, sizeof(path), "/proc/%d/stat", child);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		char text[128] = "";
		if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0 || strstr(text, ") Z") != NULL) {
			if (fd >= 0)
				close(fd);
			return;
		}
		close(fd);
		usleep(10000);
		assert_int_not_equal(tries, 99);
	}
}

static void a_daemon_that_stays_does_not_hold_it_up(void **state)
{
	struct error err = ERROR_INIT;
	double start = seconds();

	(void)state;
	assert_int_equal(run_shell("sleep 20 & echo $! >daemon; echo done", &err), 0);
	assert_true(seconds() - start < 5);
	assert_non_null(strstr(logged, ": done\n"));
	kill(atoi(read_result("daemon")), SIGKILL);
}

static void order_and_failure_rules(void **state)
{
	struct error err = ERROR_INIT;
	char *args[3][4];
	struct oci_hook hooks[] = { shell(args[0], "echo 1 >>order"),
		shell(args[1], "echo 2 >>order; exit 1"), shell(args[2], "echo 3 >>order") };
	struct oci_hook_list list = { hooks, 3 };

	(void)state;
	assert_int_equal(hooks_run(&list, "createRuntime", STATE, -EBADF, false, &err), -ECHILD);
	assert_non_null(strstr(err.message, "createRuntime[1]"));
	assert_string_equal(read_result("order"), "1\n2\n");
	unlink("order");
	logged[0] = '\0';
	assert_int_equal(hooks_run(&list, "poststop", STATE, -EBADF, true, &err), -ECHILD);
	assert_string_equal(read_result("order"), "1\n2\n3\n");
	assert_non_null(strstr(logged, "1:hooks.poststop[1]"));
}

static void a_working_directory_may_be_given(void **state)
{
	struct error err = ERROR_INIT;
	char *args[4];
	char command[128];
	snprintf(command, sizeof(command), "pwd >%s/where", directory);
	struct oci_hook hook = shell(args, command);
	struct oci_hook_list list = { &hook, 1 };
	int dir = open("/usr", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(hooks_run(&list, "poststop", STATE, dir, false, &err), 0);
	close(dir);
	assert_string_equal(read_result("where"), "/usr\n");
}

static void much_output_is_no_problem(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	log_set_sink(collect, NULL, LOG_LEVEL_WARNING);
	assert_int_equal(run_shell("head -c 3000000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end "
				   ">&2; exit 1",
				 &err),
		-ECHILD);
	assert_non_null(strstr(err.message, "status 1: end"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(state_is_on_standard_input),
		cmocka_unit_test(arguments_and_environment_are_exact),
		cmocka_unit_test(nothing_of_the_caller_leaks),
		cmocka_unit_test(failures_carry_the_last_line),
		cmocka_unit_test(a_missing_hook_says_so),
		cmocka_unit_test(a_timeout_kills_the_whole_group),
		cmocka_unit_test(a_daemon_that_stays_does_not_hold_it_up),
		cmocka_unit_test(order_and_failure_rules),
		cmocka_unit_test(a_working_directory_may_be_given),
		cmocka_unit_test(much_output_is_no_problem),
	};

	return cmocka_run_group_tests_name("hooks", tests, set_up, tear_down);
}
