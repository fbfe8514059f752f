/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-fs (virtio 1.2, 5.11): the transport between the guest's FUSE client and the FUSE server
 * (fs/fuse_server.h). Several threads take requests from the queues and answer them as they are
 * done, in any order.
 */
#pragma once

#include <stdbool.h>

struct error;
struct fuse_server;
struct guest_memory;
struct virtio_device;

struct fs_options {
	const char *tag;      /* what the guest mounts; at most 36 bytes */
	unsigned int threads; /* 0 means 4; at most 64 */
	unsigned int queues;  /* request queues; 0 means 1; at most 8 */
	bool confine;	      /* the threads, to what they need: confine_thread() */
};

/*
 * Makes the device over `server`, which stays the caller's and outlives it. A reset of the device
 * resets the server. `ret` goes to virtio_mmio_attach() or virtio_device_free().
 */
int virtio_fs_new(const struct guest_memory *memory, struct fuse_server *server,
	const struct fs_options *options, struct virtio_device **ret, struct error *err);
