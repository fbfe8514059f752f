/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/vsock_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "lib/cleanup.h"

#define SHUTDOWN_BOTH (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

static struct vsock_stream **bucket(struct vsock *vsock, uint32_t host_port, uint32_t guest_port)
{
	return &vsock->buckets[(host_port * 31 + guest_port) % VSOCK_BUCKETS];
}

struct vsock_stream *vsock_stream_find(struct vsock *vsock, uint32_t host_port, uint32_t guest_port)
{
	struct vsock_stream *s = *bucket(vsock, host_port, guest_port);

	while (s != NULL && (s->host_port != host_port || s->guest_port != guest_port))
		s = s->next;
	return s;
}

void vsock_stream_ready(struct vsock_stream *stream, unsigned int pending)
{
	struct vsock *vsock = stream->vsock;

	stream->pending |= pending;
	if (stream->in_ready)
		return;
	stream->in_ready = true;
	stream->ready_next = NULL;
	if (vsock->ready_last != NULL)
		vsock->ready_last->ready_next = stream;
	else
		vsock->ready_first = stream;
	vsock->ready_last = stream;
}

static void leave_ready(struct vsock_stream *stream)
{
	struct vsock *vsock = stream->vsock;
	struct vsock_stream *previous = NULL;

	if (!stream->in_ready)
		return;
	for (struct vsock_stream *s = vsock->ready_first; s != stream; s = s->ready_next)
		previous = s;
	if (previous != NULL)
		previous->ready_next = stream->ready_next;
	else
		vsock->ready_first = stream->ready_next;
	if (vsock->ready_last == stream)
		vsock->ready_last = previous;
	stream->in_ready = false;
}

void vsock_stream_kill(struct vsock_stream *stream)
{
	struct vsock *vsock = stream->vsock;
	struct vsock_stream **link = bucket(vsock, stream->host_port, stream->guest_port);

	leave_ready(stream);
	while (*link != stream)
		link = &(*link)->next;
	*link = stream->next;
	vsock->stream_count--;
	stream->state = VSOCK_CLOSED;
	stream->next = vsock->dead;
	vsock->dead = stream;
	eventfd_write(vsock->wake, 1);
}

void vsock_bury_dead(struct vsock *vsock)
{
	while (vsock->dead != NULL) {
		struct vsock_stream *stream = vsock->dead;

		vsock->dead = stream->next;
		loop_remove(stream->source);
		close_fd(stream->fd);
		free(stream->buffer);
		free(stream);
	}
}

/* Bytes that the guest has room for. */
static uint32_t credit(const struct vsock_stream *stream)
{
	uint32_t out = stream->sent - stream->peer_forwarded;

	return out < stream->peer_window ? stream->peer_window - out : 0;
}

bool vsock_stream_has_work(const struct vsock_stream *stream)
{
	if (stream->pending != 0)
		return true;
	return stream->state == VSOCK_CONNECTED && stream->readable && stream->host_sends &&
		!(stream->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_RCV) && credit(stream) > 0;
}

/* Ends the stream once both sides know of it: the reset is the answer to a full shutdown. */
static void end_if_over(struct vsock_stream *stream)
{
	if (stream->guest_shutdown == SHUTDOWN_BOTH && stream->buffer_length == 0)
		vsock_stream_ready(stream, SEND_RST);
}

/* The guest hears of directions that the host's side has closed. */
static void tell_shutdown(struct vsock_stream *stream)
{
	unsigned int now = (stream->host_sends ? 0 : VIRTIO_VSOCK_SHUTDOWN_SEND) |
		(stream->host_receives ? 0 : VIRTIO_VSOCK_SHUTDOWN_RCV);

	if (now != stream->told_shutdown)
		vsock_stream_ready(stream, SEND_SHUTDOWN);
}

/* The host's side takes nothing any more: what the guest still sends is dropped. */
static void host_refuses(struct vsock_stream *stream)
{
	stream->host_receives = false;
	stream->forwarded += stream->buffer_length;
	stream->buffer_length = 0;
	tell_shutdown(stream);
	end_if_over(stream);
}

static void count_forwarded(struct vsock_stream *stream, uint32_t bytes)
{
	stream->forwarded += bytes;
	/* The guest learns of room when half of the window is not known to be free. */
	if (bytes > 0 && stream->received - stream->told_forwarded > stream->window / 2)
		vsock_stream_ready(stream, SEND_CREDIT);
}

/* Moves the buffer to the host's side. */
static void drain(struct vsock_stream *stream)
{
	while (stream->buffer_length > 0 && stream->host_receives) {
		uint32_t piece = stream->window - stream->buffer_start;
		ssize_t n;

		if (piece > stream->buffer_length)
			piece = stream->buffer_length;
		n = send(stream->fd, stream->buffer + stream->buffer_start, piece,
			MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			host_refuses(stream);
		if (n <= 0)
			break;
		stream->buffer_start = (stream->buffer_start + (uint32_t)n) % stream->window;
		stream->buffer_length -= (uint32_t)n;
		count_forwarded(stream, (uint32_t)n);
	}
	if (stream->buffer_length > 0)
		return;
	free(stream->buffer);
	stream->buffer = NULL;
	stream->buffer_start = 0;
	if ((stream->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND) && stream->host_receives)
		shutdown(stream->fd, SHUT_WR);
	end_if_over(stream);
}

static void on_event(uint32_t events, void *data)
{
	struct vsock_stream *stream = data;
	struct vsock *vsock = stream->vsock;

	pthread_mutex_lock(&vsock->device.lock);
	if (stream->state != VSOCK_CLOSED && vsock->device.active) {
		if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			stream->readable = true;
		if ((events & EPOLLHUP) && stream->state == VSOCK_REQUESTED &&
			!(stream->pending & SEND_REQUEST))
			vsock_stream_ready(stream, SEND_RST);
		else if ((events & EPOLLHUP) && stream->state == VSOCK_REQUESTED)
			vsock_stream_kill(stream);
		else if (events & (EPOLLHUP | EPOLLERR))
			host_refuses(stream);
		if ((events & EPOLLOUT) && stream->state == VSOCK_CONNECTED)
			drain(stream);
		if (stream->state != VSOCK_CLOSED && vsock_stream_has_work(stream))
			vsock_stream_ready(stream, 0);
		vsock_flush(vsock);
	}
	pthread_mutex_unlock(&vsock->device.lock);
}

struct vsock_stream *vsock_stream_new(
	struct vsock *vsock, int fd, uint32_t host_port, uint32_t guest_port)
{
	struct vsock_stream **first = bucket(vsock, host_port, guest_port);
	struct vsock_stream *stream;

	if (vsock->stream_count >= VSOCK_STREAMS_MAX)
		return NULL;
	stream = calloc(1, sizeof(*stream));
	if (stream == NULL)
		return NULL;
	stream->vsock = vsock;
	stream->host_port = host_port;
	stream->guest_port = guest_port;
	stream->host_sends = stream->host_receives = true;
	stream->window = vsock->stream_count < VSOCK_WINDOW_STREAMS ? VSOCK_WINDOW
								    : VSOCK_WINDOW_SMALL;
	/* Edges only: a stream that the guest does not read from costs nothing. */
	if (loop_add(vsock->loop, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, on_event, stream,
		    &stream->source, NULL) < 0) {
		free(stream);
		return NULL;
	}
	stream->fd = fd;
	stream->next = *first;
	*first = stream;
	vsock->stream_count++;
	return stream;
}

/* Keeps what the host's side did not take; credit says that there is room. */
static bool keep(
	struct vsock_stream *stream, const struct iovec *data, unsigned int count, size_t from)
{
	size_t left = iov_length(data, count) - from;

	if (stream->buffer == NULL)
		stream->buffer = malloc(stream->window);
	if (stream->buffer == NULL || left > stream->window - stream->buffer_length)
		return false;
	while (left > 0) {
		uint32_t end = (stream->buffer_start + stream->buffer_length) % stream->window;
		size_t piece = stream->window - end;

		if (piece > left)
			piece = left;
		iov_copy_out(data, count, from, stream->buffer + end, piece);
		stream->buffer_length += (uint32_t)piece;
		from += piece;
		left -= piece;
	}
	return true;
}

static void take_data(
	struct vsock_stream *stream, uint32_t length, const struct iovec *data, unsigned int count)
{
	struct msghdr message = { .msg_iov = (struct iovec *)data, .msg_iovlen = count };
	ssize_t n = 0;

	/* More than there was credit for, or behind its own end. */
	if (length > stream->window - (stream->received - stream->forwarded) ||
		(stream->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_SEND)) {
		vsock_stream_ready(stream, SEND_RST);
		return;
	}
	stream->received += length;
	if (!stream->host_receives) {
		count_forwarded(stream, length);
		return;
	}
	if (stream->buffer_length == 0 && length > 0) {
		n = sendmsg(stream->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR) {
			count_forwarded(stream, length);
			host_refuses(stream);
			return;
		}
		if (n < 0)
			n = 0;
		count_forwarded(stream, (uint32_t)n);
	}
	if ((size_t)n < length && !keep(stream, data, count, (size_t)n))
		vsock_stream_ready(stream, SEND_RST);
}

static void take_response(struct vsock_stream *stream)
{
	char line[32];
	int n;

	if (stream->state != VSOCK_REQUESTED || (stream->pending & SEND_REQUEST)) {
		vsock_stream_ready(stream, SEND_RST);
		return;
	}
	stream->state = VSOCK_CONNECTED;
	if (stream->say_ok) {
		n = snprintf(line, sizeof(line), "OK %u\n", stream->host_port);
		/* The socket is new: its buffer is empty, and a client that is gone shows later. */
		(void)!send(stream->fd, line, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	}
	stream->readable = true;
	vsock_stream_ready(stream, 0);
}

static void take_shutdown(struct vsock_stream *stream, uint32_t flags)
{
	stream->guest_shutdown |= flags & SHUTDOWN_BOTH;
	if ((stream->guest_shutdown & VIRTIO_VSOCK_SHUTDOWN_RCV) && stream->host_sends)
		shutdown(stream->fd, SHUT_RD);
	drain(stream);
}

void vsock_stream_packet(struct vsock_stream *stream, const struct virtio_vsock_hdr *header,
	const struct iovec *data, unsigned int count)
{
	uint16_t op = le16toh(header->op);

	stream->peer_window = le32toh(header->buf_alloc);
	stream->peer_forwarded = le32toh(header->fwd_cnt);
	if (op == VIRTIO_VSOCK_OP_RST) {
		vsock_stream_kill(stream);
		return;
	}
	if (op == VIRTIO_VSOCK_OP_RESPONSE) {
		take_response(stream);
	} else if (stream->state != VSOCK_CONNECTED) {
		vsock_stream_ready(stream, SEND_RST);
	} else if (op == VIRTIO_VSOCK_OP_RW) {
		take_data(stream, le32toh(header->len), data, count);
	} else if (op == VIRTIO_VSOCK_OP_SHUTDOWN) {
		take_shutdown(stream, le32toh(header->flags));
	} else if (op == VIRTIO_VSOCK_OP_CREDIT_REQUEST) {
		vsock_stream_ready(stream, SEND_CREDIT);
	} else if (op != VIRTIO_VSOCK_OP_CREDIT_UPDATE) {
		vsock_stream_ready(stream, SEND_RST);
	}
	if (vsock_stream_has_work(stream))
		vsock_stream_ready(stream, 0);
}

/* Reads from the host's side into the guest's buffer. Returns the number of bytes, 0 for none. */
static size_t read_data(
	struct vsock_stream *stream, const struct iovec *data, unsigned int count, size_t room)
{
	struct iovec slice[VSOCK_IOVECS_MAX];
	struct msghdr message = { .msg_iov = slice };
	ssize_t n;
	int r;

	if (room > credit(stream))
		room = credit(stream);
	if (room > VSOCK_PACKET_MAX)
		room = VSOCK_PACKET_MAX;
	r = iov_slice(data, count, 0, room, slice, VSOCK_IOVECS_MAX);
	if (r <= 0)
		return 0;
	message.msg_iovlen = (size_t)r;
	n = recvmsg(stream->fd, &message, MSG_DONTWAIT);
	if (n > 0)
		return (size_t)n;
	if (n < 0 && errno == EINTR)
		return 0;
	stream->readable = false;
	if (n == 0 || errno != EAGAIN) {
		stream->host_sends = false;
		if (n < 0)
			host_refuses(stream);
		tell_shutdown(stream);
	}
	return 0;
}

/* The one of the pending packets that comes first. */
static uint16_t next_operation(struct vsock_stream *stream)
{
	static const struct {
		unsigned int bit;
		uint16_t op;
	} order[] = {
		{ SEND_RST, VIRTIO_VSOCK_OP_RST },
		{ SEND_REQUEST, VIRTIO_VSOCK_OP_REQUEST },
		{ SEND_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE },
		{ SEND_CREDIT, VIRTIO_VSOCK_OP_CREDIT_UPDATE },
		{ SEND_SHUTDOWN, VIRTIO_VSOCK_OP_SHUTDOWN },
	};

	for (unsigned int i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (stream->pending & order[i].bit) {
			stream->pending &= ~order[i].bit;
			return order[i].op;
		}
	return VIRTIO_VSOCK_OP_INVALID;
}

bool vsock_stream_next_packet(struct vsock_stream *stream, struct virtio_vsock_hdr *header,
	const struct iovec *data, unsigned int count, size_t room)
{
	uint16_t op = next_operation(stream);
	uint32_t flags = 0;
	size_t length = 0;

	if (op == VIRTIO_VSOCK_OP_INVALID && vsock_stream_has_work(stream)) {
		length = read_data(stream, data, count, room);
		/* At the end of the host's data comes the shutdown instead. */
		op = length > 0 ? VIRTIO_VSOCK_OP_RW : next_operation(stream);
	}
	if (op == VIRTIO_VSOCK_OP_INVALID)
		return false;
	if (op == VIRTIO_VSOCK_OP_SHUTDOWN) {
		flags = (stream->host_sends ? 0 : VIRTIO_VSOCK_SHUTDOWN_SEND) |
			(stream->host_receives ? 0 : VIRTIO_VSOCK_SHUTDOWN_RCV);
		stream->told_shutdown = flags;
	}
	*header = (struct virtio_vsock_hdr){
		.src_cid = htole64(VSOCK_HOST_CID),
		.dst_cid = stream->vsock->config.guest_cid,
		.src_port = htole32(stream->host_port),
		.dst_port = htole32(stream->guest_port),
		.len = htole32((uint32_t)length),
		.type = htole16(VIRTIO_VSOCK_TYPE_STREAM),
		.op = htole16(op),
		.flags = htole32(flags),
		.buf_alloc = htole32(stream->window),
		.fwd_cnt = htole32(stream->forwarded),
	};
	stream->told_forwarded = stream->forwarded;
	stream->sent += (uint32_t)length;
	if (op == VIRTIO_VSOCK_OP_RST)
		vsock_stream_kill(stream);
	return true;
}
