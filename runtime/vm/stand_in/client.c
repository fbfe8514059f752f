/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/stand_in/client.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "agent/protocol.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "runtime/vm/monitor/loop.h"

struct client {
	struct loop *loop;
	struct loop_source *source, *timer;
	int connection;
	struct protocol_reader reader;
	client_event_function on_event;
	client_end_function on_end;
	void *data;
	unsigned char *out; /* what has not been sent yet */
	size_t out_sent, out_length;
	/* Answers that nobody waits for: those that come before the call's, and behind it. */
	unsigned int dropped, dropped_later;
	bool waiting, answered, timed_out;
	struct error lost; /* what the agent did wrong, where its connection was ended for that */
	struct protocol_message answer;
};

static void end_connection(struct client *client)
{
	loop_remove(client->source);
	client->source = NULL;
	client->connection = close_fd(client->connection);
	if (client->waiting)
		loop_stop(client->loop);
	else if (client->on_end != NULL)
		client->on_end(client->data);
}

static void take(struct client *client, struct protocol_message *message)
{
	const char *event = json_string(json_get(&message->json, "event"));

	if (event != NULL) {
		client->on_event(event, message, client->data);
	} else if (client->dropped > 0) {
		client->dropped--;
	} else if (client->waiting && !client->answered) {
		client->answer = *message;
		client->answered = true;
		loop_stop(client->loop);
		return;
	} else if (client->dropped_later > 0) {
		client->dropped_later--;
	}
	protocol_message_free(message);
}

/* Sends what the connection takes now; the rest goes when it can. False: the connection is gone. */
static bool flush(struct client *client)
{
	while (client->out_sent < client->out_length) {
		ssize_t n = send(client->connection, client->out + client->out_sent,
			client->out_length - client->out_sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			loop_modify(client->source, EPOLLIN | EPOLLOUT);
			return true;
		}
		if (n < 0 && errno != EINTR)
			return false;
		client->out_sent += n > 0 ? (size_t)n : 0;
	}
	client->out_sent = client->out_length = 0;
	loop_modify(client->source, EPOLLIN);
	return true;
}

int client_gone(const struct client *client, struct error *err)
{
	if (client->lost.errnum != 0)
		return error_say(err, client->lost.errnum, "the guest's agent is gone: %s",
			client->lost.message);
	return error_say(err, EPIPE, "the guest's agent is gone");
}

/* Queues a message: requests may be posted faster than a busy guest reads them. */
static int enqueue(struct client *client, struct json_writer *writer, const void *bytes,
	size_t n_bytes, struct error *err)
{
	_cleanup_free_ unsigned char *packet = NULL;
	size_t length;
	int status;

	json_write_end(writer);
	status = protocol_pack(writer, bytes, n_bytes, &packet, &length, err);
	if (status < 0)
		return status;
	if (client->connection < 0)
		return client_gone(client, err);
	unsigned char *larger = realloc(client->out, client->out_length + length);
	if (larger == NULL)
		return error_set(err, ENOMEM, "talk to the guest's agent");
	client->out = larger;
	memcpy(client->out + client->out_length, packet, length);
	client->out_length += length;
	return flush(client) ? 0 : error_set(err, errno, "talk to the guest's agent");
}

static void on_ready(uint32_t events, void *data)
{
	struct client *client = data;
	struct error err = ERROR_INIT;

	if (events & EPOLLOUT && !flush(client)) {
		end_connection(client);
		return;
	}
	while (client->connection >= 0) {
		struct protocol_message message;
		int got = protocol_read(client->connection, &client->reader, &message, &err);

		if (got == 0)
			return;
		if (got < 0) {
			if (got != -EPIPE && got != -ECONNRESET)
				client->lost = err;
			end_connection(client);
			return;
		}
		take(client, &message);
	}
}

static void on_timeout(void *data)
{
	struct client *client = data;

	client->timed_out = true;
	if (client->waiting)
		loop_stop(client->loop);
}

int client_new(struct loop *loop, int connection, client_event_function on_event,
	client_end_function on_end, void *data, struct client **ret, struct error *err)
{
	struct client *client = calloc(1, sizeof(*client));

	if (client == NULL)
		return error_set(err, ENOMEM, "talk to the guest's agent");
	client->loop = loop;
	client->connection = -EBADF;
	client->on_event = on_event;
	client->on_end = on_end;
	client->data = data;
	int status = loop_add_timer(loop, on_timeout, client, &client->timer, err);
	if (status == 0)
		status = loop_add(
			loop, connection, EPOLLIN, on_ready, client, &client->source, err);
	if (status < 0) {
		client_free(client);
		return status;
	}
	client->connection = connection;
	*ret = client;
	return 0;
}

void client_free(struct client *client)
{
	if (client == NULL)
		return;
	loop_remove(client->source);
	loop_remove(client->timer);
	close_fd(client->connection);
	protocol_reader_free(&client->reader);
	free(client->out);
	free(client);
}

static int wait_for_answer(struct client *client, int timeout, struct error *err)
{
	client->answered = client->timed_out = false;
	if (timeout >= 0)
		loop_set_timer(client->timer, (uint64_t)timeout * 1000000);
	while (!client->answered && !client->timed_out && client->connection >= 0) {
		int status = loop_run(client->loop, err);

		if (status < 0)
			return status;
		if (client->answered || client->timed_out)
			break;
		/* Whoever else stopped the loop has its reason: the guest has ended. */
		if (client->connection >= 0)
			return error_say(err, ECANCELED, "the guest ended");
	}
	loop_set_timer(client->timer, 0);
	if (client->answered)
		return 0;
	if (client->timed_out)
		return error_say(err, ETIMEDOUT, "the guest's agent did not answer within %d s",
			timeout / 1000);
	return client_gone(client, err);
}

int client_call(struct client *client, struct json_writer *writer, const void *bytes,
	size_t n_bytes, int timeout, struct protocol_message *ret, struct error *err)
{
	int status = enqueue(client, writer, bytes, n_bytes, err);
	if (status < 0)
		return status;
	client->waiting = true;
	status = wait_for_answer(client, timeout, err);
	client->waiting = false;
	/* One that comes too late is not the next request's. */
	client->dropped += client->dropped_later + !client->answered;
	client->dropped_later = 0;
	if (status < 0)
		return status;
	status = protocol_check_answer(&client->answer, err);
	if (status < 0 || ret == NULL)
		protocol_message_free(&client->answer);
	else
		*ret = client->answer;
	return status;
}

int client_post(struct client *client, struct json_writer *writer, struct error *err)
{
	int status = enqueue(client, writer, NULL, 0, err);
	if (status == 0 && client->waiting)
		client->dropped_later++;
	else if (status == 0)
		client->dropped++;
	return status;
}
