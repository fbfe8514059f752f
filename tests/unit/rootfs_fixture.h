/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of root file systems share. Every case runs in a process with namespaces of its
 * own, below a mount namespace that nothing leaves: nothing on the host changes. Needs root.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/magic.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/ns/path.h"
#include "runtime/ns/rootfs.h"

#define MOUNTS_MAX 24

static char top[] = "/tmp/test-rootfs-XXXXXX"; /* a directory; in the cases a tmpfs lies on it */

/* What a case is made of, and what it checks: all in processes that end with it. */
struct fixture {
	struct oci_config config;
	struct rootfs_options options;
	struct oci_mount mounts[MOUNTS_MAX];
	bool user_namespace;
	bool rootless;	   /* from beginning to end as an ordinary user */
	bool host_network; /* no network namespace of its own */
	enum { CONSOLE_NONE, CONSOLE_PTS, CONSOLE_NULL } console;
	int procfs, old_root;
	bool race; /* top/volume/way and top/volume/link change places all the time */
	void (*change)(struct fixture *fixture); /* before rootfs_prepare() */
	void (*check)(struct fixture *fixture);	 /* inside, after rootfs_enter() */
	const char *fails;			 /* a part of the expected error message */
	void (*after)(struct fixture *fixture);	 /* outside, at the end */
};

#define CHECK(condition)                                                                    \
	do {                                                                                \
		if (!(condition)) {                                                         \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #condition, \
				strerror(errno));                                           \
			_exit(1);                                                           \
		}                                                                           \
	} while (0)

static inline struct string_list make_words(const char *first, ...)
{
	struct string_list list = { calloc(16, sizeof(char *)), 0 };
	va_list args;

	va_start(args, first);
	for (const char *word = first; word != NULL; word = va_arg(args, const char *))
		list.items[list.count++] = (char *)word;
	va_end(args);
	return list;
}

#define words(...) make_words(__VA_ARGS__, (const char *)NULL)

static inline struct oci_mount *add_mount(
	struct fixture *f, const char *destination, const char *type, const char *source)
{
	struct oci_mount *mount = &f->mounts[f->config.n_mounts++];

	*mount = (struct oci_mount){
		.destination = (char *)destination,
		.type = (char *)type,
		.source = (char *)source,
	};
	return mount;
}

static inline const char *in_top(const char *format, ...)
{
	char *path = malloc(PATH_MAX);
	int length = snprintf(path, PATH_MAX, "%s/", top);
	va_list args;

	va_start(args, format);
	vsnprintf(path + length, (size_t)(PATH_MAX - length), format, args);
	va_end(args);
	return path;
}

static inline void write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static inline bool has_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buffer[256];
	ssize_t length = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer));

	return length == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)length) == 0;
}

/* The mounts of `caisson spec`. */
static inline void add_default_mounts(struct fixture *f)
{
	add_mount(f, "/proc", "proc", "proc");
	add_mount(f, "/dev", "tmpfs", "tmpfs")->options = words(
		"nosuid", "strictatime", "mode=755", "size=65536k");
	add_mount(f, "/dev/pts", "devpts", "devpts")->options = words(
		"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5");
	add_mount(f, "/dev/shm", "tmpfs", "shm")->options = words(
		"nosuid", "noexec", "nodev", "mode=1777", "size=65536k");
	add_mount(f, "/dev/mqueue", "mqueue", "mqueue")->options = words(
		"nosuid", "noexec", "nodev");
	add_mount(f, "/sys", "sysfs", "sysfs")->options = words("nosuid", "noexec", "nodev", "ro");
	add_mount(f, "/sys/fs/cgroup", "cgroup", "cgroup")->options = words(
		"nosuid", "noexec", "nodev", "relatime", "ro");
	f->config.linux.masked_paths = words("/proc/acpi", "/proc/kcore", "/proc/keys",
		"/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/sys/firmware",
		"/proc/scsi");
	f->config.linux.readonly_paths = words(
		"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger");
}

static struct oci_id_mapping container_ids = { 0, 100000, 65536 };

/* The host's id that is 0 in the container. */
static inline uid_t first_id(const struct fixture *f)
{
	return f->rootless ? 1000 : 100000;
}

static inline void set_up(struct fixture *f)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
	CHECK(mount("test", top, "tmpfs", 0, "mode=755") == 0);
	CHECK(mkdir(in_top("bundle"), 0755) == 0);
	CHECK(mkdir(in_top("bundle/rootfs"), 0755) == 0);
	if (f->user_namespace)
		CHECK(chown(in_top("bundle/rootfs"), first_id(f), first_id(f)) == 0);
	CHECK(mkdir(in_top("host"), 0755) == 0);
	f->config.root.set = true;
	f->config.root.path = (char *)"rootfs";
	f->config.mounts = f->mounts;
	f->config.linux.set = true;
	f->config.linux.namespaces[OCI_NAMESPACE_PID].set = true;
	if (f->user_namespace && !f->rootless) {
		f->config.linux.uid_mappings = (struct oci_id_mappings){ &container_ids, 1 };
		f->config.linux.gid_mappings = (struct oci_id_mappings){ &container_ids, 1 };
	}
	f->options = (struct rootfs_options){
		.config = &f->config,
		.bundle = in_top("bundle"),
		.user_namespace = f->user_namespace,
		.rootless = f->rootless,
		.mount_namespace = true,
		.cgroup_namespace = true,
		.network_namespace = !f->host_network,
	};
}

static inline void enter_ids(int ready)
{
	char c;

	CHECK(read(ready, &c, 1) == 1);
	CHECK(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
}

static inline int bind_console(struct fixture *f, struct rootfs *rootfs, struct error *err)
{
	int root = rootfs_fd(rootfs), unlock = 0;
	int ptmx = openat(root, f->console == CONSOLE_PTS ? "dev/pts/ptmx" : "dev/null",
		O_RDWR | O_NOCTTY | O_CLOEXEC);
	int pts = ptmx;

	CHECK(ptmx >= 0);
	if (f->console == CONSOLE_PTS) {
		CHECK(ioctl(ptmx, TIOCSPTLCK, &unlock) == 0);
		pts = ioctl(ptmx, TIOCGPTPEER, O_RDWR | O_NOCTTY);
		CHECK(pts >= 0);
	}
	return rootfs_bind_console(rootfs, pts, err);
}

static inline pid_t start_race(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid > 0)
		return pid;
	const char *way = in_top("volume/way"), *link = in_top("volume/link");

	for (;;)
		syscall(SYS_renameat2, AT_FDCWD, way, AT_FDCWD, link, RENAME_EXCHANGE);
}

static inline void container(struct fixture *f, struct rootfs *rootfs, int ready)
{
	struct error err = ERROR_INIT;
	int r;

	if (f->user_namespace)
		enter_ids(ready);
	CHECK(unshare(CLONE_NEWCGROUP) == 0);
	f->old_root = open("/", O_PATH | O_CLOEXEC);
	r = rootfs_mount(rootfs, &err);
	if (r >= 0)
		f->procfs = rootfs_take_procfs(rootfs);
	if (r >= 0 && f->console != CONSOLE_NONE)
		r = bind_console(f, rootfs, &err);
	if (r >= 0)
		r = rootfs_enter(rootfs, &err);
	if (f->fails != NULL) {
		if (r < 0 && strstr(err.message, f->fails) != NULL)
			_exit(0);
		fprintf(stderr, "expected an error with \"%s\", got \"%s\"\n", f->fails,
			err.message);
		_exit(1);
	}
	if (r < 0) {
		fprintf(stderr, "%s\n", err.message);
		_exit(1);
	}
	rootfs_free(rootfs);
	f->check(f);
	_exit(0);
}

static inline void write_procfs(pid_t pid, const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	write_file(path, text);
}

static inline void map_ids(const struct fixture *f, pid_t pid)
{
	char text[64];

	snprintf(text, sizeof(text), "0 %u %d\n", first_id(f), f->rootless ? 1 : 65536);
	write_procfs(pid, "setgroups", f->rootless ? "deny" : "allow");
	write_procfs(pid, "uid_map", text);
	write_procfs(pid, "gid_map", text);
}

static inline void become_ordinary_user(void)
{
	CHECK(setgroups(0, NULL) == 0);
	CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
}

static inline void fixture_process(struct fixture *f)
{
	const unsigned long flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
		SIGCHLD | (f->host_network ? 0 : CLONE_NEWNET) |
		(f->user_namespace ? CLONE_NEWUSER : 0);
	struct rootfs *rootfs = NULL;
	struct error err = ERROR_INIT;
	int ready[2], status;
	pid_t pid, racer = 0;

	set_up(f);
	if (f->change != NULL)
		f->change(f);
	if (f->rootless)
		become_ordinary_user();
	if (rootfs_prepare(&f->options, &rootfs, &err) < 0) {
		if (f->fails != NULL && strstr(err.message, f->fails) != NULL) {
			if (f->after != NULL)
				f->after(f);
			_exit(0);
		}
		fprintf(stderr, "%s\n", err.message);
		_exit(1);
	}
	if (f->race)
		racer = start_race();
	CHECK(pipe(ready) == 0);
	pid = (pid_t)syscall(
		SYS_clone, flags | (f->user_namespace ? CLONE_NEWUSER : 0), NULL, NULL, NULL, NULL);
	CHECK(pid >= 0);
	if (pid == 0)
		container(f, rootfs, ready[0]);
	if (f->user_namespace) {
		map_ids(f, pid);
		CHECK(write(ready[1], "x", 1) == 1);
	}
	rootfs_free(rootfs);
	CHECK(waitpid(pid, &status, 0) == pid);
	if (racer > 0)
		kill(racer, SIGKILL);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	if (f->after != NULL)
		f->after(f);
	_exit(0);
}

static inline void run(struct fixture *f)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0)
		fixture_process(f);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- what is checked inside -------------------------------------------------------------------
 */

static inline unsigned long type_of(const char *path)
{
	struct statfs fs;

	CHECK(statfs(path, &fs) == 0);
	return (unsigned long)fs.f_type;
}

static inline unsigned long flags_of(const char *path)
{
	struct statvfs fs;

	CHECK(statvfs(path, &fs) == 0);
	return fs.f_flag;
}

static inline bool is_device(const char *path, unsigned int maj, unsigned int min)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(maj, min);
}

static inline bool links_to(const char *path, const char *target)
{
	char buffer[PATH_MAX];
	ssize_t length = readlink(path, buffer, sizeof(buffer));

	return length == (ssize_t)strlen(target) && memcmp(buffer, target, (size_t)length) == 0;
}

static inline void check_default(struct fixture *f)
{
	struct stat st;

	CHECK(type_of("/proc") == PROC_SUPER_MAGIC);
	CHECK(type_of("/dev") == TMPFS_MAGIC);
	CHECK(type_of("/dev/pts") == DEVPTS_SUPER_MAGIC);
	CHECK(type_of("/sys") == SYSFS_MAGIC);
	CHECK(type_of("/sys/fs/cgroup") == CGROUP2_SUPER_MAGIC);
	CHECK((flags_of("/sys") & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC)) ==
		(ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC));
	CHECK(!(flags_of("/dev") & ST_RDONLY) && (flags_of("/dev") & ST_NOSUID));
	CHECK(stat("/dev", &st) == 0 && (st.st_mode & 07777) == 0755);
	CHECK(stat("/dev/shm", &st) == 0 && (st.st_mode & 07777) == 01777);
	CHECK(is_device("/dev/null", 1, 3) && is_device("/dev/zero", 1, 5));
	CHECK(is_device("/dev/full", 1, 7) && is_device("/dev/random", 1, 8));
	CHECK(is_device("/dev/urandom", 1, 9) && is_device("/dev/tty", 5, 0));
	CHECK(stat("/dev/null", &st) == 0 && (st.st_mode & 07777) == 0666);
	CHECK(links_to("/dev/fd", "/proc/self/fd") && links_to("/dev/ptmx", "pts/ptmx"));
	CHECK(links_to("/dev/stderr", "/proc/self/fd/2"));
	/* Masks and read-only paths. */
	CHECK(is_device("/proc/keys", 1, 3));
	CHECK(type_of("/sys/firmware") == TMPFS_MAGIC && (flags_of("/sys/firmware") & ST_RDONLY));
	CHECK(flags_of("/proc/sys") & ST_RDONLY);
	CHECK(open("/proc/sys/kernel/hostname", O_WRONLY) < 0 &&
		errno == (f->user_namespace ? EACCES : EROFS));
	CHECK(!(flags_of("/proc") & ST_RDONLY));
	/* Nothing of the host. */
	CHECK((f->race || access(top, F_OK) < 0) && access("/etc/passwd", F_OK) < 0);
	CHECK((open("/write", O_CREAT | O_WRONLY, 0600) < 0) == f->config.root.readonly);
}

static inline bool is_empty_directory(const char *path)
{
	struct stat st;

	return rmdir(path) == 0 && mkdir(path, 0755) == 0 && stat(path, &st) == 0;
}

static inline void host_is_untouched(struct fixture *f)
{
	(void)f;
	CHECK(is_empty_directory(in_top("host")));
}

static inline int make_top(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		fprintf(stderr, "this test needs root\n");
		return -1;
	}
	return mkdtemp(top) == NULL ? -1 : chmod(top, 0755);
}

static inline int remove_top(void **state)
{
	(void)state;
	return rmdir(top);
}
