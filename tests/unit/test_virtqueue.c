/* SPDX-License-Identifier: Apache-2.0 */
/* The queue module against a driver that follows the rules, and against ones that do not. */
#include <errno.h>

#include "tests/unit/virtio_driver.h"

#define SIZE 8

struct fixture {
	struct guest_memory memory;
	uint8_t *host;
	struct virtqueue queue;
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	const char *failure;
	unsigned int interrupts;
};

#define BASE 0x10000u
#define SECOND_REGION (BASE + 0x8000u)

static void on_fail(void *data, const char *reason)
{
	((struct fixture *)data)->failure = reason;
}

static void on_interrupt(void *data)
{
	((struct fixture *)data)->interrupts++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->host = calloc(1, 0x10000);
	/* Two regions, neighbours in the guest, apart in the monitor. */
	f->memory.count = 2;
	f->memory.regions[0] = (struct guest_memory_region){ BASE, 0x8000, f->host + 0x8000 };
	f->memory.regions[1] = (struct guest_memory_region){ SECOND_REGION, 0x8000, f->host };
	assert_int_equal(virtqueue_init(&f->queue, &f->memory, 64, NULL), 0);
	f->queue.fail = on_fail;
	f->queue.interrupt = on_interrupt;
	f->queue.data = f;
	f->queue.indirect = true;
	f->desc = guest_memory_at(&f->memory, BASE, 0x400);
	f->avail = guest_memory_at(&f->memory, BASE + 0x400, 0x100);
	f->used = guest_memory_at(&f->memory, BASE + 0x800, 0x100);
	f->queue.state.size = SIZE;
	f->queue.state.descriptor_address = BASE;
	f->queue.state.driver_address = BASE + 0x400;
	f->queue.state.device_address = BASE + 0x800;
	assert_int_equal(virtqueue_enable(&f->queue, false), 0);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	virtqueue_destroy(&f->queue);
	free(f->host);
	free(f);
	return 0;
}

static void describe(struct fixture *f, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags,
	uint16_t next)
{
	f->desc[i] = (struct vring_desc){ addr, len, flags, next };
}

static void offer(struct fixture *f, uint16_t head)
{
	f->avail->ring[f->avail->idx % SIZE] = head;
	f->avail->idx++;
}

static int pop(struct fixture *f, struct virtqueue_element *element)
{
	static struct iovec iov[SIZE + VIRTQUEUE_IOV_SPARE];

	*element = (struct virtqueue_element){ .iov = iov, .capacity = SIZE + VIRTQUEUE_IOV_SPARE };
	return virtqueue_pop(&f->queue, element);
}

static void expect_broken(struct fixture *f, const char *why)
{
	struct virtqueue_element e;

	assert_int_equal(pop(f, &e), -EPROTO);
	assert_string_equal(f->failure, why);
	assert_false(virtqueue_usable(&f->queue));
	/* And stays so. */
	assert_int_equal(pop(f, &e), 0);
}

static void test_chain_is_split_into_readable_and_writable(void **state)
{
	struct fixture *f = *state;
	struct virtqueue_element e;

	describe(f, 3, BASE + 0x1000, 16, VRING_DESC_F_NEXT, 5);
	describe(f, 5, BASE + 0x2000, 512, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	describe(f, 1, BASE + 0x3000, 1, VRING_DESC_F_WRITE, 0);
	assert_int_equal(pop(f, &e), 0);
	offer(f, 3);
	assert_int_equal(pop(f, &e), 1);
	assert_int_equal(e.head, 3);
	assert_int_equal(e.readable_count, 1);
	assert_int_equal(e.readable_length, 16);
	assert_int_equal(e.writable_count, 2);
	assert_int_equal(e.writable_length, 513);
	assert_ptr_equal(
		element_writable(&e)[0].iov_base, guest_memory_at(&f->memory, BASE + 0x2000, 1));
	virtqueue_push(&f->queue, &e, 513);
	assert_int_equal(pop(f, &e), 0);
	assert_int_equal(f->used->idx, 1);
	assert_int_equal(f->used->ring[0].id, 3);
	assert_int_equal(f->used->ring[0].len, 513);
}

static void test_more_written_than_there_is_room_counts_as_the_room(void **state)
{
	struct fixture *f = *state;
	struct virtqueue_element e;

	describe(f, 0, BASE + 0x2000, 10, VRING_DESC_F_WRITE, 0);
	offer(f, 0);
	assert_int_equal(pop(f, &e), 1);
	virtqueue_push(&f->queue, &e, 4096);
	assert_int_equal(f->used->ring[0].len, 10);
}

static void test_buffer_across_regions_is_two_iovecs(void **state)
{
	struct fixture *f = *state;
	struct virtqueue_element e;

	describe(f, 0, SECOND_REGION - 100, 300, 0, 0);
	offer(f, 0);
	assert_int_equal(pop(f, &e), 1);
	assert_int_equal(e.readable_count, 2);
	assert_int_equal(e.iov[0].iov_len, 100);
	assert_int_equal(e.iov[1].iov_len, 200);
	assert_ptr_equal(e.iov[1].iov_base, f->host);
}

static void test_indirect_table(void **state)
{
	struct fixture *f = *state;
	struct vring_desc *table = guest_memory_at(&f->memory, BASE + 0x1000, 64);
	struct virtqueue_element e;

	table[0] = (struct vring_desc){ BASE + 0x2000, 8, VRING_DESC_F_NEXT, 2 };
	table[2] = (struct vring_desc){ BASE + 0x3000, 9, VRING_DESC_F_WRITE, 0 };
	describe(f, 0, BASE + 0x4000, 7, VRING_DESC_F_NEXT, 1);
	describe(f, 1, BASE + 0x1000, 48, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	assert_int_equal(pop(f, &e), 1);
	assert_int_equal(e.readable_length, 15);
	assert_int_equal(e.writable_length, 9);
}

static void test_loop_breaks_the_queue(void **state)
{
	struct fixture *f = *state;

	describe(f, 0, BASE + 0x1000, 1, VRING_DESC_F_NEXT, 1);
	describe(f, 1, BASE + 0x1000, 1, VRING_DESC_F_NEXT, 0);
	offer(f, 0);
	expect_broken(f, "a chain longer than the queue");
}

static void test_loop_of_empty_buffers_breaks_the_queue(void **state)
{
	struct fixture *f = *state;

	describe(f, 0, BASE + 0x1000, 0, VRING_DESC_F_NEXT, 0);
	offer(f, 0);
	expect_broken(f, "a chain longer than the queue");
}

static void test_index_outside_the_table_breaks_the_queue(void **state)
{
	struct fixture *f = *state;

	describe(f, 0, BASE + 0x1000, 1, VRING_DESC_F_NEXT, SIZE);
	offer(f, 0);
	expect_broken(f, "a descriptor index outside the table");
}

static void test_head_outside_the_table_breaks_the_queue(void **state)
{
	struct fixture *f = *state;

	offer(f, 0xffff);
	expect_broken(f, "a descriptor index outside the table");
}

static void test_available_index_ahead_of_the_queue_breaks_it(void **state)
{
	struct fixture *f = *state;

	f->avail->idx = SIZE + 1;
	expect_broken(f, "an available index that is ahead of the queue");
}

static void test_buffer_outside_memory_breaks_the_queue(void **state)
{
	static const struct {
		uint64_t address;
		uint32_t length;
	} bad[] = {
		{ BASE - 1, 2 },
		{ SECOND_REGION + 0x7fff, 2 },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX - 10, 100 },
		{ BASE, 0x10001 },
		{ 0, 1 },
	};
	struct fixture *f = *state;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		virtqueue_reset(&f->queue);
		f->queue.state.size = SIZE;
		f->queue.state.descriptor_address = BASE;
		f->queue.state.driver_address = BASE + 0x400;
		f->queue.state.device_address = BASE + 0x800;
		f->avail->idx = 0;
		assert_int_equal(virtqueue_enable(&f->queue, false), 0);
		describe(f, 0, bad[i].address, bad[i].length, 0, 0);
		offer(f, 0);
		expect_broken(f, "a buffer outside memory");
	}
}

static void test_readable_behind_writable_breaks_the_queue(void **state)
{
	struct fixture *f = *state;

	describe(f, 0, BASE + 0x1000, 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	describe(f, 1, BASE + 0x1000, 1, 0, 0);
	offer(f, 0);
	expect_broken(f, "a readable buffer behind a writable one");
}

static void test_indirect_in_indirect_breaks_the_queue(void **state)
{
	struct fixture *f = *state;
	struct vring_desc *table = guest_memory_at(&f->memory, BASE + 0x1000, 64);

	table[0] = (struct vring_desc){ BASE + 0x1000, 16, VRING_DESC_F_INDIRECT, 0 };
	describe(f, 0, BASE + 0x1000, 16, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(f, "an indirect table where none may be");
}

static void test_indirect_without_the_feature_breaks_the_queue(void **state)
{
	struct fixture *f = *state;

	f->queue.indirect = false;
	describe(f, 0, BASE + 0x1000, 16, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(f, "an indirect table where none may be");
}

static void test_indirect_table_of_odd_length_breaks_the_queue(void **state)
{
	struct fixture *f = *state;

	describe(f, 0, BASE + 0x1000, 17, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(f, "an indirect table of a wrong length");
}

static void test_indirect_table_outside_memory_breaks_the_queue(void **state)
{
	struct fixture *f = *state;

	describe(f, 0, 0, 16, VRING_DESC_F_INDIRECT, 0);
	offer(f, 0);
	expect_broken(f, "an indirect table outside memory");
}

static void test_chain_beyond_the_caller_s_capacity_breaks_the_queue(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[1];
	struct virtqueue_element e = { .iov = iov, .capacity = 1 };

	describe(f, 0, BASE + 0x1000, 1, VRING_DESC_F_NEXT, 1);
	describe(f, 1, BASE + 0x1000, 1, 0, 0);
	offer(f, 0);
	assert_int_equal(virtqueue_pop(&f->queue, &e), -EPROTO);
	assert_string_equal(f->failure, "a chain longer than the device allows");
}

static void test_enable_refuses_bad_rings(void **state)
{
	struct fixture *f = *state;
	struct virtqueue_state good = f->queue.state;
	struct virtqueue_state bad[9];

	for (unsigned int i = 0; i < 9; i++)
		bad[i] = good;
	bad[0].size = 0;
	bad[1].size = 3;
	bad[2].size = 128; /* above the maximum of 64 */
	bad[3].descriptor_address++;
	bad[4].driver_address++;
	bad[5].device_address += 2;
	bad[6].descriptor_address = SECOND_REGION - 16; /* a ring may not cross regions */
	bad[7].driver_address = UINT64_MAX - 1;
	bad[8].device_address = SECOND_REGION + 0x8000 - 8;
	for (unsigned int i = 0; i < 9; i++) {
		f->queue.state = bad[i];
		assert_int_equal(virtqueue_enable(&f->queue, false), -EINVAL);
		assert_false(virtqueue_usable(&f->queue));
	}
	f->queue.state = good;
	assert_int_equal(virtqueue_enable(&f->queue, false), 0);
}

static void test_event_index(void **state)
{
	struct fixture *f = *state;
	uint16_t *used_event = &f->avail->ring[SIZE];
	uint16_t *avail_event = (uint16_t *)(void *)&f->used->ring[SIZE];
	struct virtqueue_element e;

	f->queue.event_index = true;
	describe(f, 0, BASE + 0x1000, 1, 0, 0);
	for (unsigned int i = 0; i < 4; i++)
		offer(f, 0);
	/* The driver wants to hear of the third. */
	*used_event = 0;
	assert_int_equal(pop(f, &e), 1);
	virtqueue_push(&f->queue, &e, 0);
	virtqueue_notify(&f->queue);
	assert_int_equal(f->interrupts, 1);
	*used_event = 2;
	assert_int_equal(pop(f, &e), 1);
	virtqueue_push(&f->queue, &e, 0);
	virtqueue_notify(&f->queue);
	assert_int_equal(f->interrupts, 1);
	assert_int_equal(pop(f, &e), 1);
	virtqueue_push(&f->queue, &e, 0);
	virtqueue_notify(&f->queue);
	assert_int_equal(f->interrupts, 2);
	assert_int_equal(pop(f, &e), 1);
	assert_int_equal(pop(f, &e), 0);
	/* And the device asks to be told of the fifth. */
	assert_int_equal(*avail_event, 4);
}

static void test_indexes_wrap(void **state)
{
	struct fixture *f = *state;
	struct virtqueue_element e;
	uint64_t popped = 0;

	f->queue.event_index = true;
	for (unsigned int i = 0; i < 70000; i++) {
		describe(f, i % SIZE, BASE + 0x1000, 1 + i % 7, 0, 0);
		offer(f, i % SIZE);
		f->avail->ring[SIZE] = (uint16_t)i;
		assert_int_equal(pop(f, &e), 1);
		assert_int_equal(e.readable_length, 1 + i % 7);
		virtqueue_push(&f->queue, &e, 0);
		virtqueue_notify(&f->queue);
		popped++;
	}
	assert_int_equal(f->interrupts, popped);
	assert_int_equal(f->used->idx, (uint16_t)popped);
}

static void test_element_of_before_a_reset_is_dropped(void **state)
{
	struct fixture *f = *state;
	struct virtqueue_state good = f->queue.state;
	struct virtqueue_element e;

	describe(f, 0, BASE + 0x1000, 1, 0, 0);
	offer(f, 0);
	assert_int_equal(pop(f, &e), 1);
	virtqueue_reset(&f->queue);
	virtqueue_push(&f->queue, &e, 0);
	assert_int_equal(f->used->idx, 0);
	f->queue.state = good;
	assert_int_equal(virtqueue_enable(&f->queue, false), 0);
	virtqueue_push(&f->queue, &e, 0);
	assert_int_equal(f->used->idx, 0);
}

static void test_iov_slice(void **state)
{
	char bytes[30];
	struct iovec iov[] = { { bytes, 10 }, { bytes + 10, 10 }, { bytes + 20, 10 } };
	struct iovec out[3];

	(void)state;
	assert_int_equal(iov_slice(iov, 3, 5, 10, out, 3), 2);
	assert_ptr_equal(out[0].iov_base, bytes + 5);
	assert_int_equal(out[0].iov_len, 5);
	assert_ptr_equal(out[1].iov_base, bytes + 10);
	assert_int_equal(out[1].iov_len, 5);
	assert_int_equal(iov_slice(iov, 3, 5, 100, out, 3), 3);
	assert_int_equal(iov_slice(iov, 3, 5, 100, out, 2), -E2BIG);
	assert_int_equal(iov_slice(iov, 3, 30, 1, out, 3), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_chain_is_split_into_readable_and_writable),
		TEST(test_more_written_than_there_is_room_counts_as_the_room),
		TEST(test_buffer_across_regions_is_two_iovecs),
		TEST(test_indirect_table),
		TEST(test_loop_breaks_the_queue),
		TEST(test_loop_of_empty_buffers_breaks_the_queue),
		TEST(test_index_outside_the_table_breaks_the_queue),
		TEST(test_head_outside_the_table_breaks_the_queue),
		TEST(test_available_index_ahead_of_the_queue_breaks_it),
		TEST(test_buffer_outside_memory_breaks_the_queue),
		TEST(test_readable_behind_writable_breaks_the_queue),
		TEST(test_indirect_in_indirect_breaks_the_queue),
		TEST(test_indirect_without_the_feature_breaks_the_queue),
		TEST(test_indirect_table_of_odd_length_breaks_the_queue),
		TEST(test_indirect_table_outside_memory_breaks_the_queue),
		TEST(test_chain_beyond_the_caller_s_capacity_breaks_the_queue),
		TEST(test_enable_refuses_bad_rings),
		TEST(test_event_index),
		TEST(test_indexes_wrap),
		TEST(test_element_of_before_a_reset_is_dropped),
		cmocka_unit_test(test_iov_slice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
