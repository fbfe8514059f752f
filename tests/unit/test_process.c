/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from privileged to the user's program, walked for real: in a child with a mount namespace
 * and a root of its own, with Debian's static busybox as the program. Needs root.
 */
#include "runtime/ns/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/oci.h"
#include "lib/error.h"
#include "tests/unit/process_walk.h"

#define DEFAULT_CAPABILITIES                                             \
	{                                                                \
		.set = true, .bounding = CAP(CAP_CHOWN) | CAP(CAP_KILL), \
		.effective = CAP(CAP_CHOWN) | CAP(CAP_KILL),             \
		.permitted = CAP(CAP_CHOWN) | CAP(CAP_KILL),             \
	}

static void root_keeps_what_it_is_given(void **state)
{
	struct walk walk = { .process = { .args = LIST("cat", "/proc/self/status"),
				     .capabilities = DEFAULT_CAPABILITIES } };

	(void)state;
	walk.process.capabilities.ambient = CAP(CAP_KILL);
	walk_it(&walk);
	assert_int_equal(walk.status, 0);
	assert_null(strstr(walk.output, "warning"));
	assert_contains(&walk, "Uid:\t0\t0\t0\t0\n");
	assert_contains(&walk, "CapInh:\t0000000000000000\n");
	assert_contains(&walk, "CapPrm:\t0000000000000021\n");
	assert_contains(&walk, "CapEff:\t0000000000000021\n");
	assert_contains(&walk, "CapBnd:\t0000000000000021\n");
	assert_contains(&walk, "CapAmb:\t0000000000000000\n");
	assert_contains(&walk, "NoNewPrivs:\t0\n");
	assert_contains(&walk, "Umask:\t0022\n");
}

static void a_user_has_ids_groups_and_ambient_capabilities(void **state)
{
	gid_t groups[] = { 5, 2147483648U, 4294967294U };
	struct walk walk = { .process = { .args = LIST("cat", "/proc/self/status"),
				     .user = { .uid = 4294967294U,
					     .gid = 2147483648U,
					     .umask = { true, 0077 },
					     .additional_gids = groups,
					     .n_additional_gids = 3 },
				     .no_new_privileges = true,
				     .capabilities = { .set = true,
					     .bounding = CAP(CAP_NET_RAW) | CAP(CAP_KILL),
					     .permitted = CAP(CAP_NET_RAW) | CAP(CAP_KILL),
					     .effective = CAP(CAP_NET_RAW),
					     .inheritable = CAP(CAP_NET_RAW),
					     .ambient = CAP(CAP_NET_RAW) | CAP(CAP_KILL) } } };

	(void)state;
	walk_it(&walk);
	assert_int_equal(walk.status, 0);
	assert_contains(&walk, "Uid:\t4294967294\t4294967294\t4294967294\t4294967294\n");
	assert_contains(&walk, "Gid:\t2147483648\t2147483648\t2147483648\t2147483648\n");
	assert_contains(&walk, "Groups:\t5 2147483648 4294967294");
	assert_contains(&walk, "CapInh:\t0000000000002000\n");
	assert_contains(&walk, "CapEff:\t0000000000002000\n");
	assert_contains(&walk, "CapAmb:\t0000000000002000\n");
	assert_contains(&walk, "CapBnd:\t0000000000002020\n");
	assert_contains(&walk, "NoNewPrivs:\t1\n");
	assert_contains(&walk, "Umask:\t0077\n");
	/* Ambient without inheritable cannot be. */
	assert_contains(&walk, "warning: process.capabilities");
	assert_contains(&walk, "cap_kill");
}

static void a_user_without_capabilities_has_none(void **state)
{
	struct walk walk = { .process = { .args = LIST("cat", "/proc/self/status"),
				     .user = { .uid = 1000, .gid = 1000 } } };

	(void)state;
	walk_it(&walk);
	assert_int_equal(walk.status, 0);
	assert_contains(&walk, "Groups:\t \n");
	assert_contains(&walk, "CapPrm:\t0000000000000000\n");
	assert_contains(&walk, "CapBnd:\t0000000000000000\n");
}

static void a_capability_that_is_missing_is_a_warning(void **state)
{
	struct walk walk = { .process = { .args = LIST("cat", "/proc/self/status"),
				     .capabilities = { .set = true,
					     .bounding = ~UINT64_C(0),
					     .permitted = CAP(CAP_KILL) | UINT64_C(1) << 63,
					     .effective = CAP(CAP_KILL) | UINT64_C(1) << 63,
					     .unknown = LIST("CAP_FLY") } } };

	(void)state;
	walk_it(&walk);
	assert_int_equal(walk.status, 0);
	assert_contains(&walk, "CAP_FLY is not known here");
	assert_contains(&walk, "not granted");
}

static void environment_has_home_and_extra(void **state)
{
	const char *const extra[] = { "LISTEN_FDS=1", "A=new", NULL };
	struct walk walk = { .process = { .args = LIST("env"),
				     .user = { .uid = 1000, .gid = 1000 },
				     .env = LIST("PATH=/nowhere:/only", "A=old", "AB=keep") },
		.extra_env = extra };

	(void)state;
	setenv("CALLERS_OWN", "secret", 1);
	walk_it(&walk);
	assert_int_equal(walk.status, 0);
	assert_string_equal(
		walk.output, "PATH=/nowhere:/only\nAB=keep\nLISTEN_FDS=1\nA=new\nHOME=/home\n");
}

static void environment_has_each_name_once(void **state)
{
	struct walk walk = { .process = { .args = LIST("env"),
				     .env = LIST("A=1", "PATH=/nowhere:/only", "AB=2", "A=3",
					     "HOME=/h", "ABC=4", "A=5", "AB=6") } };

	(void)state;
	walk_it(&walk);
	assert_int_equal(walk.status, 0);
	assert_string_equal(walk.output, "PATH=/nowhere:/only\nHOME=/h\nABC=4\nA=5\nAB=6\n");
}

static void home_is_root_or_what_is_given(void **state)
{
	struct walk unknown = { .process = { .args = LIST("sh", "-c", "echo $HOME"),
					.user = { .uid = 77, .gid = 77 } } };
	struct walk given = { .process = { .args = LIST("sh", "-c", "echo $HOME"),
				      .env = LIST("HOME=/given") } };
	struct walk empty = { .process = { .args = LIST("sh", "-c", "echo $HOME"),
				      .user = { .uid = 1001, .gid = 77 },
				      .env = LIST("HOME=/given", "HOME=") } };
	struct walk last = { .process = { .args = LIST("sh", "-c", "echo $HOME"),
				     .user = { .uid = 1001, .gid = 77 } } };

	(void)state;
	walk_it(&unknown);
	assert_string_equal(unknown.output, "/\n");
	walk_it(&given);
	assert_string_equal(given.output, "/given\n");
	walk_it(&last);
	assert_string_equal(last.output, "/last\n");
	walk_it(&empty);
	assert_string_equal(empty.output, "/last\n");
}

static void replace_passwd_by_fifo(void)
{
	must(unlink("/etc/passwd"), "unlink");
	must(mkfifo("/etc/passwd", 0666), "mkfifo");
}

static void a_passwd_that_is_no_file_is_not_opened(void **state)
{
	struct walk walk = { .process = { .args = LIST("sh", "-c", "echo $HOME") },
		.before = replace_passwd_by_fifo };

	(void)state;
	walk_it(&walk);
	assert_string_equal(walk.output, "/\n");
}

static void programs_that_cannot_be_say_why(void **state)
{
	struct walk missing = { .process.args = LIST("no-such") };
	struct walk missing_path = { .process.args = LIST("/no/such") };
	struct walk directory = { .process.args = LIST("/bin") };
	struct walk data = { .process.args = LIST("data") };
	struct walk script = { .process.args = LIST("script") };
	struct walk garbage = { .process.args = LIST("garbage") };
	struct walk unreachable = { .process = { .args = LIST("/root/x"),
					    .user = { .uid = 1000, .gid = 1000 } } };

	(void)state;
	expect_failure(&missing, ENOENT, "exec no-such: executable file not found in $PATH");
	expect_failure(&missing_path, ENOENT, "exec /no/such: no such file or directory");
	expect_failure(&directory, EACCES, "exec /bin: permission denied: it is a directory");
	expect_failure(&data, EACCES, "/bin/data: permission denied");
	expect_failure(&script, ENOENT, "the interpreter that it names does not exist");
	expect_failure(&garbage, ENOEXEC, "not a program of this machine's kind");
	expect_failure(&unreachable, EACCES, "permission denied");
}

static void open_host_directory(void)
{
	must(dup2(host_root, 9), "dup2");
}

static void working_directories(void **state)
{
	struct walk plain = { .process = {
				      .args = LIST("sh", "-c", "pwd"), .cwd = TEXT("/home") } };
	struct walk made = { .process = { .args = LIST("sh", "-c", "pwd"),
				     .cwd = TEXT("/new/../a/b") } };
	struct walk exec = { .process = { .args = LIST("sh", "-c", "pwd"), .cwd = TEXT("/new") },
		.exec = true };
	struct walk file = { .process = { .args = LIST("sh"), .cwd = TEXT("/bin/data") } };

	(void)state;
	walk_it(&plain);
	assert_string_equal(plain.output, "/home\n");
	walk_it(&made);
	assert_string_equal(made.output, "/a/b\n");
	expect_failure(&exec, ENOENT, "process.cwd: enter /new");
	expect_failure(&file, ENOTDIR, "process.cwd: enter /bin/data");
}

static void cve_2024_21626_cwd_through_a_descriptor(void **state)
{
	(void)state;
	for (int fd = 3; fd < 12; fd++) {
		char cwd[32];
		struct walk walk = { .process = { .args = LIST("sh", "-c", "pwd; ls .."),
					     .cwd = cwd },
			.before = open_host_directory,
			.exec = true };

		snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", fd);
		walk_it(&walk);
		assert_in_range(walk.status, 101, 255);
		assert_contains(&walk, "process.cwd");
	}
}

static void open_descriptors(void)
{
	int null = open("/bin/data", O_RDONLY);

	must(null, "open");
	for (int fd = 3; fd < 12; fd++) {
		if (fd != null)
			must(dup2(null, fd), "dup2");
	}
}

static void only_passed_descriptors_reach_the_program(void **state)
{
	struct walk none = { .process.args = LIST("ls", "/proc/self/fd"),
		.before = open_descriptors };
	struct walk two = none;

	(void)state;
	two.extra_fds = 2;
	walk_it(&none);
	/* The last is ls's own. */
	assert_string_equal(none.output, "0\n1\n2\n3\n");
	walk_it(&two);
	assert_string_equal(two.output, "0\n1\n2\n3\n4\n5\n");
}

static void rootless(void **state)
{
	gid_t group = 7;
	struct walk plain = { .process = { .args = LIST("cat", "/proc/self/status"),
				      .oom_score_adj = { true, -500 },
				      .capabilities = DEFAULT_CAPABILITIES },
		.rootless = true,
		.keep_oom_score = true };
	struct walk groups = {
		.process = { .args = LIST("sh"),
			.user = { .additional_gids = &group, .n_additional_gids = 1 } },
		.rootless = true
	};
	struct walk user = { .process = { .args = LIST("sh"), .user = { .uid = 5 } },
		.rootless = true };
	struct walk gid = { .process = { .args = LIST("sh"), .user = { .gid = 5 } },
		.rootless = true };
	struct walk score = { .process = { .args = LIST("sh"), .oom_score_adj = { true, -500 } },
		.rootless = true };

	struct walk higher = { .process = { .args = LIST("cat", "/proc/self/oom_score_adj"),
				       .oom_score_adj = { true, 500 } },
		.rootless = true };

	(void)state;
	walk_it(&higher);
	assert_string_equal(higher.output, "500\n");
	walk_it(&plain);
	assert_int_equal(plain.status, 0);
	assert_contains(&plain, "Uid:\t0\t0\t0\t0\n");
	assert_contains(&plain, "CapEff:\t0000000000000021\n");
	expect_failure(&groups, EPERM, "this user namespace may not set groups");
	expect_failure(&user, EINVAL, "linux.uidMappings does not map it");
	expect_failure(&gid, EINVAL, "linux.gidMappings does not map it");
	expect_failure(&score, EACCES, "lowering it needs CAP_SYS_RESOURCE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_keeps_what_it_is_given),
		cmocka_unit_test(a_user_has_ids_groups_and_ambient_capabilities),
		cmocka_unit_test(a_user_without_capabilities_has_none),
		cmocka_unit_test(a_capability_that_is_missing_is_a_warning),
		cmocka_unit_test(environment_has_home_and_extra),
		cmocka_unit_test(environment_has_each_name_once),
		cmocka_unit_test(home_is_root_or_what_is_given),
		cmocka_unit_test(a_passwd_that_is_no_file_is_not_opened),
		cmocka_unit_test(programs_that_cannot_be_say_why),
		cmocka_unit_test(working_directories),
		cmocka_unit_test(cve_2024_21626_cwd_through_a_descriptor),
		cmocka_unit_test(only_passed_descriptors_reach_the_program),
		cmocka_unit_test(rootless),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
