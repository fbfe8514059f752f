/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/fs.h"

#include <errno.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/virtio/device.h"
#include "runtime/vm/virtio/fs/fuse_server.h"
#include "runtime/vm/virtio/worker.h"

/* One request of 256 pages, in pieces of a page, with its headers. */
#define QUEUE_SIZE 512
#define IOV_ENTRIES (QUEUE_SIZE + VIRTQUEUE_IOV_SPARE)
#define THREADS_MAX 64u
#define THREADS_DEFAULT 4u
#define REQUEST_QUEUES_MAX 8u
#define EVENT_WAKE UINT32_MAX

struct fs_thread {
	struct fs *fs;
	struct virtio_worker worker;
	struct fuse_thread *fuse; /* made when it first serves, in the thread itself */
	struct iovec iov[IOV_ENTRIES];
};

struct fs {
	struct virtio_device device;
	struct virtio_fs_config config;
	struct fuse_server *server;
	int epoll; /* of the queues' eventfds; all threads wait on it, an event wakes one of them */
	atomic_uint idle;
	pthread_mutex_t begin_lock;
	bool stale; /* the server knows things of before a reset; protected by begin_lock */
	unsigned int thread_count;
	struct fs_thread *threads;
};

static void handle(
	struct fs_thread *thread, struct virtqueue *queue, const struct virtqueue_element *element)
{
	size_t n = fuse_server_handle(thread->fuse, element_readable(element),
		element->readable_count, element_writable(element), element->writable_count);

	virtqueue_push(queue, element, n);
	virtqueue_notify(queue);
}

/* Takes requests from a queue until there is none, and has another thread help when there is more.
 */
static void serve_queue(struct fs_thread *thread, struct virtqueue *queue)
{
	struct fs *fs = thread->fs;
	struct virtqueue_element element = { .iov = thread->iov, .capacity = IOV_ENTRIES };

	while (!atomic_load(&thread->worker.stop) && virtqueue_pop(queue, &element) == 1) {
		if (virtqueue_more(queue) && atomic_load(&fs->idle) > 0)
			eventfd_write(queue->kick, 1);
		handle(thread, queue, &element);
	}
}

/*
 * Waits for a notification. A thread that saw nobody idle may have left requests behind, and their
 * notification is gone: so they are looked for after this one can be seen to be idle. Returns the
 * queue's number, or EVENT_WAKE.
 */
static uint32_t wait_for_queue(struct fs *fs)
{
	struct epoll_event event = { .data.u32 = EVENT_WAKE };
	bool more = false;

	atomic_fetch_add(&fs->idle, 1);
	for (unsigned int i = 0; !more && i < fs->device.queue_count; i++) {
		more = virtqueue_more(&fs->device.queues[i]);
		event.data.u32 = i;
	}
	if (!more && epoll_wait(fs->epoll, &event, 1, -1) != 1)
		event.data.u32 = EVENT_WAKE;
	atomic_fetch_sub(&fs->idle, 1);
	return event.data.u32;
}

static void serve(struct virtio_worker *worker, void *data)
{
	struct fs_thread *thread = data;
	struct fs *fs = thread->fs;

	if (thread->fuse == NULL && fuse_thread_new(fs->server, &thread->fuse, NULL) < 0) {
		virtio_device_fail(&fs->device, "the host could not make a thread");
		return;
	}
	/* Closing files is for these threads, not for a processor's, in which the reset came. */
	pthread_mutex_lock(&fs->begin_lock);
	if (fs->stale)
		fuse_server_reset(fs->server);
	fs->stale = false;
	pthread_mutex_unlock(&fs->begin_lock);
	while (!atomic_load(&worker->stop)) {
		uint32_t queue = wait_for_queue(fs);

		/* Each notification is an edge, whether or not earlier ones were read. */
		if (queue != EVENT_WAKE)
			serve_queue(thread, &fs->device.queues[queue]);
	}
}

static int fs_activate(struct virtio_device *device)
{
	struct fs *fs = (struct fs *)device;

	for (unsigned int i = 0; i < fs->thread_count; i++)
		virtio_worker_start(&fs->threads[i].worker);
	return 0;
}

static void stop_threads(struct fs *fs)
{
	for (unsigned int i = 0; i < fs->thread_count; i++)
		atomic_store(&fs->threads[i].worker.stop, true);
	for (unsigned int i = 0; i < fs->thread_count; i++)
		virtio_worker_stop(&fs->threads[i].worker);
}

static void fs_reset(struct virtio_device *device)
{
	struct fs *fs = (struct fs *)device;

	stop_threads(fs);
	fs->stale = true;
}

/*
 * What the server knows is names and open files of this process: it goes on from there in the same
 * process, and cannot in another one.
 */
static size_t fs_save(struct virtio_device *device, void *state)
{
	(void)state;
	stop_threads((struct fs *)device);
	return 0;
}

static void fs_destroy(struct virtio_device *device)
{
	struct fs *fs = (struct fs *)device;

	for (unsigned int i = 0; i < fs->thread_count; i++) {
		virtio_worker_destroy(&fs->threads[i].worker);
		fuse_thread_free(fs->threads[i].fuse);
	}
	free(fs->threads);
	close_fd(fs->epoll);
	pthread_mutex_destroy(&fs->begin_lock);
	virtio_device_fini(device);
	free(fs);
}

static const struct virtio_device_operations fs_operations = {
	.name = "fs",
	.id = VIRTIO_ID_FS,
	.activate = fs_activate,
	.reset = fs_reset,
	.save = fs_save,
	.destroy = fs_destroy,
};

static int watch(struct fs *fs, int fd, uint32_t events, uint32_t number, struct error *err)
{
	struct epoll_event event = { .events = events, .data.u32 = number };

	if (epoll_ctl(fs->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return error_set(err, errno, "virtio fs: watch a queue");
	return 0;
}

static int init_threads(
	struct fs *fs, unsigned int count, enum confine_kind confine, struct error *err)
{
	int r = 0;

	fs->threads = calloc(count, sizeof(*fs->threads));
	if (fs->threads == NULL)
		return error_set(err, ENOMEM, "virtio fs");
	for (unsigned int i = 0; r == 0 && i < count; i++) {
		struct fs_thread *thread = &fs->threads[i];

		thread->fs = fs;
		r = virtio_worker_init(&thread->worker, "caisson-fs", confine, serve, thread, err);
		if (r == 0) {
			fs->thread_count++;
			r = watch(fs, thread->worker.wake, EPOLLIN, EVENT_WAKE, err);
		}
	}
	return r;
}

static int init(struct fs *fs, unsigned int threads, enum confine_kind confine, struct error *err)
{
	int r = 0;

	fs->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (fs->epoll < 0)
		return error_set(err, errno, "virtio fs: epoll_create1");
	/* Edges: one notification wakes one thread. */
	for (unsigned int i = 0; r == 0 && i < fs->device.queue_count; i++)
		r = watch(fs, fs->device.queues[i].kick, EPOLLIN | EPOLLET, i, err);
	if (r == 0)
		r = init_threads(fs, threads, confine, err);
	return r;
}

int virtio_fs_new(const struct guest_memory *memory, struct fuse_server *server,
	const struct fs_options *options, struct virtio_device **ret, struct error *err)
{
	unsigned int queues = options->queues > 0 ? options->queues : 1;
	unsigned int threads = options->threads > 0 ? options->threads : THREADS_DEFAULT;
	struct virtio_device *device;
	struct fs *fs;
	int r;

	if (strlen(options->tag) == 0 || strlen(options->tag) > sizeof(fs->config.tag))
		return error_say(err, EINVAL,
			"virtio fs: the tag \"%s\" is not 1 to %zu bytes long", options->tag,
			sizeof(fs->config.tag));
	if (queues > REQUEST_QUEUES_MAX)
		queues = REQUEST_QUEUES_MAX;
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	/* Queue 0 is for what must overtake: forgets and interrupts (5.11.2). */
	r = virtio_device_new(
		sizeof(*fs), &fs_operations, memory, queues + 1, QUEUE_SIZE, &device, err);
	if (r < 0)
		return r;
	fs = (struct fs *)device;
	pthread_mutex_init(&fs->begin_lock, NULL);
	fs->server = server;
	memcpy(fs->config.tag, options->tag, strlen(options->tag));
	fs->config.num_request_queues = queues;
	fs->device.config = &fs->config;
	fs->device.config_size = sizeof(fs->config);
	r = init(fs, threads, options->confine ? CONFINE_FILES : CONFINE_NOTHING, err);
	if (r < 0) {
		fs_destroy(device);
		return r;
	}
	*ret = device;
	return 0;
}
