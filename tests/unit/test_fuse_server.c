/* SPDX-License-Identifier: Apache-2.0 */
/* The FUSE server against requests made by hand: versions, lengths, what each operation does. */
#include "tests/unit/fuse_requests.h"

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
	const struct CMUnitTest tests[] = {
		TEST(test_versions),
		TEST(test_nothing_before_init),
		TEST(test_locks_are_the_guest_s),
		TEST(test_lengths_that_lie),
		TEST(test_large_directory_is_read_once),
		TEST(test_xattrs),
		TEST(test_file_operations),
	};

	return RUN(tests);
}
