/* SPDX-License-Identifier: Apache-2.0 */
/* What the FUSE server remembers for a client: inodes, handles, exports, and how many. */
#include "tests/unit/fuse_requests.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hard_links_are_one_node),
		TEST(test_unlinked_node_lives_until_forgotten),
		TEST(test_changed_behind_our_back_is_stale),
		TEST(test_rename_moves_what_is_below),
		TEST(test_numbers_that_were_never_given),
		TEST(test_handle_is_good_once),
		cmocka_unit_test(test_cve_2020_10717_descriptors_are_bounded),
		cmocka_unit_test(test_nodes_are_bounded),
		TEST(test_exports_come_and_go),
	};

	return RUN(tests);
}
