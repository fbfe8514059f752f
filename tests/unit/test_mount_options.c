/* SPDX-License-Identifier: Apache-2.0 */
/* Mount options, the rules about /proc, and idmap's mappings: what needs no system call. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/error.h"
#include "runtime/ns/idmap.h"
#include "runtime/ns/mount_options.h"
#include "runtime/ns/mount_rules.h"

static struct mount_options parse_words(const char *first, ...)
{
	struct mount_options options;
	char *list[32];
	size_t count = 0;
	va_list args;

	va_start(args, first);
	for (const char *word = first; word != NULL; word = va_arg(args, const char *))
		list[count++] = (char *)word;
	va_end(args);
	assert_int_equal(mount_options_parse(list, count, &options, NULL), 0);
	return options;
}

#define parse(...) parse_words(__VA_ARGS__, (const char *)NULL)

/* config.md, "Linux mount options", and what crun and runc take besides. */
static void test_every_option_is_known(void **state)
{
	static const char *const names[] = { "async", "atime", "bind", "copy-symlink", "defaults",
		"dest-nofollow", "dev", "diratime", "dirsync", "exec", "idmap", "iversion",
		"lazytime", "loud", "mand", "noatime", "nodev", "nodiratime", "noexec",
		"noiversion", "nolazytime", "nomand", "norelatime", "nostrictatime", "nosuid",
		"nosymfollow", "private", "ratime", "rbind", "rdev", "rdiratime", "relatime",
		"remount", "rexec", "ridmap", "rnoatime", "rnodev", "rnodiratime", "rnoexec",
		"rnorelatime", "rnostrictatime", "rnosuid", "rnosymfollow", "ro", "rprivate",
		"rrelatime", "rro", "rrw", "rshared", "rslave", "rstrictatime", "rsuid",
		"rsymfollow", "runbindable", "rw", "shared", "silent", "slave", "src-nofollow",
		"strictatime", "suid", "symfollow", "sync", "tmpcopyup", "unbindable" };
	const char *const *known = mount_options_known();

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct mount_options options = parse(names[i]);

		assert_int_equal(options.n_data, 0);
		assert_string_equal(known[i], names[i]);
		mount_options_free(&options);
	}
	assert_null(known[sizeof(names) / sizeof(names[0])]);
}

static void test_attributes(void **state)
{
	struct mount_options options = parse("ro", "nosuid", "nodev", "noexec", "noatime");

	(void)state;
	assert_int_equal(options.set,
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
			MOUNT_ATTR_NOATIME);
	assert_int_equal(options.clear, MOUNT_ATTR__ATIME);
	assert_int_equal(mount_options_flags(&options),
		MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME);
	mount_options_free(&options);

	options = parse("ro", "rw", "exec", "noexec", "noatime", "strictatime");
	assert_int_equal(options.set, MOUNT_ATTR_NOEXEC | MOUNT_ATTR_STRICTATIME);
	assert_int_equal(options.clear, MOUNT_ATTR_RDONLY | MOUNT_ATTR__ATIME);
	mount_options_free(&options);

	options = parse("rro", "rnosuid", "rrelatime", "rdev");
	assert_int_equal(options.set, 0);
	assert_int_equal(options.recursive_set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID);
	assert_int_equal(options.recursive_clear, MOUNT_ATTR__ATIME | MOUNT_ATTR_NODEV);
	mount_options_free(&options);
}

static void test_superblock_and_data(void **state)
{
	struct mount_options options = parse("sync", "mand", "async", "silent", "size=64k", "",
		"x-systemd.automount", "newinstance");

	(void)state;
	assert_int_equal(options.superblock_set, MS_MANDLOCK | MS_SILENT);
	assert_int_equal(options.superblock_clear, MS_SYNCHRONOUS);
	assert_int_equal(options.n_data, 2);
	assert_string_equal(options.data[0], "size=64k");
	assert_string_equal(options.data[1], "newinstance");
	mount_options_free(&options);
}

static void test_propagation(void **state)
{
	struct mount_options options = parse("rshared", "slave");
	char *many[MOUNT_OPTIONS_PROPAGATIONS_MAX + 1];
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(options.n_propagations, 2);
	assert_int_equal(options.propagation[0].type, MS_SHARED);
	assert_true(options.propagation[0].recursive);
	assert_int_equal(options.propagation[1].type, MS_SLAVE);
	assert_false(options.propagation[1].recursive);
	mount_options_free(&options);
	for (size_t i = 0; i <= MOUNT_OPTIONS_PROPAGATIONS_MAX; i++)
		many[i] = (char *)"shared";
	assert_int_equal(
		mount_options_parse(many, MOUNT_OPTIONS_PROPAGATIONS_MAX + 1, &options, &err),
		-EINVAL);
	assert_int_equal(mount_propagation_by_name("rslave"), MS_SLAVE | MS_REC);
	assert_int_equal(mount_propagation_by_name("unbindable"), MS_UNBINDABLE);
	assert_int_equal(mount_propagation_by_name("ro"), 0);
	assert_int_equal(mount_propagation_by_name("x"), 0);
}

static void test_bind_and_own_options(void **state)
{
	struct mount_options options = parse(
		"rbind", "bind", "idmap=uids=0-1-2;gids=0-1-2", "tmpcopyup", "src-nofollow");

	(void)state;
	assert_true(options.bind && options.recursive_bind && options.tmpcopyup);
	assert_true(options.source_nofollow && !options.destination_nofollow);
	assert_int_equal(options.idmap, MOUNT_IDMAP_PLAIN);
	assert_string_equal(options.idmap_mappings, "uids=0-1-2;gids=0-1-2");
	assert_int_equal(options.n_data, 0);
	mount_options_free(&options);
	options = parse("ridmap");
	assert_int_equal(options.idmap, MOUNT_IDMAP_RECURSIVE);
	assert_null(options.idmap_mappings);
	mount_options_free(&options);
}

static void test_rules(void **state)
{
	static const struct {
		const char *destination, *type;
		bool bind, allowed;
	} cases[] = {
		{ "/proc", "proc", false, true },
		{ "/proc", NULL, true, true },
		{ "/proc", "tmpfs", false, false },
		{ "/proc/cpuinfo", NULL, true, true },
		{ "/proc/net/dev", "bind", true, true },
		{ "/proc/meminfo", "tmpfs", false, false },
		{ "/proc/self/attr/exec", NULL, true, false },
		{ "/proc/sys/kernel/core_pattern", NULL, true, false },
		{ "/proc/x", "proc", false, false },
		{ "/procx", "tmpfs", false, true },
		{ "/", "tmpfs", false, false },
		{ "/sys", "sysfs", false, true },
		{ "/data", NULL, true, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = mount_rules_check(cases[i].destination, cases[i].type, cases[i].bind, NULL);

		assert_int_equal(r, cases[i].allowed ? 0 : -EPERM);
	}
	assert_true(mount_rules_guarded("/proc") && mount_rules_guarded("/proc/uptime"));
	assert_true(mount_rules_guarded("/sys") && mount_rules_guarded("/dev"));
	assert_false(mount_rules_guarded("/dev/shm") || mount_rules_guarded("/etc"));
}

static void test_idmap_mappings(void **state)
{
	static const char *const wrong[] = { "", "uids=0-1-2", "gids=0-1-2", "uids=0-1;gids=0-1-2",
		"uids=0-1-2x;gids=0-1-2", "uids=-1-1-2;gids=0-1-2",
		"uids=0-4294967296-1;gids=0-0-1", "uids=@0-70000-1;gids=0-0-1",
		"uids=@0-5-65536;gids=0-0-1", "uids=0-0-1;uids=0-0-1;gids=0-0-1" };
	struct oci_id_mapping item = { .container_id = 0, .host_id = 100000, .size = 65536 };
	const struct oci_id_mappings container = { .items = &item, .count = 1 };
	struct oci_id_mappings uids, gids;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(idmap_parse("uids=0-1-10#@10-11-20;gids=5-6-7", &container, &container,
				 &uids, &gids, &err),
		0);
	assert_int_equal(uids.count, 2);
	assert_int_equal(uids.items[0].host_id, 1);
	assert_int_equal(uids.items[1].container_id, 10);
	assert_int_equal(uids.items[1].host_id, 100011);
	assert_int_equal(uids.items[1].size, 20);
	assert_int_equal(gids.count, 1);
	assert_int_equal(gids.items[0].size, 7);
	free(uids.items);
	free(gids.items);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err = ERROR_INIT;
		assert_true(idmap_parse(wrong[i], &container, &container, &uids, &gids, &err) < 0);
		assert_non_null(strstr(err.message, "idmap="));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_option_is_known),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_superblock_and_data),
		cmocka_unit_test(test_propagation),
		cmocka_unit_test(test_bind_and_own_options),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_idmap_mappings),
	};

	return cmocka_run_group_tests_name("mount options", tests, NULL, NULL);
}
