/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request of a block device's driver: parsed, checked and answered here. Reads, writes and
 * syncs are handed out as file, offset and iovecs for an engine to do; everything else is done on
 * the spot.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/vm/virtio/queue.h"
#include "runtime/vm/virtio/token_bucket.h"

#define BLK_QUEUE_SIZE 128
#define BLK_SEGMENTS_MAX (BLK_QUEUE_SIZE - 2) /* a header and a status are in the chain too */
#define BLK_RANGES_MAX 16		      /* of one discard or write-zeroes */
#define BLK_RANGE_SECTORS_MAX (1u << 21)      /* 1 GiB */
#define BLK_ID_LENGTH 20

struct blk_disk {
	int fd;
	bool read_only;
	bool write_through; /* the driver knows no flush: every write is stable when it is answered
			     */
	_Atomic uint64_t sectors;
	char serial[BLK_ID_LENGTH];
	struct token_bucket bytes, operations;
};

enum blk_work { BLK_WORK_NONE, BLK_WORK_READ, BLK_WORK_WRITE, BLK_WORK_SYNC };

struct blk_request {
	struct virtqueue_element element;
	struct blk_request *next_free;
	enum blk_work work; /* what an engine has to do */
	off_t offset;	    /* in bytes */
	struct iovec *data; /* what is left of it, in `iov` */
	unsigned int data_count;
	size_t left;	 /* in bytes */
	size_t answered; /* bytes written into the driver's buffers when all is well */
	uint8_t *status;
	struct iovec iov[BLK_QUEUE_SIZE + VIRTQUEUE_IOV_SPARE];
};

/* Prepares request->element for virtqueue_pop(). */
void blk_request_init(struct blk_request *request);

/*
 * Parses a popped request. With BLK_WORK_NONE it has been pushed already; otherwise the engine does
 * request->work and calls blk_request_advance().
 */
void blk_request_begin(
	struct blk_request *request, const struct blk_disk *disk, struct virtqueue *queue);

/*
 * Takes the result of the work: bytes or a negative errno. Returns true when the request is done
 * and pushed, false when the rest of it (a short read or write) is still to be worked on.
 */
bool blk_request_advance(struct blk_request *request, struct virtqueue *queue, ssize_t result);

/* Does the work with plain system calls; returns what blk_request_advance() wants. */
ssize_t blk_request_perform(const struct blk_request *request, const struct blk_disk *disk);

/*
 * Does a read's work as far as the page cache has it, without waiting: -EAGAIN where it has
 * nothing of it, -EOPNOTSUPP where the file system cannot tell.
 */
ssize_t blk_request_read_cached(const struct blk_request *request, const struct blk_disk *disk);

/* The limit on the rate: charge a request, and how many nanoseconds to wait before the next. */
void blk_charge(struct blk_disk *disk, const struct blk_request *request);
uint64_t blk_wait(struct blk_disk *disk);
