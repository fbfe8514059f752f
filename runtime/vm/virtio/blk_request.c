/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/blk_request.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <string.h>
#include <unistd.h>

#define SECTOR 512

void blk_request_init(struct blk_request *request)
{
	request->element.iov = request->iov;
	request->element.capacity = sizeof(request->iov) / sizeof(request->iov[0]);
}

static void finish(
	struct blk_request *request, struct virtqueue *queue, uint8_t status, size_t written)
{
	*request->status = status;
	request->work = BLK_WORK_NONE;
	virtqueue_push(queue, &request->element, written);
}

/* Drops `n` bytes from the front of what is left; there are that many. */
static void drop_front(struct blk_request *request, size_t n)
{
	while (n > 0) {
		struct iovec *first = request->data;

		if (n < first->iov_len) {
			first->iov_base = (char *)first->iov_base + n;
			first->iov_len -= n;
			return;
		}
		n -= first->iov_len;
		request->data++;
		request->data_count--;
	}
}

/* True when `bytes` from `sector` on are whole sectors inside the disk (CVE-2026-3886). */
static bool inside(const struct blk_disk *disk, uint64_t sector, uint64_t bytes)
{
	uint64_t sectors = atomic_load(&disk->sectors);

	return bytes % SECTOR == 0 && sector <= sectors && bytes / SECTOR <= sectors - sector;
}

static ssize_t write_zeroes_slowly(const struct blk_disk *disk, off_t offset, off_t length)
{
	static const char zeroes[65536];

	while (length > 0) {
		size_t piece = length < (off_t)sizeof(zeroes) ? (size_t)length : sizeof(zeroes);
		ssize_t n = pwrite(disk->fd, zeroes, piece, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		offset += n;
		length -= n;
	}
	return 0;
}

static ssize_t discard_range(const struct blk_disk *disk, off_t offset, off_t length)
{
	if (fallocate(disk->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length) < 0 &&
		errno != EOPNOTSUPP)
		return -errno;
	/* A discard is a hint. */
	return 0;
}

static ssize_t zero_range(const struct blk_disk *disk, off_t offset, off_t length, bool unmap)
{
	int mode = unmap ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
			 : FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;

	if (fallocate(disk->fd, mode, offset, length) == 0)
		return 0;
	if (errno != EOPNOTSUPP)
		return -errno;
	return write_zeroes_slowly(disk, offset, length);
}

static uint8_t do_range(const struct blk_disk *disk, bool discard,
	const struct virtio_blk_discard_write_zeroes *range)
{
	uint64_t bytes = (uint64_t)range->num_sectors * SECTOR;
	uint32_t known = discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	ssize_t r;

	if (range->flags & ~known)
		return VIRTIO_BLK_S_UNSUPP;
	if (range->num_sectors > BLK_RANGE_SECTORS_MAX || !inside(disk, range->sector, bytes))
		return VIRTIO_BLK_S_IOERR;
	if (bytes == 0)
		return VIRTIO_BLK_S_OK;
	if (discard)
		r = discard_range(disk, (off_t)(range->sector * SECTOR), (off_t)bytes);
	else
		r = zero_range(disk, (off_t)(range->sector * SECTOR), (off_t)bytes,
			range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	if (r == 0 && disk->write_through && fdatasync(disk->fd) < 0)
		r = -errno;
	return r < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
}

static uint8_t do_ranges(
	const struct blk_disk *disk, const struct blk_request *request, bool discard)
{
	struct virtio_blk_discard_write_zeroes ranges[BLK_RANGES_MAX];
	size_t length = request->left;

	if (disk->read_only || length == 0 || length > sizeof(ranges) ||
		length % sizeof(ranges[0]) != 0)
		return VIRTIO_BLK_S_IOERR;
	iov_copy_out(request->data, request->data_count, 0, ranges, length);
	for (size_t i = 0; i < length / sizeof(ranges[0]); i++) {
		uint8_t status = do_range(disk, discard, &ranges[i]);

		if (status != VIRTIO_BLK_S_OK)
			return status;
	}
	return VIRTIO_BLK_S_OK;
}

/* Takes the status byte, the last one that the device may write, off the element. */
static bool take_status(struct blk_request *request)
{
	struct virtqueue_element *element = &request->element;
	struct iovec *last = &element->iov[element->readable_count + element->writable_count - 1];

	if (element->writable_length == 0)
		return false;
	last->iov_len--;
	request->status = (uint8_t *)last->iov_base + last->iov_len;
	return true;
}

static void begin_transfer(struct blk_request *request, const struct blk_disk *disk,
	struct virtqueue *queue, uint64_t sector, bool write)
{
	struct virtqueue_element *element = &request->element;

	if (!write) {
		request->data = element->iov + element->readable_count;
		request->data_count = element->writable_count;
		request->left = element->writable_length - 1;
	}
	request->answered = write ? 1 : element->writable_length;
	request->work = write ? BLK_WORK_WRITE : BLK_WORK_READ;
	if ((write && disk->read_only) || !inside(disk, sector, request->left)) {
		finish(request, queue, VIRTIO_BLK_S_IOERR, 1);
		return;
	}
	request->offset = (off_t)(sector * SECTOR);
	if (request->left == 0)
		finish(request, queue, VIRTIO_BLK_S_OK, request->answered);
}

static void answer_id(
	struct blk_request *request, const struct blk_disk *disk, struct virtqueue *queue)
{
	struct virtqueue_element *element = &request->element;
	size_t room = element->writable_length - 1;
	size_t n = room < sizeof(disk->serial) ? room : sizeof(disk->serial);

	n = iov_copy_in(element_writable(element), element->writable_count, 0, disk->serial, n);
	finish(request, queue, VIRTIO_BLK_S_OK, n + 1);
}

void blk_request_begin(
	struct blk_request *request, const struct blk_disk *disk, struct virtqueue *queue)
{
	struct virtqueue_element *element = &request->element;
	struct virtio_blk_outhdr header;

	request->work = BLK_WORK_NONE;
	if (!take_status(request)) {
		virtqueue_break(queue, "a block request without a status byte");
		return;
	}
	request->data = element->iov;
	request->data_count = element->readable_count;
	if (iov_copy_out(request->data, request->data_count, 0, &header, sizeof(header)) !=
		sizeof(header)) {
		finish(request, queue, VIRTIO_BLK_S_IOERR, 1);
		return;
	}
	drop_front(request, sizeof(header));
	request->left = element->readable_length - sizeof(header);
	switch (header.type) {
	case VIRTIO_BLK_T_IN:
	case VIRTIO_BLK_T_OUT:
		begin_transfer(
			request, disk, queue, header.sector, header.type == VIRTIO_BLK_T_OUT);
		break;
	case VIRTIO_BLK_T_FLUSH:
		request->work = BLK_WORK_SYNC;
		request->left = 0;
		request->answered = 1;
		break;
	case VIRTIO_BLK_T_GET_ID:
		answer_id(request, disk, queue);
		break;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		finish(request, queue,
			do_ranges(disk, request, header.type == VIRTIO_BLK_T_DISCARD), 1);
		break;
	default:
		finish(request, queue, VIRTIO_BLK_S_UNSUPP, 1);
	}
}

bool blk_request_advance(struct blk_request *request, struct virtqueue *queue, ssize_t result)
{
	if (result == -EINTR || result == -EAGAIN)
		return false;
	if (result < 0) {
		finish(request, queue,
			result == -EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR, 1);
		return true;
	}
	if (request->left > 0 && result == 0) {
		/* The image is shorter than it was. */
		finish(request, queue, VIRTIO_BLK_S_IOERR, 1);
		return true;
	}
	if ((size_t)result < request->left) {
		drop_front(request, result);
		request->left -= result;
		request->offset += result;
		return false;
	}
	finish(request, queue, VIRTIO_BLK_S_OK, request->answered);
	return true;
}

ssize_t blk_request_perform(const struct blk_request *request, const struct blk_disk *disk)
{
	int flags = disk->write_through ? RWF_DSYNC : 0;
	ssize_t n = -1;

	switch (request->work) {
	case BLK_WORK_READ:
		n = preadv(disk->fd, request->data, (int)request->data_count, request->offset);
		break;
	case BLK_WORK_WRITE:
		n = pwritev2(
			disk->fd, request->data, (int)request->data_count, request->offset, flags);
		break;
	case BLK_WORK_SYNC:
		n = fdatasync(disk->fd);
		break;
	case BLK_WORK_NONE:
		return 0;
	}
	return n < 0 ? -errno : n;
}

ssize_t blk_request_read_cached(const struct blk_request *request, const struct blk_disk *disk)
{
	ssize_t n = preadv2(
		disk->fd, request->data, (int)request->data_count, request->offset, RWF_NOWAIT);

	return n < 0 ? -errno : n;
}

void blk_charge(struct blk_disk *disk, const struct blk_request *request)
{
	token_bucket_charge(&disk->operations, 1);
	token_bucket_charge(&disk->bytes, request->left);
}

uint64_t blk_wait(struct blk_disk *disk)
{
	uint64_t a = token_bucket_wait(&disk->operations), b = token_bucket_wait(&disk->bytes);

	return a > b ? a : b;
}
