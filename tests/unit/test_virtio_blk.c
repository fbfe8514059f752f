/* SPDX-License-Identifier: Apache-2.0 */
/* The block device through its transport, over a temporary file, with each engine. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>

#include "runtime/vm/virtio/blk.h"
#include "tests/unit/virtio_driver.h"

#define SECTORS 2048u
#define IMAGE_SIZE (SECTORS * 512u)

static struct driver driver;
static enum blk_engine engine = BLK_ENGINE_THREAD;
static int image;
static uint64_t bytes_per_second;

static int new_image(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
}

/* Over `file`, which is empty. */
static void attach_file(int file, bool read_only, unsigned int queues, uint64_t iops)
{
	struct blk_options options = { .read_only = read_only,
		.queues = queues,
		.serial = "a-serial-that-is-longer-than-20",
		.engine = engine,
		.confine = true,
		.bytes_per_second = bytes_per_second,
		.operations_per_second = iops };
	struct virtio_device *device;
	struct error err = ERROR_INIT;

	image = file;
	assert_true(image >= 0);
	assert_int_equal(ftruncate(image, IMAGE_SIZE), 0);
	options.fd = fcntl(image, F_DUPFD_CLOEXEC, 0);
	driver_init(&driver);
	if (virtio_blk_new(&driver.memory, &options, &device, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(virtio_mmio_attach(&driver.slot, device), 0);
}

static void attach(bool read_only, unsigned int queues, uint64_t iops)
{
	attach_file(new_image(), read_only, queues, iops);
}

static void detach(void)
{
	driver_fini(&driver);
	close(image);
}

static int set_up(void **state)
{
	(void)state;
	attach(false, 1, 0);
	driver_start(&driver, 1, 128, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	detach();
	return 0;
}

/* One request with `count` data buffers of `length` bytes each at `data`. Returns the status. */
static uint8_t request_on(unsigned int queue, uint32_t type, uint64_t sector, uint64_t data,
	uint32_t length, unsigned int count, uint32_t *ret_written)
{
	struct driver_buffer buffers[130];
	uint64_t header = driver_alloc(&driver, 16), status = driver_alloc(&driver, 1);
	struct virtio_blk_outhdr *h = driver_at(&driver, header);
	uint8_t *s = driver_at(&driver, status);
	uint32_t written;

	*h = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	*s = 0xaa;
	buffers[0] = (struct driver_buffer){ header, 16, false };
	for (unsigned int i = 0; i < count; i++)
		buffers[1 + i] = (struct driver_buffer){ data + (uint64_t)i * length, length,
			type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID };
	buffers[1 + count] = (struct driver_buffer){ status, 1, true };
	written = driver_request(&driver, queue, buffers, count + 2);
	if (ret_written != NULL)
		*ret_written = written;
	return *s;
}

static uint8_t request(
	uint32_t type, uint64_t sector, uint64_t data, uint32_t length, unsigned int count)
{
	return request_on(0, type, sector, data, length, count, NULL);
}

static void fill(uint8_t *p, size_t length, unsigned int seed)
{
	for (size_t i = 0; i < length; i++)
		p[i] = (uint8_t)(i * 7 + i / 251 + seed);
}

static void test_what_is_written_is_read(void **state)
{
	uint64_t out = driver_alloc(&driver, 65536), in = driver_alloc(&driver, 65536);
	uint8_t *check = malloc(65536);
	uint32_t written;

	(void)state;
	fill(driver_at(&driver, out), 65536, 1);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 5, out, 4096, 16), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(image, check, 65536, 5 * 512), 65536);
	assert_memory_equal(check, driver_at(&driver, out), 65536);
	assert_int_equal(
		request_on(0, VIRTIO_BLK_T_IN, 5, in, 512, 126, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 126 * 512 + 1);
	assert_memory_equal(check, driver_at(&driver, in), 126 * 512);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0, 0, 0), VIRTIO_BLK_S_OK);
	free(check);
}

static void test_header_and_status_may_be_anywhere(void **state)
{
	uint64_t a = driver_alloc(&driver, 600), b = driver_alloc(&driver, 600);
	struct virtio_blk_outhdr h = { .type = VIRTIO_BLK_T_OUT, .sector = 3 };
	/* The header in two pieces, the second with the data behind it. */
	struct driver_buffer write[] = { { a, 7, false }, { b, 9 + 512, false },
		{ a + 64, 1, true } };
	/* Data and status in one buffer. */
	struct driver_buffer read[] = { { a, 16, false }, { b, 513, true } };
	uint8_t expect[512];

	(void)state;
	memcpy(driver_at(&driver, a), &h, 7);
	memcpy(driver_at(&driver, b), (char *)&h + 7, 9);
	fill((uint8_t *)driver_at(&driver, b) + 9, 512, 9);
	fill(expect, 512, 9);
	driver_request(&driver, 0, write, 3);
	assert_int_equal(*(uint8_t *)driver_at(&driver, a + 64), VIRTIO_BLK_S_OK);
	h.type = VIRTIO_BLK_T_IN;
	memcpy(driver_at(&driver, a), &h, 16);
	memset(driver_at(&driver, b), 0xff, 513);
	assert_int_equal(driver_request(&driver, 0, read, 2), 513);
	assert_memory_equal(driver_at(&driver, b), expect, 512);
	assert_int_equal(*(uint8_t *)driver_at(&driver, b + 512), VIRTIO_BLK_S_OK);
}

/* CVE-2026-3886: sizes and sectors whose sum overflows. */
static void test_cve_2026_3886_nothing_beyond_the_end(void **state)
{
	static const uint64_t sectors[] = { SECTORS, SECTORS - 1, UINT64_MAX, UINT64_MAX / 512,
		UINT64_MAX / 512 - 1, UINT64_C(1) << 55, (UINT64_C(1) << 55) - 1,
		(UINT64_C(1) << 63) - 1 };
	uint64_t data = driver_alloc(&driver, 1024);
	struct stat st;

	(void)state;
	for (unsigned int i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
		struct virtio_blk_discard_write_zeroes range = { .sector = sectors[i],
			.num_sectors = 2 };

		assert_int_equal(
			request(VIRTIO_BLK_T_IN, sectors[i], data, 1024, 1), VIRTIO_BLK_S_IOERR);
		assert_int_equal(
			request(VIRTIO_BLK_T_OUT, sectors[i], data, 1024, 1), VIRTIO_BLK_S_IOERR);
		memcpy(driver_at(&driver, data), &range, sizeof(range));
		assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, data, 16, 1), VIRTIO_BLK_S_IOERR);
		range.num_sectors = UINT32_MAX;
		memcpy(driver_at(&driver, data), &range, sizeof(range));
		assert_int_equal(
			request(VIRTIO_BLK_T_WRITE_ZEROES, 0, data, 16, 1), VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, 100, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS, data, 0, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(fstat(image, &st), 0);
	assert_int_equal(st.st_size, IMAGE_SIZE);
	assert_false(driver_needs_reset(&driver));
}

/* CVE-2026-48914: SCSI requests, whose payload is not laid out as others' is. */
static void test_cve_2026_48914_scsi_requests_are_unsupported(void **state)
{
	static const uint32_t types[] = { 2, 3, 5, 0x80000000, 15, UINT32_MAX };
	uint64_t data = driver_alloc(&driver, 512);
	uint8_t before[512];

	(void)state;
	fill(driver_at(&driver, data), 512, 3);
	memcpy(before, driver_at(&driver, data), 512);
	for (unsigned int i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		uint64_t header = driver_alloc(&driver, 16), status = driver_alloc(&driver, 1);
		struct virtio_blk_outhdr h = { .type = types[i] };
		struct driver_buffer b[] = { { header, 16, false }, { data, 100, false },
			{ data + 100, 96, true }, { data + 200, 16, true }, { status, 1, true } };

		memcpy(driver_at(&driver, header), &h, 16);
		assert_int_equal(driver_request(&driver, 0, b, 5), 1);
		assert_int_equal(*(uint8_t *)driver_at(&driver, status), VIRTIO_BLK_S_UNSUPP);
		assert_memory_equal(driver_at(&driver, data), before, 512);
	}
}

static void test_discard_and_write_zeroes(void **state)
{
	uint64_t data = driver_alloc(&driver, 8192), ranges = driver_alloc(&driver, 64);
	struct virtio_blk_discard_write_zeroes *r = driver_at(&driver, ranges);
	uint8_t back[8192], zeroes[8192] = { 0 };

	(void)state;
	memset(driver_at(&driver, data), 0x55, 8192);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, 8192, 1), VIRTIO_BLK_S_OK);
	r[0] = (struct virtio_blk_discard_write_zeroes){ .sector = 1, .num_sectors = 1 };
	r[1] = (struct virtio_blk_discard_write_zeroes){
		.sector = 3, .num_sectors = 2, .flags = 1
	};
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, ranges, 32, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(image, back, 8192, 0), 8192);
	assert_int_equal(back[511], 0x55);
	assert_memory_equal(back + 512, zeroes, 512);
	assert_int_equal(back[1024], 0x55);
	assert_memory_equal(back + 1536, zeroes, 1024);
	assert_int_equal(back[2560], 0x55);
	r[0].flags = 0;
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, ranges, 16, 1), VIRTIO_BLK_S_OK);
	r[0].flags = 1;
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, ranges, 16, 1), VIRTIO_BLK_S_UNSUPP);
	r[0].flags = 2;
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, ranges, 16, 1), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, ranges, 15, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(
		request(VIRTIO_BLK_T_WRITE_ZEROES, 0, data, 16 * 17, 1), VIRTIO_BLK_S_IOERR);
}

static void test_read_only_is_enforced(void **state)
{
	uint64_t data;
	uint8_t back[512], zeroes[512] = { 0 };

	(void)state;
	attach(true, 1, 0);
	assert_true(driver_features(&driver) & (1u << VIRTIO_BLK_F_RO));
	/* The driver ignores the feature; the fd itself could be written. */
	driver_start(&driver, 1, 128, 1u << VIRTIO_BLK_F_RO);
	data = driver_alloc(&driver, 512);
	memset(driver_at(&driver, data), 0x55, 512);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, 512, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_WRITE_ZEROES, 0, data, 16, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, data, 16, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(pread(image, back, 512, 0), 512);
	assert_memory_equal(back, zeroes, 512);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, 512, 1), VIRTIO_BLK_S_OK);
	detach();
}

static void test_identity(void **state)
{
	uint64_t data = driver_alloc(&driver, 20);
	uint32_t written;

	(void)state;
	assert_int_equal(
		request_on(0, VIRTIO_BLK_T_GET_ID, 0, data, 20, 1, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 21);
	assert_memory_equal(driver_at(&driver, data), "a-serial-that-is-longer-than-20", 20);
	assert_int_equal(
		request_on(0, VIRTIO_BLK_T_GET_ID, 0, data, 5, 1, &written), VIRTIO_BLK_S_OK);
	assert_int_equal(written, 6);
}

static void test_request_without_status_stops_the_device_only(void **state)
{
	uint64_t header = driver_alloc(&driver, 16);
	struct driver_buffer b[] = { { header, 16, false } };
	uint64_t data = driver_alloc(&driver, 512);

	(void)state;
	driver_add(&driver, 0, b, 1);
	driver_kick(&driver, 0);
	for (int i = 0; i < 1000 && !driver_needs_reset(&driver); i++)
		usleep(1000);
	assert_true(driver_needs_reset(&driver));
	/* And a reset mends it. */
	driver_start(&driver, 1, 128, 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, 512, 1), VIRTIO_BLK_S_OK);
}

static void test_short_header_is_an_error(void **state)
{
	uint64_t a = driver_alloc(&driver, 16);
	struct driver_buffer b[] = { { a, 15, false }, { a, 1, true } };

	(void)state;
	driver_request(&driver, 0, b, 2);
	assert_int_equal(*(uint8_t *)driver_at(&driver, a), VIRTIO_BLK_S_IOERR);
}

static void test_shrunken_image_is_an_error_of_the_request(void **state)
{
	uint64_t data = driver_alloc(&driver, 4096);

	(void)state;
	assert_int_equal(ftruncate(image, 1024), 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, 4096, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, 1024, 1), VIRTIO_BLK_S_OK);
}

static void test_resize_reaches_the_driver(void **state)
{
	uint32_t generation = driver_read(&driver, VIRTIO_MMIO_CONFIG_GENERATION);

	(void)state;
	assert_int_equal(driver_config(&driver, 0, 8), SECTORS);
	assert_int_equal(ftruncate(image, 2 * IMAGE_SIZE), 0);
	assert_int_equal(virtio_blk_resize(driver.slot.device, NULL), 0);
	assert_int_equal(driver_config(&driver, 0, 8), 2 * SECTORS);
	assert_int_not_equal(driver_read(&driver, VIRTIO_MMIO_CONFIG_GENERATION), generation);
}

static void test_several_queues(void **state)
{
	uint64_t data;

	(void)state;
	attach(false, 4, 0);
	assert_int_equal(driver_config(&driver, 34, 2), 4);
	driver_start(&driver, 4, 64, 0);
	data = driver_alloc(&driver, 4096);
	for (unsigned int round = 0; round < 50; round++)
		for (unsigned int q = 0; q < 4; q++) {
			fill(driver_at(&driver, data), 512, round * 4 + q);
			assert_int_equal(request_on(q, VIRTIO_BLK_T_OUT, q, data, 512, 1, NULL),
				VIRTIO_BLK_S_OK);
			memset(driver_at(&driver, data), 0, 512);
			assert_int_equal(
				request_on((q + 1) % 4, VIRTIO_BLK_T_IN, q, data, 512, 1, NULL),
				VIRTIO_BLK_S_OK);
			assert_int_equal(
				*(uint8_t *)driver_at(&driver, data), (uint8_t)(round * 4 + q));
		}
	detach();
}

/*
 * CVE-2026-45782: a reset while requests are in flight. After it, nothing is written into buffers
 * or rings any more (and under AddressSanitizer, nothing freed is used).
 */
static void test_cve_2026_45782_reset_with_io_in_flight(void **state)
{
	uint64_t header = driver_alloc(&driver, 16), status = driver_alloc(&driver, 1);
	uint64_t data = driver_alloc(&driver, 1 << 16);
	struct driver_buffer b[] = { { header, 16, false }, { data, 1 << 16, true },
		{ status, 1, true } };
	uint8_t *copy = malloc(DRIVER_MEMORY);

	(void)state;
	memset(driver_at(&driver, header), 0, 16);
	for (int round = 0; round < 200; round++) {
		/* What is not in the page cache goes into the ring and waits. */
		assert_int_equal(posix_fadvise(image, 0, 0, POSIX_FADV_DONTNEED), 0);
		for (int i = 0; i < 40; i++)
			driver_add(&driver, 0, b, 3);
		driver_kick(&driver, 0);
		if (round % 3 == 0)
			usleep(round * 5);
		driver_write(&driver, VIRTIO_MMIO_STATUS, 0);
		memset(driver_at(&driver, data), 0x77, 1 << 16);
		if (round % 20 == 0) {
			memcpy(copy, driver.host, DRIVER_MEMORY);
			usleep(2000);
			assert_memory_equal(copy, driver.host, DRIVER_MEMORY);
		}
		driver_start(&driver, 1, 128, 0);
	}
	free(copy);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, 512, 1), VIRTIO_BLK_S_OK);
}

/* 2 MiB at 1 MiB in a second, of which a quarter comes at once. */
static void test_rate_limit_of_bytes(void **state)
{
	struct timespec a, b;
	uint64_t data;
	double seconds;

	(void)state;
	bytes_per_second = 1 << 20;
	attach(false, 1, 0);
	bytes_per_second = 0;
	driver_start(&driver, 1, 128, 0);
	data = driver_alloc(&driver, 65536);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = 0; i < 32; i++)
		assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, 65536, 1), VIRTIO_BLK_S_OK);
	clock_gettime(CLOCK_MONOTONIC, &b);
	seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	if (seconds < 1.4 || seconds > 4)
		fail_msg("%f seconds", seconds);
	detach();
}

/* A file in a full file system: what cannot be written is an error of that request alone. */
static void test_full_host_is_an_error_of_the_request(void **state)
{
	static const uint8_t old[512] = "old";
	uint64_t data;

	(void)state;
	int fs = geteuid() == 0 ? fsopen("tmpfs", FSOPEN_CLOEXEC) : -1;
	if (fs < 0)
		skip();
	assert_int_equal(fsconfig(fs, FSCONFIG_SET_STRING, "size", "64k", 0), 0);
	assert_int_equal(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
	int root = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	int file = openat(root, "disk", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	attach_file(file, false, 1, 0);
	driver_start(&driver, 1, 128, 0);
	data = driver_alloc(&driver, 65536);
	memcpy(driver_at(&driver, data), old, sizeof(old));
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, 512, 1), VIRTIO_BLK_S_OK);
	for (unsigned int i = 1; i < 8; i++)
		assert_int_equal(
			request(VIRTIO_BLK_T_OUT, i * 256, data, 65536, 1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, 512, 1), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_at(&driver, data), old, sizeof(old));
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0, 0, 0), VIRTIO_BLK_S_OK);
	assert_false(driver_needs_reset(&driver));
	detach();
	close(root);
	close(fs);
}

static void test_rate_limit(void **state)
{
	struct timespec a, b;
	uint64_t data;
	double seconds;

	(void)state;
	attach(false, 1, 100);
	driver_start(&driver, 1, 128, 0);
	data = driver_alloc(&driver, 512);
	clock_gettime(CLOCK_MONOTONIC, &a);
	/* 25 at once (a quarter of a second's worth), the other 30 at 100 in a second. */
	for (int i = 0; i < 56; i++)
		assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, 512, 1), VIRTIO_BLK_S_OK);
	clock_gettime(CLOCK_MONOTONIC, &b);
	seconds = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	assert_true(seconds > 0.25);
	detach();
}

static void test_write_through_without_flush_feature(void **state)
{
	uint64_t data;

	(void)state;
	attach(false, 1, 0);
	driver_start(&driver, 1, 128, 1u << VIRTIO_BLK_F_FLUSH);
	data = driver_alloc(&driver, 512);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, 512, 1), VIRTIO_BLK_S_OK);
	detach();
}

static void test_many_in_flight(void **state)
{
	uint64_t header = driver_alloc(&driver, 16), status = driver_alloc(&driver, 128);
	uint64_t data = driver_alloc(&driver, 512);
	unsigned int answered = 0;

	(void)state;
	memset(driver_at(&driver, header), 0, 16);
	for (int round = 0; round < 100; round++) {
		for (unsigned int i = 0; i < 42; i++) {
			struct driver_buffer b[] = { { header, 16, false }, { data, 512, true },
				{ status + i, 1, true } };

			driver_add(&driver, 0, b, 3);
		}
		driver_kick(&driver, 0);
		for (unsigned int i = 0; i < 42; i++, answered++)
			assert_int_equal(driver_wait(&driver, 0, NULL), 513);
	}
	assert_int_equal(answered, 4200);
}

static void test_image_must_be_a_file(void **state)
{
	struct blk_options options = { .fd = open("/tmp", O_RDONLY | O_CLOEXEC) };
	struct virtio_device *device;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(virtio_blk_new(&driver.memory, &options, &device, &err), -EINVAL);
	assert_string_equal(
		err.message, "the disk image is neither a regular file nor a block device");
	close(options.fd);
}

/* As in a container with Docker's profile, or with kernel.io_uring_disabled=2. */
static int forbid_io_uring(void **state)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	(void)state;
	assert_non_null(filter);
	assert_int_equal(
		seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(io_uring_setup), 0), 0);
	assert_int_equal(seccomp_load(filter), 0);
	seccomp_release(filter);
	return 0;
}

/* A host whose disk fails. */
static int fail_all_io(void **state)
{
	static const int calls[] = { SCMP_SYS(preadv), SCMP_SYS(preadv2), SCMP_SYS(pwritev2),
		SCMP_SYS(pwrite64), SCMP_SYS(fdatasync), SCMP_SYS(fallocate) };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

	(void)state;
	assert_non_null(filter);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		assert_int_equal(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EIO), calls[i], 0), 0);
	assert_int_equal(seccomp_load(filter), 0);
	seccomp_release(filter);
	return 0;
}

static void test_failing_host_is_an_error_of_the_request(void **state)
{
	uint64_t data = driver_alloc(&driver, 4096);
	struct virtio_blk_discard_write_zeroes range = { .sector = 8, .num_sectors = 8 };

	(void)state;
	for (int i = 0; i < 20; i++) {
		assert_int_equal(request(VIRTIO_BLK_T_IN, 0, data, 4096, 1), VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, data, 4096, 1), VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0, 0, 0), VIRTIO_BLK_S_IOERR);
		memcpy(driver_at(&driver, data), &range, sizeof(range));
		assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, data, 16, 1), VIRTIO_BLK_S_IOERR);
		assert_int_equal(
			request(VIRTIO_BLK_T_WRITE_ZEROES, 0, data, 16, 1), VIRTIO_BLK_S_IOERR);
		/* The device itself answers, and goes on. */
		assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, data, 20, 1), VIRTIO_BLK_S_OK);
	}
	assert_false(driver_needs_reset(&driver));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_written_is_read),
		TEST(test_header_and_status_may_be_anywhere),
		TEST(test_cve_2026_3886_nothing_beyond_the_end),
		TEST(test_cve_2026_48914_scsi_requests_are_unsupported),
		TEST(test_discard_and_write_zeroes),
		cmocka_unit_test(test_read_only_is_enforced),
		TEST(test_identity),
		TEST(test_request_without_status_stops_the_device_only),
		TEST(test_short_header_is_an_error),
		TEST(test_shrunken_image_is_an_error_of_the_request),
		TEST(test_resize_reaches_the_driver),
		cmocka_unit_test(test_several_queues),
		TEST(test_cve_2026_45782_reset_with_io_in_flight),
		cmocka_unit_test(test_rate_limit),
		cmocka_unit_test(test_rate_limit_of_bytes),
		cmocka_unit_test(test_full_host_is_an_error_of_the_request),
		cmocka_unit_test(test_write_through_without_flush_feature),
		TEST(test_many_in_flight),
		cmocka_unit_test(test_image_must_be_a_file),
	};
	const struct CMUnitTest on_a_failing_host[] = {
		TEST(test_failing_host_is_an_error_of_the_request),
	};
	int failed = cmocka_run_group_tests_name("thread", tests, NULL, NULL);

	engine = BLK_ENGINE_AUTO;
	failed += cmocka_run_group_tests_name("io_uring", tests, NULL, NULL);
	failed += cmocka_run_group_tests_name("without io_uring", tests, forbid_io_uring, NULL);
	return failed +
		cmocka_run_group_tests_name("failing host", on_a_failing_host, fail_all_io, NULL);
}
