/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-blk (virtio 1.2, 5.2) over a raw file or block device: several queues, each with a thread
 * and an io_uring of its own (plain system calls where the kernel has none), flush, discard,
 * write-zeroes, an identity, a limit on its rate. Commands with a SCSI payload are unsupported, and
 * answered without a look at the payload (CVE-2026-48914).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;
struct guest_memory;
struct virtio_device;

enum blk_engine { BLK_ENGINE_AUTO, BLK_ENGINE_URING, BLK_ENGINE_THREAD };

#define BLK_QUEUES_MAX 16u

struct blk_options {
	int fd;		     /* the image, open for reading, and for writing unless read_only */
	bool read_only;	     /* enforced here, whatever the fd allows */
	unsigned int queues; /* 0 means 1 */
	const char *serial; /* what the guest sees as the disk's serial, cut at 20 bytes; or NULL */
	enum blk_engine engine;
	bool confine;			/* the threads, to what they need: confine_thread() */
	uint64_t bytes_per_second;	/* 0: no limit */
	uint64_t operations_per_second; /* 0: no limit */
};

/*
 * Makes the device; takes options->fd over on success. The size is a whole number of sectors of 512
 * bytes. `ret` goes to virtio_mmio_attach() or virtio_device_free().
 */
int virtio_blk_new(const struct guest_memory *memory, const struct blk_options *options,
	struct virtio_device **ret, struct error *err);

/* Looks at the image's size again and tells the guest when it changed. */
int virtio_blk_resize(struct virtio_device *device, struct error *err);
