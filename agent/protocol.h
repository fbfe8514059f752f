/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host and the agent in the guest say to each other: the one file that both sides read.
 *
 * The agent listens on a vsock port and, once it does, dials the host once with a hello, so that
 * nobody polls. Then the host connects, once for each thing: a *control* connection stands for one
 * process of a container (its first, or an exec'd one) or for a question, a *stream* connection
 * carries the raw bytes of one of a process's stdin, stdout and stderr, so that a reader that
 * stalls one stalls only that one.
 *
 * A message is a header, a JSON object, and perhaps a block of bytes. Requests have an "op"; each
 * is answered by one message, {} or {"errno": N, "error": "one line"}. Events have an "event" and
 * come at any time on the control connection of the process that they are of.
 *
 * Requests, with the members they have and what is answered besides {}:
 *
 *   hello     version; by the agent, on the connection that it dials
 *   open      this connection stands for a process; answer: token
 *   stream    token, fd (0, 1, 2); from the answer on this connection is raw
 *   create    id, bundle, config, exports, notify, image (what is mounted first); bytes: the
 *             compiled seccomp filter, or none. When it is answered the container is at its gate
 *   start     the program is executed when it is answered
 *   exec      id, process, cgroup; bytes as above; the program is executed when it is answered
 *   signal    signal, all, perhaps id: to a container, on a connection without a process
 *   resize    rows, columns
 *   kill      id; when it is answered all are killed, and written data is synced
 *   sync      when it is answered written data is synced
 *   processes id; answer: processes, each with pid, ppid, uid, cpu (ms), command
 *   stats     id; answer: stats (stats.h)
 *   update    id, resources
 *   network   description (net_description.h, as a string), slots (numbers of device slots that
 *             were filled after the boot, or none); the guest's interfaces are as described
 *   clock     seconds, nanoseconds; bytes: entropy. The guest's clock is set, its pool is seeded
 *
 * Events: exit with status (0 to 255, 128 + N by signal N), oom (the container ran out of memory),
 * ready (sd_notify(3), where create asked for it), log with level and message.
 *
 * Both ends check lengths before they allocate, and types before they use a value; a peer that
 * breaks the rules loses its connection, and nothing else.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/json.h"

struct error;
struct json_writer;

#define PROTOCOL_VERSION 1
#define PROTOCOL_AGENT_PORT 1024u	/* where the agent listens */
#define PROTOCOL_HOST_PORT 1024u	/* where the host expects the hello */
#define PROTOCOL_FORWARD_PORT 1025u	/* where the agent takes connections to be forwarded */
#define PROTOCOL_JSON_MAX JSON_MAX_SIZE /* a config.json, and what is around it */
#define PROTOCOL_BYTES_MAX ((size_t)1024 * 1024)

/*
 * A connection to PROTOCOL_FORWARD_PORT is one to the TCP port of the guest that is in the lower 16
 * bits of the host's own port number; `number` tells several apart.
 */
static inline uint32_t protocol_forward_port(uint32_t number, uint16_t port)
{
	return UINT32_C(1) << 31 | (number & 0x3fff) << 16 | port;
}

/* A received message. `arena` owns everything. */
struct protocol_message {
	struct arena arena;
	struct json_value json; /* an object */
	unsigned char *bytes;
	size_t n_bytes;
};

/*
 * A reader of messages from a connection that may give them in any pieces. Memory is taken for what
 * has arrived, not for what was announced.
 */
struct protocol_reader {
	unsigned char *buffer;
	size_t used, room;
};

/*
 * Reads what the connection has (without waiting, where it is non-blocking). Returns 1 with a whole
 * message in `ret`, to be given back with protocol_message_free(); 0 when more is needed (-EAGAIN
 * inside); -EPIPE at the connection's end; -EPROTO for a message that breaks the rules.
 */
int protocol_read(int connection, struct protocol_reader *reader, struct protocol_message *ret,
	struct error *err);
void protocol_reader_free(struct protocol_reader *reader);

/* Waits (poll(2)) at most `timeout` milliseconds (negative: for ever) for a whole message.
 * -ETIMEDOUT. */
int protocol_wait(int connection, struct protocol_reader *reader, int timeout,
	struct protocol_message *ret, struct error *err);

void protocol_message_free(struct protocol_message *message);

/*
 * Sends the writer's document (closed by json_write_end()) and `n_bytes` bytes. Waits where the
 * connection's buffer is full, at most 10 s in all. Never raises SIGPIPE. Closes the writer.
 */
int protocol_send(int connection, struct json_writer *writer, const void *bytes, size_t n_bytes,
	struct error *err);

/*
 * The same as bytes to be sent by somebody who must not wait: *ret_packet is the caller's to
 * free(). Closes the writer.
 */
int protocol_pack(struct json_writer *writer, const void *bytes, size_t n_bytes,
	unsigned char **ret_packet, size_t *ret_length, struct error *err);

/* Opens `writer` with an object that has "op" (or, for events, "event") as its first member. */
int protocol_begin(
	struct json_writer *writer, const char *member, const char *name, struct error *err);

/* Sends the answer {} or, where failure is not NULL, {"errno", "error"}. */
int protocol_answer(int connection, const struct error *failure, struct error *err);

/* 0 for an answer without an error, else err is set to the other side's. */
int protocol_check_answer(const struct protocol_message *message, struct error *err);
