/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/vsock.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/virtio/kick.h"
#include "runtime/vm/virtio/vsock_stream.h"

enum { RECEIVE, TRANSMIT, EVENT, QUEUES };

#define PACKETS_PER_TURN 256
#define IOV_MAX_ENTRIES (VSOCK_QUEUE_SIZE + VIRTQUEUE_IOV_SPARE)
#define HEADER sizeof(struct virtio_vsock_hdr)

/* A reset for a connection that is not there. The caller has checked that there is room. */
static void reply_reset(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	unsigned int at = (vsock->reply_start + vsock->reply_count) % VSOCK_REPLIES_MAX;

	vsock->replies[at].host_port = le32toh(header->dst_port);
	vsock->replies[at].guest_port = le32toh(header->src_port);
	vsock->reply_count++;
}

static bool take_reply(struct vsock *vsock, struct virtio_vsock_hdr *header)
{
	const struct vsock_reply *reply = &vsock->replies[vsock->reply_start];

	if (vsock->reply_count == 0)
		return false;
	*header = (struct virtio_vsock_hdr){
		.src_cid = htole64(VSOCK_HOST_CID),
		.dst_cid = vsock->config.guest_cid,
		.src_port = htole32(reply->host_port),
		.dst_port = htole32(reply->guest_port),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(VIRTIO_VSOCK_OP_RST),
	};
	vsock->reply_start = (vsock->reply_start + 1) % VSOCK_REPLIES_MAX;
	vsock->reply_count--;
	return true;
}

/*
 * Buffers of the guest for one packet, or for several of one stream, whose data one system call
 * reads: Linux gives buffers of a page.
 */
struct room {
	struct virtqueue_element elements[VSOCK_BUFFERS_MAX];
	size_t sizes[VSOCK_BUFFERS_MAX]; /* what each takes behind its header */
	unsigned int count;
	struct iovec iov[VSOCK_IOVECS_MAX];
	unsigned int iov_count;
	struct iovec data[VSOCK_IOVECS_MAX];
	unsigned int data_count;
	size_t size; /* of all */
};

/* Takes one more buffer. Returns whether there was one. */
static bool add_buffer(struct vsock *vsock, struct room *room)
{
	struct virtqueue *queue = &vsock->device.queues[RECEIVE];
	struct virtqueue_element *element = &room->elements[room->count];
	struct iovec *data = room->data + room->data_count;
	int n;

	/* A chain may be as long as the queue. */
	if (room->count == VSOCK_BUFFERS_MAX ||
		VSOCK_IOVECS_MAX - room->iov_count < IOV_MAX_ENTRIES)
		return false;
	*element = (struct virtqueue_element){ .iov = room->iov + room->iov_count,
		.capacity = IOV_MAX_ENTRIES };
	if (virtqueue_pop(queue, element) != 1)
		return false;
	if (element->writable_length <= HEADER) {
		virtqueue_break(queue, "a buffer too short for a packet");
		return false;
	}
	n = iov_slice(element_writable(element), element->writable_count, HEADER, VSOCK_PACKET_MAX,
		data, VSOCK_IOVECS_MAX - room->data_count);
	room->iov_count += element->readable_count + element->writable_count;
	room->data_count += (unsigned int)n;
	room->sizes[room->count] = iov_length(data, (unsigned int)n);
	room->size += room->sizes[room->count];
	room->count++;
	return true;
}

/* The next stream, in turn, that has something to say, into as many buffers as it takes. */
static bool take_stream_packet(
	struct vsock *vsock, struct virtio_vsock_hdr *header, struct room *room)
{
	while (vsock->ready_first != NULL) {
		struct vsock_stream *stream = vsock->ready_first;
		bool packet;

		vsock->ready_first = stream->ready_next;
		if (vsock->ready_first == NULL)
			vsock->ready_last = NULL;
		stream->in_ready = false;
		while (stream->pending == 0 && room->size < VSOCK_PACKET_MAX &&
			add_buffer(vsock, room))
			;
		packet = vsock_stream_next_packet(
			stream, header, room->data, room->data_count, room->size);
		if (stream->state != VSOCK_CLOSED && vsock_stream_has_work(stream))
			vsock_stream_ready(stream, 0);
		if (packet)
			return true;
	}
	return false;
}

/* Hands out the buffers that the packet fills, each with a header of its own. */
static unsigned int hand_out(
	struct vsock *vsock, struct virtio_vsock_hdr *header, const struct room *room)
{
	size_t left = le32toh(header->len);
	uint16_t heads[VSOCK_BUFFERS_MAX];
	uint32_t written[VSOCK_BUFFERS_MAX];
	unsigned int used = 0;

	do {
		const struct virtqueue_element *element = &room->elements[used];
		size_t piece = left < room->sizes[used] ? left : room->sizes[used];

		header->len = htole32((uint32_t)piece);
		iov_copy_in(element_writable(element), element->writable_count, 0, header, HEADER);
		heads[used] = element->head;
		written[used] = (uint32_t)(HEADER + piece);
		left -= piece;
		used++;
	} while (left > 0);
	virtqueue_push_many(
		&vsock->device.queues[RECEIVE], heads, written, used, room->elements[0].generation);
	return used;
}

/* Sends a packet to the guest, or several of a stream. Returns how many: 0 for none, or no room. */
static unsigned int send_some(struct vsock *vsock)
{
	struct virtio_vsock_hdr header;
	struct room room;
	unsigned int used = 0;

	room.count = room.iov_count = room.data_count = 0;
	room.size = 0;
	if ((vsock->reply_count == 0 && vsock->ready_first == NULL) || !add_buffer(vsock, &room))
		return 0;
	if (take_reply(vsock, &header) || take_stream_packet(vsock, &header, &room))
		used = hand_out(vsock, &header, &room);
	if (used < room.count)
		virtqueue_unpop(&vsock->device.queues[RECEIVE], room.count - used);
	return used;
}

static void guest_connects(struct vsock *vsock, const struct virtio_vsock_hdr *header)
{
	uint32_t host_port = le32toh(header->dst_port), guest_port = le32toh(header->src_port);
	_cleanup_close_ int fd = vsock_host_accept(vsock, host_port);
	struct vsock_stream *stream;

	stream = fd < 0 ? NULL : vsock_stream_new(vsock, fd, host_port, guest_port);
	if (stream == NULL) {
		reply_reset(vsock, header);
		return;
	}
	take_fd(&fd);
	stream->state = VSOCK_CONNECTED;
	stream->peer_window = le32toh(header->buf_alloc);
	stream->peer_forwarded = le32toh(header->fwd_cnt);
	stream->readable = true;
	vsock_stream_ready(stream, SEND_RESPONSE);
}

/* One packet of the guest (CVE-2019-18960: its length is compared with what the chain holds). */
static void take_packet(struct vsock *vsock, const struct virtqueue_element *element)
{
	struct iovec data[IOV_MAX_ENTRIES];
	struct virtio_vsock_hdr header;
	struct vsock_stream *stream;
	uint32_t length;
	int count;

	if (iov_copy_out(element_readable(element), element->readable_count, 0, &header, HEADER) !=
			HEADER ||
		header.src_cid != vsock->config.guest_cid ||
		le64toh(header.dst_cid) != VSOCK_HOST_CID)
		return;
	length = le32toh(header.len);
	stream = vsock_stream_find(vsock, le32toh(header.dst_port), le32toh(header.src_port));
	if (le16toh(header.type) != VIRTIO_VSOCK_TYPE_STREAM || length > VSOCK_PACKET_MAX ||
		length > element->readable_length - HEADER) {
		if (stream != NULL)
			vsock_stream_ready(stream, SEND_RST);
		else
			reply_reset(vsock, &header);
		return;
	}
	if (stream != NULL) {
		count = iov_slice(element_readable(element), element->readable_count, HEADER,
			length, data, IOV_MAX_ENTRIES);
		vsock_stream_packet(stream, &header, data, (unsigned int)count);
	} else if (le16toh(header.op) == VIRTIO_VSOCK_OP_REQUEST) {
		guest_connects(vsock, &header);
	} else if (le16toh(header.op) != VIRTIO_VSOCK_OP_RST) {
		reply_reset(vsock, &header);
	}
}

/* Takes packets of the guest while there is room for the resets that they may ask for. */
static void take_packets(struct vsock *vsock)
{
	struct virtqueue *queue = &vsock->device.queues[TRANSMIT];
	struct iovec iov[IOV_MAX_ENTRIES];
	struct virtqueue_element element = { .iov = iov, .capacity = IOV_MAX_ENTRIES };

	vsock->transmit_stalled = false;
	for (int i = 0; i < PACKETS_PER_TURN; i++) {
		if (vsock->reply_count == VSOCK_REPLIES_MAX) {
			vsock->transmit_stalled = true;
			break;
		}
		if (virtqueue_pop(queue, &element) != 1)
			break;
		take_packet(vsock, &element);
		virtqueue_push(queue, &element, 0);
		if (i == PACKETS_PER_TURN - 1)
			eventfd_write(queue->kick, 1);
	}
	virtqueue_notify(queue);
}

static void tell_reset(struct vsock *vsock)
{
	struct virtqueue *queue = &vsock->device.queues[EVENT];
	struct virtio_vsock_event event = { .id = htole32(VIRTIO_VSOCK_EVENT_TRANSPORT_RESET) };
	struct iovec iov[IOV_MAX_ENTRIES];
	struct virtqueue_element element = { .iov = iov, .capacity = IOV_MAX_ENTRIES };

	if (!vsock->tell_reset || virtqueue_pop(queue, &element) != 1)
		return;
	iov_copy_in(element_writable(&element), element.writable_count, 0, &event, sizeof(event));
	virtqueue_push(queue, &element, sizeof(event));
	virtqueue_notify(queue);
	vsock->tell_reset = false;
}

void vsock_flush(struct vsock *vsock)
{
	unsigned int sent = 0, n = 1;

	while (sent < PACKETS_PER_TURN && n > 0) {
		n = send_some(vsock);
		sent += n;
	}
	if (sent >= PACKETS_PER_TURN)
		eventfd_write(vsock->wake, 1);
	if (sent > 0)
		virtqueue_notify(&vsock->device.queues[RECEIVE]);
	if (vsock->transmit_stalled && vsock->reply_count < VSOCK_REPLIES_MAX)
		eventfd_write(vsock->device.queues[TRANSMIT].kick, 1);
}

static void serve(struct virtio_device *device, unsigned int queue)
{
	struct vsock *vsock = (struct vsock *)device;

	if (queue == TRANSMIT)
		take_packets(vsock);
	if (queue == EVENT)
		tell_reset(vsock);
	vsock_flush(vsock);
}

static void on_wake(uint32_t events, void *data)
{
	struct vsock *vsock = data;
	eventfd_t n;

	(void)events;
	(void)!eventfd_read(vsock->wake, &n);
	pthread_mutex_lock(&vsock->device.lock);
	vsock_bury_dead(vsock);
	if (vsock->device.active)
		vsock_flush(vsock);
	pthread_mutex_unlock(&vsock->device.lock);
}

/* In any thread: connections end here, and are given back in the loop's. */
static void vsock_reset(struct virtio_device *device)
{
	struct vsock *vsock = (struct vsock *)device;

	for (unsigned int i = 0; i < VSOCK_BUCKETS; i++)
		while (vsock->buckets[i] != NULL)
			vsock_stream_kill(vsock->buckets[i]);
	vsock->reply_count = 0;
	vsock->transmit_stalled = false;
	vsock->tell_reset = false;
}

/* The streams go on in this process, and only here. */
static size_t vsock_save(struct virtio_device *device, void *state)
{
	(void)device;
	(void)state;
	return 0;
}

static int vsock_restore(struct virtio_device *device, const void *state, size_t size)
{
	(void)state;
	(void)size;
	/* The streams of the saved machine end in sockets that are not there any more (5.10.6.7).
	 */
	((struct vsock *)device)->tell_reset = true;
	return 0;
}

static void vsock_destroy(struct virtio_device *device)
{
	struct vsock *vsock = (struct vsock *)device;

	vsock_bury_dead(vsock);
	virtio_kick_free(vsock->kick);
	loop_remove(vsock->wake_source);
	vsock_host_fini(vsock);
	close_fd(vsock->wake);
	virtio_device_fini(device);
	free(vsock);
}

static const struct virtio_device_operations vsock_operations = {
	.name = "vsock",
	.id = VIRTIO_ID_VSOCK,
	.reset = vsock_reset,
	.save = vsock_save,
	.restore = vsock_restore,
	.destroy = vsock_destroy,
};

static int init_sources(struct loop *loop, struct vsock *vsock, struct error *err)
{
	int r;

	vsock->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vsock->wake < 0)
		return error_set(err, errno, "virtio vsock: make an eventfd");
	r = loop_add(loop, vsock->wake, EPOLLIN, on_wake, vsock, &vsock->wake_source, err);
	if (r < 0)
		return r;
	return virtio_kick_new(loop, &vsock->device, serve, &vsock->kick, err);
}

int virtio_vsock_new(struct loop *loop, const struct guest_memory *memory,
	const struct vsock_options *options, struct virtio_device **ret, struct error *err)
{
	struct virtio_device *device;
	struct vsock *vsock;
	int r;

	r = virtio_device_new(
		sizeof(*vsock), &vsock_operations, memory, QUEUES, VSOCK_QUEUE_SIZE, &device, err);
	if (r < 0)
		return r;
	vsock = (struct vsock *)device;
	vsock->loop = loop;
	vsock->wake = vsock->listen_fd = -EBADF;
	vsock->config.guest_cid = htole64(VSOCK_GUEST_CID);
	vsock->device.config = &vsock->config;
	vsock->device.config_size = sizeof(vsock->config);
	r = init_sources(loop, vsock, err);
	if (r == 0)
		r = vsock_host_init(vsock, options, err);
	if (r < 0) {
		vsock_destroy(device);
		return r;
	}
	*ret = device;
	return 0;
}
