/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings whose every byte is the fuzzer's: whatever the queue module hands out lies inside guest
 * memory, in the order and number that it promises, and it ends.
 */
#include "tests/fuzz/virtio_fuzz.h"

#include <unistd.h>

#define MEMORY 0x4000u

static void require(bool promise)
{
	if (!promise)
		abort();
}

static void check(const struct virtqueue_element *e, const uint8_t *host)
{
	unsigned int count = e->readable_count + e->writable_count;

	require(count <= e->capacity);
	require(iov_length(e->iov, e->readable_count) == e->readable_length);
	require(iov_length(element_writable(e), e->writable_count) == e->writable_length);
	require(e->writable_length <= UINT32_MAX);
	for (unsigned int i = 0; i < count; i++) {
		const uint8_t *p = e->iov[i].iov_base;

		require(p >= host && p + e->iov[i].iov_len <= host + MEMORY);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t *low, *high;
	struct iovec iov[256 + VIRTQUEUE_IOV_SPARE];
	struct virtqueue_element e = { .iov = iov, .capacity = 256 + VIRTQUEUE_IOV_SPARE };
	struct input in = { data, size };
	struct guest_memory memory = { .count = 2 };
	struct virtqueue queue;

	if (low == NULL) {
		low = aligned_alloc(4096, MEMORY);
		high = low + MEMORY / 2;
	}
	/* Two regions that are neighbours in the guest. */
	memory.regions[0] = (struct guest_memory_region){ 0x1000, MEMORY / 2, low };
	memory.regions[1] = (struct guest_memory_region){ 0x1000 + MEMORY / 2, MEMORY / 2, high };
	memset(low, 0, MEMORY);
	if (virtqueue_init(&queue, &memory, 256, NULL) < 0)
		return 0;
	queue.event_index = take(&in, 1) & 1;
	queue.indirect = take(&in, 1) & 1;
	queue.state.size = (uint16_t)(1u << take(&in, 1) % 10);
	queue.state.descriptor_address = 0x1000 + (take(&in, 1) & 0xf0);
	queue.state.driver_address = 0x2000 + take(&in, 1);
	queue.state.device_address = 0x3000 + take(&in, 1);
	queue.state.next_available = (uint16_t)take(&in, 2);
	memcpy(low, in.data, in.size < MEMORY ? in.size : MEMORY);
	if (virtqueue_enable(&queue, true) == 0)
		for (int i = 0; i < 300 && virtqueue_pop(&queue, &e) == 1; i++) {
			check(&e, low);
			virtqueue_push(&queue, &e, e.writable_length);
			virtqueue_notify(&queue);
			virtqueue_more(&queue);
		}
	virtqueue_destroy(&queue);
	return 0;
}
