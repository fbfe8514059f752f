/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/balloon.h"

#include <errno.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "lib/error.h"
#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/virtio/kick.h"

enum { INFLATE, DEFLATE, STATISTICS, REPORTING, QUEUES };

#define QUEUE_SIZE 128
#define PAGE UINT64_C(4096)
#define REQUESTS_PER_TURN 16
#define PAGES_PER_READ 256
#define STATISTICS_MAX 32
#define IOV_ENTRIES (QUEUE_SIZE + VIRTQUEUE_IOV_SPARE)

struct balloon {
	struct virtio_device device;
	struct virtio_kick *kick;
	const struct guest_memory *memory;
	struct virtio_balloon_config config;
	uint64_t returned;

	/* The guest leaves a buffer here, which it gets back when statistics are wanted (5.5.6.3).
	 */
	struct iovec statistics_iov[IOV_ENTRIES];
	struct virtqueue_element statistics_element;
	bool have_element;
	struct balloon_statistics statistics;
	void (*done)(const struct balloon_statistics *statistics, void *data);
	void *done_data;
};

static void give_back(struct balloon *balloon, void *host, size_t length)
{
	uintptr_t start = ((uintptr_t)host + PAGE - 1) & ~(PAGE - 1);
	uintptr_t end = ((uintptr_t)host + length) & ~(PAGE - 1);

	/* Whole pages only; what is left of the others stays. */
	if (end > start && madvise((void *)start, end - start, MADV_DONTNEED) == 0)
		balloon->returned += end - start;
}

/* Gives back the pages from `first` on, up to `count` of them, which follow each other. */
static void give_back_pages(struct balloon *balloon, uint64_t first, uint64_t count)
{
	void *host = guest_memory_at(balloon->memory, first * PAGE, count * PAGE);

	if (host != NULL) {
		give_back(balloon, host, count * PAGE);
		return;
	}
	/* Not in one region, or not all of it in any. */
	for (uint64_t i = 0; i < count; i++) {
		host = guest_memory_at(balloon->memory, (first + i) * PAGE, PAGE);
		if (host != NULL)
			give_back(balloon, host, PAGE);
	}
}

/* A list of page numbers; those that follow each other, in either direction, go together. */
static void inflate(struct balloon *balloon, const struct virtqueue_element *element)
{
	uint32_t pages[PAGES_PER_READ];
	uint64_t first = 0, count = 0;
	size_t offset = 0, n;

	/* A chain may name the same list many times over. */
	while (offset < QUEUE_SIZE * sizeof(pages) &&
		(n = iov_copy_out(element_readable(element), element->readable_count, offset, pages,
			 sizeof(pages))) >= sizeof(pages[0])) {
		for (size_t i = 0; i < n / sizeof(pages[0]); i++) {
			uint64_t page = le32toh(pages[i]);

			if (count > 0 && page == first + count) {
				count++;
			} else if (count > 0 && page + 1 == first) {
				first = page;
				count++;
			} else {
				if (count > 0)
					give_back_pages(balloon, first, count);
				first = page;
				count = 1;
			}
		}
		offset += n;
	}
	if (count > 0)
		give_back_pages(balloon, first, count);
}

static void report(struct balloon *balloon, const struct virtqueue_element *element)
{
	for (unsigned int i = 0; i < element->writable_count; i++)
		give_back(balloon, element_writable(element)[i].iov_base,
			element_writable(element)[i].iov_len);
}

static void serve_pages(struct balloon *balloon, struct virtqueue *queue,
	void (*function)(struct balloon *balloon, const struct virtqueue_element *element))
{
	struct iovec iov[IOV_ENTRIES];
	struct virtqueue_element element = { .iov = iov, .capacity = IOV_ENTRIES };
	unsigned int turns = 0;

	while (virtqueue_pop(queue, &element) == 1) {
		if (function != NULL)
			function(balloon, &element);
		virtqueue_push(queue, &element, 0);
		if (++turns == REQUESTS_PER_TURN) {
			eventfd_write(queue->kick, 1);
			break;
		}
	}
	virtqueue_notify(queue);
}

static void take_statistic(struct balloon_statistics *s, uint16_t tag, uint64_t value)
{
	uint64_t *const places[] = { [VIRTIO_BALLOON_S_SWAP_IN] = &s->swap_in,
		[VIRTIO_BALLOON_S_SWAP_OUT] = &s->swap_out,
		[VIRTIO_BALLOON_S_MAJFLT] = &s->major_faults,
		[VIRTIO_BALLOON_S_MINFLT] = &s->minor_faults,
		[VIRTIO_BALLOON_S_MEMFREE] = &s->free,
		[VIRTIO_BALLOON_S_MEMTOT] = &s->total,
		[VIRTIO_BALLOON_S_AVAIL] = &s->available,
		[VIRTIO_BALLOON_S_CACHES] = &s->caches };

	if (tag < sizeof(places) / sizeof(places[0]))
		*places[tag] = value;
}

static void answer(struct balloon *balloon)
{
	void (*done)(const struct balloon_statistics *statistics, void *data) = balloon->done;

	balloon->done = NULL;
	if (done != NULL)
		done(&balloon->statistics, balloon->done_data);
}

static void serve_statistics(struct balloon *balloon, struct virtqueue *queue)
{
	struct virtio_balloon_stat values[STATISTICS_MAX];
	struct virtqueue_element *element = &balloon->statistics_element;
	size_t n;

	element->iov = balloon->statistics_iov;
	element->capacity = IOV_ENTRIES;
	/* One buffer is all that a driver leaves; of a second one the first is lost to it. */
	if (virtqueue_pop(queue, element) != 1)
		return;
	balloon->have_element = true;
	memset(&balloon->statistics, 0xff, sizeof(balloon->statistics));
	n = iov_copy_out(
		element_readable(element), element->readable_count, 0, values, sizeof(values));
	for (size_t i = 0; i < n / sizeof(values[0]); i++)
		take_statistic(
			&balloon->statistics, le16toh(values[i].tag), le64toh(values[i].val));
	/* The driver is to say so when it leaves the next one: it is not popped until then. */
	if (virtqueue_more(queue))
		eventfd_write(queue->kick, 1);
	answer(balloon);
}

static void serve(struct virtio_device *device, unsigned int index)
{
	struct balloon *balloon = (struct balloon *)device;
	struct virtqueue *queue = &device->queues[index];

	/* The queues are numbered without those that were not negotiated (5.5.2). */
	if (index >= STATISTICS && !virtio_device_has(device, VIRTIO_BALLOON_F_STATS_VQ))
		index++;
	if (index == INFLATE)
		serve_pages(balloon, queue, inflate);
	else if (index == DEFLATE)
		serve_pages(balloon, queue, NULL);
	else if (index == STATISTICS)
		serve_statistics(balloon, queue);
	else if (virtio_device_has(device, VIRTIO_BALLOON_F_REPORTING))
		serve_pages(balloon, queue, report);
}

void virtio_balloon_set_target(struct virtio_device *device, uint64_t bytes)
{
	struct balloon *balloon = (struct balloon *)device;
	uint64_t pages = bytes / PAGE;

	pthread_mutex_lock(&device->lock);
	balloon->config.num_pages = htole32(pages > UINT32_MAX ? UINT32_MAX : (uint32_t)pages);
	if (device->active)
		virtio_device_config_changed(device);
	pthread_mutex_unlock(&device->lock);
}

uint64_t virtio_balloon_actual(struct virtio_device *device)
{
	uint64_t actual;

	pthread_mutex_lock(&device->lock);
	actual = le32toh(((struct balloon *)device)->config.actual) * PAGE;
	pthread_mutex_unlock(&device->lock);
	return actual;
}

uint64_t virtio_balloon_returned(struct virtio_device *device)
{
	uint64_t returned;

	pthread_mutex_lock(&device->lock);
	returned = ((struct balloon *)device)->returned;
	pthread_mutex_unlock(&device->lock);
	return returned;
}

bool virtio_balloon_ask(struct virtio_device *device,
	void (*done)(const struct balloon_statistics *statistics, void *data), void *data)
{
	struct balloon *balloon = (struct balloon *)device;
	struct balloon_statistics before;
	bool asked = false, open;

	pthread_mutex_lock(&device->lock);
	open = balloon->done != NULL;
	if (!open && device->active && balloon->have_element) {
		balloon->done = done;
		balloon->done_data = data;
		balloon->have_element = false;
		virtqueue_push(&device->queues[STATISTICS], &balloon->statistics_element, 0);
		virtqueue_notify(&device->queues[STATISTICS]);
		asked = true;
	}
	before = balloon->statistics;
	pthread_mutex_unlock(&device->lock);
	if (open)
		return false;
	if (!asked)
		done(&before, data);
	return true;
}

static void balloon_config_write(
	struct virtio_device *device, size_t offset, const void *data, size_t size)
{
	struct balloon *balloon = (struct balloon *)device;

	if (offset == offsetof(struct virtio_balloon_config, actual) &&
		size == sizeof(balloon->config.actual))
		memcpy(&balloon->config.actual, data, size);
}

/*
 * Linux leaves its statistics buffer, and says so, before it says that the driver is ready; then
 * nobody listened.
 */
static int balloon_activate(struct virtio_device *device)
{
	eventfd_write(device->queues[STATISTICS].kick, 1);
	return 0;
}

static void balloon_reset(struct virtio_device *device)
{
	struct balloon *balloon = (struct balloon *)device;

	balloon->have_element = false;
	balloon->config.actual = 0;
	memset(&balloon->statistics, 0xff, sizeof(balloon->statistics));
	/* Nobody answers it any more, and this is no place to say so: a processor's thread. */
	balloon->done = NULL;
}

/* What a snapshot keeps. The buffer for statistics lies in its ring again. */
struct balloon_state {
	uint32_t target, actual; /* pages, as the configuration has them */
};

static size_t balloon_save(struct virtio_device *device, void *state)
{
	struct balloon *balloon = (struct balloon *)device;
	const struct balloon_state saved = { balloon->config.num_pages, balloon->config.actual };

	if (balloon->have_element)
		virtqueue_unpop(&device->queues[STATISTICS], 1);
	balloon->have_element = false;
	memcpy(state, &saved, sizeof(saved));
	return sizeof(saved);
}

static int balloon_restore(struct virtio_device *device, const void *state, size_t size)
{
	struct balloon *balloon = (struct balloon *)device;
	struct balloon_state saved;

	if (size != sizeof(saved))
		return -EINVAL;
	memcpy(&saved, state, sizeof(saved));
	balloon->config.num_pages = saved.target;
	balloon->config.actual = saved.actual;
	return 0;
}

static void balloon_destroy(struct virtio_device *device)
{
	struct balloon *balloon = (struct balloon *)device;

	virtio_kick_free(balloon->kick);
	virtio_device_fini(device);
	free(balloon);
}

static const struct virtio_device_operations balloon_operations = {
	.name = "balloon",
	.id = VIRTIO_ID_BALLOON,
	.config_write = balloon_config_write,
	.activate = balloon_activate,
	.reset = balloon_reset,
	.save = balloon_save,
	.restore = balloon_restore,
	.destroy = balloon_destroy,
};

int virtio_balloon_new(struct loop *loop, const struct guest_memory *memory, bool firm,
	struct virtio_device **ret, struct error *err)
{
	struct virtio_device *device;
	struct balloon *balloon;
	int r;

	r = virtio_device_new(
		sizeof(*balloon), &balloon_operations, memory, QUEUES, QUEUE_SIZE, &device, err);
	if (r < 0)
		return r;
	balloon = (struct balloon *)device;
	balloon->memory = memory;
	balloon->device.features = UINT64_C(1) << VIRTIO_BALLOON_F_STATS_VQ |
		UINT64_C(1) << VIRTIO_BALLOON_F_REPORTING;
	if (!firm)
		balloon->device.features |= UINT64_C(1) << VIRTIO_BALLOON_F_DEFLATE_ON_OOM;
	balloon->device.config = &balloon->config;
	balloon->device.config_size = sizeof(balloon->config);
	memset(&balloon->statistics, 0xff, sizeof(balloon->statistics));
	r = virtio_kick_new(loop, &balloon->device, serve, &balloon->kick, err);
	if (r < 0) {
		balloon_destroy(device);
		return r;
	}
	*ret = device;
	return 0;
}
