/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A split virtqueue (virtio 1.2, 2.7), seen from the device: the only code that reads rings. What a
 * device gets is an element: buffers of the guest as iovecs that lie inside guest memory, the ones
 * it may read first and the ones it may write behind them.
 *
 * Every index, length, address and link comes from the guest and is checked here; a ring that
 * breaks the rules turns the queue off and tells the transport (DEVICE_NEEDS_RESET), and nothing
 * else happens. Buffers themselves stay writable by the guest at any time: whoever decides on their
 * content copies it first.
 *
 * Pop, push and notify may be called from several threads; the set-up functions may not be called
 * while one of those runs, which is what a device's reset operation waits for.
 */
#pragma once

#include <linux/virtio_ring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct error;
struct guest_memory;

/* What an implementation may offer as a queue's size: a power of two (2.7). */
#define VIRTQUEUE_SIZE_MAX 1024u

/* All of a queue that a snapshot keeps. */
struct virtqueue_state {
	uint64_t descriptor_address; /* guest physical */
	uint64_t driver_address;
	uint64_t device_address;
	uint16_t size;
	uint16_t next_available; /* free-running indexes, as the rings have them */
	uint16_t next_used;
	bool ready;
};

struct virtqueue {
	const struct guest_memory *memory;
	struct virtqueue_state state;
	uint16_t size_max;
	bool event_index; /* VIRTIO_F_EVENT_IDX was negotiated */
	bool indirect;	  /* VIRTIO_F_INDIRECT_DESC was negotiated */
	atomic_bool broken;
	unsigned int generation; /* counts resets: what was popped before one is never pushed */
	int kick;		 /* eventfd, written when the driver notifies; this queue's own */

	/* Called without a lock held, from any thread: interrupt, and "the ring is broken". */
	void (*interrupt)(void *data);
	void (*fail)(void *data, const char *reason);
	void *data;

	pthread_mutex_t lock;
	const struct vring_desc *descriptors;
	struct vring_avail *available;
	struct vring_used *used;
	uint16_t signalled_used; /* the used index at the last interrupt */
	bool signalled_valid;
};

/*
 * One chain of descriptors. `iov` is the caller's array of `capacity` entries and stays his.
 */
struct virtqueue_element {
	struct iovec *iov;
	unsigned int capacity;
	unsigned int readable_count; /* iov[0 .. readable_count) is for the device to read */
	unsigned int writable_count; /* iov[readable_count .. +writable_count) for it to write */
	size_t readable_length;	     /* in bytes */
	size_t writable_length;	     /* in bytes, below 2^32 */
	unsigned int generation;
	uint16_t head;
};

/*
 * Makes an empty queue that is not ready, with an eventfd of its own. `size_max` is a power of two
 * of at most VIRTQUEUE_SIZE_MAX. Returns 0, or the error of eventfd(2).
 */
int virtqueue_init(struct virtqueue *queue, const struct guest_memory *memory, uint16_t size_max,
	struct error *err);

/* Gives back what virtqueue_init() took. */
void virtqueue_destroy(struct virtqueue *queue);

/* Back to what virtqueue_init() made; elements in flight lose their place. */
void virtqueue_reset(struct virtqueue *queue);

/*
 * Checks state.size and the three addresses (power of two, aligned, inside guest memory; 2.7) and
 * makes the queue ready. With `resume`, the ring indexes of `state` are kept (a snapshot), else
 * they start at 0. Returns 0, or -EINVAL and leaves the queue not ready.
 */
int virtqueue_enable(struct virtqueue *queue, bool resume);

/*
 * Takes the next chain. Returns 1 with `element` filled, 0 where the driver has offered nothing (it
 * will notify when it does), -EPROTO on a ring that breaks the rules: the queue is then broken and
 * stays so until it is reset. A chain that needs more than `element->capacity` iovecs breaks it
 * too: the chain is at most as long as the queue (2.7.5.3.1), plus VIRTQUEUE_IOV_SPARE.
 */
int virtqueue_pop(struct virtqueue *queue, struct virtqueue_element *element);

/*
 * True when more chains wait. Where none does, the driver is asked to notify of the next one, which
 * it is otherwise only after virtqueue_pop() has returned 0: for a device that goes on to something
 * long while another thread could serve.
 */
bool virtqueue_more(struct virtqueue *queue);

/* A descriptor may cross from one memory region into the next, and is two iovecs then. */
#define VIRTQUEUE_IOV_SPARE 4

/*
 * Gives the last `count` popped chains back to the ring, as if they had not been popped. Only for a
 * device that pops from this queue in one thread.
 */
void virtqueue_unpop(struct virtqueue *queue, unsigned int count);

/*
 * Hands a chain back to the driver; the device wrote `written` bytes into it, from its start (more
 * than there was room for counts as the room). An element of before a reset is dropped.
 */
void virtqueue_push(
	struct virtqueue *queue, const struct virtqueue_element *element, size_t written);

/*
 * Hands `count` chains back so that the driver sees all of them or none (5.1.6.4: the buffers of
 * one merged packet).
 */
void virtqueue_push_many(struct virtqueue *queue, const uint16_t *heads, const uint32_t *written,
	unsigned int count, unsigned int generation);

/*
 * True when the driver wants to be interrupted for what was pushed since the last call
 * (2.7.7, 2.7.10).
 */
bool virtqueue_should_notify(struct virtqueue *queue);

/* Interrupts the driver if it wants to be. */
void virtqueue_notify(struct virtqueue *queue);

/*
 * Somebody else served the ring for a while and took chains up to `next_available`, all of which
 * are in the used ring.
 */
void virtqueue_moved(struct virtqueue *queue, uint16_t next_available);

/* Declares the queue broken, for a device whose request no answer fits. */
void virtqueue_break(struct virtqueue *queue, const char *reason);

/* True when virtqueue_pop() can return an element. */
bool virtqueue_usable(const struct virtqueue *queue);

/*
 * Copies `length` bytes between a buffer and an iovec array, from `offset` bytes behind the array's
 * start. Return how many bytes there were, at most `length`.
 */
size_t iov_copy_out(
	const struct iovec *iov, unsigned int count, size_t offset, void *to, size_t length);
size_t iov_copy_in(const struct iovec *iov, unsigned int count, size_t offset, const void *from,
	size_t length);

/*
 * Writes into `ret` (of `capacity` entries) the part of `iov` that starts at `offset` and is at
 * most `length` bytes long. Returns the number of entries, or -E2BIG.
 */
int iov_slice(const struct iovec *iov, unsigned int count, size_t offset, size_t length,
	struct iovec *ret, unsigned int capacity);

/* The number of bytes that the array holds. */
size_t iov_length(const struct iovec *iov, unsigned int count);

/* The device's two halves of an element. */
static inline const struct iovec *element_readable(const struct virtqueue_element *element)
{
	return element->iov;
}

static inline const struct iovec *element_writable(const struct virtqueue_element *element)
{
	return element->iov + element->readable_count;
}
