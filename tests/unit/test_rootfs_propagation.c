/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is seen of mounts on either side of the container's root, and what stays covered. Needs
 * root.
 */
#include "tests/unit/rootfs_fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_propagation),
		cmocka_unit_test(test_every_propagation),
		cmocka_unit_test(test_propagation_from_user_namespace),
		cmocka_unit_test(test_locked_mounts),
	};

	return cmocka_run_group_tests_name("propagation of a rootfs", tests, make_top, remove_top);
}
