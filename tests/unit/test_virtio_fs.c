/* SPDX-License-Identifier: Apache-2.0 */
/* The file system's transport: several threads, answers in any order, resets in between. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/stat.h>

#include "runtime/vm/virtio/fs.h"
#include "runtime/vm/virtio/fs/fuse_server.h"
#include "tests/unit/virtio_driver.h"

static struct driver driver;
static struct fuse_server *server;
static char directory[64];
static uint64_t export_id;

static void initialize(void);

static int set_up(void **state)
{
	struct fuse_server_options options = { .proc_self_fd = -1 };
	struct fuse_export_options export = { 0 };
	struct fs_options fs = { .tag = "tag", .threads = 4, .confine = true };
	struct virtio_device *device;
	struct error err = ERROR_INIT;

	(void)state;
	strcpy(directory, "/tmp/caisson-fs-XXXXXX");
	assert_non_null(mkdtemp(directory));
	driver_init(&driver);
	assert_int_equal(fuse_server_new(&options, &server, &err), 0);
	assert_int_equal(fuse_server_add_export(
				 server, "e", open(directory, O_PATH | O_CLOEXEC), &export, &err),
		0);
	assert_int_equal(virtio_fs_new(&driver.memory, server, &fs, &device, &err), 0);
	assert_int_equal(virtio_mmio_attach(&driver.slot, device), 0);
	driver_start(&driver, 2, 128, 0);
	initialize();
	return 0;
}

static int tear_down(void **state)
{
	DIR *d;
	struct dirent *entry;

	(void)state;
	driver_fini(&driver);
	fuse_server_free(server);
	d = opendir(directory);
	while ((entry = readdir(d)) != NULL)
		unlinkat(dirfd(d), entry->d_name, 0);
	closedir(d);
	assert_int_equal(rmdir(directory), 0);
	return 0;
}

struct request {
	uint64_t in, out;
	uint32_t in_length, out_length;
};

static struct request prepare(uint32_t opcode, uint64_t node, const void *a, size_t a_length,
	const void *b, size_t b_length, uint32_t room)
{
	struct request r = { .in_length = (uint32_t)(sizeof(struct fuse_in_header) + a_length +
				     b_length),
		.out_length = (uint32_t)sizeof(struct fuse_out_header) + room };
	struct fuse_in_header header = {
		.len = r.in_length, .opcode = opcode, .unique = 1, .nodeid = node
	};
	char *p;

	r.in = driver_alloc(&driver, r.in_length);
	r.out = driver_alloc(&driver, r.out_length);
	p = driver_at(&driver, r.in);
	memcpy(p, &header, sizeof(header));
	if (a_length > 0)
		memcpy(p + sizeof(header), a, a_length);
	if (b_length > 0)
		memcpy(p + sizeof(header) + a_length, b, b_length);
	return r;
}

static uint16_t send(unsigned int queue, const struct request *r)
{
	struct driver_buffer b[] = { { r->in, r->in_length, false },
		{ r->out, r->out_length, true } };

	return driver_add(&driver, queue, b, 2);
}

static void *payload(const struct request *r)
{
	return (char *)driver_at(&driver, r->out) + sizeof(struct fuse_out_header);
}

static int error_of(const struct request *r)
{
	return ((struct fuse_out_header *)driver_at(&driver, r->out))->error;
}

static void run(unsigned int queue, const struct request *r)
{
	send(queue, r);
	driver_kick(&driver, queue);
	driver_wait(&driver, queue, NULL);
}

static void initialize(void)
{
	struct fuse_init_in in = { .major = 7, .minor = 38, .flags = FUSE_MAX_PAGES };
	struct request r = prepare(FUSE_INIT, 0, &in, sizeof(in), NULL, 0, 256);

	run(1, &r);
	assert_int_equal(error_of(&r), 0);
	r = prepare(FUSE_LOOKUP, FUSE_ROOT_ID, NULL, 0, "e", 2, sizeof(struct fuse_entry_out));
	run(1, &r);
	assert_int_equal(error_of(&r), 0);
	export_id = ((struct fuse_entry_out *)payload(&r))->nodeid;
}

static void create(const char *name, struct fuse_entry_out *ret_entry, uint64_t *ret_fh)
{
	struct fuse_create_in in = { .flags = O_RDWR, .mode = 0600 };
	struct request r = prepare(FUSE_CREATE, export_id, &in, sizeof(in), name, strlen(name) + 1,
		sizeof(struct fuse_entry_out) + sizeof(struct fuse_open_out));
	struct fuse_open_out out;

	run(1, &r);
	assert_int_equal(error_of(&r), 0);
	memcpy(ret_entry, payload(&r), sizeof(*ret_entry));
	memcpy(&out, (char *)payload(&r) + sizeof(*ret_entry), sizeof(out));
	*ret_fh = out.fh;
}

static void test_config(void **state)
{
	(void)state;
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_DEVICE_ID), 26);
	assert_int_equal(driver_config(&driver, 0, 4), 't' | 'a' << 8 | 'g' << 16);
	assert_int_equal(driver_config(&driver, 36, 4), 1);
}

static void test_contents_move_in_many_pieces(void **state)
{
	struct fuse_entry_out entry;
	struct fuse_write_in w = { .size = 100 * 512 };
	struct fuse_read_in rd = { .size = 100 * 512 };
	uint64_t head = driver_alloc(&driver, 80), data = driver_alloc(&driver, 100 * 1024);
	uint64_t answer = driver_alloc(&driver, 64);
	struct fuse_in_header h = { .opcode = FUSE_WRITE, .len = 80 + 100 * 512 };
	struct driver_buffer b[102];
	char *p = driver_at(&driver, data);

	(void)state;
	create("f", &entry, &w.fh);
	rd.fh = w.fh;
	h.nodeid = entry.nodeid;
	for (unsigned int i = 0; i < 100; i++)
		memset(p + i * 1024, 'a' + (int)i % 26, 512);
	memcpy(driver_at(&driver, head), &h, sizeof(h));
	memcpy((char *)driver_at(&driver, head) + sizeof(h), &w, sizeof(w));
	b[0] = (struct driver_buffer){ head, 80, false };
	for (unsigned int i = 0; i < 100; i++)
		b[1 + i] = (struct driver_buffer){ data + i * 1024, 512, false };
	b[101] = (struct driver_buffer){ answer, 24, true };
	assert_int_equal(driver_request(&driver, 1, b, 102), 24);
	memset(p, 0, 100 * 1024);
	h = (struct fuse_in_header){ .opcode = FUSE_READ, .len = 80, .nodeid = entry.nodeid };
	memcpy(driver_at(&driver, head), &h, sizeof(h));
	memcpy((char *)driver_at(&driver, head) + sizeof(h), &rd, sizeof(rd));
	b[1] = (struct driver_buffer){ answer, 16, true };
	for (unsigned int i = 0; i < 100; i++)
		b[2 + i] = (struct driver_buffer){ data + i * 1024, 512, true };
	assert_int_equal(driver_request(&driver, 1, b, 102), 16 + 100 * 512);
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(p[i * 1024], 'a' + i % 26);
		assert_int_equal(p[i * 1024 + 511], 'a' + i % 26);
		assert_int_equal(p[i * 1024 + 512], 0);
	}
}

static void test_many_at_once(void **state)
{
	struct fuse_getattr_in in = { 0 };
	struct request requests[60];
	bool answered[128] = { false };
	uint16_t heads[60];

	(void)state;
	for (unsigned int i = 0; i < 60; i++)
		requests[i] = prepare(FUSE_GETATTR, export_id, &in, sizeof(in), NULL, 0,
			sizeof(struct fuse_attr_out));
	for (unsigned int round = 0; round < 100; round++) {
		memset(answered, 0, sizeof(answered));
		for (unsigned int i = 0; i < 60; i++) {
			heads[i] = send(1, &requests[i]);
			if (i % 7 == 0)
				driver_kick(&driver, 1);
		}
		driver_kick(&driver, 1);
		for (unsigned int i = 0; i < 60; i++) {
			uint32_t head = 0;

			driver_wait(&driver, 1, &head);
			assert_false(answered[head]);
			answered[head] = true;
		}
		for (unsigned int i = 0; i < 60; i++) {
			assert_true(answered[heads[i]]);
			assert_int_equal(error_of(&requests[i]), 0);
		}
	}
}

static void test_forget_has_no_answer_but_its_buffers_come_back(void **state)
{
	struct fuse_forget_in in = { .nlookup = 1 };
	struct request r = prepare(FUSE_FORGET, export_id, &in, sizeof(in), NULL, 0, 0);
	struct driver_buffer b = { r.in, r.in_length, false };

	(void)state;
	assert_int_equal(driver_request(&driver, 0, &b, 1), 0);
	assert_int_equal(fuse_server_usage(server).nodes, 0);
}

static void test_reset_forgets_and_starts_again(void **state)
{
	(void)state;
	for (unsigned int round = 0; round < 50; round++) {
		struct fuse_entry_out entry;
		struct fuse_getattr_in in = { 0 };
		uint64_t fh;
		char name[16];

		snprintf(name, sizeof(name), "f%u", round);
		create(name, &entry, &fh);
		assert_int_equal(fuse_server_usage(server).handles, 1);
		for (unsigned int i = 0; i < 40; i++) {
			struct request r = prepare(FUSE_GETATTR, entry.nodeid, &in, sizeof(in),
				NULL, 0, sizeof(struct fuse_attr_out));

			send(1, &r);
		}
		driver_kick(&driver, 1);
		driver_write(&driver, VIRTIO_MMIO_STATUS, 0);
		driver.next = DRIVER_QUEUES * DRIVER_RING_SPACE;
		driver_start(&driver, 2, 128, 0);
		initialize();
		assert_int_equal(fuse_server_usage(server).handles, 0);
		assert_int_equal(fuse_server_usage(server).nodes, 1);
	}
}

static void test_a_pause_for_a_snapshot_keeps_what_is_open(void **state)
{
	static struct virtio_mmio_state saved;
	struct fuse_read_in in = { .size = 10 };
	struct fuse_entry_out entry;
	struct request r;

	(void)state;
	create("f", &entry, &in.fh);
	virtio_mmio_save(&driver.slot, &saved);
	r = prepare(FUSE_READ, entry.nodeid, &in, sizeof(in), NULL, 0, 64);
	send(1, &r);
	driver_kick(&driver, 1);
	usleep(10000);
	assert_false(driver_take(&driver, 1, NULL, NULL));
	assert_int_equal(virtio_mmio_continue(&driver.slot), 0);
	driver_wait(&driver, 1, NULL);
	assert_int_equal(error_of(&r), 0);
	assert_int_equal(fuse_server_usage(server).handles, 1);
}

static void test_a_request_without_room_for_an_answer(void **state)
{
	struct request r = prepare(FUSE_LOOKUP, export_id, NULL, 0, "x", 2, 0);
	struct driver_buffer b[] = { { r.in, r.in_length, false }, { r.out, 15, true } };
	struct driver_buffer empty = { r.out, 15, true };

	(void)state;
	assert_int_equal(driver_request(&driver, 1, b, 2), 0);
	assert_int_equal(driver_request(&driver, 1, b, 1), 0);
	assert_int_equal(driver_request(&driver, 1, &empty, 1), 0);
	assert_false(driver_needs_reset(&driver));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_config),
		TEST(test_contents_move_in_many_pieces),
		TEST(test_many_at_once),
		TEST(test_forget_has_no_answer_but_its_buffers_come_back),
		TEST(test_reset_forgets_and_starts_again),
		TEST(test_a_pause_for_a_snapshot_keeps_what_is_open),
		TEST(test_a_request_without_room_for_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
