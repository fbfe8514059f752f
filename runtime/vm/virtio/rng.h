/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-rng (virtio 1.2, 5.4): random bytes of the host's getrandom(2) for the guest's pool. A
 * guest that asks without end gets a bounded amount in each turn of the event loop.
 */
#pragma once

struct error;
struct guest_memory;
struct loop;
struct virtio_device;

/* `ret` goes to virtio_mmio_attach() or virtio_device_free(). */
int virtio_rng_new(struct loop *loop, const struct guest_memory *memory, struct virtio_device **ret,
	struct error *err);
