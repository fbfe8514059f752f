/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest for fuzzing devices: some memory, a slot, and a small language of what a hostile driver
 * does, read from the fuzzer's bytes. It sets queues up by the rules (else nothing behind them is
 * ever reached), unless the bytes say to write registers.
 */
#pragma once

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/virtio/mmio.h"

#define GUEST_BASE 0x10000u
#define GUEST_MEMORY (256u << 10)
#define GUEST_RINGS 0x4000u /* for each queue */
#define GUEST_QUEUES 8u
#define GUEST_BUFFERS (GUEST_BASE + GUEST_QUEUES * GUEST_RINGS) /* 128 KiB of them */
#define GUEST_QUEUE_SIZE 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

static inline uint64_t take(struct input *in, unsigned int bytes)
{
	uint64_t value = 0;

	for (; bytes > 0 && in->size > 0; bytes--, in->data++, in->size--)
		value = value << 8 | *in->data;
	return value;
}

struct guest {
	uint8_t *host;
	struct guest_memory memory;
	struct virtio_mmio slot;
	unsigned int queues;
	uint16_t next_descriptor[GUEST_QUEUES];
};

static inline void *guest_at(struct guest *g, uint64_t gpa)
{
	return g->host + (gpa - GUEST_BASE);
}

static inline void guest_write(struct guest *g, uint32_t reg, uint32_t value)
{
	virtio_mmio_write(&g->slot, reg, &value, sizeof(value));
}

static inline uint32_t guest_read(struct guest *g, uint32_t reg)
{
	uint32_t value;

	virtio_mmio_read(&g->slot, reg, &value, sizeof(value));
	return value;
}

static inline void guest_init(struct guest *g)
{
	static uint8_t *host;

	if (host == NULL)
		host = aligned_alloc(4096, GUEST_MEMORY);
	memset(g, 0, sizeof(*g));
	memset(host, 0, GUEST_MEMORY);
	g->host = host;
	g->memory.count = 1;
	g->memory.regions[0] = (struct guest_memory_region){ GUEST_BASE, GUEST_MEMORY, host };
	virtio_mmio_init(&g->slot, NULL, NULL);
}

static inline void guest_set_queue(struct guest *g, unsigned int i)
{
	uint32_t base = GUEST_BASE + i * GUEST_RINGS;

	memset(guest_at(g, base), 0, GUEST_RINGS);
	g->next_descriptor[i] = 0;
	guest_write(g, VIRTIO_MMIO_QUEUE_SEL, i);
	guest_write(g, VIRTIO_MMIO_QUEUE_NUM, GUEST_QUEUE_SIZE);
	guest_write(g, VIRTIO_MMIO_QUEUE_DESC_LOW, base);
	guest_write(g, VIRTIO_MMIO_QUEUE_AVAIL_LOW, base + 0x1000);
	guest_write(g, VIRTIO_MMIO_QUEUE_USED_LOW, base + 0x2000);
	guest_write(g, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* The whole initialisation, without the features whose bits are in `without`. */
static inline void guest_start(struct guest *g, uint32_t without)
{
	guest_write(g, VIRTIO_MMIO_STATUS, 0);
	guest_write(g, VIRTIO_MMIO_STATUS, 1);
	guest_write(g, VIRTIO_MMIO_STATUS, 3);
	for (unsigned int i = 0; i < 2; i++) {
		guest_write(g, VIRTIO_MMIO_DEVICE_FEATURES_SEL, i);
		guest_write(g, VIRTIO_MMIO_DRIVER_FEATURES_SEL, i);
		guest_write(g, VIRTIO_MMIO_DRIVER_FEATURES,
			guest_read(g, VIRTIO_MMIO_DEVICE_FEATURES) & (i == 0 ? ~without : ~0u));
	}
	guest_write(g, VIRTIO_MMIO_STATUS, 11);
	for (unsigned int i = 0; i < g->queues && i < GUEST_QUEUES; i++)
		guest_set_queue(g, i);
	guest_write(g, VIRTIO_MMIO_STATUS, 15);
}

static inline struct vring_desc *guest_descriptors(struct guest *g, unsigned int queue)
{
	return guest_at(g, GUEST_BASE + queue * GUEST_RINGS);
}

/* Puts a chain into the ring: lengths, directions and contents as the bytes say. */
static inline void guest_add(struct guest *g, unsigned int queue, struct input *in)
{
	struct vring_desc *descriptors = guest_descriptors(g, queue);
	struct vring_avail *available = guest_at(g, GUEST_BASE + queue * GUEST_RINGS + 0x1000);
	unsigned int count = 1 + take(in, 1) % 6;
	uint16_t head = g->next_descriptor[queue] % GUEST_QUEUE_SIZE;

	for (unsigned int i = 0; i < count; i++) {
		uint16_t at = g->next_descriptor[queue]++ % GUEST_QUEUE_SIZE;
		uint8_t what = (uint8_t)take(in, 1);
		uint32_t length = (uint32_t)take(in, what & 4 ? 2 : 1);
		uint64_t address = GUEST_BUFFERS + take(in, 2) % (GUEST_MEMORY / 2 - 0x10000);

		if (what & 8) {
			/* Contents. */
			for (uint32_t k = 0; k < length && in->size > 0; k++)
				*(uint8_t *)guest_at(g, address + k) = (uint8_t)take(in, 1);
		}
		if ((what & 0xf0) == 0xf0)
			address = take(in, 8);
		descriptors[at] = (struct vring_desc){ .addr = address,
			.len = length,
			.flags = (what & 1 ? VRING_DESC_F_WRITE : 0) |
				(what & 2 && (what & 0x30) == 0x30 ? VRING_DESC_F_INDIRECT : 0) |
				(i + 1 < count ? VRING_DESC_F_NEXT : 0),
			.next = (at + 1) % GUEST_QUEUE_SIZE };
	}
	available->ring[available->idx % GUEST_QUEUE_SIZE] = head;
	available->idx++;
}

/* One thing that a driver does. Returns false at the end of the bytes. */
static inline bool guest_step(struct guest *g, struct input *in, void (*turn)(struct guest *g))
{
	uint8_t command = (uint8_t)take(in, 1);
	unsigned int queue = g->queues > 0 ? (command >> 4) % g->queues % GUEST_QUEUES : 0;
	uint64_t value;

	if (in->size == 0)
		return false;
	switch (command & 7) {
	case 0: {
		uint32_t reg = (uint32_t)take(in, 2) & 0xfff;
		unsigned int size = 1u << (command >> 4 & 3);

		value = take(in, size);
		virtio_mmio_write(&g->slot, reg, &value, size);
		virtio_mmio_read(&g->slot, reg, &value, size);
		break;
	}
	case 1: {
		uint32_t at = (uint32_t)take(in, 3) % (GUEST_MEMORY - 256);

		for (unsigned int n = (unsigned int)take(in, 1); n > 0; n--, at++)
			g->host[at] = (uint8_t)take(in, 1);
		break;
	}
	case 2:
		guest_start(g, command >> 4 == 0 ? 0 : (uint32_t)take(in, 4));
		break;
	case 3:
		guest_write(g, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
		turn(g);
		break;
	default:
		guest_add(g, queue, in);
		if (command & 8) {
			guest_write(g, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
			turn(g);
		}
	}
	return true;
}
