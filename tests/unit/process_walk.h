/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way from privileged to the user's program, walked for real: in a child with a mount namespace
 * and a root of its own, with Debian's static busybox as the program. Needs root.
 */
#pragma once

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
#include "runtime/ns/path.h"
#include "runtime/ns/process.h"
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

static inline void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(99);
	fchmod(fd, mode);
	close(fd);
}

static inline void must(int status, const char *what)
{
	if (status < 0) {
		perror(what);
		_exit(99);
	}
}

static inline void warn_on_stdout(enum log_level level, const char *message, void *data)
{
	(void)data;
	if (level <= LOG_LEVEL_WARNING)
		dprintf(1, "warning: %s\n", message);
}

static int host_root; /* in the child: a directory outside of its root */

static inline void make_root(void)
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

static inline void enter_user_namespace(void)
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

static inline void walk_child(struct walk *walk)
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

static inline void walk_it(struct walk *walk)
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

static inline void assert_contains(const struct walk *walk, const char *text)
{
	if (strstr(walk->output, text) == NULL)
		fail_msg("\"%s\" is not in (status %d):\n%s", text, walk->status, walk->output);
}

static inline void expect_failure(struct walk *walk, int errnum, const char *text)
{
	walk_it(walk);
	assert_int_equal(walk->status, 100 + errnum);
	assert_contains(walk, text);
}
