/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/blk.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/virtio/blk_request.h"
#include "runtime/vm/virtio/device.h"
#include "runtime/vm/virtio/uring.h"
#include "runtime/vm/virtio/worker.h"

#define URING_ENTRIES 64
#define BATCH 64 /* requests begun before completions are looked at again */

/* The files that a queue's ring knows, and what their completions carry. */
enum { FILE_DISK, FILE_KICK, FILE_WAKE, FILES };

struct blk_queue {
	struct blk *blk;
	struct virtqueue *queue;
	struct virtio_worker worker;
	struct uring uring; /* all zeroes: plain system calls */
	int epoll;	    /* of the queue's and the worker's eventfd, while the ring is empty */
	bool cannot_tell;   /* the file system does not say what would wait */
	bool armed[FILES];  /* a poll of this eventfd is in the ring */
	unsigned int in_flight;
	struct blk_request *free;
	struct blk_request *requests;
};

struct blk {
	struct virtio_device device;
	struct virtio_blk_config config;
	struct blk_disk disk;
	struct blk_queue queues[BLK_QUEUES_MAX];
};

static void give_back(struct blk_queue *q, struct blk_request *request)
{
	request->next_free = q->free;
	q->free = request;
}

/* Puts a request's work into the ring; it has room, since there are fewer requests than entries. */
static void submit(struct blk_queue *q, struct blk_request *request)
{
	static const uint8_t operations[] = { [BLK_WORK_READ] = IORING_OP_READV,
		[BLK_WORK_WRITE] = IORING_OP_WRITEV,
		[BLK_WORK_SYNC] = IORING_OP_FSYNC };
	struct io_uring_sqe *sqe = uring_get(
		&q->uring, operations[request->work], FILE_DISK, (uintptr_t)request);

	if (request->work == BLK_WORK_SYNC) {
		sqe->fsync_flags = IORING_FSYNC_DATASYNC;
	} else {
		sqe->addr = (uintptr_t)request->data;
		sqe->len = request->data_count;
		sqe->off = (uint64_t)request->offset;
		if (request->work == BLK_WORK_WRITE && q->blk->disk.write_through)
			sqe->rw_flags = RWF_DSYNC;
	}
	q->in_flight++;
}

/* Takes requests off the ring and begins them. Returns nanoseconds to wait for, -1 without end. */
static int64_t begin_requests(
	struct blk_queue *q, void (*work)(struct blk_queue *, struct blk_request *))
{
	struct blk_disk *disk = &q->blk->disk;

	for (int i = 0; i < BATCH && !atomic_load(&q->worker.stop); i++) {
		struct blk_request *request = q->free;
		uint64_t wait = blk_wait(disk);

		if (request == NULL)
			return -1;
		if (wait > 0)
			return (int64_t)wait;
		if (virtqueue_pop(q->queue, &request->element) != 1)
			return -1;
		q->free = request->next_free;
		blk_request_begin(request, disk, q->queue);
		blk_charge(disk, request);
		if (request->work == BLK_WORK_NONE)
			give_back(q, request);
		else
			work(q, request);
	}
	return 0;
}

static void arm(struct blk_queue *q, unsigned int file)
{
	struct io_uring_sqe *sqe;

	if (q->armed[file])
		return;
	sqe = uring_get(&q->uring, IORING_OP_POLL_ADD, file, file);
	if (sqe != NULL) {
		sqe->poll32_events = POLLIN;
		q->armed[file] = true;
	}
}

static void take_completions(struct blk_queue *q)
{
	uint64_t data;
	int result;

	while (uring_take(&q->uring, &data, &result)) {
		struct blk_request *request = (struct blk_request *)(uintptr_t)data;
		eventfd_t kicks;

		if (data < FILES) {
			q->armed[data] = false;
			if (data == FILE_KICK)
				(void)!eventfd_read(q->queue->kick, &kicks);
			continue;
		}
		q->in_flight--;
		if (blk_request_advance(request, q->queue, result))
			give_back(q, request);
		else
			submit(q, request);
	}
}

/*
 * What does not wait is done at once: a read of what the page cache has, and a write into the page
 * cache, which io_uring would hand to a thread of the kernel's, since most file systems cannot say
 * beforehand that it will not wait. The rest goes into the ring.
 */
static void do_or_submit(struct blk_queue *q, struct blk_request *request)
{
	const struct blk_disk *disk = &q->blk->disk;
	ssize_t n;

	while (request->work == BLK_WORK_WRITE && !disk->write_through) {
		if (blk_request_advance(request, q->queue, blk_request_perform(request, disk))) {
			give_back(q, request);
			return;
		}
	}
	while (request->work == BLK_WORK_READ && !q->cannot_tell) {
		n = blk_request_read_cached(request, disk);
		q->cannot_tell = n == -EOPNOTSUPP;
		if (n == -EAGAIN || n == -EOPNOTSUPP)
			break;
		if (blk_request_advance(request, q->queue, n)) {
			give_back(q, request);
			return;
		}
	}
	submit(q, request);
}

/* Submits, and takes what needed no waiting. Returns whether there is room for requests again. */
static bool submit_all(struct blk_queue *q)
{
	bool full = q->free == NULL;

	if (q->uring.to_submit > 0 && uring_enter(&q->uring, 0) == 0)
		take_completions(q);
	return full && q->free != NULL;
}

/* Waits for whatever comes first, at most `nanoseconds`; negative: without end. */
static void wait_for_events(struct blk_queue *q, int64_t nanoseconds)
{
	struct epoll_event event;

	/* Nothing but a notification or a stop can come: cheaper than a wait in the ring. */
	if (nanoseconds < 0 && q->in_flight == 0) {
		epoll_wait(q->epoll, &event, 1, -1);
		return;
	}
	arm(q, FILE_KICK);
	arm(q, FILE_WAKE);
	if (uring_enter(&q->uring, nanoseconds) < 0) {
		struct pollfd p = { .fd = q->worker.wake, .events = POLLIN };

		virtqueue_break(q->queue, "the host's io_uring failed");
		poll(&p, 1, 100);
	}
	take_completions(q);
}

static void serve_uring(struct virtio_worker *worker, void *data)
{
	struct blk_queue *q = data;

	for (;;) {
		int64_t wait = begin_requests(q, do_or_submit);
		bool again = submit_all(q);

		virtqueue_notify(q->queue);
		if (atomic_load(&worker->stop)) {
			if (q->in_flight == 0)
				return;
			wait = -1;
			again = false;
		}
		if (wait != 0 && !again)
			wait_for_events(q, wait);
	}
}

static void perform(struct blk_queue *q, struct blk_request *request)
{
	while (!blk_request_advance(request, q->queue, blk_request_perform(request, &q->blk->disk)))
		;
	give_back(q, request);
}

static void serve_plain(struct virtio_worker *worker, void *data)
{
	struct blk_queue *q = data;

	while (!atomic_load(&worker->stop)) {
		struct pollfd p[] = { { .fd = q->queue->kick, .events = POLLIN },
			{ .fd = worker->wake, .events = POLLIN } };
		int64_t wait = begin_requests(q, perform);
		struct timespec time = { wait / 1000000000, wait % 1000000000 };
		eventfd_t kicks;

		virtqueue_notify(q->queue);
		if (ppoll(p, 2, wait < 0 ? NULL : &time, NULL) > 0 && (p[0].revents & POLLIN))
			(void)!eventfd_read(q->queue->kick, &kicks);
	}
}

static void serve(struct virtio_worker *worker, void *data)
{
	struct blk_queue *q = data;

	if (q->uring.entries > 0)
		serve_uring(worker, data);
	else
		serve_plain(worker, data);
}

static int blk_activate(struct virtio_device *device)
{
	struct blk *blk = (struct blk *)device;

	blk->disk.write_through = !virtio_device_has(device, VIRTIO_BLK_F_FLUSH);
	for (unsigned int i = 0; i < device->queue_count; i++)
		if (device->queues[i].state.ready)
			virtio_worker_start(&blk->queues[i].worker);
	return 0;
}

static void blk_reset(struct virtio_device *device)
{
	struct blk *blk = (struct blk *)device;

	for (unsigned int i = 0; i < device->queue_count; i++)
		virtio_worker_stop(&blk->queues[i].worker);
}

static void blk_destroy(struct virtio_device *device)
{
	struct blk *blk = (struct blk *)device;

	for (unsigned int i = 0; i < device->queue_count; i++) {
		virtio_worker_destroy(&blk->queues[i].worker);
		uring_destroy(&blk->queues[i].uring);
		close_fd(blk->queues[i].epoll);
		free(blk->queues[i].requests);
	}
	close_fd(blk->disk.fd);
	virtio_device_fini(device);
	free(blk);
}

static const struct virtio_device_operations blk_operations = {
	.name = "blk",
	.id = VIRTIO_ID_BLOCK,
	.activate = blk_activate,
	.reset = blk_reset,
	.destroy = blk_destroy,
};

static int image_size(int fd, uint64_t *ret_bytes, uint32_t *ret_block, struct error *err)
{
	struct stat st;
	int sector = 512;

	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "look at the disk image");
	if (S_ISREG(st.st_mode)) {
		*ret_bytes = (uint64_t)st.st_size;
	} else if (S_ISBLK(st.st_mode)) {
		if (ioctl(fd, BLKGETSIZE64, ret_bytes) < 0 || ioctl(fd, BLKSSZGET, &sector) < 0)
			return error_set(err, errno, "ask for the size of the block device");
	} else {
		return error_say(
			err, EINVAL, "the disk image is neither a regular file nor a block device");
	}
	*ret_block = (uint32_t)sector;
	return 0;
}

/* Edges of notifications, which need not be read then; the end as long as it is not. */
static int watch_queue(struct blk_queue *q, struct error *err)
{
	struct epoll_event kick = { .events = EPOLLIN | EPOLLET }, wake = { .events = EPOLLIN };

	q->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (q->epoll < 0 || epoll_ctl(q->epoll, EPOLL_CTL_ADD, q->queue->kick, &kick) < 0 ||
		epoll_ctl(q->epoll, EPOLL_CTL_ADD, q->worker.wake, &wake) < 0)
		return error_set(err, errno, "virtio blk: watch a queue");
	return 0;
}

static int init_queue(
	struct blk *blk, unsigned int index, const struct blk_options *options, struct error *err)
{
	const enum confine_kind confine = options->confine ? CONFINE_DISK : CONFINE_NOTHING;
	struct blk_queue *q = &blk->queues[index];
	int files[FILES];
	int r;

	q->blk = blk;
	q->queue = &blk->device.queues[index];
	/* Untouched until it is used, and the one that was used last is used first. */
	q->requests = calloc(URING_ENTRIES - FILES, sizeof(*q->requests));
	if (q->requests == NULL)
		return error_set(err, ENOMEM, "virtio blk");
	for (unsigned int i = URING_ENTRIES - FILES; i-- > 0;) {
		blk_request_init(&q->requests[i]);
		give_back(q, &q->requests[i]);
	}
	r = virtio_worker_init(&q->worker, "caisson-blk", confine, serve, q, err);
	if (r < 0 || options->engine == BLK_ENGINE_THREAD)
		return r;
	r = watch_queue(q, err);
	if (r < 0)
		return r;
	files[FILE_DISK] = blk->disk.fd;
	files[FILE_KICK] = q->queue->kick;
	files[FILE_WAKE] = q->worker.wake;
	r = uring_init(&q->uring, URING_ENTRIES, files, FILES, err);
	return options->engine == BLK_ENGINE_AUTO ? 0 : r;
}

static void fill_config(struct blk *blk, uint64_t sectors, uint32_t block)
{
	blk->config = (struct virtio_blk_config){
		.capacity = sectors,
		.size_max = 1u << 20,
		.seg_max = BLK_SEGMENTS_MAX,
		.blk_size = block,
		.num_queues = (uint16_t)blk->device.queue_count,
		.max_discard_sectors = BLK_RANGE_SECTORS_MAX,
		.max_discard_seg = BLK_RANGES_MAX,
		.discard_sector_alignment = block / 512,
		.max_write_zeroes_sectors = BLK_RANGE_SECTORS_MAX,
		.max_write_zeroes_seg = BLK_RANGES_MAX,
		.write_zeroes_may_unmap = 1,
	};
	blk->device.features = UINT64_C(1) << VIRTIO_BLK_F_SIZE_MAX |
		UINT64_C(1) << VIRTIO_BLK_F_SEG_MAX | UINT64_C(1) << VIRTIO_BLK_F_BLK_SIZE |
		UINT64_C(1) << VIRTIO_BLK_F_FLUSH | UINT64_C(1) << VIRTIO_BLK_F_MQ;
	if (blk->disk.read_only)
		blk->device.features |= UINT64_C(1) << VIRTIO_BLK_F_RO;
	else
		blk->device.features |= UINT64_C(1) << VIRTIO_BLK_F_DISCARD |
			UINT64_C(1) << VIRTIO_BLK_F_WRITE_ZEROES;
	blk->device.config = &blk->config;
	blk->device.config_size = sizeof(blk->config);
}

int virtio_blk_new(const struct guest_memory *memory, const struct blk_options *options,
	struct virtio_device **ret, struct error *err)
{
	unsigned int queues = options->queues > 0 ? options->queues : 1;
	uint64_t bytes = 0;
	uint32_t block = 512;
	struct virtio_device *device;
	struct blk *blk;
	int r = image_size(options->fd, &bytes, &block, err);

	if (r < 0)
		return r;
	if (queues > BLK_QUEUES_MAX)
		queues = BLK_QUEUES_MAX;
	r = virtio_device_new(
		sizeof(*blk), &blk_operations, memory, queues, BLK_QUEUE_SIZE, &device, err);
	if (r < 0)
		return r;
	blk = (struct blk *)device;
	for (unsigned int i = 0; i < queues; i++)
		blk->queues[i].epoll = -EBADF;
	blk->disk.fd = options->fd;
	blk->disk.read_only = options->read_only;
	atomic_init(&blk->disk.sectors, bytes / 512);
	if (options->serial != NULL)
		memcpy(blk->disk.serial, options->serial, strnlen(options->serial, BLK_ID_LENGTH));
	token_bucket_init(&blk->disk.bytes, options->bytes_per_second, 0);
	token_bucket_init(&blk->disk.operations, options->operations_per_second, 0);
	fill_config(blk, bytes / 512, block);
	for (unsigned int i = 0; r == 0 && i < queues; i++)
		r = init_queue(blk, i, options, err);
	if (r < 0) {
		blk->disk.fd = -EBADF;
		blk_destroy(device);
		return r;
	}
	*ret = device;
	return 0;
}

int virtio_blk_resize(struct virtio_device *device, struct error *err)
{
	struct blk *blk = (struct blk *)device;
	uint64_t bytes = 0;
	uint32_t block = 512;
	int r = image_size(blk->disk.fd, &bytes, &block, err);

	if (r < 0)
		return r;
	pthread_mutex_lock(&device->lock);
	if (blk->config.capacity != bytes / 512) {
		atomic_store(&blk->disk.sectors, bytes / 512);
		blk->config.capacity = bytes / 512;
		if (device->active)
			virtio_device_config_changed(device);
	}
	pthread_mutex_unlock(&device->lock);
	return 0;
}
