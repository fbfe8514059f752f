/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A FUSE server over a directory, and requests made by hand, the hostile ones above all, for the
 * tests of it. They need root: a file server takes on other users' ids.
 */
#pragma once

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
static inline int call3(uint32_t opcode, uint64_t node, const void *a, size_t a_length,
	const void *b, size_t b_length, const void *c, size_t c_length)
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

static inline int call(
	uint32_t opcode, uint64_t node, const void *a, size_t a_length, const char *name)
{
	return call3(opcode, node, a, a_length, name, name ? strlen(name) + 1 : 0, NULL, 0);
}

static inline int lookup(uint64_t parent, const char *name, uint64_t *ret)
{
	struct fuse_entry_out entry;
	int r = call(FUSE_LOOKUP, parent, NULL, 0, name);

	memcpy(&entry, reply, sizeof(entry));
	*ret = r == 0 ? entry.nodeid : 0;
	return r;
}

static inline int open_node(uint64_t node, uint32_t flags, uint64_t *ret)
{
	struct fuse_open_in in = { .flags = flags };
	struct fuse_open_out out;
	int r = call(FUSE_OPEN, node, &in, sizeof(in), NULL);

	memcpy(&out, reply, sizeof(out));
	*ret = r == 0 ? out.fh : 0;
	return r;
}

static inline int write_handle(uint64_t node, uint64_t fh, const char *text, uint32_t flags)
{
	struct fuse_write_in in = {
		.fh = fh, .size = (uint32_t)strlen(text), .write_flags = flags
	};

	return call3(FUSE_WRITE, node, &in, sizeof(in), text, strlen(text), NULL, 0);
}

static inline int initialize(uint32_t minor, uint32_t flags)
{
	struct fuse_init_in in = { .major = 7, .minor = minor, .flags = flags };

	return call(FUSE_INIT, 0, &in, sizeof(in), NULL);
}

static inline void start(const struct fuse_server_options *options, bool read_only)
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

static inline int set_up(void **state)
{
	(void)state;
	start(&(struct fuse_server_options){ .proc_self_fd = -1 }, false);
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int tear_down(void **state)
{
	(void)state;
	/* The thread's privileges come back with a request that kills none. */
	call(FUSE_SETATTR, export_id, &(struct fuse_setattr_in){ 0 }, 88, NULL);
	fuse_thread_free(thread);
	fuse_server_free(server);
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static inline const char *host(const char *name)
{
	static char paths[4][512];
	static int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

static inline void make_file(const char *name, mode_t mode)
{
	int fd = open(host(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "content", 7), 7);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static inline mode_t mode_of(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(host(name), &st), 0);
	return st.st_mode & 07777;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* Runs them as root, else skips all. */
#define RUN(tests)                                                  \
	(geteuid() == 0 ? cmocka_run_group_tests(tests, NULL, NULL) \
			: (puts("1..0 # skipped: needs root, for other users' ids"), 0))
