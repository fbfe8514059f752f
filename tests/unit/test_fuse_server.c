/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server against requests made by hand, the hostile ones above all. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/fuse.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/error.h"
#include "runtime/vm/virtio/fs/fuse_server.h"

static char directory[64];
static struct fuse_server *server;
static struct fuse_thread *thread;
static uint32_t uid, gid;
static char reply[1 << 17];
static size_t reply_length;
static uint64_t export_id;

#define FLAGS                                                                            \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DONT_MASK |      \
		FUSE_DO_READDIRPLUS | FUSE_POSIX_ACL | FUSE_MAX_PAGES | FUSE_SUBMOUNTS | \
		FUSE_HANDLE_KILLPRIV_V2 | FUSE_SETXATTR_EXT | FUSE_INIT_EXT)

/* Sends one request of up to three parts. Returns the answer's error, 1 where there is none. */
static int call3(uint32_t opcode, uint64_t node, const void *a, size_t a_length, const void *b,
	size_t b_length, const void *c, size_t c_length)
{
	struct fuse_in_header in = { .len = (uint32_t)(sizeof(in) + a_length + b_length + c_length),
		.opcode = opcode,
		.unique = 42,
		.nodeid = node,
		.uid = uid,
		.gid = gid };
	struct fuse_out_header out;
	struct iovec in_iov[] = { { &in, sizeof(in) }, { (void *)a, a_length },
		{ (void *)b, b_length }, { (void *)c, c_length } };
	struct iovec out_iov[] = { { &out, sizeof(out) }, { reply, sizeof(reply) } };
	size_t n = fuse_server_handle(thread, in_iov, 4, out_iov, 2);

	if (n == 0)
		return 1;
	assert_int_equal(n, out.len);
	assert_int_equal(out.unique, 42);
	reply_length = n - sizeof(out);
	return out.error;
}

static int call(uint32_t opcode, uint64_t node, const void *a, size_t a_length, const char *name)
{
	return call3(opcode, node, a, a_length, name, name ? strlen(name) + 1 : 0, NULL, 0);
}

static int lookup(uint64_t parent, const char *name, uint64_t *ret)
{
	struct fuse_entry_out entry;
	int r = call(FUSE_LOOKUP, parent, NULL, 0, name);

	memcpy(&entry, reply, sizeof(entry));
	*ret = r == 0 ? entry.nodeid : 0;
	return r;
}

static int open_node(uint64_t node, uint32_t flags, uint64_t *ret)
{
	struct fuse_open_in in = { .flags = flags };
	struct fuse_open_out out;
	int r = call(FUSE_OPEN, node, &in, sizeof(in), NULL);

	memcpy(&out, reply, sizeof(out));
	*ret = r == 0 ? out.fh : 0;
	return r;
}

static int write_handle(uint64_t node, uint64_t fh, const char *text, uint32_t flags)
{
	struct fuse_write_in in = {
		.fh = fh, .size = (uint32_t)strlen(text), .write_flags = flags
	};

	return call3(FUSE_WRITE, node, &in, sizeof(in), text, strlen(text), NULL, 0);
}

static int initialize(uint32_t minor, uint32_t flags)
{
	struct fuse_init_in in = { .major = 7, .minor = minor, .flags = flags };

	return call(FUSE_INIT, 0, &in, sizeof(in), NULL);
}

static void start(const struct fuse_server_options *options, bool read_only)
{
	struct fuse_export_options export = { .read_only = read_only };
	struct error err = ERROR_INIT;

	uid = gid = 0;
	strcpy(directory, "/tmp/caisson-fuse-XXXXXX");
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chmod(directory, 0777), 0);
	assert_int_equal(fuse_server_new(options, &server, &err), 0);
	assert_int_equal(fuse_server_add_export(server, "root", open(directory, O_PATH | O_CLOEXEC),
				 &export, &err),
		0);
	assert_int_equal(fuse_thread_new(server, &thread, &err), 0);
	assert_int_equal(initialize(38, FLAGS), 0);
	assert_int_equal(lookup(FUSE_ROOT_ID, "root", &export_id), 0);
}

static int set_up(void **state)
{
	(void)state;
	start(&(struct fuse_server_options){ .proc_self_fd = -1 }, false);
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	(void)state;
	/* The thread's privileges come back with a request that kills none. */
	call(FUSE_SETATTR, export_id, &(struct fuse_setattr_in){ 0 }, 88, NULL);
	fuse_thread_free(thread);
	fuse_server_free(server);
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static const char *host(const char *name)
{
	static char paths[4][512];
	static int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static void make_file(const char *name, mode_t mode)
{
	int fd = open(host(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "content", 7), 7);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(host(name), &st), 0);
	return st.st_mode & 07777;
}

static void test_versions(void **state)
{
	struct fuse_init_out out;
	struct fuse_init_in in = { .major = 8, .minor = 0 };

	(void)state;
	assert_int_equal(initialize(38, FLAGS), 0);
	memcpy(&out, reply, sizeof(out));
	assert_int_equal(out.major, 7);
	assert_int_equal(out.minor, 38);
	assert_int_equal(out.max_write, 1 << 20);
	assert_int_equal(out.flags & ~FLAGS, 0);
	/* No write-back cache, whatever the client would like. */
	assert_int_equal(initialize(38, 0xffffffff), 0);
	memcpy(&out, reply, sizeof(out));
	assert_int_equal(
		out.flags & (FUSE_WRITEBACK_CACHE | FUSE_POSIX_LOCKS | FUSE_EXPORT_SUPPORT), 0);
	assert_int_equal(initialize(31, FUSE_ASYNC_READ), 0);
	memcpy(&out, reply, sizeof(out));
	assert_int_equal(out.minor, 31);
	assert_int_equal(initialize(30, 0), -EPROTO);
	/* A newer major is told ours, and asks again. */
	assert_int_equal(call(FUSE_INIT, 0, &in, sizeof(in), NULL), 0);
	memcpy(&out, reply, sizeof(out));
	assert_int_equal(out.major, 7);
}

static void test_nothing_before_init(void **state)
{
	uint64_t id;

	(void)state;
	fuse_server_reset(server);
	assert_int_equal(lookup(FUSE_ROOT_ID, "root", &id), -EIO);
	assert_int_equal(initialize(38, FLAGS), 0);
	assert_int_equal(lookup(FUSE_ROOT_ID, "root", &id), 0);
}

static void test_locks_are_the_guest_s(void **state)
{
	static const uint32_t opcodes[] = { FUSE_GETLK, FUSE_SETLK, FUSE_SETLKW, FUSE_FLUSH,
		FUSE_IOCTL, FUSE_POLL, FUSE_BMAP, 0, 7, 19, 48, 49, 52, 4096, UINT32_MAX };
	char zeroes[256] = { 0 };

	(void)state;
	for (unsigned int i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++)
		assert_int_equal(
			call3(opcodes[i], export_id, zeroes, sizeof(zeroes), NULL, 0, NULL, 0),
			-ENOSYS);
}

static void test_hard_links_are_one_node(void **state)
{
	uint64_t a, b, c;
	struct fuse_link_in in;

	(void)state;
	make_file("a", 0644);
	assert_int_equal(lookup(export_id, "a", &a), 0);
	in.oldnodeid = a;
	assert_int_equal(call(FUSE_LINK, export_id, &in, sizeof(in), "b"), 0);
	assert_int_equal(lookup(export_id, "b", &b), 0);
	assert_true(a == b);
	/* One name goes, the other one still leads to it. */
	assert_int_equal(call(FUSE_UNLINK, export_id, NULL, 0, "b"), 0);
	assert_int_equal(call(FUSE_GETATTR, a, &(struct fuse_getattr_in){ 0 }, 16, NULL), 0);
	assert_int_equal(lookup(export_id, "a", &c), 0);
	assert_true(a == c);
}

static void test_unlinked_node_lives_until_forgotten(void **state)
{
	struct fuse_getattr_in in = { 0 };
	struct fuse_attr_out out;
	struct fuse_forget_in forget = { .nlookup = 1 };
	uint64_t a, b;

	(void)state;
	make_file("a", 0644);
	assert_int_equal(lookup(export_id, "a", &a), 0);
	assert_int_equal(call(FUSE_UNLINK, export_id, NULL, 0, "a"), 0);
	/* A new file of that name is another one. */
	make_file("a", 0600);
	assert_int_equal(call(FUSE_GETATTR, a, &in, sizeof(in), NULL), 0);
	memcpy(&out, reply, sizeof(out));
	assert_int_equal(out.attr.nlink, 0);
	assert_int_equal(out.attr.mode & 07777, 0644);
	assert_int_equal(lookup(export_id, "a", &b), 0);
	assert_true(a != b);
	assert_int_equal(call(FUSE_FORGET, a, &forget, sizeof(forget), NULL), 1);
	assert_int_equal(call(FUSE_GETATTR, a, &in, sizeof(in), NULL), -ESTALE);
}

static void test_changed_behind_our_back_is_stale(void **state)
{
	struct fuse_getattr_in in = { 0 };
	uint64_t a, d, fh;

	(void)state;
	make_file("a", 0644);
	assert_int_equal(lookup(export_id, "a", &a), 0);
	make_file("other", 0644);
	assert_int_equal(rename(host("other"), host("a")), 0);
	assert_int_equal(call(FUSE_GETATTR, a, &in, sizeof(in), NULL), -ESTALE);
	assert_int_equal(open_node(a, O_RDONLY, &fh), -ESTALE);
	/* A directory that became a link to somewhere else. */
	assert_int_equal(mkdir(host("d"), 0755), 0);
	assert_int_equal(lookup(export_id, "d", &d), 0);
	assert_int_equal(rmdir(host("d")), 0);
	assert_int_equal(symlink("/etc", host("d")), 0);
	assert_int_equal(lookup(d, "passwd", &a), -ESTALE);
}

static void test_rename_moves_what_is_below(void **state)
{
	struct fuse_rename2_in in = { 0 };
	uint64_t x, y, deep, fh;

	(void)state;
	assert_int_equal(mkdir(host("x"), 0755), 0);
	assert_int_equal(mkdir(host("x/y"), 0755), 0);
	make_file("x/y/f", 0644);
	assert_int_equal(lookup(export_id, "x", &x), 0);
	assert_int_equal(lookup(x, "y", &y), 0);
	assert_int_equal(lookup(y, "f", &deep), 0);
	in.newdir = export_id;
	assert_int_equal(call3(FUSE_RENAME2, x, &in, sizeof(in), "y\0z", 4, NULL, 0), 0);
	assert_int_equal(open_node(deep, O_RDONLY, &fh), 0);
	make_file("one", 0600);
	make_file("two", 0640);
	assert_int_equal(lookup(export_id, "one", &x), 0);
	in.flags = 2; /* RENAME_EXCHANGE */
	assert_int_equal(
		call3(FUSE_RENAME2, export_id, &in, sizeof(in), "one\0two", 8, NULL, 0), 0);
	assert_int_equal(lookup(export_id, "two", &y), 0);
	assert_true(x == y);
	in.flags = 1; /* RENAME_NOREPLACE */
	assert_int_equal(
		call3(FUSE_RENAME2, export_id, &in, sizeof(in), "one\0two", 8, NULL, 0), -EEXIST);
	in.flags = 0x80;
	assert_int_equal(
		call3(FUSE_RENAME2, export_id, &in, sizeof(in), "one\0two", 8, NULL, 0), -EINVAL);
}

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

static void test_numbers_that_were_never_given(void **state)
{
	static const uint64_t ids[] = { 0, 2, 99999, UINT64_MAX, UINT64_MAX - 1, 1ULL << 32 };
	char zeroes[512] = { 0 };
	uint64_t fh;

	(void)state;
	for (unsigned int i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		if (ids[i] == export_id)
			continue;
		for (uint32_t op = 1; op < 60; op++)
			if (op != FUSE_INIT)
				call3(op, ids[i], zeroes, sizeof(zeroes), NULL, 0, NULL, 0);
		assert_int_equal(open_node(ids[i], O_RDONLY, &fh), -ESTALE);
		for (uint32_t op = 1; op < 60; op++) {
			uint64_t args[16];

			for (unsigned int k = 0; k < 16; k++)
				args[k] = ids[i];
			if (op != FUSE_INIT)
				call3(op, export_id, args, sizeof(args), NULL, 0, NULL, 0);
		}
	}
	make_file("f", 0644);
	assert_int_equal(lookup(FUSE_ROOT_ID, "root", &export_id), 0);
	assert_int_equal(lookup(export_id, "f", &fh), 0);
}

static void test_handle_is_good_once(void **state)
{
	struct fuse_release_in release = { 0 };
	struct fuse_read_in in = { .size = 100 };
	uint64_t f;

	(void)state;
	make_file("f", 0644);
	assert_int_equal(lookup(export_id, "f", &f), 0);
	assert_int_equal(open_node(f, O_RDONLY, &in.fh), 0);
	assert_int_equal(call(FUSE_READ, f, &in, sizeof(in), NULL), 0);
	assert_int_equal(reply_length, 7);
	assert_memory_equal(reply, "content", 7);
	/* Not for writing, not as a directory. */
	assert_int_equal(write_handle(f, in.fh, "x", 0), -EBADF);
	assert_int_equal(call(FUSE_READDIR, f, &in, sizeof(in), NULL), -EBADF);
	release.fh = in.fh;
	assert_int_equal(call(FUSE_RELEASEDIR, f, &release, sizeof(release), NULL), -EBADF);
	assert_int_equal(call(FUSE_RELEASE, f, &release, sizeof(release), NULL), 0);
	assert_int_equal(call(FUSE_RELEASE, f, &release, sizeof(release), NULL), -EBADF);
	assert_int_equal(call(FUSE_READ, f, &in, sizeof(in), NULL), -EBADF);
}

static void test_lengths_that_lie(void **state)
{
	struct fuse_in_header in = { .opcode = FUSE_WRITE, .unique = 42, .nodeid = export_id };
	struct fuse_write_in w = { .size = 100 };
	struct fuse_out_header out;
	char data[200] = { 0 };
	uint64_t f;
	static const uint32_t lengths[] = { 0, 39, 40, 80, 81, 140, 0x7fffffff, UINT32_MAX };

	(void)state;
	make_file("f", 0644);
	assert_int_equal(lookup(export_id, "f", &f), 0);
	assert_int_equal(open_node(f, O_RDWR, &w.fh), 0);
	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct iovec in_iov[] = { { &in, sizeof(in) }, { &w, sizeof(w) }, { data, 50 } };
		struct iovec out_iov = { &out, sizeof(out) };

		in.len = lengths[i];
		assert_int_equal(fuse_server_handle(thread, in_iov, 3, &out_iov, 1), sizeof(out));
		assert_int_equal(out.error, -EINVAL);
		/* No room for an answer is no answer. */
		out_iov.iov_len = 15;
		assert_int_equal(fuse_server_handle(thread, in_iov, 3, &out_iov, 1), 0);
		/* And half a header is no request. */
		in_iov[0].iov_len = 39;
		assert_int_equal(fuse_server_handle(thread, in_iov, 1, &out_iov, 1), 0);
	}
	/* An answer that does not fit into what the client gave. */
	{
		struct fuse_in_header h = { .len = 56, .opcode = FUSE_GETATTR, .nodeid = f };
		struct iovec in_iov[] = { { &h, sizeof(h) }, { data, 16 } };
		struct iovec out_iov = { reply, sizeof(out) + 20 };

		assert_int_equal(fuse_server_handle(thread, in_iov, 2, &out_iov, 1), sizeof(out));
		memcpy(&out, reply, sizeof(out));
		assert_int_equal(out.error, -EIO);
	}
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

static unsigned int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

/* CVE-2020-10717: a guest that opens files until the host has no descriptors left. */
static void test_cve_2020_10717_descriptors_are_bounded(void **state)
{
	struct fuse_create_in in = { .flags = O_RDWR, .mode = 0644 };
	unsigned int before, opened = 0, max = 0;
	char name[32];
	int r = 0;

	(void)state;
	start(&(struct fuse_server_options){ .proc_self_fd = -1, .fds_max = 200 }, false);
	before = open_fds();
	for (unsigned int i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		r = call(FUSE_CREATE, export_id, &in, sizeof(in), name);
		if (r == 0)
			opened++;
		if (open_fds() - before > max)
			max = open_fds() - before;
		if (r == 0)
			assert_int_equal(call(FUSE_UNLINK, export_id, NULL, 0, name), 0);
	}
	assert_int_equal(r, -ENFILE);
	assert_in_range(opened, 40, 100);
	assert_true(max <= 205);
	/* Nodes without handles only fill a cache, which makes room. */
	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t id;

		snprintf(name, sizeof(name), "d%u", i);
		assert_int_equal(mkdir(host(name), 0755), 0);
		assert_int_equal(lookup(export_id, name, &id), 0);
		assert_int_equal(lookup(id, "x", &id), -ENOENT);
		assert_true(open_fds() - before <= 205);
	}
	tear_down(NULL);
}

static void test_nodes_are_bounded(void **state)
{
	char name[32];
	uint64_t id;
	int r = 0;
	unsigned int known = 0;

	(void)state;
	start(&(struct fuse_server_options){ .proc_self_fd = -1, .nodes_max = 100 }, false);
	for (unsigned int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		make_file(name, 0644);
		r = lookup(export_id, name, &id);
		known += r == 0;
	}
	assert_int_equal(r, -ENFILE);
	assert_int_equal(known, 99);
	tear_down(NULL);
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

static void test_exports_come_and_go(void **state)
{
	struct fuse_export_options options = { 0 };
	struct fuse_open_out handle;
	struct fuse_read_in in = { .size = 4096 };
	struct error err = ERROR_INIT;
	uint64_t id, file;
	char *p;
	int names = 0;

	(void)state;
	make_file("f", 0644);
	assert_int_equal(mkdir(host("sub"), 0755), 0);
	assert_int_equal(lookup(FUSE_ROOT_ID, "hosts", &id), -ENOENT);
	assert_int_equal(fuse_server_add_export(server, "hosts",
				 open(host("f"), O_PATH | O_CLOEXEC), &options, &err),
		0);
	assert_int_equal(fuse_server_add_export(server, "hosts", -1, &options, &err), -EBADF);
	assert_int_equal(lookup(FUSE_ROOT_ID, "hosts", &id), 0);
	assert_int_equal(open_node(id, O_RDONLY, &in.fh), 0);
	assert_int_equal(call(FUSE_READ, id, &in, sizeof(in), NULL), 0);
	assert_memory_equal(reply, "content", 7);
	assert_int_equal(call(FUSE_OPENDIR, FUSE_ROOT_ID, &(struct fuse_open_in){ 0 }, 8, NULL), 0);
	memcpy(&handle, reply, sizeof(handle));
	in.fh = handle.fh;
	assert_int_equal(call(FUSE_READDIRPLUS, FUSE_ROOT_ID, &in, sizeof(in), NULL), 0);
	for (p = reply; p < reply + reply_length;) {
		struct fuse_direntplus *d = (void *)p;

		names++;
		p += FUSE_DIRENTPLUS_SIZE(d);
	}
	assert_int_equal(names, 4);
	assert_int_equal(lookup(export_id, "f", &file), 0);
	assert_int_equal(fuse_server_remove_export(server, "root", &err), 0);
	assert_int_equal(lookup(export_id, "f", &file), -ESTALE);
	assert_int_equal(call(FUSE_GETATTR, file, &in, 16, NULL), -ESTALE);
	assert_int_equal(lookup(FUSE_ROOT_ID, "root", &id), -ENOENT);
	assert_int_equal(fuse_server_remove_export(server, "root", &err), -ENOENT);
}

static void test_large_directory_is_read_once(void **state)
{
	struct fuse_read_in in = { .size = 1000 };
	struct fuse_open_out handle;
	static bool seen[500];
	unsigned int total = 0;
	char name[16];

	(void)state;
	for (unsigned int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		make_file(name, 0644);
	}
	for (int plus = 0; plus < 2; plus++) {
		memset(seen, 0, sizeof(seen));
		total = 0;
		in.offset = 0;
		assert_int_equal(
			call(FUSE_OPENDIR, export_id, &(struct fuse_open_in){ 0 }, 8, NULL), 0);
		memcpy(&handle, reply, sizeof(handle));
		in.fh = handle.fh;
		do {
			assert_int_equal(call(plus ? FUSE_READDIRPLUS : FUSE_READDIR, export_id,
						 &in, sizeof(in), NULL),
				0);
			for (size_t at = 0; at < reply_length;) {
				struct fuse_direntplus *p = (void *)(reply + at);
				struct fuse_dirent *d = plus ? &p->dirent : (void *)p;

				if (d->name[0] == 'f') {
					int i = atoi(d->name + 1);

					assert_false(seen[i]);
					seen[i] = true;
					total++;
					if (plus)
						assert_true(p->entry_out.nodeid != 0);
				}
				in.offset = d->off;
				at += plus ? FUSE_DIRENTPLUS_SIZE(p) : FUSE_DIRENT_SIZE(d);
			}
		} while (reply_length > 0);
		assert_int_equal(total, 500);
	}
	assert_int_equal(fuse_server_usage(server).nodes, 501);
	/* As a client does: all that readdirplus looked up is forgotten, and gone then. */
	fuse_server_reset(server);
	assert_int_equal(fuse_server_usage(server).nodes, 0);
	assert_int_equal(fuse_server_usage(server).fds, 0);
}

static void test_xattrs(void **state)
{
	struct fuse_setxattr_in set = { .size = 5 };
	struct fuse_getxattr_in get = { .size = 0 };
	struct fuse_getxattr_out size;
	uint64_t id;

	(void)state;
	make_file("f", 0644);
	assert_int_equal(lookup(export_id, "f", &id), 0);
	assert_int_equal(call3(FUSE_SETXATTR, id, &set, sizeof(set), "user.a", 7, "value", 5), 0);
	assert_int_equal(call(FUSE_GETXATTR, id, &get, sizeof(get), "user.a"), 0);
	memcpy(&size, reply, sizeof(size));
	assert_int_equal(size.size, 5);
	get.size = 4;
	assert_int_equal(call(FUSE_GETXATTR, id, &get, sizeof(get), "user.a"), -ERANGE);
	get.size = 100;
	assert_int_equal(call(FUSE_GETXATTR, id, &get, sizeof(get), "user.a"), 0);
	assert_int_equal(reply_length, 5);
	assert_memory_equal(reply, "value", 5);
	assert_int_equal(call(FUSE_LISTXATTR, id, &get, sizeof(get), NULL), 0);
	assert_memory_equal(reply, "user.a", 7);
	assert_int_equal(call(FUSE_REMOVEXATTR, id, NULL, 0, "user.a"), 0);
	assert_int_equal(call(FUSE_GETXATTR, id, &get, sizeof(get), "user.a"), -ENODATA);
	/* A size that is larger than what came. */
	set.size = 6;
	assert_int_equal(
		call3(FUSE_SETXATTR, id, &set, sizeof(set), "user.a", 7, "value", 5), -EINVAL);
	assert_int_equal(
		call(FUSE_GETXATTR, FUSE_ROOT_ID, &get, sizeof(get), "user.a"), -EOPNOTSUPP);
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

static void test_file_operations(void **state)
{
	struct fuse_fallocate_in allocate = { .length = 8192 };
	struct fuse_lseek_in seek = { .whence = SEEK_HOLE };
	struct fuse_copy_file_range_in copy = { .len = 4 };
	struct fuse_create_in create = { .flags = O_RDWR, .mode = 0600 };
	struct fuse_entry_out entry;
	struct fuse_open_out handle;
	struct fuse_fsync_in sync_in = { 0 };
	struct fuse_link_in link_in;
	uint64_t id;
	struct stat st;

	(void)state;
	make_file("f", 0644);
	assert_int_equal(lookup(export_id, "f", &id), 0);
	assert_int_equal(open_node(id, O_RDWR, &allocate.fh), 0);
	assert_int_equal(call(FUSE_FALLOCATE, id, &allocate, sizeof(allocate), NULL), 0);
	assert_int_equal(stat(host("f"), &st), 0);
	assert_int_equal(st.st_size, 8192);
	seek.fh = sync_in.fh = copy.fh_in = allocate.fh;
	assert_int_equal(call(FUSE_LSEEK, id, &seek, sizeof(seek), NULL), 0);
	assert_int_equal(call(FUSE_FSYNC, id, &sync_in, sizeof(sync_in), NULL), 0);
	assert_int_equal(call(FUSE_SYNCFS, export_id, &(uint64_t){ 0 }, 8, NULL), 0);
	assert_int_equal(call(FUSE_SYNCFS, FUSE_ROOT_ID, &(uint64_t){ 0 }, 8, NULL), 0);
	assert_int_equal(call(FUSE_STATFS, id, NULL, 0, NULL), 0);
	assert_int_equal(call(FUSE_TMPFILE, export_id, &create, sizeof(create), ""), 0);
	memcpy(&entry, reply, sizeof(entry));
	memcpy(&handle, reply + sizeof(entry), sizeof(handle));
	copy.nodeid_out = entry.nodeid;
	copy.fh_out = handle.fh;
	assert_int_equal(call(FUSE_COPY_FILE_RANGE, id, &copy, sizeof(copy), NULL), 0);
	link_in.oldnodeid = entry.nodeid;
	assert_int_equal(call(FUSE_LINK, export_id, &link_in, sizeof(link_in), "named"), 0);
	assert_int_equal(stat(host("named"), &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(st.st_nlink, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_versions),
		TEST(test_nothing_before_init),
		TEST(test_locks_are_the_guest_s),
		TEST(test_hard_links_are_one_node),
		TEST(test_unlinked_node_lives_until_forgotten),
		TEST(test_changed_behind_our_back_is_stale),
		TEST(test_rename_moves_what_is_below),
		TEST(test_cve_2026_47243_only_the_export_changes),
		TEST(test_numbers_that_were_never_given),
		TEST(test_handle_is_good_once),
		TEST(test_lengths_that_lie),
		TEST(test_cve_2020_35517_devices_are_never_opened),
		TEST(test_cve_2021_20263_writing_drops_privileges),
		TEST(test_cve_2022_0358_setgid_is_the_group_s),
		TEST(test_supplementary_group_of_the_request),
		cmocka_unit_test(test_cve_2020_10717_descriptors_are_bounded),
		cmocka_unit_test(test_nodes_are_bounded),
		cmocka_unit_test(test_read_only_export),
		TEST(test_exports_come_and_go),
		TEST(test_large_directory_is_read_once),
		TEST(test_xattrs),
		TEST(test_umask_and_owner_of_what_is_made),
		TEST(test_file_operations),
	};

	if (geteuid() != 0) {
		printf("1..0 # skipped: a file server takes on other users' ids, which needs "
		       "root\n");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
