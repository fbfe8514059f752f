/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device: its queues, its configuration space and one table of operations. A transport
 * (mmio.h) drives it on the driver's behalf and gives it a way to interrupt; the device knows
 * neither the transport nor the accelerator.
 *
 * Concurrency: every operation is called with `lock` held, from whichever thread the guest's access
 * came in. What a device does on its own (a worker, a function of the event loop) takes `lock` for
 * as long as it looks at queues or configuration, or, where it must not be held up, is waited for
 * by its reset operation. interrupt and failure of a queue need no lock.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/vm/virtio/queue.h"

struct error;
struct guest_memory;
struct virtio_device;

#define VIRTIO_QUEUES_MAX 64u
#define VIRTIO_DEVICE_STATE_MAX 8256u

struct virtio_device_operations {
	const char *name; /* "blk", for messages */
	uint32_t id;	  /* device type (virtio 1.2, 5) */

	/*
	 * The driver is ready (DRIVER_OK): `features` and the queues are final. With a negative
	 * return the device asks to be reset.
	 */
	int (*activate)(struct virtio_device *device);

	/*
	 * Required. When it returns, the device touches no queue and no buffer of the guest: I/O in
	 * flight has ended or been cancelled (CVE-2026-45782). That takes as long as the host's I/O
	 * does, without a bound: an answer of the host's after the reset would be written into
	 * memory that the guest uses for something else, and Linux's driver does not ask whether a
	 * reset is over. Called in any state, and mostly in a processor's thread, which may neither
	 * open nor close files.
	 */
	void (*reset)(struct virtio_device *device);

	/*
	 * The driver wrote `size` (1, 2, 4 or 8) bytes inside the configuration space. The device
	 * stores what it accepts in `config` itself. Without the operation, writes are ignored.
	 */
	void (*config_write)(
		struct virtio_device *device, size_t offset, const void *data, size_t size);

	/*
	 * The guest has more memory than before (guest_memory_add()): for a device that told
	 * somebody else of it. While the device is active, with `lock` held, in the main thread.
	 */
	void (*memory_added)(struct virtio_device *device);

	/* Called before the driver reads configuration, for a value that is made on demand. */
	void (*config_refresh)(struct virtio_device *device);

	/*
	 * The device's own part of a snapshot, beyond features and queues: save stops I/O, gives
	 * what it has popped and not served back to its rings, and returns the number of bytes it
	 * wrote into `state` (of VIRTIO_DEVICE_STATE_MAX); activate is called when it is to go on,
	 * and finds everything else as it was. A device without it is reset instead. restore takes
	 * such a state over into a device that is new, before activate; it is data from outside.
	 */
	size_t (*save)(struct virtio_device *device, void *state);
	int (*restore)(struct virtio_device *device, const void *state, size_t size);

	/* Required. Gives the device back; its reset operation has been called. */
	void (*destroy)(struct virtio_device *device);
};

struct virtio_device {
	const struct virtio_device_operations *operations;
	pthread_mutex_t lock;
	uint64_t features; /* offered; the transport adds VERSION_1, EVENT_IDX, INDIRECT_DESC */
	uint64_t negotiated;
	bool active;		/* between activate and reset */
	atomic_uint complaints; /* lines about this device in the log */

	struct virtqueue *queues;
	unsigned int queue_count;

	void *config; /* little endian, as the driver reads it */
	size_t config_size;

	/* Set by the transport while one has the device; called from any thread. */
	void (*interrupt_queue)(void *transport);
	void (*interrupt_config)(void *transport);
	void (*needs_reset)(void *transport);
	void (*show_config)(void *transport);
	void *transport;
};

/*
 * Sets up the common part with `queue_count` queues of `queue_size` entries each; the device then
 * fills features and config. Returns 0 or a negative errno.
 */
int virtio_device_init(struct virtio_device *device,
	const struct virtio_device_operations *operations, const struct guest_memory *memory,
	unsigned int queue_count, uint16_t queue_size, struct error *err);

/*
 * Makes a device of `size` bytes, all zeroes but for its first member, the common part, which is
 * set up as by virtio_device_init().
 */
int virtio_device_new(size_t size, const struct virtio_device_operations *operations,
	const struct guest_memory *memory, unsigned int queue_count, uint16_t queue_size,
	struct virtio_device **ret, struct error *err);

/* Gives back what virtio_device_init() took; for the device's destroy operation. */
void virtio_device_fini(struct virtio_device *device);

/* Resets the device (outside any transport, or at its end) and destroys it. NULL is ignored. */
void virtio_device_free(struct virtio_device *device);

static inline bool virtio_device_has(const struct virtio_device *device, unsigned int feature)
{
	return device->negotiated & (UINT64_C(1) << feature);
}

/* Tells the driver that the configuration changed. The caller holds `lock`. */
void virtio_device_config_changed(struct virtio_device *device);

/*
 * The configuration changed in a way that the driver is not told of, as answers to its own requests
 * change it. The caller holds `lock`.
 */
void virtio_device_config_stored(struct virtio_device *device);

/*
 * Turns the device off until the driver resets it (DEVICE_NEEDS_RESET). The first few times the
 * log says so; it is not for the guest to fill.
 */
void virtio_device_fail(struct virtio_device *device, const char *reason);
