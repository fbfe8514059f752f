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

static struct string_list make_words(const char *first, ...)
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
static uid_t first_id(const struct fixture *f)
{
	return f->rootless ? 1000 : 100000;
}

static void set_up(struct fixture *f)
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

static void enter_ids(int ready)
{
	char c;

	CHECK(read(ready, &c, 1) == 1);
	CHECK(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
}

static int bind_console(struct fixture *f, struct rootfs *rootfs, struct error *err)
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

static pid_t start_race(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid > 0)
		return pid;
	const char *way = in_top("volume/way"), *link = in_top("volume/link");

	for (;;)
		syscall(SYS_renameat2, AT_FDCWD, way, AT_FDCWD, link, RENAME_EXCHANGE);
}

static void container(struct fixture *f, struct rootfs *rootfs, int ready)
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

static void write_procfs(pid_t pid, const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	write_file(path, text);
}

static void map_ids(const struct fixture *f, pid_t pid)
{
	char text[64];

	snprintf(text, sizeof(text), "0 %u %d\n", first_id(f), f->rootless ? 1 : 65536);
	write_procfs(pid, "setgroups", f->rootless ? "deny" : "allow");
	write_procfs(pid, "uid_map", text);
	write_procfs(pid, "gid_map", text);
}

static void become_ordinary_user(void)
{
	CHECK(setgroups(0, NULL) == 0);
	CHECK(setresgid(1000, 1000, 1000) == 0 && setresuid(1000, 1000, 1000) == 0);
	CHECK(prctl(PR_SET_DUMPABLE, 1) == 0);
}

static void fixture_process(struct fixture *f)
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
	CHECK((f->race || access(top, F_OK) < 0) && access("/etc/passwd", F_OK) < 0);
	CHECK((open("/write", O_CREAT | O_WRONLY, 0600) < 0) == f->config.root.readonly);
}

static void check_procfs(struct fixture *f)
{
	struct error err = ERROR_INIT;

	check_default(f);
	CHECK(path_write_procfs(f->procfs, "self/comm", "written", &err) == 0);
	CHECK(has_text("/proc/self/comm", "written\n"));
	/* What the container's own mounts cover is refused, not followed. */
	CHECK(path_write_procfs(f->procfs, "sys/kernel/hostname", "x", &err) == -EXDEV);
}

static void test_procfs(void **state)
{
	struct fixture f = { .change = add_default_mounts, .check = check_procfs };

	(void)state;
	run(&f);
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
		"bind", "ro", "rprivate");
	add_mount(f, "data", NULL, in_top("host/dir"))->options = words("rbind", "rro", "nosuid");
	CHECK(mkdir(in_top("host/other"), 0755) == 0);
	write_file(in_top("host/other/inner"), "inner");
	/* A user namespace may not uncover what is below host/dir/mnt. */
	add_mount(f, "/plain", "none", in_top(f->user_namespace ? "host/other" : "host/dir"))
		->options = words("bind", "rw");
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

/* ---- links where there must be none ---- */

static void link_in_root(struct fixture *f, const char *name)
{
	add_default_mounts(f);
	CHECK(symlink(in_top("host"), in_top("bundle/rootfs/%s", name)) == 0);
}

static void link_proc(struct fixture *f)
{
	link_in_root(f, "proc");
}

static void link_sys(struct fixture *f)
{
	link_in_root(f, "sys");
}

static void link_dev(struct fixture *f)
{
	link_in_root(f, "dev");
}

static bool is_empty_directory(const char *path)
{
	struct stat st;

	return rmdir(path) == 0 && mkdir(path, 0755) == 0 && stat(path, &st) == 0;
}

static void host_is_untouched(struct fixture *f)
{
	(void)f;
	CHECK(is_empty_directory(in_top("host")));
}

/* CVE-2019-16884, 2019-19921, 2023-27561, 2023-28642, 2026-41579, 2026-47766 */
static void test_links_in_place_of_proc_sys_dev(void **state)
{
	void (*const changes[])(struct fixture *) = { link_proc, link_sys, link_dev };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct fixture f = {
			.change = changes[i],
			.fails = "is a symbolic link",
			.after = host_is_untouched,
		};

		run(&f);
	}
}

static void proc_by_a_link(struct fixture *f)
{
	add_default_mounts(f);
	CHECK(symlink("/proc/self", in_top("bundle/rootfs/innocent")) == 0);
	add_mount(f, "/innocent/attr", "tmpfs", "tmpfs");
}

static void test_mount_into_proc_by_a_link(void **state)
{
	struct fixture f = { .change = proc_by_a_link, .fails = "mounts[7] (/innocent/attr): " };

	(void)state;
	run(&f);
}

static void host_dev_by_a_link(struct fixture *f)
{
	static struct oci_device device = { .path = (char *)"/dev/made", .type = 'p' };

	CHECK(symlink("/dev", in_top("bundle/rootfs/hostdev")) == 0);
	add_default_mounts(f);
	add_mount(f, "/hostdev", "bind", in_top("host"))->options = words("rbind");
	f->config.linux.devices = &device;
	f->config.linux.n_devices = 1;
}

/* Devices and links would be made in the host's own. */
static void test_host_dev_by_a_link(void **state)
{
	struct fixture f = {
		.change = host_dev_by_a_link,
		.fails = "leads to /dev by a symbolic link",
		.after = host_is_untouched,
	};

	(void)state;
	run(&f);
}

static void device_by_a_link(struct fixture *f)
{
	static struct oci_device device = { .path = (char *)"/dev/net/made", .type = 'p' };

	CHECK(mkdir(in_top("bundle/rootfs/dev"), 0755) == 0);
	CHECK(symlink("/volume", in_top("bundle/rootfs/dev/net")) == 0);
	add_mount(f, "/volume", "bind", in_top("host"))->options = words("rbind");
	f->config.linux.devices = &device;
	f->config.linux.n_devices = 1;
}

static void test_device_by_a_link(void **state)
{
	struct fixture f = {
		.change = device_by_a_link,
		.fails = "linux.devices[0]: make the device /dev/net/made",
		.after = host_is_untouched,
	};

	(void)state;
	run(&f);
}

static void fake_null(struct fixture *f)
{
	add_default_mounts(f);
	CHECK(mount("fake", "/dev", "tmpfs", 0, NULL) == 0);
	write_file("/dev/null", "not null");
}

/* CVE-2025-31133: a mask that is no null device would show something, or be written through. */
static void test_fake_null_device(void **state)
{
	struct fixture f = { .change = fake_null, .fails = "is not the null device" };

	(void)state;
	run(&f);
}

static void bind_proc_files(struct fixture *f)
{
	add_default_mounts(f);
	write_file(in_top("host/uptime"), "uptime");
	write_file(in_top("host/stat"), "stat");
	add_mount(f, "/proc/uptime", "bind", in_top("host/uptime"))->options = words("bind");
	add_mount(f, "/proc/stat", "bind", in_top("host/stat"))->options = words("bind");
}

static void check_proc_files(struct fixture *f)
{
	check_default(f);
	CHECK(has_text("/proc/uptime", "uptime") && has_text("/proc/stat", "stat"));
}

static void test_files_in_proc(void **state)
{
	struct fixture f = { .change = bind_proc_files, .check = check_proc_files };

	(void)state;
	run(&f);
}

static void add_long_overlay(struct fixture *f)
{
	static char option[2048];
	char name[201] = "";
	const char *upper, *lower;

	add_default_mounts(f);
	memset(name, 'n', sizeof(name) - 1);
	upper = in_top("host/%s1", name);
	lower = in_top("host/%s2", name);
	CHECK(mkdir(upper, 0755) == 0 && mkdir(lower, 0755) == 0);
	write_file(in_top("host/%s2/file", name), "lower");
	snprintf(option, sizeof(option), "lowerdir=%s:%s", upper, lower);
	add_mount(f, "/over", "overlay", "overlay")->options = words(option, "nodev");
}

static void check_long_overlay(struct fixture *f)
{
	check_default(f);
	CHECK(has_text("/over/file", "lower") && (flags_of("/over") & ST_NODEV));
}

/* fsconfig(2) takes no string of 256 bytes. */
static void test_long_option(void **state)
{
	struct fixture f = { .change = add_long_overlay, .check = check_long_overlay };

	(void)state;
	run(&f);
}

static void fake_proc(struct fixture *f)
{
	add_mount(f, "/proc", "bind", in_top("host"))->options = words("rbind");
}

static void test_fake_proc_is_refused(void **state)
{
	struct fixture f = { .change = fake_proc, .fails = "only a procfs" };

	(void)state;
	run(&f);
}

static void escaping_links(struct fixture *f)
{
	add_default_mounts(f);
	CHECK(symlink(in_top("host"), in_top("bundle/rootfs/out")) == 0);
	CHECK(symlink("../../../../../../..", in_top("bundle/rootfs/up")) == 0);
	add_mount(f, "/out/made", "tmpfs", "tmpfs");
	add_mount(f, "/up/made", "tmpfs", "tmpfs");
}

static void check_escaping_links(struct fixture *f)
{
	(void)f;
	CHECK(type_of("/made") == TMPFS_MAGIC && type_of("/out/made") == TMPFS_MAGIC);
}

static void test_links_that_lead_out(void **state)
{
	struct fixture f = {
		.change = escaping_links,
		.check = check_escaping_links,
		.after = host_is_untouched,
	};

	(void)state;
	run(&f);
}

/* ---- file systems and their options ---- */

static void add_tmpfs(struct fixture *f)
{
	add_default_mounts(f);
	CHECK(mkdir(in_top("bundle/rootfs/var"), 0755) == 0);
	CHECK(mkdir(in_top("bundle/rootfs/var/lib"), 0700) == 0);
	CHECK(chown(in_top("bundle/rootfs/var/lib"), 5, 6) == 0);
	write_file(in_top("bundle/rootfs/var/lib/file"), "content");
	CHECK(chown(in_top("bundle/rootfs/var/lib/file"), 7, 8) == 0);
	CHECK(chmod(in_top("bundle/rootfs/var/lib/file"), 04751) == 0);
	CHECK(symlink("lib/file", in_top("bundle/rootfs/var/link")) == 0);
	CHECK(mkfifo(in_top("bundle/rootfs/var/fifo"), 0640) == 0);
	CHECK(chmod(in_top("bundle/rootfs/var"), 02710) == 0);
	add_mount(f, "/var", "tmpfs", "tmpfs")->options = words(
		"tmpcopyup", "ro", "size=1m,nr_inodes=100");
	add_mount(f, "/var/lib/below", "tmpfs", "tmpfs")->options = words(
		"rro", "noexec", "mode=700");
	add_mount(f, "/quiet", "tmpfs", "tmpfs")->options = words(
		"silent", "nodev", "size=64k", "rnosuid");
}

static void check_tmpfs(struct fixture *f)
{
	struct stat st;
	struct statfs fs;

	check_default(f);
	CHECK(has_text("/var/lib/file", "content") && links_to("/var/link", "lib/file"));
	CHECK(stat("/var", &st) == 0 && (st.st_mode & 07777) == 02710);
	CHECK(stat("/var/lib", &st) == 0 && st.st_uid == 5 && st.st_gid == 6 &&
		(st.st_mode & 07777) == 0700);
	CHECK(stat("/var/lib/file", &st) == 0 && st.st_uid == 7 && st.st_gid == 8 &&
		(st.st_mode & 07777) == 04751);
	CHECK(stat("/var/fifo", &st) == 0 && S_ISFIFO(st.st_mode) && (st.st_mode & 0777) == 0640);
	CHECK(flags_of("/var") & ST_RDONLY);
	CHECK(statfs("/var", &fs) == 0 && fs.f_blocks * (uint64_t)fs.f_bsize == 1 << 20);
	CHECK((flags_of("/var/lib/below") & (ST_RDONLY | ST_NOEXEC)) == (ST_RDONLY | ST_NOEXEC));
	CHECK(stat("/var/lib/below", &st) == 0 && (st.st_mode & 07777) == 0700);
	CHECK(type_of("/quiet") == TMPFS_MAGIC);
	CHECK((flags_of("/quiet") & (ST_NODEV | ST_NOSUID)) == (ST_NODEV | ST_NOSUID));
	CHECK(statfs("/quiet", &fs) == 0 && fs.f_blocks * (uint64_t)fs.f_bsize == 1 << 16);
}

static void test_tmpfs(void **state)
{
	struct fixture f = { .change = add_tmpfs, .check = check_tmpfs };

	(void)state;
	run(&f);
}

static void add_wrong_option(struct fixture *f)
{
	add_mount(f, "/a", "tmpfs", "tmpfs")->options = words("size=lots");
}

static void add_unknown_type(struct fixture *f)
{
	add_mount(f, "/a", "nosuchfs", "x");
}

static void add_missing_source(struct fixture *f)
{
	add_mount(f, "/a", "bind", "/nowhere/at/all")->options = words("bind");
}

static void add_file_on_directory(struct fixture *f)
{
	write_file(in_top("host/file"), "x");
	CHECK(mkdir(in_top("bundle/rootfs/a"), 0755) == 0);
	add_mount(f, "/a", "bind", in_top("host/file"))->options = words("bind");
}

static void add_no_type(struct fixture *f)
{
	add_mount(f, "/a", NULL, NULL)->options = words("ro");
}

static void add_proc_file(struct fixture *f)
{
	add_default_mounts(f);
	add_mount(f, "/proc/sys/kernel", "tmpfs", "tmpfs");
}

static void set_label(struct fixture *f)
{
	f->config.linux.mount_label = (char *)"system_u:object_r:container_file_t:s0";
}

static void set_no_pivot(struct fixture *f)
{
	f->options.no_pivot = true;
}

static void set_propagation(struct fixture *f)
{
	f->config.linux.rootfs_propagation = (char *)"public";
}

static void set_missing_root(struct fixture *f)
{
	f->config.root.path = (char *)"none";
}

static void set_no_mount_namespace(struct fixture *f)
{
	f->options.mount_namespace = false;
	add_default_mounts(f);
}

static void test_errors(void **state)
{
	static const struct {
		void (*change)(struct fixture *);
		const char *message;
	} cases[] = {
		{ add_wrong_option, "mounts[0] (/a): option size=lots" },
		{ add_unknown_type,
			"mounts[0] (/a): this kernel has no file system type nosuchfs" },
		{ add_missing_source,
			"mounts[0] (/a): the source /nowhere/at/all does not exist on the host" },
		{ add_file_on_directory, "mounts[0] (/a): a file can't be mounted on a directory" },
		{ add_no_type, "mounts[0] (/a): type is missing" },
		{ add_proc_file,
			"mounts[7] (/proc/sys/kernel): nothing may be mounted below /proc" },
		{ set_label, "linux.mountLabel" },
		{ set_no_pivot, "--no-pivot is refused" },
		{ set_propagation, "linux.rootfsPropagation: public" },
		{ set_missing_root, "root.path: open" },
		{ set_no_mount_namespace, "mounts: needs a mount namespace" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f = { .change = cases[i].change, .fails = cases[i].message };

		run(&f);
	}
}

/* ---- devices ---- */

static struct oci_device devices[] = {
	{ .path = (char *)"/dev/null",
		.type = 'c',
		.major = 1,
		.minor = 3,
		.file_mode = { true, 0600 },
		.uid = { true, 3 },
		.gid = { true, 4 } },
	{ .path = (char *)"/dev/sub/loop", .type = 'b', .major = 7, .minor = 0 },
	{ .path = (char *)"/dev/pipe", .type = 'p', .file_mode = { true, 0620 } },
};

static void add_devices(struct fixture *f)
{
	add_default_mounts(f);
	f->config.linux.devices = devices;
	f->config.linux.n_devices = 3;
	umask(077);
}

static void check_devices(struct fixture *f)
{
	struct stat st;

	(void)f;
	CHECK(is_device("/dev/null", 1, 3) && stat("/dev/null", &st) == 0);
	CHECK((st.st_mode & 07777) == 0600 && st.st_uid == 3 && st.st_gid == 4);
	CHECK(stat("/dev/sub/loop", &st) == 0 && S_ISBLK(st.st_mode));
	CHECK(st.st_rdev == makedev(7, 0) && (st.st_mode & 07777) == 0666);
	CHECK(stat("/dev/pipe", &st) == 0 && S_ISFIFO(st.st_mode) && (st.st_mode & 0777) == 0620);
	CHECK(stat("/dev/zero", &st) == 0 && (st.st_mode & 07777) == 0666);
	CHECK(umask(0) == 077);
}

static void add_fake_device(struct fixture *f)
{
	(void)f;
	CHECK(mkdir(in_top("bundle/rootfs/dev"), 0755) == 0);
	CHECK(symlink(in_top("host/made"), in_top("bundle/rootfs/dev/null")) == 0);
}

/* A user namespace can't make nodes: it gets the host's, which must be what they are called. */
static void add_wrong_device(struct fixture *f)
{
	static struct oci_device wrong = {
		.path = (char *)"/dev/zero", .type = 'c', .major = 1, .minor = 3
	};

	add_default_mounts(f);
	f->config.linux.devices = &wrong;
	f->config.linux.n_devices = 1;
}

static void host_dev(struct fixture *f)
{
	CHECK(mkdir(in_top("host/dev"), 0755) == 0);
	add_mount(f, "/dev", "bind", in_top("host/dev"))->options = words("rbind");
}

static void check_host_dev(struct fixture *f)
{
	(void)f;
	CHECK(access("/dev/null", F_OK) < 0 && access("/dev/fd", F_OK) < 0);
}

static void test_devices(void **state)
{
	struct fixture f = { .change = add_devices, .check = check_devices };

	(void)state;
	run(&f);
	f = (struct fixture){
		.change = add_fake_device, .fails = "/dev/null exists", .after = host_is_untouched
	};
	run(&f);
	f = (struct fixture){
		.change = add_wrong_device, .user_namespace = true, .fails = "is not the device 1:3"
	};
	run(&f);
	/* Nothing is made in a /dev of the host's. */
	f = (struct fixture){ .change = host_dev, .check = check_host_dev };
	run(&f);
}

/* ---- links as sources and destinations ---- */

static void add_link_options(struct fixture *f)
{
	write_file(in_top("host/real"), "real");
	CHECK(symlink("real", in_top("host/link")) == 0);
	write_file(in_top("bundle/rootfs/target"), "target");
	CHECK(symlink("target", in_top("bundle/rootfs/over")) == 0);
	add_mount(f, "/followed", "bind", in_top("host/link"))->options = words("bind");
	add_mount(f, "/etc/copied", "bind", in_top("host/link"))->options = words(
		"bind", "copy-symlink");
	add_mount(f, "/over", "bind", in_top("host/real"))->options = words(
		"bind", "dest-nofollow");
	add_mount(f, "/mounted", "bind", in_top("host/link"))->options = words(
		"bind", "src-nofollow");
}

static void check_link_options(struct fixture *f)
{
	(void)f;
	CHECK(has_text("/followed", "real"));
	CHECK(links_to("/etc/copied", "real"));
	CHECK(has_text("/over", "real") && has_text("/target", "target"));
	CHECK(links_to("/mounted", "real"));
}

static void test_link_options(void **state)
{
	struct fixture f = { .change = add_link_options, .check = check_link_options };

	(void)state;
	run(&f);
}

/* ---- idmapped mounts ---- */

static struct oci_id_mapping mount_ids = { 0, 5000, 10 };

static void add_idmaps(struct fixture *f)
{
	struct oci_mount *mount;

	CHECK(mkdir(in_top("host/dir"), 0755) == 0);
	CHECK(chown(in_top("host/dir"), 3, 4) == 0);
	mount = add_mount(f, "/mapped", "bind", in_top("host/dir"));
	mount->options = words("bind");
	mount->uid_mappings = mount->gid_mappings = (struct oci_id_mappings){ &mount_ids, 1 };
	add_mount(f, "/option", "bind", in_top("host/dir"))->options = words(
		"bind", "idmap=uids=0-7000-10;gids=0-8000-10");
	if (!f->user_namespace)
		return;
	add_mount(f, "/container", "bind", in_top("host/dir"))->options = words(
		"rbind", "ridmap", "rprivate");
}

static void check_idmaps(struct fixture *f)
{
	struct stat st;

	if (f->user_namespace) {
		CHECK(stat("/container", &st) == 0 && st.st_uid == 3 && st.st_gid == 4);
		return;
	}
	CHECK(stat("/mapped", &st) == 0 && st.st_uid == 5003 && st.st_gid == 5004);
	CHECK(stat("/option", &st) == 0 && st.st_uid == 7003 && st.st_gid == 8004);
}

/* Linux 6.3 can idmap a tmpfs, on which these cases are. */
static bool can_idmap_tmpfs(void)
{
	struct utsname name;
	int version, patch;

	return uname(&name) == 0 && sscanf(name.release, "%d.%d", &version, &patch) == 2 &&
		(version > 6 || (version == 6 && patch >= 3));
}

static void test_idmapped_mounts(void **state)
{
	struct fixture f = { .change = add_idmaps, .check = check_idmaps };

	(void)state;
	if (!can_idmap_tmpfs()) {
		fprintf(stderr, "needs Linux 6.3\n");
		skip();
	}
	run(&f);
	f = (struct fixture){ .change = add_idmaps, .check = check_idmaps, .user_namespace = true };
	run(&f);
}

/* ---- cgroup, notify socket, remount ---- */

static void without_cgroup_namespace(struct fixture *f)
{
	add_default_mounts(f);
	f->mounts[6].options = words("rw", "nosuid");
	f->options.cgroup_namespace = false;
	f->options.notify_socket_directory = in_top("host");
	add_mount(f, "/run", "tmpfs", "tmpfs");
	add_mount(f, "/run", NULL, NULL)->options = words(
		"remount", "noexec", "size=128k", "nosuid");
	write_file(in_top("host/notify.sock"), "sock");
	add_mount(f, "/file", "bind", in_top("host/notify.sock"))->options = words("bind");
	add_mount(f, "/file", "bind", in_top("host/notify.sock"))->options = words(
		"bind", "remount", "ro");
}

static void check_without_cgroup_namespace(struct fixture *f)
{
	struct statfs fs;

	check_default(f);
	/* CVE-2023-25809 */
	CHECK(flags_of("/sys/fs/cgroup") & ST_RDONLY);
	CHECK(has_text("/run/notify/notify.sock", "sock"));
	CHECK(statfs("/run", &fs) == 0 && fs.f_blocks * (uint64_t)fs.f_bsize == 1 << 17);
	CHECK(flags_of("/run") & ST_NOEXEC && flags_of("/file") & ST_RDONLY);
}

static void test_cgroup_notify_remount(void **state)
{
	struct fixture f = {
		.change = without_cgroup_namespace,
		.check = check_without_cgroup_namespace,
	};

	(void)state;
	run(&f);
}

/* ---- propagation ---- */

static bool mountinfo_has(const char *mount_point, const char *field)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char line[4096], point[256];
	bool found = false;

	CHECK(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL) {
		char *end = strstr(line, " - ");

		if (end != NULL)
			*end = '\0';
		if (sscanf(line, "%*s %*s %*s %*s %255s", point) == 1 &&
			strcmp(point, mount_point) == 0)
			found = strstr(line, field) != NULL;
	}
	fclose(file);
	return found;
}

static void share_host(struct fixture *f, const char *propagation)
{
	CHECK(mount(NULL, top, NULL, MS_SHARED, NULL) == 0);
	CHECK(mkdir(in_top("host/a"), 0755) == 0 && mkdir(in_top("host/b"), 0755) == 0);
	f->config.linux.rootfs_propagation = (char *)propagation;
	add_default_mounts(f);
	add_mount(f, "/default", "bind", in_top("host"))->options = words("rbind");
	add_mount(f, "/shared", "bind", in_top("host"))->options = words("rbind", "rshared");
	add_mount(f, "/private", "bind", in_top("host"))->options = words(
		"rbind", "rslave", "rprivate");
}

static void share_by_default(struct fixture *f)
{
	share_host(f, NULL);
}

static void share_shared(struct fixture *f)
{
	share_host(f, "shared");
}

static void check_default_propagation(struct fixture *f)
{
	(void)f;
	CHECK(mountinfo_has("/default", "master:") && !mountinfo_has("/default", "shared:"));
	CHECK(mountinfo_has("/shared", "master:") && mountinfo_has("/shared", "shared:"));
	CHECK(!mountinfo_has("/private", "master:") && !mountinfo_has("/private", "shared:"));
	CHECK(!mountinfo_has("/", "master:") && !mountinfo_has("/", "shared:"));
	CHECK(mount("in", "/shared/a", "tmpfs", 0, NULL) == 0);
}

static void check_shared_propagation(struct fixture *f)
{
	(void)f;
	CHECK(mountinfo_has("/", "shared:"));
	CHECK(mountinfo_has("/shared", "shared:") && !mountinfo_has("/shared", "master:"));
	CHECK(!mountinfo_has("/private", "shared:"));
	CHECK(mount("in", "/shared/a", "tmpfs", 0, NULL) == 0);
}

static void nothing_came_out(struct fixture *f)
{
	(void)f;
	CHECK(rmdir(in_top("host/a")) == 0);
}

static void mount_came_out(struct fixture *f)
{
	(void)f;
	CHECK(rmdir(in_top("host/a")) < 0 && errno == EBUSY);
	CHECK(!mountinfo_has(in_top("bundle/rootfs"), ""));
	CHECK(access(in_top("bundle/rootfs/dev/null"), F_OK) < 0);
}

static void check_user_shared_propagation(struct fixture *f)
{
	(void)f;
	CHECK(mountinfo_has("/shared", "shared:"));
	CHECK(mountinfo_has("/closed", "shared:") && mountinfo_has("/closed", "master:"));
	CHECK(mount("in", "/shared/a", "tmpfs", 0, NULL) == 0);
	CHECK(mount("in", "/closed/a", "tmpfs", 0, NULL) == 0);
}

static void share_with_user_namespace(struct fixture *f)
{
	share_host(f, "rshared");
	CHECK(mkdir(in_top("way"), 0700) == 0 && mkdir(in_top("way/closed"), 0755) == 0);
	CHECK(mkdir(in_top("way/closed/a"), 0755) == 0);
	add_mount(f, "/closed", "bind", in_top("way/closed"))->options = words("rbind", "rshared");
}

static void nothing_came_out_of_both(struct fixture *f)
{
	nothing_came_out(f);
	CHECK(rmdir(in_top("way/closed/a")) == 0);
}

/* Nothing that a user namespace mounts comes out, not even where config.json asks for it. */
static void test_propagation_from_user_namespace(void **state)
{
	struct fixture f = {
		.change = share_with_user_namespace,
		.check = check_user_shared_propagation,
		.after = nothing_came_out_of_both,
		.user_namespace = true,
	};

	(void)state;
	run(&f);
}

static void add_covered(struct fixture *f)
{
	add_default_mounts(f);
	CHECK(mkdir(in_top("host/dir"), 0755) == 0);
	write_file(in_top("host/dir/covered"), "covered");
	CHECK(mount("below", in_top("host/dir"), "tmpfs", MS_RDONLY, NULL) == 0);
	add_mount(f, "/data", "bind", in_top("host"))->options = words("rbind");
	CHECK(mkdir(in_top("closed"), 0700) == 0 && mkdir(in_top("closed/dir"), 0755) == 0);
	write_file(in_top("closed/dir/file"), "file");
	add_mount(f, "/closed", "bind", in_top("closed/dir"))->options = words("bind", "ro");
}

static void check_covered(struct fixture *f)
{
	check_default(f);
	CHECK(umount2("/data/dir", MNT_DETACH) < 0 && errno == EINVAL);
	CHECK(mount(NULL, "/data/dir", NULL, MS_REMOUNT | MS_BIND, NULL) < 0 && errno == EPERM);
	CHECK(has_text("/closed/file", "file") && (flags_of("/closed") & ST_RDONLY));
}

/* The container's root has CAP_SYS_ADMIN here, but may not uncover what the host covered. */
static void test_locked_mounts(void **state)
{
	struct fixture f = {
		.change = add_covered,
		.check = check_covered,
		.user_namespace = true,
	};

	(void)state;
	run(&f);
}

static const char *propagation;

static void set_each_propagation(struct fixture *f)
{
	add_default_mounts(f);
	CHECK(mount(NULL, top, NULL, MS_SHARED, NULL) == 0);
	f->config.linux.rootfs_propagation = (char *)propagation;
	add_mount(f, "/host", "bind", in_top("host"))->options = words("rbind");
}

static void check_each_propagation(struct fixture *f)
{
	check_default(f);
	CHECK(mountinfo_has("/", "shared:") == (strstr(propagation, "shared") != NULL));
	CHECK(mountinfo_has("/", "unbindable") == (strstr(propagation, "unbindable") != NULL));
}

static void test_every_propagation(void **state)
{
	static const char *const names[] = { "shared", "rshared", "slave", "rslave", "private",
		"rprivate", "unbindable", "runbindable" };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(names) / sizeof(names[0]); i++) {
		struct fixture f = {
			.change = set_each_propagation,
			.check = check_each_propagation,
			.user_namespace = i % 2,
			.after = host_is_untouched,
		};

		propagation = names[i / 2];
		run(&f);
	}
}

static void test_propagation(void **state)
{
	struct fixture f = {
		.change = share_by_default,
		.check = check_default_propagation,
		.after = nothing_came_out,
	};

	(void)state;
	run(&f);
	f = (struct fixture){
		.change = share_shared,
		.check = check_shared_propagation,
		.after = mount_came_out,
	};
	run(&f);
}

/* ---- without privilege ---- */

static void add_rootless(struct fixture *f)
{
	add_default_mounts(f);
	write_file(in_top("host/file"), "file");
	add_mount(f, "/data", "bind", in_top("host"))->options = words(
		"rbind", "nosuid", "ro", "rprivate");
	add_mount(f, "/data2", "bind", in_top("host"))->options = words("bind", "rw");
	add_mount(f, "/host", "bind", "/")->options = words("rbind", "rprivate");
}

static void check_rootless(struct fixture *f)
{
	check_default(f);
	CHECK(has_text("/data/file", "file") && has_text("/data2/file", "file"));
	CHECK((flags_of("/data") & (ST_RDONLY | ST_NOSUID)) == (ST_RDONLY | ST_NOSUID));
	CHECK(access("/host/etc/passwd", F_OK) == 0);
}

static void test_ordinary_user(void **state)
{
	struct fixture f = {
		.change = add_rootless,
		.check = check_rootless,
		.user_namespace = true,
		.rootless = true,
	};

	(void)state;
	run(&f);
}

static void add_host_network(struct fixture *f)
{
	add_default_mounts(f);
	f->mounts[5].options = words("nosuid", "noexec", "nodev");
}

/* A new sysfs would be that of the host's network: the host's is bound, and read-only. */
static void test_host_network(void **state)
{
	struct fixture f = {
		.change = add_host_network,
		.check = check_default,
		.user_namespace = true,
		.host_network = true,
	};

	(void)state;
	run(&f);
	f = (struct fixture){
		.change = add_host_network,
		.check = check_default,
		.user_namespace = true,
		.host_network = true,
		.rootless = true,
	};
	run(&f);
}

/* ---- the terminal ---- */

static void check_console(struct fixture *f)
{
	struct stat st;

	(void)f;
	CHECK(stat("/dev/console", &st) == 0 && S_ISCHR(st.st_mode) && major(st.st_rdev) == 136);
	CHECK(type_of("/dev/console") == DEVPTS_SUPER_MAGIC);
}

static void add_console(struct fixture *f)
{
	add_default_mounts(f);
	f->console = CONSOLE_PTS;
}

static void add_console_link(struct fixture *f)
{
	CHECK(mkdir(in_top("bundle/rootfs/dev"), 0755) == 0);
	CHECK(symlink(in_top("host/made"), in_top("bundle/rootfs/dev/console")) == 0);
	add_mount(f, "/dev/pts", "devpts", "devpts");
	f->console = CONSOLE_PTS;
}

static void add_console_file(struct fixture *f)
{
	add_default_mounts(f);
	f->console = CONSOLE_NULL;
}

/* CVE-2025-52565 */
static void test_console(void **state)
{
	struct fixture f = { .change = add_console, .check = check_console };

	(void)state;
	run(&f);
	f = (struct fixture){
		.change = add_console, .check = check_console, .user_namespace = true
	};
	run(&f);
	f = (struct fixture){
		.change = add_console_link,
		.fails = "/dev/console is a symbolic link",
		.after = host_is_untouched,
	};
	run(&f);
	f = (struct fixture){ .change = add_console_file, .fails = "not a pseudo-terminal" };
	run(&f);
}

/* ---- a host that runs from an initial ramfs ---- */

static void bind_into(const char *directory, const char *path)
{
	char target[PATH_MAX];

	snprintf(target, sizeof(target), "%s%s", directory, path);
	CHECK(mkdir(target, 0755) == 0 || errno == EEXIST);
	CHECK(mount(path, target, NULL, MS_BIND | MS_REC, NULL) == 0);
}

static void live_in_tmpfs(struct fixture *f)
{
	const char *host = in_top("host");

	CHECK(mount("ram", host, "tmpfs", 0, NULL) == 0);
	CHECK(mkdir(in_top("host/tmp"), 0755) == 0 && mkdir(in_top("host/a b"), 0755) == 0);
	bind_into(host, "/proc");
	bind_into(host, "/dev");
	bind_into(host, top);
	CHECK(mount("x", in_top("host/a b"), "tmpfs", 0, NULL) == 0);
	CHECK(chdir(host) == 0 && syscall(SYS_pivot_root, ".", ".") == 0);
	CHECK(umount2(".", MNT_DETACH) == 0 && chdir("/") == 0);
	add_default_mounts(f);
	f->options.no_pivot = true;
	f->config.n_mounts = 6; /* no cgroup */
}

static void check_no_pivot(struct fixture *f)
{
	CHECK(type_of("/proc") == PROC_SUPER_MAGIC && is_device("/dev/null", 1, 3));
	CHECK(access("/bundle", F_OK) < 0 && access("/a b", F_OK) < 0);
	CHECK(fchdir(f->old_root) == 0);
	CHECK(type_of("proc") == TMPFS_MAGIC && access("proc/self", F_OK) < 0);
	CHECK(access("dev/null", F_OK) < 0);
}

static void test_no_pivot(void **state)
{
	struct fixture f = { .change = live_in_tmpfs, .check = check_no_pivot };

	(void)state;
	run(&f);
}

/* ---- CVE-2021-30465: a volume of two containers, in one of which links are exchanged ---- */

static void add_racing_volume(struct fixture *f)
{
	add_default_mounts(f);
	CHECK(mkdir(in_top("volume"), 0755) == 0 && mkdir(in_top("volume/way"), 0755) == 0);
	CHECK(symlink(top, in_top("volume/link")) == 0);
	add_mount(f, "/volume", "bind", in_top("volume"))->options = words("rbind");
	add_mount(f, "/volume/way/host/made", "tmpfs", "tmpfs");
	f->race = true;
}

static void test_exchanged_links(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		struct fixture f = {
			.change = add_racing_volume,
			.check = check_default,
			.after = host_is_untouched,
		};

		run(&f);
	}
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
		cmocka_unit_test(test_procfs),
		cmocka_unit_test(test_binds),
		cmocka_unit_test(test_links_in_place_of_proc_sys_dev),
		cmocka_unit_test(test_mount_into_proc_by_a_link),
		cmocka_unit_test(test_host_dev_by_a_link),
		cmocka_unit_test(test_device_by_a_link),
		cmocka_unit_test(test_fake_null_device),
		cmocka_unit_test(test_files_in_proc),
		cmocka_unit_test(test_long_option),
		cmocka_unit_test(test_fake_proc_is_refused),
		cmocka_unit_test(test_links_that_lead_out),
		cmocka_unit_test(test_tmpfs),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_link_options),
		cmocka_unit_test(test_idmapped_mounts),
		cmocka_unit_test(test_cgroup_notify_remount),
		cmocka_unit_test(test_propagation),
		cmocka_unit_test(test_every_propagation),
		cmocka_unit_test(test_propagation_from_user_namespace),
		cmocka_unit_test(test_locked_mounts),
		cmocka_unit_test(test_ordinary_user),
		cmocka_unit_test(test_host_network),
		cmocka_unit_test(test_console),
		cmocka_unit_test(test_no_pivot),
		cmocka_unit_test(test_exchanged_links),
	};

	return cmocka_run_group_tests_name("rootfs", tests, make_top, remove_top);
}
