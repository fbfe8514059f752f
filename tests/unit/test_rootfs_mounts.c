/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounts of config.json: binds, file systems, their options, and what is refused. Needs root.
 */
#include "tests/unit/rootfs_fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_binds),
		cmocka_unit_test(test_files_in_proc),
		cmocka_unit_test(test_long_option),
		cmocka_unit_test(test_tmpfs),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_link_options),
		cmocka_unit_test(test_idmapped_mounts),
		cmocka_unit_test(test_cgroup_notify_remount),
	};

	return cmocka_run_group_tests_name("mounts of a rootfs", tests, make_top, remove_top);
}
