/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system as a container's process sees it: what every one has, devices, the terminal,
 * without privilege, on a host that runs from an initial ramfs. Needs root.
 */
#include "tests/unit/rootfs_fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_config),
		cmocka_unit_test(test_default_config_in_user_namespace),
		cmocka_unit_test(test_procfs),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_ordinary_user),
		cmocka_unit_test(test_host_network),
		cmocka_unit_test(test_console),
		cmocka_unit_test(test_no_pivot),
	};

	return cmocka_run_group_tests_name("rootfs", tests, make_top, remove_top);
}
