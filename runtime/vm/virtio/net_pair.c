/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/net_pair.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"

#define PACKETS_PER_TURN 64
/* A frame of an ordinary link, where the driver has merged packets and offloads off. */
#define PACKET_SMALL (1518 + 4 + NET_HEADER)

enum {
	EVENT_TAP,
	EVENT_RECEIVE,
	EVENT_TRANSMIT,
	EVENT_CONTROL,
	EVENT_WAKE,
	/* Of a pair that the host's kernel serves. */
	EVENT_RECEIVED,
	EVENT_TRANSMITTED,
	EVENT_ERROR,
	EVENTS
};

static bool has(const struct net_pair *pair, unsigned int feature)
{
	return pair->features >> feature & 1;
}

/* Takes buffers until a packet of any size has room. Returns whether it has. */
static bool gather(struct net_pair *pair)
{
	bool large = has(pair, VIRTIO_NET_F_GUEST_TSO4) || has(pair, VIRTIO_NET_F_GUEST_TSO6);
	size_t want = large ? NET_PACKET_MAX : PACKET_SMALL;

	/* Without merging, a packet has one buffer, and the driver sees to its size (5.1.6.3.1). */
	if (!has(pair, VIRTIO_NET_F_MRG_RXBUF))
		want = 1;
	while (pair->room < want && pair->buffer_count < NET_QUEUE_SIZE) {
		struct virtqueue_element element = { .iov = pair->iov + pair->iov_count,
			.capacity = sizeof(pair->iov) / sizeof(pair->iov[0]) - pair->iov_count };
		unsigned int n = pair->buffer_count;

		if (virtqueue_pop(pair->receive, &element) != 1)
			break;
		if (element.readable_count > 0 || element.writable_length < NET_HEADER) {
			virtqueue_break(pair->receive, "a receive buffer that takes no header");
			return false;
		}
		pair->buffers[n].head = element.head;
		pair->buffers[n].iov_count = element.writable_count;
		pair->buffers[n].length = element.writable_length;
		pair->generation = element.generation;
		pair->buffer_count++;
		pair->iov_count += element.writable_count;
		pair->room += element.writable_length;
	}
	/* A driver that has no more than this has given all of its ring. */
	return pair->room >= want ||
		(pair->room > 0 && pair->buffer_count >= pair->receive->state.size);
}

/* Drops the first `count` buffers from the list. */
static void drop_buffers(struct net_pair *pair, unsigned int count)
{
	unsigned int iovs = 0;

	for (unsigned int i = 0; i < count; i++) {
		iovs += pair->buffers[i].iov_count;
		pair->room -= pair->buffers[i].length;
	}
	pair->buffer_count -= count;
	pair->iov_count -= iovs;
	memmove(pair->buffers, pair->buffers + count,
		pair->buffer_count * sizeof(pair->buffers[0]));
	memmove(pair->iov, pair->iov + iovs, pair->iov_count * sizeof(pair->iov[0]));
}

/* Hands a packet of `length` bytes, header and all, to the guest. */
static void deliver(struct net_pair *pair, size_t length)
{
	uint16_t heads[NET_QUEUE_SIZE], number;
	uint32_t written[NET_QUEUE_SIZE];
	unsigned int count = 0;

	for (size_t left = length; left > 0; count++) {
		size_t piece = pair->buffers[count].length;

		if (piece > left)
			piece = left;
		heads[count] = pair->buffers[count].head;
		written[count] = (uint32_t)piece;
		left -= piece;
	}
	number = htole16((uint16_t)count);
	iov_copy_in(pair->iov, pair->iov_count,
		offsetof(struct virtio_net_hdr_mrg_rxbuf, num_buffers), &number, sizeof(number));
	virtqueue_push_many(pair->receive, heads, written, count, pair->generation);
	drop_buffers(pair, count);
}

/* Moves packets from the tap to the guest. Returns whether there may be more. */
static bool receive(struct net_pair *pair)
{
	unsigned int done = 0;

	while (pair->tap_readable && done < PACKETS_PER_TURN && gather(pair)) {
		bool merged = has(pair, VIRTIO_NET_F_MRG_RXBUF);
		unsigned int count = merged ? pair->iov_count : pair->buffers[0].iov_count;
		ssize_t n = readv(pair->tap, pair->iov, (int)count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			/* EIO: the interface is down; its coming up is an edge. */
			pair->tap_readable = false;
			break;
		}
		/* A packet that was cut is dropped by the guest for its length. */
		if ((size_t)n > iov_length(pair->iov, count))
			n = (ssize_t)iov_length(pair->iov, count);
		deliver(pair, (size_t)n);
		done++;
	}
	if (done > 0)
		virtqueue_notify(pair->receive);
	return done == PACKETS_PER_TURN;
}

/* Moves packets from the guest to the tap. Returns whether there may be more. */
static bool transmit(struct net_pair *pair)
{
	struct iovec iov[NET_QUEUE_SIZE + VIRTQUEUE_IOV_SPARE];
	struct virtqueue_element element = { .iov = iov, .capacity = sizeof(iov) / sizeof(iov[0]) };
	unsigned int done = 0;

	while (done < PACKETS_PER_TURN && virtqueue_pop(pair->transmit, &element) == 1) {
		/*
		 * The tap checks the header against the frame. What it does not take is lost, as on
		 * any network.
		 */
		if (element.readable_length > NET_HEADER &&
			element.readable_length <= NET_PACKET_MAX)
			(void)!writev(pair->tap, element.iov, (int)element.readable_count);
		virtqueue_push(pair->transmit, &element, 0);
		done++;
	}
	if (done > 0)
		virtqueue_notify(pair->transmit);
	return done == PACKETS_PER_TURN;
}

/* Waits for something to do, without end or not at all. */
static void wait_events(struct net_pair *pair, int milliseconds)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(pair->epoll, events, EVENTS, milliseconds);

	/* All but the end are edges, which need not be read. */
	for (int i = 0; i < n; i++) {
		switch (events[i].data.u32) {
		case EVENT_TAP:
			pair->tap_readable = true;
			break;
		case EVENT_CONTROL:
			pair->serve_control(pair->data);
			break;
		case EVENT_RECEIVED:
			pair->receive->interrupt(pair->receive->data);
			break;
		case EVENT_TRANSMITTED:
			pair->transmit->interrupt(pair->transmit->data);
			break;
		case EVENT_ERROR:
			if (!vhost_net_tell_memory(&pair->vhost,
				    (struct virtqueue *[]){ pair->receive, pair->transmit }))
				virtqueue_break(pair->receive,
					"the host's kernel stopped at one of its rings");
			break;
		}
	}
}

static int watch(struct net_pair *pair, int fd, uint32_t events, uint32_t which, struct error *err)
{
	struct epoll_event event = { .events = events, .data.u32 = which };

	if (epoll_ctl(pair->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return error_set(err, errno, "virtio net: watch a queue");
	return 0;
}

/* For a pair that this thread serves: edges, which need not be read. */
static int watch_queues(struct net_pair *pair, int tap, struct error *err)
{
	int r = watch(pair, tap, EPOLLIN | EPOLLET, EVENT_TAP, err);

	if (r == 0)
		r = watch(pair, pair->receive->kick, EPOLLIN | EPOLLET, EVENT_RECEIVE, err);
	if (r == 0)
		r = watch(pair, pair->transmit->kick, EPOLLIN | EPOLLET, EVENT_TRANSMIT, err);
	return r;
}

/* For one that the host's kernel serves. */
static int watch_kernel(struct net_pair *pair, struct error *err)
{
	const struct vhost_net *vhost = &pair->vhost;
	int r = watch(pair, vhost->calls[0], EPOLLIN | EPOLLET, EVENT_RECEIVED, err);

	if (r == 0)
		r = watch(pair, vhost->calls[1], EPOLLIN | EPOLLET, EVENT_TRANSMITTED, err);
	if (r == 0)
		r = watch(pair, vhost->errors, EPOLLIN | EPOLLET, EVENT_ERROR, err);
	return r;
}

/* Returns false when the host's kernel does not serve the pair. */
static bool serve_by_kernel(struct net_pair *pair)
{
	struct virtqueue *const queues[] = { pair->receive, pair->transmit };
	int r;

	if (pair->vhost.fd < 0)
		return false;
	r = vhost_net_start(&pair->vhost, queues, pair->tap, pair->features);
	if (r < 0) {
		log_warning("virtio net: /dev/vhost-net: %s: packets are moved without it",
			strerror(-r));
		vhost_net_destroy(&pair->vhost);
		if (watch_queues(pair, pair->tap, NULL) < 0)
			virtqueue_break(pair->receive, "the host could not watch its rings");
		return false;
	}
	while (!atomic_load(&pair->worker.stop))
		wait_events(pair, -1);
	vhost_net_stop(&pair->vhost, queues);
	return true;
}

static void serve(struct virtio_worker *worker, void *data)
{
	struct net_pair *pair = data;

	if (pair->begin != NULL)
		pair->begin(pair->data);
	if (serve_by_kernel(pair))
		return;
	pair->buffer_count = pair->iov_count = 0;
	pair->room = 0;
	pair->tap_readable = true;
	while (!atomic_load(&worker->stop)) {
		bool more = transmit(pair);

		more |= receive(pair);
		wait_events(pair, more ? 0 : -1);
	}
	/* Buffers without a packet go back to where they came from, for a snapshot. */
	if (pair->buffer_count > 0)
		virtqueue_unpop(pair->receive, pair->buffer_count);
	pair->buffer_count = 0;
}

int net_pair_init(struct net_pair *pair, struct virtqueue queues[2], int tap, int vhost,
	enum confine_kind confine, struct error *err)
{
	int r;

	*pair = (struct net_pair){ .receive = &queues[0],
		.transmit = &queues[1],
		.tap = -EBADF,
		.vhost = VHOST_NET_NONE };
	pair->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (pair->epoll < 0)
		return error_set(err, errno, "virtio net: epoll_create1");
	r = virtio_worker_init(&pair->worker, "caisson-net", confine, serve, pair, err);
	if (r == 0 && vhost >= 0)
		r = vhost_net_init(&pair->vhost, vhost, queues[0].memory, err);
	if (r == 0)
		r = vhost >= 0 ? watch_kernel(pair, err) : watch_queues(pair, tap, err);
	if (r == 0)
		r = watch(pair, pair->worker.wake, EPOLLIN, EVENT_WAKE, err);
	if (r < 0) {
		/* The caller's still. */
		pair->vhost.fd = -EBADF;
		net_pair_destroy(pair);
		return r;
	}
	pair->tap = tap;
	return 0;
}

int net_pair_set_control(struct net_pair *pair, struct virtqueue *control,
	void (*begin)(void *data), void (*serve_control)(void *data), void *data, struct error *err)
{
	pair->control = control;
	pair->begin = begin;
	pair->serve_control = serve_control;
	pair->data = data;
	return watch(pair, control->kick, EPOLLIN | EPOLLET, EVENT_CONTROL, err);
}

void net_pair_start(struct net_pair *pair, uint64_t features)
{
	pair->features = features;
	virtio_worker_start(&pair->worker);
}

void net_pair_stop(struct net_pair *pair)
{
	virtio_worker_stop(&pair->worker);
}

void net_pair_restart(struct net_pair *pair)
{
	if (virtio_worker_stop(&pair->worker))
		virtio_worker_start(&pair->worker);
}

void net_pair_destroy(struct net_pair *pair)
{
	virtio_worker_destroy(&pair->worker);
	close_fd(pair->epoll);
	vhost_net_destroy(&pair->vhost);
	close_fd(pair->tap);
}
