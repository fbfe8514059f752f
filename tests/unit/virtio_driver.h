/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio driver in plain memory, for tests: it speaks to a slot through its registers only, as a
 * guest does, and builds rings in a few mebibytes that stand for guest memory.
 */
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/error.h"
#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/virtio/device.h"
#include "runtime/vm/virtio/mmio.h"

#define DRIVER_MEMORY (16u << 20)
#define DRIVER_BASE 0x100000u /* guest-physical address of the memory */
#define DRIVER_QUEUES 8
#define DRIVER_RING_SPACE 0x10000u

struct driver_queue {
	uint16_t size;
	uint16_t free_descriptor;
	uint16_t available;
	uint16_t used;
	struct vring_desc *descriptors;
	struct vring_avail *avail;
	struct vring_used *used_ring;
};

struct driver {
	uint8_t *host;
	struct guest_memory memory;
	struct virtio_mmio slot;
	int irq; /* eventfd that the slot's interrupt writes */
	struct driver_queue queues[DRIVER_QUEUES];
	uint64_t next; /* where driver_alloc() goes on, an offset in memory */
};

static inline void driver_interrupt(void *data)
{
	struct driver *d = data;

	eventfd_write(d->irq, 1);
}

static inline void driver_init(struct driver *d)
{
	memset(d, 0, sizeof(*d));
	d->host = mmap(NULL, DRIVER_MEMORY, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_true(d->host != MAP_FAILED);
	d->memory.count = 1;
	d->memory.regions[0] = (struct guest_memory_region){ DRIVER_BASE, DRIVER_MEMORY, d->host };
	d->irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	d->next = DRIVER_QUEUES * DRIVER_RING_SPACE;
	virtio_mmio_init(&d->slot, driver_interrupt, d);
}

static inline void driver_fini(struct driver *d)
{
	virtio_mmio_destroy(&d->slot);
	munmap(d->host, DRIVER_MEMORY);
	close(d->irq);
}

static inline uint32_t driver_read(struct driver *d, uint32_t reg)
{
	uint32_t value;

	virtio_mmio_read(&d->slot, reg, &value, 4);
	return value;
}

static inline void driver_write(struct driver *d, uint32_t reg, uint32_t value)
{
	virtio_mmio_write(&d->slot, reg, &value, 4);
}

static inline uint64_t driver_config(struct driver *d, uint32_t offset, size_t size)
{
	uint64_t value = 0;

	virtio_mmio_read(&d->slot, VIRTIO_MMIO_CONFIG + offset, &value, size);
	return value;
}

/* Memory for a buffer; never given back. Returns its guest-physical address. */
static inline uint64_t driver_alloc(struct driver *d, size_t size)
{
	uint64_t at = d->next;

	d->next += (size + 15) & ~(size_t)15;
	assert_true(d->next <= DRIVER_MEMORY);
	return DRIVER_BASE + at;
}

static inline void *driver_at(struct driver *d, uint64_t gpa)
{
	return d->host + (gpa - DRIVER_BASE);
}

static inline uint64_t driver_features(struct driver *d)
{
	uint64_t features;

	driver_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	features = driver_read(d, VIRTIO_MMIO_DEVICE_FEATURES);
	driver_write(d, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	return features | (uint64_t)driver_read(d, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
}

/* Up to and with FEATURES_OK; returns whether the device kept the bit. */
static inline bool driver_negotiate(struct driver *d, uint64_t features)
{
	driver_write(d, VIRTIO_MMIO_STATUS, 0);
	driver_write(d, VIRTIO_MMIO_STATUS, 1);
	driver_write(d, VIRTIO_MMIO_STATUS, 3);
	driver_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	driver_write(d, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
	driver_write(d, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	driver_write(d, VIRTIO_MMIO_DRIVER_FEATURES, features >> 32);
	driver_write(d, VIRTIO_MMIO_STATUS, 11);
	return driver_read(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK;
}

static inline void driver_set_queue(struct driver *d, unsigned int index, uint16_t size)
{
	struct driver_queue *q = &d->queues[index];
	uint64_t base = DRIVER_BASE + (uint64_t)index * DRIVER_RING_SPACE;

	memset(q, 0, sizeof(*q));
	memset(driver_at(d, base), 0, DRIVER_RING_SPACE);
	q->size = size;
	q->descriptors = driver_at(d, base);
	q->avail = driver_at(d, base + 0x8000);
	q->used_ring = driver_at(d, base + 0xa000);
	driver_write(d, VIRTIO_MMIO_QUEUE_SEL, index);
	driver_write(d, VIRTIO_MMIO_QUEUE_NUM, size);
	driver_write(d, VIRTIO_MMIO_QUEUE_DESC_LOW, base);
	driver_write(d, VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
	driver_write(d, VIRTIO_MMIO_QUEUE_AVAIL_LOW, base + 0x8000);
	driver_write(d, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0);
	driver_write(d, VIRTIO_MMIO_QUEUE_USED_LOW, base + 0xa000);
	driver_write(d, VIRTIO_MMIO_QUEUE_USED_HIGH, 0);
	driver_write(d, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* The whole initialisation, with all features of the device but those in `without`. */
static inline void driver_start(
	struct driver *d, unsigned int queues, uint16_t size, uint64_t without)
{
	assert_true(driver_negotiate(d, driver_features(d) & ~without));
	for (unsigned int i = 0; i < queues; i++)
		driver_set_queue(d, i, size);
	driver_write(d, VIRTIO_MMIO_STATUS, 15);
	assert_int_equal(driver_read(d, VIRTIO_MMIO_STATUS), 15);
}

static inline bool driver_needs_reset(struct driver *d)
{
	return driver_read(d, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

struct driver_buffer {
	uint64_t address;
	uint32_t length;
	bool writable;
};

/* Puts a chain into the available ring; returns the head. Descriptors are used round robin. */
static inline uint16_t driver_add(struct driver *d, unsigned int index,
	const struct driver_buffer *buffers, unsigned int count)
{
	struct driver_queue *q = &d->queues[index];
	uint16_t head = q->free_descriptor % q->size;

	for (unsigned int i = 0; i < count; i++) {
		uint16_t slot = q->free_descriptor++ % q->size;

		q->descriptors[slot] = (struct vring_desc){
			.addr = buffers[i].address,
			.len = buffers[i].length,
			.flags = (buffers[i].writable ? VRING_DESC_F_WRITE : 0) |
				(i + 1 < count ? VRING_DESC_F_NEXT : 0),
			.next = (slot + 1) % q->size,
		};
	}
	q->avail->ring[q->available % q->size] = head;
	q->available++;
	__atomic_store_n(&q->avail->idx, q->available, __ATOMIC_RELEASE);
	return head;
}

static inline void driver_kick(struct driver *d, unsigned int index)
{
	driver_write(d, VIRTIO_MMIO_QUEUE_NOTIFY, index);
}

/* Takes one used entry; false where there is none. */
static inline bool driver_take(
	struct driver *d, unsigned int index, uint32_t *ret_head, uint32_t *ret_length)
{
	struct driver_queue *q = &d->queues[index];

	if (__atomic_load_n(&q->used_ring->idx, __ATOMIC_ACQUIRE) == q->used)
		return false;
	if (ret_head != NULL)
		*ret_head = q->used_ring->ring[q->used % q->size].id;
	if (ret_length != NULL)
		*ret_length = q->used_ring->ring[q->used % q->size].len;
	q->used++;
	/* The event index: interrupt me for the next one. */
	__atomic_store_n(&q->avail->ring[q->size], q->used, __ATOMIC_RELAXED);
	return true;
}

/* Waits up to 10 s for a used entry; returns its length. */
static inline uint32_t driver_wait(struct driver *d, unsigned int index, uint32_t *ret_head)
{
	for (int i = 0; i < 1000; i++) {
		struct pollfd p = { .fd = d->irq, .events = POLLIN };
		uint32_t length;
		eventfd_t n;

		if (driver_take(d, index, ret_head, &length))
			return length;
		poll(&p, 1, 10);
		(void)!eventfd_read(d->irq, &n);
		driver_write(d, VIRTIO_MMIO_INTERRUPT_ACK, 3);
	}
	fail_msg("no answer on queue %u", index);
	return 0;
}

/* The same for one request that is added, kicked and waited for. */
static inline uint32_t driver_request(struct driver *d, unsigned int index,
	const struct driver_buffer *buffers, unsigned int count)
{
	uint16_t head = driver_add(d, index, buffers, count);
	uint32_t got, length;

	driver_kick(d, index);
	length = driver_wait(d, index, &got);
	assert_int_equal(got, head);
	return length;
}
