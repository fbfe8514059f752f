/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-mmio transport, version 2 (virtio 1.2, 4.2): a slot is 4 KiB of registers, behind
 * which a device is, or nothing yet: an empty slot answers DeviceID 0, and can be filled while the
 * guest runs.
 *
 * A register is only taken in the states in which the specification lets a driver write it:
 * features after DRIVER and before FEATURES_OK, queues between FEATURES_OK and DRIVER_OK and while
 * they are not ready, status bits one after the other. Other writes are dropped; none of them
 * reaches a device (CVE-2026-5747).
 *
 * It knows no accelerator: an access comes in as an offset and bytes, an interrupt goes out through
 * a function, a queue's notification is an eventfd (virtio_mmio_kick_fd()) that an accelerator may
 * signal without asking here.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/vm/virtio/device.h"

#define VIRTIO_MMIO_SIZE 0x1000u

struct virtio_mmio {
	pthread_mutex_t lock; /* taken before the device's */
	struct virtio_device *device;
	uint32_t device_features_select;
	uint32_t driver_features_select;
	uint64_t driver_features;
	uint32_t queue_select;
	atomic_uint config_generation;
	uint32_t status;
	atomic_uint needs_reset;      /* VIRTIO_CONFIG_S_NEEDS_RESET or 0 */
	atomic_uint interrupt_status; /* VIRTIO_MMIO_INT_… */

	/*
	 * NULL, or a page that shows the guest the registers as memory that it can only read. It is
	 * written under `page_lock`, from any thread.
	 */
	uint8_t *page;
	pthread_mutex_t page_lock;

	/* Raises the slot's interrupt line (an edge); called from any thread. */
	void (*interrupt)(void *data);
	void *interrupt_data;
};

/* Everything that a snapshot keeps of one slot and its device. */
struct virtio_mmio_state {
	uint32_t device_id;
	uint32_t device_features_select;
	uint32_t driver_features_select;
	uint32_t queue_select;
	uint32_t config_generation;
	uint32_t status;
	uint32_t interrupt_status;
	uint32_t queue_count;
	uint64_t driver_features;
	struct virtqueue_state queues[VIRTIO_QUEUES_MAX];
	uint32_t device_state_size;
	uint8_t device_state[VIRTIO_DEVICE_STATE_MAX];
};

/* An empty slot. */
void virtio_mmio_init(struct virtio_mmio *slot, void (*interrupt)(void *data), void *data);

/* Takes the device out and frees it. */
void virtio_mmio_destroy(struct virtio_mmio *slot);

/*
 * Puts a device into an empty slot, which owns it then. The guest sees it at its next look at
 * DeviceID. Returns 0, or -EBUSY where the slot has one.
 */
int virtio_mmio_attach(struct virtio_mmio *slot, struct virtio_device *device);

/*
 * An access of the guest to `offset` in the slot; any offset, size and alignment are safe. A read
 * fills all of `data`.
 */
void virtio_mmio_read(struct virtio_mmio *slot, uint64_t offset, void *data, size_t size);
void virtio_mmio_write(struct virtio_mmio *slot, uint64_t offset, const void *data, size_t size);

/*
 * Shows the registers in `page` (VIRTIO_MMIO_SIZE bytes, aligned, the caller's, which outlives the
 * slot) from here on, so that an accelerator can let the guest read them without an exit. The
 * interrupt status then always says "a queue" while the driver runs, which costs a driver a look at
 * its rings at most, so that an accelerator may swallow the acknowledgement of a queue's interrupt,
 * a write of VIRTIO_MMIO_INT_VRING alone to VIRTIO_MMIO_INTERRUPT_ACK.
 */
void virtio_mmio_show(struct virtio_mmio *slot, void *page);

/*
 * The eventfd of the device's queue `index`, which stands for a write of `index` to
 * VIRTIO_MMIO_QUEUE_NOTIFY; -ENOENT where there is no such queue. The slot's.
 */
int virtio_mmio_kick_fd(const struct virtio_mmio *slot, unsigned int index);

/*
 * Saves a slot. The guest is stopped; the device has no I/O in flight afterwards and goes on when
 * virtio_mmio_continue() is called.
 */
void virtio_mmio_save(struct virtio_mmio *slot, struct virtio_mmio_state *ret);
int virtio_mmio_continue(struct virtio_mmio *slot);

/*
 * Puts a saved state into a slot whose device is new, of the same type and the same number of
 * queues. The state is checked as the guest's own writes are. Returns 0 or -EINVAL.
 */
int virtio_mmio_restore(struct virtio_mmio *slot, const struct virtio_mmio_state *state);
