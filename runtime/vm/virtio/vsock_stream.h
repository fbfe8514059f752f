/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the vsock device: what vsock.c (packets and queues), vsock_stream.c (one connection)
 * and vsock_host.c (who connects on the host's side) share. Everything here is called with the
 * device's lock held.
 */
#pragma once

#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/virtio/device.h"
#include "runtime/vm/virtio/vsock.h"

#define VSOCK_HOST_CID 2u
#define VSOCK_QUEUE_SIZE 128
#define VSOCK_STREAMS_MAX 1024u
#define VSOCK_BUCKETS 128u
#define VSOCK_PACKET_MAX 65536u
/* Buffers of the guest that are filled at once: 64 KiB in pages that begin with a header. */
#define VSOCK_BUFFERS_MAX 17
#define VSOCK_IOVECS_MAX (VSOCK_QUEUE_SIZE + VIRTQUEUE_IOV_SPARE + 2 * VSOCK_BUFFERS_MAX)
#define VSOCK_HANDLERS_MAX 32u
#define VSOCK_GREETINGS_MAX 64u
#define VSOCK_REPLIES_MAX 64u
/* What the guest may send ahead of the host's reader; less when many streams share the memory. */
#define VSOCK_WINDOW (256u << 10)
#define VSOCK_WINDOW_SMALL (32u << 10)
#define VSOCK_WINDOW_STREAMS 64u

/* Packets that a stream has to send. */
enum {
	SEND_REQUEST = 1 << 0,
	SEND_RESPONSE = 1 << 1,
	SEND_CREDIT = 1 << 2,
	SEND_SHUTDOWN = 1 << 3,
	SEND_RST = 1 << 4,
};

enum vsock_state { VSOCK_REQUESTED, VSOCK_CONNECTED, VSOCK_CLOSED };

struct vsock_stream {
	struct vsock *vsock;
	struct vsock_stream *next;	 /* in its bucket, or in the list of the dead */
	struct vsock_stream *ready_next; /* in the list of those that have something to send */
	bool in_ready;
	enum vsock_state state;
	uint32_t host_port, guest_port;
	int fd; /* the host's side, never made non-blocking: every call says MSG_DONTWAIT */
	struct loop_source *source;
	unsigned int pending; /* SEND_… */
	bool say_ok;	      /* the client waits for its "OK" line */
	bool readable; /* the fd may have bytes: nothing said otherwise since the last edge */
	bool host_sends, host_receives; /* directions that the host's side still has open */
	unsigned int told_shutdown;	/* VIRTIO_VSOCK_SHUTDOWN_… that the guest has been told */
	unsigned int guest_shutdown;	/* … that it has told */

	uint32_t window; /* our buf_alloc */
	uint32_t received, forwarded, told_forwarded;
	uint32_t sent, peer_window, peer_forwarded;

	char *buffer; /* what the host's side did not take yet; `window` bytes, made when needed */
	uint32_t buffer_start, buffer_length;
};

/* A client that has connected to the Unix socket and not finished its line. */
struct vsock_greeting {
	struct vsock *vsock;
	int fd;
	struct loop_source *source;
};

struct vsock_reply {
	uint32_t host_port, guest_port;
};

struct vsock {
	struct virtio_device device;
	struct virtio_kick *kick;
	struct loop *loop;
	struct virtio_vsock_config config;
	int wake; /* eventfd: the dead are to be buried, or a turn's budget was used up */
	struct loop_source *wake_source, *listen_source;
	int listen_fd;
	char *dial_path;
	bool tell_reset; /* the guest is to be told that its connections are gone (a restore) */
	bool transmit_stalled;
	uint32_t next_port;

	struct vsock_stream *buckets[VSOCK_BUCKETS];
	unsigned int stream_count;
	struct vsock_stream *ready_first, *ready_last;
	struct vsock_stream *dead;

	/* Resets for connections that do not exist. */
	struct vsock_reply replies[VSOCK_REPLIES_MAX];
	unsigned int reply_start, reply_count;

	struct {
		uint32_t port;
		vsock_handler handler;
		void *data;
	} handlers[VSOCK_HANDLERS_MAX];
	struct vsock_greeting greetings[VSOCK_GREETINGS_MAX];
	unsigned int next_greeting;
};

/* Sends to the guest what there is to send, as far as it has room. */
void vsock_flush(struct vsock *vsock);

struct vsock_stream *vsock_stream_find(
	struct vsock *vsock, uint32_t host_port, uint32_t guest_port);

/*
 * Makes a stream over `fd`, which it takes over on success. Returns NULL where there are too many
 * or memory is short.
 */
struct vsock_stream *vsock_stream_new(
	struct vsock *vsock, int fd, uint32_t host_port, uint32_t guest_port);

/* Takes it out of the tables; its memory and fd go when the loop is at a safe place. */
void vsock_stream_kill(struct vsock_stream *stream);

/* Gives the dead back; in the loop's thread. */
void vsock_bury_dead(struct vsock *vsock);

/* Something is to be sent for this stream: SEND_… bits, or 0 for data. */
void vsock_stream_ready(struct vsock_stream *stream, unsigned int pending);

/* A packet of the guest for this stream; `data` is its payload. */
void vsock_stream_packet(struct vsock_stream *stream, const struct virtio_vsock_hdr *header,
	const struct iovec *data, unsigned int count);

/*
 * Fills in the next packet of this stream: the header, and up to `room` bytes of payload read
 * straight into `data`. Returns true when there is a packet.
 */
bool vsock_stream_next_packet(struct vsock_stream *stream, struct virtio_vsock_hdr *header,
	const struct iovec *data, unsigned int count, size_t room);

/* True when vsock_stream_next_packet() may have another one. */
bool vsock_stream_has_work(const struct vsock_stream *stream);

/* The host's side (vsock_host.c). */
int vsock_host_init(struct vsock *vsock, const struct vsock_options *options, struct error *err);
void vsock_host_fini(struct vsock *vsock);

/* Returns an fd that stands for the host's `port`, or -1 when nobody listens there. */
int vsock_host_accept(struct vsock *vsock, uint32_t port);
