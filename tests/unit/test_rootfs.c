/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system as a container's process sees it. Every case runs in a process with
 * namespaces of its own, below a mount namespace that nothing leaves: nothing on the host changes.
 * Needs root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
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

static struct string_list words(const char *first, ...)
{
	struct string_list list = { calloc(16, sizeof(char *)), 0 };
	va_list args;

	va_start(args, first);
	for (const char *word = first; word != NULL; word = va_arg(args, const char *))
		list.items[list.count++] = (char *)word;
	va_end(args);
	return list;
}

static struct oci_mount *add_mount(
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

static const char *in_top(const char *format, ...)
{
	char *path = malloc(PATH_MAX);
	int length = snprintf(path, PATH_MAX, "%s/", top);
	va_list args;

	va_start(args, format);
	vsnprintf(path + length, (size_t)(PATH_MAX - length), format, args);
	va_end(args);
	return path;
}

static void write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

	CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

static bool has_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char buffer[256];
	ssize_t length = fd < 0 ? -1 : read(fd, buffer, sizeof(buffer));

	return length == (ssize_t)strlen(text) && memcmp(buffer, text, (size_t)length) == 0;
}

/* The mounts of `caisson spec`. */
static void add_default_mounts(struct fixture *f)
{
	add_mount(f, "/proc", "proc", "proc");
	add_mount(f, "/dev", "tmpfs", "tmpfs")->options = words(
		"nosuid", "strictatime", "mode=755", "size=65536k", NULL);
	add_mount(f, "/dev/pts", "devpts", "devpts")->options = words(
		"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5", NULL);
	add_mount(f, "/dev/shm", "tmpfs", "shm")->options = words(
		"nosuid", "noexec", "nodev", "mode=1777", "size=65536k", NULL);
	add_mount(f, "/dev/mqueue", "mqueue", "mqueue")->options = words(
		"nosuid", "noexec", "nodev", NULL);
	add_mount(f, "/sys", "sysfs", "sysfs")->options = words(
		"nosuid", "noexec", "nodev", "ro", NULL);
	add_mount(f, "/sys/fs/cgroup", "cgroup", "cgroup")->options = words(
		"nosuid", "noexec", "nodev", "relatime", "ro", NULL);
	f->config.linux.masked_paths = words("/proc/acpi", "/proc/kcore", "/proc/keys",
		"/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/sys/firmware",
		"/proc/scsi", NULL);
	f->config.linux.readonly_paths = words(
		"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", NULL);
}

static void set_up(struct fixture *f)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) == 0);
	CHECK(mount("test", top, "tmpfs", 0, "mode=755") == 0);
	CHECK(mkdir(in_top("bundle"), 0755) == 0);
	CHECK(mkdir(in_top("bundle/rootfs"), 0755) == 0);
	if (f->user_namespace)
		CHECK(chown(in_top("bundle/rootfs"), 100000, 100000) == 0);
	CHECK(mkdir(in_top("host"), 0755) == 0);
	f->config.root.set = true;
	f->config.root.path = (char *)"rootfs";
	f->config.mounts = f->mounts;
	f->config.linux.set = true;
	f->config.linux.namespaces[OCI_NAMESPACE_PID].set = true;
	f->options = (struct rootfs_options){
		.config = &f->config,
		.bundle = in_top("bundle"),
		.user_namespace = f->user_namespace,
		.mount_namespace = true,
		.cgroup_namespace = true,
		.network_namespace = true,
	};
}

static void enter_ids(int ready)
{
	char c;

	CHECK(read(ready, &c, 1) == 1);
	CHECK(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
}

static void container(struct fixture *f, struct rootfs *rootfs, int ready)
{
	struct error err = ERROR_INIT;
	int r;

	if (f->user_namespace)
		enter_ids(ready);
	CHECK(unshare(CLONE_NEWCGROUP) == 0);
	r = rootfs_mount(rootfs, &err);
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

static void map_ids(pid_t pid, const char *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	write_file(path, "0 100000 65536\n");
}

static void fixture_process(struct fixture *f)
{
	const unsigned long flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
		CLONE_NEWNET | SIGCHLD;
	struct rootfs *rootfs = NULL;
	struct error err = ERROR_INIT;
	int ready[2], status;
	pid_t pid;

	set_up(f);
	if (f->change != NULL)
		f->change(f);
	if (rootfs_prepare(&f->options, &rootfs, &err) < 0) {
		if (f->fails != NULL && strstr(err.message, f->fails) != NULL) {
			if (f->after != NULL)
				f->after(f);
			_exit(0);
		}
		fprintf(stderr, "%s\n", err.message);
		_exit(1);
	}
	CHECK(pipe(ready) == 0);
	pid = (pid_t)syscall(
		SYS_clone, flags | (f->user_namespace ? CLONE_NEWUSER : 0), NULL, NULL, NULL, NULL);
	CHECK(pid >= 0);
	if (pid == 0)
		container(f, rootfs, ready[0]);
	if (f->user_namespace) {
		map_ids(pid, "uid_map");
		map_ids(pid, "gid_map");
		CHECK(write(ready[1], "x", 1) == 1);
	}
	rootfs_free(rootfs);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	if (f->after != NULL)
		f->after(f);
	_exit(0);
}

static void run(struct fixture *f)
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

static unsigned long type_of(const char *path)
{
	struct statfs fs;

	CHECK(statfs(path, &fs) == 0);
	return (unsigned long)fs.f_type;
}

static unsigned long flags_of(const char *path)
{
	struct statvfs fs;

	CHECK(statvfs(path, &fs) == 0);
	return fs.f_flag;
}

static bool is_device(const char *path, unsigned int maj, unsigned int min)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(maj, min);
}

static bool links_to(const char *path, const char *target)
{
	char buffer[PATH_MAX];
	ssize_t length = readlink(path, buffer, sizeof(buffer));

	return length == (ssize_t)strlen(target) && memcmp(buffer, target, (size_t)length) == 0;
}

static void check_default(struct fixture *f)
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
	CHECK(access(top, F_OK) < 0 && access("/etc/passwd", F_OK) < 0);
	CHECK((open("/write", O_CREAT | O_WRONLY, 0600) < 0) == f->config.root.readonly);
}

static void test_default_config(void **state)
{
	struct fixture f = { .change = add_default_mounts, .check = check_default };

	(void)state;
	run(&f);
	f = (struct fixture){ .change = add_default_mounts, .check = check_default };
	f.config.root.readonly = true;
	run(&f);
}

static void test_default_config_in_user_namespace(void **state)
{
	struct fixture f = {
		.change = add_default_mounts,
		.check = check_default,
		.user_namespace = true,
	};

	(void)state;
	run(&f);
}

/* ---- binds ---- */

static void add_binds(struct fixture *f)
{
	add_default_mounts(f);
	write_file(in_top("host/file"), "file");
	CHECK(mkdir(in_top("host/dir"), 0755) == 0);
	write_file(in_top("host/dir/inner"), "inner");
	CHECK(mkdir(in_top("host/dir/mnt"), 0755) == 0);
	CHECK(mount("below", in_top("host/dir/mnt"), "tmpfs", 0, NULL) == 0);
	write_file(in_top("host/dir/mnt/deep"), "deep");
	add_mount(f, "/etc/hosts", "bind", in_top("host/file"))->options = words(
		"bind", "ro", "rprivate", NULL);
	add_mount(f, "data", NULL, in_top("host/dir"))->options = words(
		"rbind", "rro", "nosuid", NULL);
	add_mount(f, "/plain", "none", in_top("host/dir"))->options = words("bind", "rw", NULL);
}

static void check_binds(struct fixture *f)
{
	check_default(f);
	CHECK(has_text("/etc/hosts", "file") && (flags_of("/etc/hosts") & ST_RDONLY));
	CHECK(has_text("/data/inner", "inner") && has_text("/data/mnt/deep", "deep"));
	CHECK(flags_of("/data") & ST_RDONLY && flags_of("/data/mnt") & ST_RDONLY);
	CHECK(flags_of("/data") & ST_NOSUID && !(flags_of("/data/mnt") & ST_NOSUID));
	CHECK(has_text("/plain/inner", "inner") && access("/plain/mnt/deep", F_OK) < 0);
	CHECK(!(flags_of("/plain") & ST_RDONLY));
}

static void test_binds(void **state)
{
	struct fixture f = { .change = add_binds, .check = check_binds };

	(void)state;
	run(&f);
	f = (struct fixture){ .change = add_binds, .check = check_binds, .user_namespace = true };
	run(&f);
}

static int make_top(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		fprintf(stderr, "this test needs root\n");
		return -1;
	}
	return mkdtemp(top) == NULL ? -1 : chmod(top, 0755);
}

static int remove_top(void **state)
{
	(void)state;
	return rmdir(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_config),
		cmocka_unit_test(test_default_config_in_user_namespace),
		cmocka_unit_test(test_binds),
	};

	return cmocka_run_group_tests_name("rootfs", tests, make_top, remove_top);
}
