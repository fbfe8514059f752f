/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Links and files of a root file system that would lead mounts, masks and devices elsewhere. Needs
 * root.
 */
#include "tests/unit/rootfs_fixture.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links_in_place_of_proc_sys_dev),
		cmocka_unit_test(test_mount_into_proc_by_a_link),
		cmocka_unit_test(test_host_dev_by_a_link),
		cmocka_unit_test(test_device_by_a_link),
		cmocka_unit_test(test_fake_null_device),
		cmocka_unit_test(test_fake_proc_is_refused),
		cmocka_unit_test(test_links_that_lead_out),
		cmocka_unit_test(test_exchanged_links),
	};

	return cmocka_run_group_tests_name("links in a rootfs", tests, make_top, remove_top);
}
