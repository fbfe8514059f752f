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
#include "lib/log.h"
#include "runtime/ns/credentials.h"
#include "runtime/ns/intel_rdt.h"
#include "runtime/ns/path.h"
#include "runtime/ns/seccomp.h"

/* The decoded config owns its strings; literals stand in for them, and nobody writes to them. */
#define TEXT(literal) ((char *)(literal))
#define CAP(name) (UINT64_C(1) << (name))
#define LIST(...)                                                                       \
	{                                                                               \
		.items = (char **)(const char *const[]){ __VA_ARGS__, NULL },           \
		.count = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), \
	}

/* What a test asks for, and what came of it. */
struct walk {
	struct oci_process process;
	struct oci_linux linux;
	struct oci_seccomp *seccomp;
	bool exec;
	bool rootless; /* user 1000's, in a user namespace that maps only it, as root */
	bool keep_oom_score;
	size_t extra_fds;
	const char *const *extra_env;
	void (*before)(void); /* in the child, in the root, still privileged */
	char output[16384];   /* standard output of the program, or the error */
	int status;	      /* exit status; 100 + errno when it never became the program */
};

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(99);
	fchmod(fd, mode);
	close(fd);
}

static void must(int status, const char *what)
{
	if (status < 0) {
		perror(what);
		_exit(99);
	}
}

static void warn_on_stdout(enum log_level level, const char *message, void *data)
{
	(void)data;
	if (level <= LOG_LEVEL_WARNING)
		dprintf(1, "warning: %s\n", message);
}

static int host_root; /* in the child: a directory outside of its root */

static void make_root(void)
{
	int busybox = open("/bin/busybox", O_RDONLY | O_CLOEXEC);
	struct stat st;

	must(busybox, "busybox-static");
	must(unshare(CLONE_NEWNS), "unshare");
	host_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "private");
	must(mount("tmpfs", "/mnt", "tmpfs", 0, NULL), "tmpfs");
	must(chdir("/mnt"), "chdir");
	must(mkdir("bin", 0755) | mkdir("etc", 0755) | mkdir("proc", 0755) | mkdir("home", 0755) |
			mkdir("only", 0755) | mkdir("root", 0700),
		"mkdir");
	must(mount("proc", "proc", "proc", 0, NULL), "proc");
	int copy = open("bin/busybox", O_WRONLY | O_CREAT, 0755);
	must(fstat(busybox, &st), "fstat");
	for (off_t left = st.st_size; left > 0;) {
		ssize_t n = copy_file_range(busybox, NULL, copy, NULL, (size_t)left, 0);

		if (n <= 0) {
			char buffer[65536];

			n = read(busybox, buffer, sizeof(buffer));
			if (n <= 0 || write(copy, buffer, (size_t)n) != n)
				_exit(99);
		}
		left -= n;
	}
	close(copy);
	close(busybox);
	must(symlink("busybox", "bin/sh") | symlink("busybox", "bin/cat") |
			symlink("busybox", "bin/ls") | symlink("busybox", "bin/cut") |
			symlink("../bin/busybox", "only/env"),
		"symlink");
	write_file("etc/passwd",
		"root:x:0:0:root:/root:/bin/sh\nbroken\nuser:x:1000:1000::/home:/bin/sh\n"
		"last:x:1001:1001::/last",
		0644);
	write_file("bin/data", "data", 0644);
	write_file("bin/script", "#!/bin/missing\n", 0755);
	write_file("bin/garbage", "\x01garbage", 0755);
	must(chroot("."), "chroot");
	must(chdir("/"), "chdir");
}

static void enter_user_namespace(void)
{
	int status;

	/* A group that nobody in the namespace can drop again. */
	must(setgroups(1, (gid_t[]){ 44 }), "setgroups");
	must(setresgid(1000, 1000, 1000), "setresgid");
	must(setresuid(1000, 1000, 1000), "setresuid");
	must(prctl(PR_SET_DUMPABLE, 1), "dumpable");
	must(unshare(CLONE_NEWUSER | CLONE_NEWPID), "unshare user");
	write_file("/proc/self/setgroups", "deny", 0);
	write_file("/proc/self/uid_map", "0 1000 1", 0);
	write_file("/proc/self/gid_map", "0 1000 1", 0);
	pid_t pid = fork();
	if (pid != 0) {
		must(waitpid(pid, &status, 0), "waitpid");
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 98);
	}
}

static void walk_child(struct walk *walk)
{
	if (walk->rootless)
		enter_user_namespace();
	struct error err = ERROR_INIT;
	struct seccomp_filter filter = { 0 };
	char *program;
	int listener = -1;

	log_set_sink(warn_on_stdout, NULL, LOG_LEVEL_WARNING);
	make_root();
	if (walk->before != NULL)
		walk->before();
	struct process_setup setup = {
		.process = &walk->process,
		.linux = &walk->linux,
		.procfs = path_open_procfs(&err),
		.exec = walk->exec,
		.keep_oom_score = walk->keep_oom_score,
		.extra_fds = walk->extra_fds,
		.extra_env = walk->extra_env,
	};
	int status = setup.procfs;
	if (status >= 0 && walk->seccomp != NULL) {
		status = seccomp_filter_get(walk->seccomp, -1, &filter, &err);
		setup.seccomp = &filter;
	}
	if (status >= 0)
		status = process_prepare(&setup, &program, &listener, &err);
	if (status >= 0)
		status = process_execute(&setup, program, &err);
	dprintf(1, "%s\n", err.message);
	_exit(100 - status);
}

static void walk_it(struct walk *walk)
{
	int pipes[2];
	size_t used = 0;
	ssize_t n;

	if (walk->process.cwd == NULL)
		walk->process.cwd = TEXT("/");
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(pipes[1], 1);
		walk_child(walk);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], walk->output + used, sizeof(walk->output) - 1 - used)) > 0)
		used += (size_t)n;
	walk->output[used] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &walk->status, 0), pid);
	walk->status = WIFEXITED(walk->status) ? WEXITSTATUS(walk->status)
					       : 1000 + WTERMSIG(walk->status);
}

static void assert_contains(const struct walk *walk, const char *text)
{
	if (strstr(walk->output, text) == NULL)
		fail_msg("\"%s\" is not in (status %d):\n%s", text, walk->status, walk->output);
}

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

static void home_is_root_or_what_is_given(void **state)
{
	struct walk unknown = { .process = { .args = LIST("sh", "-c", "echo $HOME"),
					.user = { .uid = 77, .gid = 77 } } };
	struct walk given = { .process = { .args = LIST("sh", "-c", "echo $HOME"),
				      .env = LIST("HOME=/given") } };
	struct walk last = { .process = { .args = LIST("sh", "-c", "echo $HOME"),
				     .user = { .uid = 1001, .gid = 77 } } };

	(void)state;
	walk_it(&unknown);
	assert_string_equal(unknown.output, "/\n");
	walk_it(&given);
	assert_string_equal(given.output, "/given\n");
	walk_it(&last);
	assert_string_equal(last.output, "/last\n");
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

static void expect_failure(struct walk *walk, int errnum, const char *text)
{
	walk_it(walk);
	assert_int_equal(walk->status, 100 + errnum);
	assert_contains(walk, text);
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
	expect_failure(&missing, ENOENT, "execute no-such: executable file not found in $PATH");
	expect_failure(&missing_path, ENOENT, "execute /no/such: No such file");
	expect_failure(&directory, EACCES, "execute /bin: permission denied: it is a directory");
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

static void limits_are_set(void **state)
{
	struct oci_rlimit limits[] = { { RLIMIT_NOFILE, 77, 99 }, { RLIMIT_CORE, 0, 0 } };
	struct walk walk = { .process = { .args = LIST("sh", "-c",
						  "ulimit -n; ulimit -Hn; ulimit -c; "
						  "cat /proc/self/oom_score_adj; "
						  "cut -d' ' -f19 /proc/self/stat; uname -m"),
				     .rlimits = limits,
				     .n_rlimits = 2,
				     .oom_score_adj = { true, 321 },
				     .scheduler = { .set = true, .policy = SCHED_OTHER, .nice = 7 },
				     .io_priority = { .set = true, .class = 2, .priority = 5 } },
		.linux.personality = { true, 8 /* PER_LINUX32 */ } };

	(void)state;
	walk_it(&walk);
	assert_int_equal(walk.status, 0);
	assert_contains(&walk, "77\n99\n0\n321\n7\ni686\n");
}

static void places_are_taken(void **state)
{
	static const struct {
		struct oci_scheduler scheduler;
		const char *shown; /* priority, nice, real-time priority and policy of stat */
	} cases[] = {
		{ { .policy = SCHED_BATCH, .nice = 3 }, "23 3 0 3\n" },
		{ { .policy = SCHED_IDLE }, "20 0 0 5\n" },
		{ { .policy = SCHED_FIFO, .priority = 10 }, "-11 0 10 1\n" },
		{ { .policy = SCHED_RR, .priority = 20, .flags = 1 }, "20 0 0 0\n" },
		{ { .policy = 6, .runtime = 1000000, .deadline = 5000000, .period = 10000000 },
			"-101 0 0 6\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		/* In a child, which SCHED_FLAG_RESET_ON_FORK takes back to normal. */
		bool forks = cases[i].scheduler.policy == SCHED_RR;
		struct string_list itself = LIST("cut", "-d ", "-f18,19,40,41", "/proc/self/stat");
		struct string_list child = LIST(
			"sh", "-c", "cut -d' ' -f18,19,40,41 /proc/self/stat; true");
		struct walk walk = { .process = { .args = forks ? child : itself,
					     .scheduler = cases[i].scheduler } };

		walk.process.scheduler.set = true;
		walk_it(&walk);
		assert_string_equal(walk.output, cases[i].shown);
	}
	struct walk affinity = { .process = { .args = LIST("cat", "/proc/self/status"),
					 .exec_cpu_affinity = { TEXT("0-1"), TEXT("1") } },
		.exec = true };
	walk_it(&affinity);
	assert_contains(&affinity, "Cpus_allowed_list:\t1\n");
	affinity.exec = false;
	walk_it(&affinity);
	assert_null(strstr(affinity.output, "Cpus_allowed_list:\t1\n"));
	affinity.exec = true;
	affinity.process.exec_cpu_affinity.final = TEXT("8000");
	expect_failure(&affinity, EINVAL, "none of the CPUs \"8000\"");
}

static void memory_policies(void **state)
{
	struct walk walk = { .process.args = LIST("cat", "/proc/self/numa_maps"),
		.linux.memory_policy = {
			.set = true, .mode = 2 /* MPOL_BIND */, .nodes = TEXT("0") } };
	struct walk wrong = { .process.args = LIST("sh"),
		.linux.memory_policy = { .set = true, .mode = 2, .nodes = TEXT("0-") } };

	(void)state;
	expect_failure(&wrong, EINVAL, "linux.memoryPolicy.nodes");
	walk_it(&walk);
	if (walk.status == 100 + ENOSYS || strstr(walk.output, "numa_maps") != NULL)
		skip(); /* a kernel without NUMA */
	assert_contains(&walk, " bind:0 ");
}

static void drop_resource_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	extern int capget(cap_user_header_t, cap_user_data_t);
	extern int capset(cap_user_header_t, const cap_user_data_t);

	must(capget(&header, data), "capget");
	data[0].effective &= ~(uint32_t)CAP(CAP_SYS_RESOURCE);
	data[0].permitted &= ~(uint32_t)CAP(CAP_SYS_RESOURCE);
	must(capset(&header, data), "capset");
}

static void raising_a_hard_limit_says_what_it_needs(void **state)
{
	struct oci_rlimit limits[] = { { RLIMIT_NOFILE, 1000, 900000000 } };
	struct walk walk = { .process = { .args = LIST("sh"), .rlimits = limits, .n_rlimits = 1 },
		.before = drop_resource_capability };

	(void)state;
	walk_it(&walk);
	assert_true(walk.status == 100 + EPERM);
	assert_contains(&walk, "RLIMIT_NOFILE");
}

static struct oci_seccomp forbid_chmod = {
	.set = true,
	.default_action = TEXT("SCMP_ACT_ALLOW"),
	.syscalls = (struct oci_seccomp_rule[]){ { .names = LIST("chmod", "fchmodat", "fchmodat2"),
		.action = TEXT("SCMP_ACT_ERRNO"),
		.errno_ret = { true, EDOM } } },
	.n_syscalls = 1,
};

static void filters_are_loaded_with_and_without_privilege(void **state)
{
	(void)state;
	for (int no_new_privileges = 0; no_new_privileges < 2; no_new_privileges++) {
		struct walk walk = {
			.process = { .args = LIST("sh", "-c",
					     "busybox chmod 1 /home 2>&1; "
					     "busybox grep -E 'Seccomp:|NoNewPrivs|CapEff' "
					     "/proc/self/status"),
				.user = { .uid = 1000, .gid = 1000 },
				.no_new_privileges = no_new_privileges },
			.seccomp = &forbid_chmod
		};

		walk_it(&walk);
		assert_int_equal(walk.status, 0);
		assert_contains(&walk, "Numerical argument out of domain");
		assert_contains(&walk, "Seccomp:\t2\n");
		assert_contains(&walk, "CapEff:\t0000000000000000\n");
		assert_contains(&walk, no_new_privileges ? "NoNewPrivs:\t1" : "NoNewPrivs:\t0");
	}
}

static struct oci_seccomp forbid_the_way = {
	.set = true,
	.default_action = TEXT("SCMP_ACT_ALLOW"),
	.syscalls =
		(struct oci_seccomp_rule[]){
			{ .names = LIST("setresuid", "setresgid", "setgroups", "chdir", "fchdir",
				  "openat2", "close_range", "stat", "faccessat2", "setrlimit"),
				.action = TEXT("SCMP_ACT_KILL_PROCESS") } },
	.n_syscalls = 1,
};

static void a_filter_may_forbid_what_the_runtime_did_before(void **state)
{
	(void)state;
	for (int no_new_privileges = 0; no_new_privileges < 2; no_new_privileges++) {
		struct walk walk = { .process = { .args = LIST("cat", "/bin/data"),
					     .user = { .uid = 1000, .gid = 1000 },
					     .no_new_privileges = no_new_privileges },
			.seccomp = &forbid_the_way };

		walk_it(&walk);
		assert_int_equal(walk.status, 0);
		assert_string_equal(walk.output, "data");
	}
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

static void schemata_are_compared(void **state)
{
	static const char text[] = "    MB:0= 100;1= 100\n    L3:0=07ff;1=1f\nL2:0=f\n";
	struct oci_intel_rdt rdt = { .set = true };
	struct error err = ERROR_INIT;

	(void)state;
	assert_true(intel_rdt_schemata_hold(text, "L3:0=7ff;1=1f"));
	assert_true(intel_rdt_schemata_hold(text, "L3:0=7ff;1=001f"));
	assert_true(intel_rdt_schemata_hold(text, "L2:0=f"));
	assert_true(intel_rdt_schemata_hold(text, "MB:0=100;1=100"));
	assert_false(intel_rdt_schemata_hold(text, "L3:0=7ff"));
	assert_false(intel_rdt_schemata_hold(text, "L3:0=7ff;1=1"));
	assert_false(intel_rdt_schemata_hold(text, "L3:0=7ff;1=1f;2=0"));
	assert_false(intel_rdt_schemata_hold("", "L2:0=f"));
	if (intel_rdt_available())
		return;
	assert_int_equal(intel_rdt_apply(&rdt, "c", "c", getpid(), &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "linux.intelRdt: no resctrl"));
	assert_int_equal(intel_rdt_remove("c", "c", &err), 0);
}

static void labels_that_cannot_be_are_errors(void **state)
{
	struct walk walk = { .process = { .args = LIST("sh"),
				     .apparmor_profile = TEXT("no-such-profile") } };

	(void)state;
	int procfs = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (label_apparmor_available(procfs))
		expect_failure(&walk, ENOENT, "take on profile \"no-such-profile\" (is it loaded?");
	else
		expect_failure(&walk, EOPNOTSUPP, "AppArmor is not enabled");
	if (!label_selinux_available(procfs)) {
		walk.process.apparmor_profile = NULL;
		walk.process.selinux_label = TEXT("u:r:t:s0");
		expect_failure(&walk, EOPNOTSUPP, "SELinux is not enabled");
	}
	close(procfs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_keeps_what_it_is_given),
		cmocka_unit_test(a_user_has_ids_groups_and_ambient_capabilities),
		cmocka_unit_test(a_user_without_capabilities_has_none),
		cmocka_unit_test(a_capability_that_is_missing_is_a_warning),
		cmocka_unit_test(environment_has_home_and_extra),
		cmocka_unit_test(home_is_root_or_what_is_given),
		cmocka_unit_test(a_passwd_that_is_no_file_is_not_opened),
		cmocka_unit_test(programs_that_cannot_be_say_why),
		cmocka_unit_test(working_directories),
		cmocka_unit_test(cve_2024_21626_cwd_through_a_descriptor),
		cmocka_unit_test(only_passed_descriptors_reach_the_program),
		cmocka_unit_test(limits_are_set),
		cmocka_unit_test(places_are_taken),
		cmocka_unit_test(memory_policies),
		cmocka_unit_test(schemata_are_compared),
		cmocka_unit_test(raising_a_hard_limit_says_what_it_needs),
		cmocka_unit_test(filters_are_loaded_with_and_without_privilege),
		cmocka_unit_test(a_filter_may_forbid_what_the_runtime_did_before),
		cmocka_unit_test(rootless),
		cmocka_unit_test(labels_that_cannot_be_are_errors),
	};

	return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
