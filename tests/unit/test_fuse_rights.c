/* SPDX-License-Identifier: Apache-2.0 */
/* What a client may not make the FUSE server do, and whose is what it makes. */
#include "tests/unit/fuse_requests.h"

/* CVE-2026-47243: a file server that is reached with names no kernel would send. */
static void test_cve_2026_47243_only_the_export_changes(void **state)
{
	static const char *const names[] = { "..", ".", "", "/", "/etc", "../x", "a/b",
		"../../etc/x", "x/", "/proc/self/fd/0" };
	struct fuse_mkdir_in mkdir_in = { .mode = 0755 };
	struct fuse_mknod_in mknod_in = { .mode = S_IFREG | 0644 };
	struct fuse_create_in create_in = { .flags = O_RDWR, .mode = 0644 };
	struct fuse_rename2_in rename_in = { .newdir = export_id };
	struct fuse_link_in link_in;
	uint64_t id, file, fh;
	char two[64];

	(void)state;
	make_file("f", 0644);
	assert_int_equal(lookup(export_id, "f", &file), 0);
	link_in.oldnodeid = file;
	for (unsigned int i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *n = names[i];

		assert_int_equal(lookup(export_id, n, &id), -EINVAL);
		assert_int_equal(lookup(FUSE_ROOT_ID, n, &id), -EINVAL);
		assert_int_equal(call(FUSE_MKDIR, export_id, &mkdir_in, 8, n), -EINVAL);
		assert_int_equal(call(FUSE_MKNOD, export_id, &mknod_in, 16, n), -EINVAL);
		assert_int_equal(call(FUSE_CREATE, export_id, &create_in, 16, n), -EINVAL);
		assert_int_equal(call(FUSE_UNLINK, export_id, NULL, 0, n), -EINVAL);
		assert_int_equal(call(FUSE_RMDIR, export_id, NULL, 0, n), -EINVAL);
		assert_int_equal(call(FUSE_LINK, export_id, &link_in, 8, n), -EINVAL);
		assert_int_equal(
			call3(FUSE_SYMLINK, export_id, n, strlen(n) + 1, "t", 2, NULL, 0), -EINVAL);
		snprintf(two, sizeof(two), "f%c%s", 0, n);
		assert_int_equal(
			call3(FUSE_RENAME2, export_id, &rename_in, 16, "f\0", 2, n, strlen(n) + 1),
			-EINVAL);
		assert_int_equal(
			call3(FUSE_RENAME2, export_id, &rename_in, 16, n, strlen(n) + 1, "g", 2),
			-EINVAL);
	}
	/* A name that does not end. */
	assert_int_equal(call3(FUSE_LOOKUP, export_id, "f", 1, NULL, 0, NULL, 0), -EINVAL);
	/* A link of the guest's making is never followed here. */
	assert_int_equal(call3(FUSE_SYMLINK, export_id, "l", 2, "/etc", 5, NULL, 0), 0);
	assert_int_equal(lookup(export_id, "l", &id), 0);
	assert_int_equal(lookup(id, "passwd", &file), -ENOTDIR);
	assert_int_equal(open_node(id, O_RDONLY, &fh), -ELOOP);
	assert_int_equal(call(FUSE_MKDIR, id, &mkdir_in, 8, "caisson-was-here"), -ENOTDIR);
	assert_int_equal(call(FUSE_SETATTR, id, &(struct fuse_setattr_in){ .valid = FATTR_SIZE },
				 sizeof(struct fuse_setattr_in), NULL),
		-ELOOP);
	link_in.oldnodeid = id;
	assert_int_equal(call(FUSE_LINK, export_id, &link_in, 8, "l2"), 0);
	assert_int_equal(readlink(host("l2"), two, sizeof(two)), 4);
	/* Nor is one that was put in the place of a directory. */
	assert_int_equal(call(FUSE_CREATE, export_id, &create_in, 16, "l"), -ELOOP);
	/* The synthetic root cannot be changed. */
	assert_int_equal(call(FUSE_MKDIR, FUSE_ROOT_ID, &mkdir_in, 8, "x"), -EROFS);
	assert_int_equal(call(FUSE_UNLINK, FUSE_ROOT_ID, NULL, 0, "root"), -EROFS);
	assert_int_equal(call(FUSE_CREATE, FUSE_ROOT_ID, &create_in, 16, "x"), -EROFS);
	link_in.oldnodeid = FUSE_ROOT_ID;
	assert_int_equal(call(FUSE_LINK, export_id, &link_in, 8, "r"), -EPERM);
}

/* CVE-2020-35517: device nodes of the guest's making, and those that lie in the export. */
static void test_cve_2020_35517_devices_are_never_opened(void **state)
{
	struct fuse_mknod_in in = { .mode = S_IFCHR | 0666, .rdev = (uint32_t)makedev(1, 5) };
	struct fuse_create_in create_in = { .flags = O_RDWR, .mode = 0644 };
	uint64_t id, fh;

	(void)state;
	assert_int_equal(call(FUSE_MKNOD, export_id, &in, sizeof(in), "zero"), -EPERM);
	in.mode = S_IFBLK | 0666;
	assert_int_equal(call(FUSE_MKNOD, export_id, &in, sizeof(in), "disk"), -EPERM);
	in.mode = S_IFDIR | 0777;
	assert_int_equal(call(FUSE_MKNOD, export_id, &in, sizeof(in), "dir"), -EPERM);
	if (mknod(host("zero"), S_IFCHR | 0666, makedev(1, 5)) == 0) {
		assert_int_equal(lookup(export_id, "zero", &id), 0);
		assert_int_equal(open_node(id, O_RDWR, &fh), -EPERM);
		assert_int_equal(open_node(id, O_RDONLY, &fh), -EPERM);
		assert_int_equal(call(FUSE_CREATE, export_id, &create_in, 16, "zero"), -EPERM);
	}
	in.mode = S_IFIFO | 0666;
	in.rdev = 0;
	assert_int_equal(call(FUSE_MKNOD, export_id, &in, sizeof(in), "fifo"), 0);
	assert_int_equal(lookup(export_id, "fifo", &id), 0);
	assert_int_equal(open_node(id, O_RDONLY, &fh), -EPERM);
	assert_int_equal(call(FUSE_CREATE, export_id, &create_in, 16, "fifo"), -EPERM);
	in.mode = S_IFSOCK | 0666;
	assert_int_equal(call(FUSE_MKNOD, export_id, &in, sizeof(in), "socket"), 0);
	/* An overlay's whiteout is no device. */
	in.mode = S_IFCHR;
	assert_int_equal(call(FUSE_MKNOD, export_id, &in, sizeof(in), "whiteout"), 0);
}

/* CVE-2021-20263: set-id bits and file capabilities survive a write by somebody else. */
static void test_cve_2021_20263_writing_drops_privileges(void **state)
{
	/* cap_net_raw+ep, as a version 2 attribute. */
	static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 0x20 };
	struct fuse_setattr_in truncate = { .valid = FATTR_SIZE | FATTR_KILL_SUIDGID, .size = 3 };
	struct fuse_open_in open_in = { .flags = O_WRONLY | O_TRUNC, .open_flags = 1 };
	uint64_t id, fh;

	(void)state;
	make_file("s", 06755);
	assert_int_equal(lookup(export_id, "s", &id), 0);
	assert_int_equal(open_node(id, O_RDWR, &fh), 0);
	/* Root's own write keeps them. */
	assert_int_equal(write_handle(id, fh, "root", 0), 0);
	assert_int_equal(mode_of("s"), 06755);
	assert_int_equal(write_handle(id, fh, "user", FUSE_WRITE_KILL_SUIDGID), 0);
	assert_int_equal(mode_of("s"), 0755);
	assert_int_equal(chmod(host("s"), 06755), 0);
	assert_int_equal(call(FUSE_SETATTR, id, &truncate, sizeof(truncate), NULL), 0);
	assert_int_equal(mode_of("s"), 0755);
	assert_int_equal(chmod(host("s"), 06755), 0);
	assert_int_equal(call(FUSE_OPEN, id, &open_in, sizeof(open_in), NULL), 0);
	assert_int_equal(mode_of("s"), 0755);
	/* After all that, root's write keeps them again. */
	assert_int_equal(chmod(host("s"), 06755), 0);
	assert_int_equal(write_handle(id, fh, "root", 0), 0);
	assert_int_equal(mode_of("s"), 06755);
	if (setxattr(host("s"), "security.capability", capability, sizeof(capability), 0) == 0) {
		assert_int_equal(write_handle(id, fh, "x", FUSE_WRITE_KILL_SUIDGID), 0);
		assert_int_equal(getxattr(host("s"), "security.capability", NULL, 0), -1);
	}
}

/* CVE-2022-0358: a setgid file in a setgid directory of a group that the user is not in. */
static void test_cve_2022_0358_setgid_is_the_group_s(void **state)
{
	struct fuse_create_in in = { .flags = O_RDWR, .mode = 02755 };
	uint64_t d;
	struct stat st;

	(void)state;
	assert_int_equal(mkdir(host("d"), 0777), 0);
	assert_int_equal(chown(host("d"), 0, 5555), 0);
	assert_int_equal(chmod(host("d"), 02777), 0);
	assert_int_equal(lookup(export_id, "d", &d), 0);
	uid = 1000;
	gid = 1000;
	assert_int_equal(call(FUSE_CREATE, d, &in, sizeof(in), "f"), 0);
	assert_int_equal(stat(host("d/f"), &st), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 5555);
	assert_int_equal(st.st_mode & 07777, 0755);
	/* One who is in the group may have it. */
	gid = 5555;
	assert_int_equal(call(FUSE_CREATE, d, &in, sizeof(in), "g"), 0);
	assert_int_equal(mode_of("d/g"), 02755);
	/* And nothing of it sticks to the thread. */
	uid = gid = 0;
	assert_int_equal(call(FUSE_CREATE, d, &in, sizeof(in), "h"), 0);
	assert_int_equal(stat(host("d/h"), &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_mode & 07777, 02755);
}

/* The header's place for the length of extensions, which headers before 7.38 do not name. */
static void extended(struct fuse_in_header *in, uint16_t units)
{
	memcpy((char *)in + 36, &units, sizeof(units));
}

static void test_supplementary_group_of_the_request(void **state)
{
	struct fuse_in_header in = {
		.opcode = FUSE_CREATE, .unique = 42, .uid = 1000, .gid = 1000
	};
	struct fuse_create_in create = { .flags = O_RDWR, .mode = 02755 };
	struct fuse_out_header out;
	/* struct fuse_ext_header of type FUSE_EXT_GROUPS, one group. */
	uint32_t extension[4] = { 16, 32, 1, 5555 };
	struct iovec in_iov[] = { { &in, sizeof(in) }, { &create, sizeof(create) },
		{ (char[]){ "f" }, 2 }, { extension, sizeof(extension) } };
	struct iovec out_iov[] = { { &out, sizeof(out) }, { reply, sizeof(reply) } };

	(void)state;
	assert_int_equal(mkdir(host("d"), 0777), 0);
	assert_int_equal(chown(host("d"), 0, 5555), 0);
	assert_int_equal(chmod(host("d"), 02777), 0);
	assert_int_equal(lookup(export_id, "d", &in.nodeid), 0);
	extended(&in, sizeof(extension) / 8);
	in.len = sizeof(in) + sizeof(create) + 2 + sizeof(extension);
	assert_true(fuse_server_handle(thread, in_iov, 4, out_iov, 2) > 0);
	assert_int_equal(out.error, 0);
	assert_int_equal(mode_of("d/f"), 02755);
	/* The group is gone with the request. */
	in_iov[2].iov_base = (char[]){ "g" };
	extended(&in, 0);
	in.len = sizeof(in) + sizeof(create) + 2;
	assert_true(fuse_server_handle(thread, in_iov, 3, out_iov, 2) > 0);
	assert_int_equal(mode_of("d/g"), 0755);
	/* Extensions that lie about their size. */
	for (uint32_t size = 0; size < 40; size++) {
		char name[8];

		snprintf(name, sizeof(name), "x%u", size);
		extension[0] = size;
		extension[2] = size * 100;
		in_iov[2] = (struct iovec){ name, strlen(name) + 1 };
		extended(&in, 2 + size % 4);
		in.len = (uint32_t)(sizeof(in) + sizeof(create) + strlen(name) + 1 +
			sizeof(extension));
		assert_true(fuse_server_handle(thread, in_iov, 4, out_iov, 2) > 0);
	}
}

static void test_read_only_export(void **state)
{
	struct fuse_create_in create = { .flags = O_RDWR, .mode = 0644 };
	struct fuse_setattr_in set = { .valid = FATTR_MODE, .mode = 0777 };
	struct fuse_mkdir_in mkdir_in = { .mode = 0755 };
	struct fuse_setxattr_in xattr = { .size = 1 };
	struct fuse_link_in link_in;
	uint64_t id, fh;

	(void)state;
	start(&(struct fuse_server_options){ .proc_self_fd = -1 }, true);
	make_file("f", 0644);
	assert_int_equal(lookup(export_id, "f", &id), 0);
	link_in.oldnodeid = id;
	assert_int_equal(open_node(id, O_WRONLY, &fh), -EROFS);
	assert_int_equal(open_node(id, O_RDWR, &fh), -EROFS);
	assert_int_equal(open_node(id, O_RDONLY | O_TRUNC, &fh), -EROFS);
	assert_int_equal(open_node(id, O_RDONLY, &fh), 0);
	assert_int_equal(write_handle(id, fh, "x", 0), -EBADF);
	assert_int_equal(call(FUSE_CREATE, export_id, &create, 16, "g"), -EROFS);
	assert_int_equal(call(FUSE_TMPFILE, export_id, &create, 16, ""), -EROFS);
	assert_int_equal(call(FUSE_MKDIR, export_id, &mkdir_in, 8, "g"), -EROFS);
	assert_int_equal(call(FUSE_UNLINK, export_id, NULL, 0, "f"), -EROFS);
	assert_int_equal(call(FUSE_SETATTR, id, &set, sizeof(set), NULL), -EROFS);
	assert_int_equal(call(FUSE_LINK, export_id, &link_in, 8, "g"), -EROFS);
	assert_int_equal(call3(FUSE_SYMLINK, export_id, "g", 2, "t", 2, NULL, 0), -EROFS);
	assert_int_equal(
		call3(FUSE_SETXATTR, id, &xattr, sizeof(xattr), "user.a\0v", 8, NULL, 0), -EROFS);
	assert_int_equal(call(FUSE_REMOVEXATTR, id, NULL, 0, "user.a"), -EROFS);
	tear_down(NULL);
}

static void test_umask_and_owner_of_what_is_made(void **state)
{
	struct fuse_mkdir_in in = { .mode = 0777, .umask = 027 };
	struct stat st;

	(void)state;
	uid = 1000;
	gid = 1001;
	assert_int_equal(call(FUSE_MKDIR, export_id, &in, sizeof(in), "d"), 0);
	assert_int_equal(stat(host("d"), &st), 0);
	assert_int_equal(st.st_uid, 1000);
	assert_int_equal(st.st_gid, 1001);
	assert_int_equal(st.st_mode & 07777, 0750);
	/* -1 is no id. */
	uid = gid = UINT32_MAX;
	assert_int_equal(call(FUSE_MKDIR, export_id, &in, sizeof(in), "e"), -EPERM);
	assert_int_equal(access(host("e"), F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cve_2026_47243_only_the_export_changes),
		TEST(test_cve_2020_35517_devices_are_never_opened),
		TEST(test_cve_2021_20263_writing_drops_privileges),
		TEST(test_cve_2022_0358_setgid_is_the_group_s),
		TEST(test_supplementary_group_of_the_request),
		cmocka_unit_test(test_read_only_export),
		TEST(test_umask_and_owner_of_what_is_made),
	};

	return RUN(tests);
}
