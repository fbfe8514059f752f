/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of a control connection to the agent (agent/protocol.h), as a part of an event
 * loop: a monitor serves its guest while it waits for the guest's answer.
 */
#pragma once

#include <stddef.h>

struct client;
struct error;
struct json_writer;
struct loop;
struct protocol_message;

/* Events that the agent sends: "exit", "oom", "log". Called by the loop's thread. */
typedef void (*client_event_function)(
	const char *event, const struct protocol_message *message, void *data);

/* The connection ended without being closed by us: the guest or its agent is gone. */
typedef void (*client_end_function)(void *data);

/* Takes `connection` (a stream socket) over on success. `ret` is given back by client_free(). */
int client_new(struct loop *loop, int connection, client_event_function on_event,
	client_end_function on_end, void *data, struct client **ret, struct error *err);
void client_free(struct client *client);

/*
 * Sends the request in `writer` (protocol_begin(), all but its end written) with `n_bytes` bytes,
 * and runs the loop until its answer is there. `ret` (may be NULL) gets the answer, for
 * protocol_message_free(). Errors: the agent's own; -ETIMEDOUT after `timeout` ms (negative:
 * never); -EPIPE when the guest is gone.
 */
int client_call(struct client *client, struct json_writer *writer, const void *bytes,
	size_t n_bytes, int timeout, struct protocol_message *ret, struct error *err);

/* Why there is no connection any more: -EPIPE, or what the agent sent that was wrong. */
int client_gone(const struct client *client, struct error *err);

/* Sends a request and does not wait: its answer is dropped when it comes. */
int client_post(struct client *client, struct json_writer *writer, struct error *err);
