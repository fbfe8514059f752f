/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For a device that serves its queues in the event loop: one source for each queue's eventfd, from
 * the device's creation to its end. A driver's notification calls the device's handler with the
 * device's lock held, while the device is active.
 */
#pragma once

#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/virtio/device.h"

struct virtio_kick;

typedef void (*virtio_kick_handler)(struct virtio_device *device, unsigned int queue);

/*
 * Registers all queues of `device` with `loop`. The functions are called by the loop's thread only.
 */
int virtio_kick_new(struct loop *loop, struct virtio_device *device, virtio_kick_handler handler,
	struct virtio_kick **ret, struct error *err);

/* NULL is ignored. */
void virtio_kick_free(struct virtio_kick *kick);
