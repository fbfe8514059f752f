/* SPDX-License-Identifier: Apache-2.0 */
/* The balloon and virtio-mem: memory that comes and goes, and what the host holds of it. */
#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_mem.h>

#include "runtime/vm/virtio/balloon.h"
#include "runtime/vm/virtio/mem.h"
#include "tests/unit/loop_thread.h"
#include "tests/unit/virtio_driver.h"

#define REGION (4u << 20)
#define REGION_GPA 0x800000u /* a multiple of a block, above the buffers */

static struct driver driver;
static struct loop_thread loop;
static struct virtio_device *device;

static void begin(void)
{
	assert_int_equal(loop_new(&loop.loop, NULL), 0);
	driver_init(&driver);
}

static void go(unsigned int queues, uint64_t without)
{
	assert_int_equal(virtio_mmio_attach(&driver.slot, device), 0);
	driver_start(&driver, queues, 64, without);
	loop_thread_start(&loop);
}

static int set_up_balloon(void **state)
{
	(void)state;
	begin();
	assert_int_equal(virtio_balloon_new(loop.loop, &driver.memory, false, &device, NULL), 0);
	go(4, 0);
	return 0;
}

static int set_up_mem(void **state)
{
	(void)state;
	begin();
	assert_int_equal(
		virtio_mem_new(loop.loop, &driver.memory, REGION_GPA, REGION, &device, NULL), 0);
	go(1, 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	loop_thread_stop(&loop);
	driver_fini(&driver);
	loop_free(loop.loop);
	return 0;
}

static bool resident(uint64_t gpa)
{
	unsigned char vec;

	assert_int_equal(mincore(driver_at(&driver, gpa & ~UINT64_C(4095)), 4096, &vec), 0);
	return vec & 1;
}

static void make_private(void)
{
	assert_ptr_equal(mmap(driver.host, DRIVER_MEMORY, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0),
		driver.host);
}

static int set_up_private_balloon(void **state)
{
	(void)state;
	begin();
	make_private();
	assert_int_equal(virtio_balloon_new(loop.loop, &driver.memory, false, &device, NULL), 0);
	go(4, 0);
	return 0;
}

static int set_up_private_mem(void **state)
{
	(void)state;
	begin();
	make_private();
	assert_int_equal(
		virtio_mem_new(loop.loop, &driver.memory, REGION_GPA, REGION, &device, NULL), 0);
	go(1, 0);
	return 0;
}

static void test_inflated_pages_go_back(void **state)
{
	uint64_t list = driver_alloc(&driver, 64 * 4), pages = DRIVER_BASE + (8u << 20);
	struct driver_buffer b = { list, 5 * 4, false };
	uint32_t *p = driver_at(&driver, list);

	(void)state;
	for (int i = 0; i < 6; i++)
		memset(driver_at(&driver, pages + (uint64_t)i * 4096), 0x55, 4096);
	/* Downwards, a gap, one outside memory. */
	p[0] = (uint32_t)(pages >> 12) + 2;
	p[1] = (uint32_t)(pages >> 12) + 1;
	p[2] = (uint32_t)(pages >> 12) + 4;
	p[3] = 0xffffffff;
	p[4] = 0;
	driver_request(&driver, 0, &b, 1);
	assert_false(resident(pages + 1 * 4096));
	assert_false(resident(pages + 2 * 4096));
	assert_false(resident(pages + 4 * 4096));
	assert_true(resident(pages));
	assert_true(resident(pages + 3 * 4096));
	assert_true(resident(pages + 5 * 4096));
	assert_int_equal(virtio_balloon_returned(device), 3 * 4096);
	/* Deflating is only told. */
	driver_request(&driver, 1, &b, 1);
	assert_true(resident(pages));
}

static void test_reported_pages_go_back(void **state)
{
	uint64_t pages = DRIVER_BASE + (8u << 20);
	struct driver_buffer b[] = { { pages, 8192, true },
		{ pages + 3 * 4096 + 100, 8192, true } };

	(void)state;
	for (int i = 0; i < 6; i++)
		memset(driver_at(&driver, pages + (uint64_t)i * 4096), 0x55, 4096);
	driver_request(&driver, 3, b, 2);
	assert_false(resident(pages));
	assert_false(resident(pages + 4096));
	assert_true(resident(pages + 2 * 4096));
	/* Only whole pages. */
	assert_true(resident(pages + 3 * 4096));
	assert_false(resident(pages + 4 * 4096));
	assert_true(resident(pages + 5 * 4096));
}

static struct balloon_statistics answer;
static sem_t answered;

static void on_statistics(const struct balloon_statistics *s, void *data)
{
	(void)data;
	answer = *s;
	sem_post(&answered);
}

static void do_ask(void *data)
{
	*(bool *)data = virtio_balloon_ask(device, on_statistics, NULL);
}

/* Linux leaves its buffer, and says so, before it says that the driver is ready. */
static void test_statistics_buffer_of_before_the_start(void **state)
{
	struct driver_buffer b = { driver_alloc(&driver, 64), 64, false };
	bool asked = false;

	(void)state;
	assert_true(driver_negotiate(&driver, driver_features(&driver)));
	for (unsigned int i = 0; i < 4; i++)
		driver_set_queue(&driver, i, 64);
	driver_add(&driver, 2, &b, 1);
	eventfd_write(virtio_mmio_kick_fd(&driver.slot, 2), 1);
	usleep(20000);
	driver_write(&driver, VIRTIO_MMIO_STATUS, 15);
	usleep(20000);
	loop_thread_do(&loop, do_ask, &asked);
	assert_true(asked);
	driver_wait(&driver, 2, NULL);
}

static void test_statistics(void **state)
{
	uint64_t at = driver_alloc(&driver, 64);
	struct virtio_balloon_stat s[] = { { VIRTIO_BALLOON_S_MEMFREE, 1234 },
		{ VIRTIO_BALLOON_S_AVAIL, 99 }, { 0xffff, 7 } };
	struct driver_buffer b = { at, sizeof(s), false };
	bool asked = false;

	(void)state;
	sem_init(&answered, 0, 0);
	/* Before the guest gave a buffer, there is an answer that says nothing. */
	loop_thread_do(&loop, do_ask, &asked);
	assert_true(asked);
	sem_wait(&answered);
	assert_true(answer.free == UINT64_MAX);
	driver_add(&driver, 2, &b, 1);
	driver_kick(&driver, 2);
	usleep(20000);
	assert_false(driver_take(&driver, 2, NULL, NULL));
	/* The event index: the driver is to say so when it leaves the next one. */
	assert_int_equal(driver.queues[2].used_ring->ring[64].id & 0xffff, 1);
	loop_thread_do(&loop, do_ask, &asked);
	assert_true(asked);
	driver_wait(&driver, 2, NULL);
	loop_thread_do(&loop, do_ask, &asked);
	assert_false(asked);
	memcpy(driver_at(&driver, at), s, sizeof(s));
	driver_add(&driver, 2, &b, 1);
	driver_kick(&driver, 2);
	sem_wait(&answered);
	assert_int_equal(answer.free, 1234);
	assert_int_equal(answer.available, 99);
	assert_true(answer.total == UINT64_MAX);
}

static void test_target_and_actual(void **state)
{
	uint32_t actual = 256;

	(void)state;
	virtio_balloon_set_target(device, 1 << 20);
	assert_int_equal(driver_config(&driver, 0, 4), 256);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS) & 2, 2);
	virtio_mmio_write(&driver.slot, VIRTIO_MMIO_CONFIG + 4, &actual, 4);
	assert_int_equal(virtio_balloon_actual(device), 1 << 20);
	/* The target is not the guest's to write. */
	virtio_mmio_write(&driver.slot, VIRTIO_MMIO_CONFIG, &actual, 4);
	virtio_mmio_write(&driver.slot, VIRTIO_MMIO_CONFIG + 2, &actual, 4);
	assert_int_equal(driver_config(&driver, 0, 4), 256);
}

static struct virtio_mmio_state saved;
static struct virtio_mmio elsewhere;

static void do_save(void *data)
{
	(void)data;
	virtio_mmio_save(&driver.slot, &saved);
}

static void do_continue(void *data)
{
	(void)data;
	assert_int_equal(virtio_mmio_continue(&driver.slot), 0);
}

/* Puts what was saved into `data`, a new device in a slot of its own. */
static void do_restore(void *data)
{
	virtio_mmio_init(&elsewhere, NULL, NULL);
	assert_int_equal(virtio_mmio_attach(&elsewhere, data), 0);
	assert_int_equal(virtio_mmio_restore(&elsewhere, &saved), 0);
}

static void do_remove(void *data)
{
	(void)data;
	virtio_mmio_destroy(&elsewhere);
}

/* The statistics' buffer, which is popped and kept, is in its ring for whoever goes on. */
static void test_a_snapshot_keeps_target_and_buffer(void **state)
{
	struct driver_buffer b = { driver_alloc(&driver, 64), 64, false };
	struct virtio_device *other;
	uint32_t actual = 256;
	bool asked = false;

	(void)state;
	driver_add(&driver, 2, &b, 1);
	driver_kick(&driver, 2);
	usleep(20000);
	virtio_balloon_set_target(device, 1 << 20);
	virtio_mmio_write(&driver.slot, VIRTIO_MMIO_CONFIG + 4, &actual, 4);
	loop_thread_do(&loop, do_save, NULL);
	assert_int_equal(saved.queues[2].next_available, 0);
	assert_int_equal(virtio_balloon_new(loop.loop, &driver.memory, false, &other, NULL), 0);
	loop_thread_do(&loop, do_restore, other);
	assert_int_equal(virtio_balloon_actual(other), 1 << 20);
	actual = 0;
	virtio_mmio_read(&elsewhere, VIRTIO_MMIO_CONFIG, &actual, 4);
	assert_int_equal(actual, 256);
	loop_thread_do(&loop, do_remove, NULL);
	loop_thread_do(&loop, do_continue, NULL);
	usleep(20000);
	loop_thread_do(&loop, do_ask, &asked);
	assert_true(asked);
	driver_wait(&driver, 2, NULL);
}

static struct virtio_mem_resp ask(uint16_t type, uint64_t address, uint16_t blocks)
{
	uint64_t at = driver_alloc(&driver, 64);
	struct virtio_mem_req request = { .type = type, .u.plug = { address, blocks, { 0 } } };
	struct driver_buffer b[] = { { at, sizeof(request), false },
		{ at + 32, sizeof(struct virtio_mem_resp), true } };
	struct virtio_mem_resp response;

	memcpy(driver_at(&driver, at), &request, sizeof(request));
	driver_request(&driver, 0, b, 2);
	memcpy(&response, driver_at(&driver, at + 32), sizeof(response));
	return response;
}

static void test_blocks_are_plugged_and_unplugged(void **state)
{
	(void)state;
	assert_int_equal(driver_config(&driver, 0, 8), MEM_BLOCK);
	assert_int_equal(ask(VIRTIO_MEM_REQ_PLUG, REGION_GPA, 1).type, VIRTIO_MEM_RESP_NACK);
	virtio_mem_request(device, MEM_BLOCK + 5);
	assert_int_equal(ask(VIRTIO_MEM_REQ_PLUG, REGION_GPA, 2).type, VIRTIO_MEM_RESP_NACK);
	assert_int_equal(ask(VIRTIO_MEM_REQ_PLUG, REGION_GPA, 1).type, VIRTIO_MEM_RESP_ACK);
	assert_int_equal(virtio_mem_plugged(device), MEM_BLOCK);
	assert_int_equal(ask(VIRTIO_MEM_REQ_PLUG, REGION_GPA, 1).type, VIRTIO_MEM_RESP_ERROR);
	assert_int_equal(
		ask(VIRTIO_MEM_REQ_STATE, REGION_GPA, 1).u.state.state, VIRTIO_MEM_STATE_PLUGGED);
	assert_int_equal(
		ask(VIRTIO_MEM_REQ_STATE, REGION_GPA, 2).u.state.state, VIRTIO_MEM_STATE_MIXED);
	assert_int_equal(ask(VIRTIO_MEM_REQ_STATE, REGION_GPA + MEM_BLOCK, 1).u.state.state,
		VIRTIO_MEM_STATE_UNPLUGGED);
	memset(driver_at(&driver, REGION_GPA), 0x55, 4096);
	assert_true(resident(REGION_GPA));
	assert_int_equal(ask(VIRTIO_MEM_REQ_UNPLUG, REGION_GPA, 2).type, VIRTIO_MEM_RESP_ERROR);
	assert_int_equal(ask(VIRTIO_MEM_REQ_UNPLUG, REGION_GPA, 1).type, VIRTIO_MEM_RESP_ACK);
	assert_false(resident(REGION_GPA));
	assert_int_equal(virtio_mem_plugged(device), 0);
}

static void test_ranges_outside_the_region_are_errors(void **state)
{
	static const struct {
		uint64_t address;
		uint16_t blocks;
	} bad[] = { { REGION_GPA - MEM_BLOCK, 1 }, { REGION_GPA + REGION, 1 }, { REGION_GPA, 3 },
		{ REGION_GPA, 0 }, { REGION_GPA + 4096, 1 }, { 0, 1 }, { UINT64_MAX, 1 },
		{ UINT64_MAX - MEM_BLOCK + 1, 65535 }, { REGION_GPA, 65535 } };

	(void)state;
	virtio_mem_request(device, REGION);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		for (uint16_t type = 0; type < 6; type++)
			if (type != VIRTIO_MEM_REQ_UNPLUG_ALL)
				assert_int_equal(ask(type, bad[i].address, bad[i].blocks).type,
					VIRTIO_MEM_RESP_ERROR);
	assert_int_equal(virtio_mem_plugged(device), 0);
	assert_int_equal(ask(VIRTIO_MEM_REQ_PLUG, REGION_GPA, 2).type, VIRTIO_MEM_RESP_ACK);
	assert_int_equal(ask(VIRTIO_MEM_REQ_UNPLUG_ALL, 0, 0).type, VIRTIO_MEM_RESP_ACK);
	assert_int_equal(virtio_mem_plugged(device), 0);
}

static void test_a_snapshot_keeps_what_is_plugged_and_asked_for(void **state)
{
	struct virtio_device *other;

	(void)state;
	virtio_mem_request(device, REGION);
	assert_int_equal(
		ask(VIRTIO_MEM_REQ_PLUG, REGION_GPA + MEM_BLOCK, 1).type, VIRTIO_MEM_RESP_ACK);
	loop_thread_do(&loop, do_save, NULL);
	assert_int_equal(
		virtio_mem_new(loop.loop, &driver.memory, REGION_GPA, REGION, &other, NULL), 0);
	loop_thread_do(&loop, do_restore, other);
	assert_int_equal(virtio_mem_plugged(other), MEM_BLOCK);
	uint64_t requested = 0;
	virtio_mmio_read(&elsewhere,
		VIRTIO_MMIO_CONFIG + offsetof(struct virtio_mem_config, requested_size), &requested,
		8);
	assert_int_equal(requested, REGION);
	loop_thread_do(&loop, do_remove, NULL);
	loop_thread_do(&loop, do_continue, NULL);
	assert_int_equal(ask(VIRTIO_MEM_REQ_STATE, REGION_GPA + MEM_BLOCK, 1).u.state.state,
		VIRTIO_MEM_STATE_PLUGGED);
	/* A size that no driver is ever asked for. */
	saved.device_state[0] = 1;
	assert_int_equal(
		virtio_mem_new(loop.loop, &driver.memory, REGION_GPA, REGION, &other, NULL), 0);
	virtio_mmio_init(&elsewhere, NULL, NULL);
	assert_int_equal(virtio_mmio_attach(&elsewhere, other), 0);
	assert_int_equal(virtio_mmio_restore(&elsewhere, &saved), -EINVAL);
	loop_thread_do(&loop, do_remove, NULL);
}

int main(void)
{
#define BALLOON(name, up) cmocka_unit_test_setup_teardown(name, up, tear_down)
	const struct CMUnitTest tests[] = {
		BALLOON(test_inflated_pages_go_back, set_up_private_balloon),
		BALLOON(test_reported_pages_go_back, set_up_private_balloon),
		BALLOON(test_statistics, set_up_balloon),
		BALLOON(test_statistics_buffer_of_before_the_start, set_up_balloon),
		BALLOON(test_target_and_actual, set_up_balloon),
		BALLOON(test_a_snapshot_keeps_target_and_buffer, set_up_balloon),
		BALLOON(test_a_snapshot_keeps_what_is_plugged_and_asked_for, set_up_mem),
		BALLOON(test_blocks_are_plugged_and_unplugged, set_up_private_mem),
		BALLOON(test_ranges_outside_the_region_are_errors, set_up_mem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
