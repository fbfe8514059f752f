/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/queue.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/monitor/guest_memory.h"

/* A field of a ring is read once: the guest may change it between two looks. */
#define ring_load(field) __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define ring_load_acquire(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define ring_store(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)
#define ring_store_release(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

int virtqueue_init(struct virtqueue *queue, const struct guest_memory *memory, uint16_t size_max,
	struct error *err)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		return error_set(err, errno, "make an eventfd for a virtqueue");
	*queue = (struct virtqueue){ .memory = memory, .size_max = size_max, .kick = fd };
	pthread_mutex_init(&queue->lock, NULL);
	return 0;
}

void virtqueue_destroy(struct virtqueue *queue)
{
	queue->kick = close_fd(queue->kick);
	pthread_mutex_destroy(&queue->lock);
}

void virtqueue_reset(struct virtqueue *queue)
{
	uint64_t kicks;

	pthread_mutex_lock(&queue->lock);
	queue->generation++;
	queue->state = (struct virtqueue_state){ 0 };
	queue->event_index = queue->indirect = false;
	queue->descriptors = NULL;
	queue->available = NULL;
	queue->used = NULL;
	queue->signalled_valid = false;
	atomic_store(&queue->broken, false);
	/* Empties the eventfd; EAGAIN means that it is empty. */
	(void)!read(queue->kick, &kicks, sizeof(kicks));
	pthread_mutex_unlock(&queue->lock);
}

/* Returns the ring's part at `address`, or NULL where it is misaligned or not in memory. */
static void *ring_part(
	const struct virtqueue *queue, uint64_t address, uint64_t length, uint64_t alignment)
{
	if (address % alignment != 0)
		return NULL;
	return guest_memory_at(queue->memory, address, length);
}

int virtqueue_enable(struct virtqueue *queue, bool resume)
{
	uint64_t size = queue->state.size;

	queue->state.ready = false;
	if (size == 0 || size > queue->size_max || (size & (size - 1)) != 0)
		return -EINVAL;
	/* Sizes and alignments: virtio 1.2, 2.7; each ring ends in the event index. */
	queue->descriptors = ring_part(
		queue, queue->state.descriptor_address, size * sizeof(struct vring_desc), 16);
	queue->available = ring_part(queue, queue->state.driver_address, 6 + 2 * size, 2);
	queue->used = ring_part(queue, queue->state.device_address, 6 + 8 * size, 4);
	if (queue->descriptors == NULL || queue->available == NULL || queue->used == NULL)
		return -EINVAL;
	if (!resume)
		queue->state.next_available = queue->state.next_used = 0;
	queue->signalled_valid = false;
	queue->state.ready = true;
	return 0;
}

bool virtqueue_usable(const struct virtqueue *queue)
{
	return queue->state.ready && !atomic_load(&queue->broken);
}

void virtqueue_break(struct virtqueue *queue, const char *reason)
{
	if (!atomic_exchange(&queue->broken, true) && queue->fail != NULL)
		queue->fail(queue->data, reason);
}

/* The slot behind the used ring in which the device says when it wants to be notified. */
static uint16_t *available_event(struct virtqueue *queue)
{
	return (uint16_t *)(void *)&queue->used->ring[queue->state.size];
}

static uint16_t *used_event(struct virtqueue *queue)
{
	return &queue->available->ring[queue->state.size];
}

/*
 * Returns how many chains wait, or -1 on an index that no driver can have reached. Where none
 * waits, the driver is asked to notify, and looked at once more: it may have added one before it
 * saw the wish (2.7.10).
 */
static int chains_waiting(struct virtqueue *queue)
{
	uint16_t next = queue->state.next_available;
	uint16_t waiting = ring_load_acquire(queue->available->idx) - next;

	if (waiting == 0 && queue->event_index) {
		ring_store(*available_event(queue), next);
		atomic_thread_fence(memory_order_seq_cst);
		waiting = ring_load_acquire(queue->available->idx) - next;
	}
	return waiting > queue->state.size ? -1 : waiting;
}

/*
 * Returns the longest run of host memory at `address`, of at most *length bytes, and its length. A
 * buffer may cross from one region into the next where they are neighbours in the guest.
 */
static void *memory_run(const struct guest_memory *memory, uint64_t address, uint64_t *length)
{
	void *host = guest_memory_at(memory, address, *length);
	uint32_t count = __atomic_load_n(&memory->count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; host == NULL && i < count; i++) {
		const struct guest_memory_region *region = &memory->regions[i];

		if (address >= region->gpa && address - region->gpa < region->size) {
			*length = region->size - (address - region->gpa);
			host = region->host + (address - region->gpa);
		}
	}
	return host;
}

/* Adds one buffer of the guest to the element; returns NULL or what is wrong with it. */
static const char *add_buffer(struct virtqueue *queue, struct virtqueue_element *element,
	const struct vring_desc *descriptor)
{
	bool writable = descriptor->flags & VRING_DESC_F_WRITE;
	uint64_t address = descriptor->addr, left = descriptor->len;
	size_t *total = writable ? &element->writable_length : &element->readable_length;

	if (!writable && element->writable_count > 0)
		return "a readable buffer behind a writable one";
	*total += left;
	if (*total > UINT32_MAX)
		return "a chain of 4 GiB or more";
	while (left > 0) {
		unsigned int n = element->readable_count + element->writable_count;
		uint64_t run = left;
		void *host = memory_run(queue->memory, address, &run);

		if (host == NULL)
			return "a buffer outside memory";
		if (n == element->capacity)
			return "a chain longer than the device allows";
		element->iov[n] = (struct iovec){ host, run };
		if (writable)
			element->writable_count++;
		else
			element->readable_count++;
		address += run;
		left -= run;
	}
	return NULL;
}

/* Reads a descriptor once. A table of indirect ones may have any alignment. */
static struct vring_desc load_descriptor(const void *table, uint32_t index)
{
	struct vring_desc descriptor;

	memcpy(&descriptor, (const char *)table + index * sizeof(descriptor), sizeof(descriptor));
	/* The compiler may not go back to memory for a field. */
	__asm__ volatile("" : "+m"(descriptor) : : "memory");
	return descriptor;
}

/*
 * Follows a chain from `head`. No chain, indirect or not, is longer than the queue (2.7.5.3.1), and
 * that is what ends a loop too.
 */
static const char *walk_chain(
	struct virtqueue *queue, uint16_t head, struct virtqueue_element *element)
{
	const void *table = queue->descriptors;
	uint32_t table_size = queue->state.size;
	uint32_t index = head;
	bool indirect = false;

	for (unsigned int steps = 0; steps <= queue->state.size; steps++) {
		struct vring_desc d;
		const char *wrong;

		if (index >= table_size)
			return "a descriptor index outside the table";
		d = load_descriptor(table, index);
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (!queue->indirect || indirect || (d.flags & VRING_DESC_F_NEXT))
				return "an indirect table where none may be";
			if (d.len == 0 || d.len % sizeof(d) != 0)
				return "an indirect table of a wrong length";
			table = guest_memory_at(queue->memory, d.addr, d.len);
			if (table == NULL)
				return "an indirect table outside memory";
			table_size = d.len / sizeof(d);
			index = 0;
			indirect = true;
			continue;
		}
		wrong = add_buffer(queue, element, &d);
		if (wrong != NULL)
			return wrong;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return NULL;
		index = d.next;
	}
	return "a chain longer than the queue";
}

int virtqueue_pop(struct virtqueue *queue, struct virtqueue_element *element)
{
	const char *wrong = NULL;
	int waiting = 0;

	pthread_mutex_lock(&queue->lock);
	if (virtqueue_usable(queue))
		waiting = chains_waiting(queue);
	if (waiting < 0)
		wrong = "an available index that is ahead of the queue";
	if (waiting > 0) {
		uint16_t slot = queue->state.next_available & (queue->state.size - 1);

		element->head = ring_load(queue->available->ring[slot]);
		element->generation = queue->generation;
		element->readable_count = element->writable_count = 0;
		element->readable_length = element->writable_length = 0;
		wrong = walk_chain(queue, element->head, element);
		queue->state.next_available++;
	}
	if (wrong != NULL)
		atomic_store(&queue->broken, true);
	pthread_mutex_unlock(&queue->lock);
	if (wrong != NULL) {
		if (queue->fail != NULL)
			queue->fail(queue->data, wrong);
		return -EPROTO;
	}
	return waiting > 0;
}

bool virtqueue_more(struct virtqueue *queue)
{
	bool more;

	pthread_mutex_lock(&queue->lock);
	more = virtqueue_usable(queue) && chains_waiting(queue) != 0;
	pthread_mutex_unlock(&queue->lock);
	return more;
}

void virtqueue_unpop(struct virtqueue *queue, unsigned int count)
{
	pthread_mutex_lock(&queue->lock);
	queue->state.next_available -= count;
	pthread_mutex_unlock(&queue->lock);
}

void virtqueue_moved(struct virtqueue *queue, uint16_t next_available)
{
	pthread_mutex_lock(&queue->lock);
	if (virtqueue_usable(queue)) {
		queue->state.next_available = next_available;
		queue->state.next_used = ring_load(queue->used->idx);
		queue->signalled_valid = false;
	}
	pthread_mutex_unlock(&queue->lock);
}

void virtqueue_push_many(struct virtqueue *queue, const uint16_t *heads, const uint32_t *written,
	unsigned int count, unsigned int generation)
{
	pthread_mutex_lock(&queue->lock);
	if (virtqueue_usable(queue) && generation == queue->generation) {
		uint16_t next = queue->state.next_used;

		for (unsigned int i = 0; i < count; i++, next++) {
			struct vring_used_elem *slot =
				&queue->used->ring[next & (queue->state.size - 1)];

			ring_store(slot->id, heads[i]);
			ring_store(slot->len, written[i]);
		}
		queue->state.next_used = next;
		ring_store_release(queue->used->idx, next);
	}
	pthread_mutex_unlock(&queue->lock);
}

void virtqueue_push(
	struct virtqueue *queue, const struct virtqueue_element *element, size_t written)
{
	uint32_t length = written > element->writable_length ? element->writable_length : written;

	virtqueue_push_many(queue, &element->head, &length, 1, element->generation);
}

bool virtqueue_should_notify(struct virtqueue *queue)
{
	bool wanted = false;

	pthread_mutex_lock(&queue->lock);
	if (virtqueue_usable(queue)) {
		uint16_t now = queue->state.next_used;

		/* The used index must be seen before the driver's wish is read (2.7.7.2). */
		atomic_thread_fence(memory_order_seq_cst);
		if (queue->event_index)
			wanted = !queue->signalled_valid ||
				vring_need_event(
					ring_load(*used_event(queue)), now, queue->signalled_used);
		else
			wanted = !(ring_load(queue->available->flags) & VRING_AVAIL_F_NO_INTERRUPT);
		queue->signalled_used = now;
		queue->signalled_valid = true;
	}
	pthread_mutex_unlock(&queue->lock);
	return wanted;
}

void virtqueue_notify(struct virtqueue *queue)
{
	if (virtqueue_should_notify(queue) && queue->interrupt != NULL)
		queue->interrupt(queue->data);
}
