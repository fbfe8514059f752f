/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/protocol.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"

#define READ_CHUNK 65536
#define SEND_WAIT_MS 10000

struct header {
	uint32_t json_length; /* little endian, both */
	uint32_t n_bytes;
};

static int check_header(const struct protocol_reader *reader, size_t *ret_json, size_t *ret_bytes)
{
	struct header header;

	memcpy(&header, reader->buffer, sizeof(header));
	*ret_json = le32toh(header.json_length);
	*ret_bytes = le32toh(header.n_bytes);
	return *ret_json == 0 || *ret_json > PROTOCOL_JSON_MAX || *ret_bytes > PROTOCOL_BYTES_MAX
		? -EPROTO
		: 0;
}

/* Takes a whole message off the buffer, if one is there. */
static int take_message(
	struct protocol_reader *reader, struct protocol_message *ret, struct error *err)
{
	struct protocol_message message = { 0 };
	size_t json_length, n_bytes;

	if (reader->used < sizeof(struct header))
		return 0;
	if (check_header(reader, &json_length, &n_bytes) < 0)
		return error_say(err, EPROTO, "a message of impossible size");
	size_t whole = sizeof(struct header) + json_length + n_bytes;
	if (reader->used < whole)
		return 0;

	const char *json = (const char *)reader->buffer + sizeof(struct header);
	int status = json_parse(json, json_length, &message.arena, &message.json, err);
	if (status == 0 && message.json.type != JSON_OBJECT)
		status = error_say(err, EPROTO, "a message that is no object");
	if (status == 0 && n_bytes > 0) {
		message.bytes = arena_alloc(&message.arena, n_bytes, 1);
		message.n_bytes = n_bytes;
		if (message.bytes == NULL)
			status = error_set(err, ENOMEM, "read a message");
		else
			memcpy(message.bytes, json + json_length, n_bytes);
	}
	if (status < 0) {
		arena_free(&message.arena);
		return status == -ENOMEM ? status : -EPROTO;
	}
	reader->used -= whole;
	memmove(reader->buffer, reader->buffer + whole, reader->used);
	*ret = message;
	return 1;
}

static int make_room(struct protocol_reader *reader)
{
	if (reader->room - reader->used >= READ_CHUNK)
		return 0;
	size_t room = reader->used + 2 * (size_t)READ_CHUNK;
	unsigned char *larger = realloc(reader->buffer, room);
	if (larger == NULL)
		return -ENOMEM;
	reader->buffer = larger;
	reader->room = room;
	return 0;
}

int protocol_read(int connection, struct protocol_reader *reader, struct protocol_message *ret,
	struct error *err)
{
	for (;;) {
		int got = take_message(reader, ret, err);
		if (got != 0)
			return got;
		if (make_room(reader) < 0)
			return error_set(err, ENOMEM, "read a message");
		ssize_t n = recv(connection, reader->buffer + reader->used, READ_CHUNK, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return error_set(err, errno, "read a message");
		if (n == 0)
			return error_say(err, EPIPE, "the other side closed the connection");
		reader->used += (size_t)n;
	}
}

void protocol_reader_free(struct protocol_reader *reader)
{
	free(reader->buffer);
	*reader = (struct protocol_reader){ 0 };
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Polls for `events` until `deadline` (ms, negative: none). */
static int wait_for(int connection, short events, int64_t deadline)
{
	struct pollfd fd = { .fd = connection, .events = events };

	for (;;) {
		int64_t left = deadline < 0 ? -1 : deadline - now_ms();
		int ready = poll(&fd, 1, deadline >= 0 && left < 0 ? 0 : (int)left);

		if (ready > 0)
			return 0;
		if (ready == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

int protocol_wait(int connection, struct protocol_reader *reader, int timeout,
	struct protocol_message *ret, struct error *err)
{
	int64_t deadline = timeout < 0 ? -1 : now_ms() + timeout;

	for (;;) {
		int got = take_message(reader, ret, err);
		if (got != 0)
			return got < 0 ? got : 0;
		int status = wait_for(connection, POLLIN, deadline);
		if (status == -ETIMEDOUT)
			return error_say(err, ETIMEDOUT, "no answer within %d ms", timeout);
		if (status < 0)
			return error_set(err, -status, "wait for a message");
		if (make_room(reader) < 0)
			return error_set(err, ENOMEM, "read a message");
		ssize_t n = recv(
			connection, reader->buffer + reader->used, READ_CHUNK, MSG_DONTWAIT);
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return error_set(err, errno, "read a message");
		if (n == 0)
			return error_say(err, EPIPE, "the other side closed the connection");
		if (n > 0)
			reader->used += (size_t)n;
	}
}

void protocol_message_free(struct protocol_message *message)
{
	arena_free(&message->arena);
	*message = (struct protocol_message){ 0 };
}

static int send_all(int connection, const unsigned char *packet, size_t length, struct error *err)
{
	int64_t deadline = now_ms() + SEND_WAIT_MS;

	while (length > 0) {
		ssize_t n = send(connection, packet, length, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			int status = wait_for(connection, POLLOUT, deadline);
			if (status < 0)
				return error_set(err, -status, "send a message");
			continue;
		}
		if (n < 0 && errno != EINTR)
			return error_set(err, errno, "send a message");
		if (n > 0) {
			packet += n;
			length -= (size_t)n;
		}
	}
	return 0;
}

static int pack(const char *text, size_t length, const void *bytes, size_t n_bytes,
	unsigned char **ret_packet, size_t *ret_length, struct error *err)
{
	struct header header = { .json_length = htole32((uint32_t)length),
		.n_bytes = htole32((uint32_t)n_bytes) };

	if (length > PROTOCOL_JSON_MAX || n_bytes > PROTOCOL_BYTES_MAX)
		return error_say(err, EMSGSIZE, "a message is too large for the agent");
	unsigned char *packet = malloc(sizeof(header) + length + n_bytes);
	if (packet == NULL)
		return error_set(err, ENOMEM, "send a message");
	memcpy(packet, &header, sizeof(header));
	memcpy(packet + sizeof(header), text, length);
	if (n_bytes > 0)
		memcpy(packet + sizeof(header) + length, bytes, n_bytes);
	*ret_packet = packet;
	*ret_length = sizeof(header) + length + n_bytes;
	return 0;
}

int protocol_pack(struct json_writer *writer, const void *bytes, size_t n_bytes,
	unsigned char **ret_packet, size_t *ret_length, struct error *err)
{
	const char *text;
	size_t length;
	int status = json_writer_text(writer, &text, &length, err);

	if (status == 0)
		status = pack(text, length, bytes, n_bytes, ret_packet, ret_length, err);
	json_writer_close(writer);
	return status;
}

int protocol_send(int connection, struct json_writer *writer, const void *bytes, size_t n_bytes,
	struct error *err)
{
	_cleanup_free_ unsigned char *packet = NULL;
	size_t length = 0;
	int status = protocol_pack(writer, bytes, n_bytes, &packet, &length, err);

	return status < 0 ? status : send_all(connection, packet, length, err);
}

int protocol_begin(
	struct json_writer *writer, const char *member, const char *name, struct error *err)
{
	int status = json_writer_open(writer, false, err);

	if (status < 0)
		return status;
	json_write_object(writer);
	json_write_string_member(writer, member, name);
	return 0;
}

int protocol_answer(int connection, const struct error *failure, struct error *err)
{
	struct json_writer writer = { 0 };
	int status = json_writer_open(&writer, false, err);

	if (status < 0)
		return status;
	json_write_object(&writer);
	if (failure != NULL) {
		json_write_int_member(&writer, "errno", failure->errnum);
		json_write_string_member(&writer, "error", failure->message);
	}
	json_write_end(&writer);
	return protocol_send(connection, &writer, NULL, 0, err);
}

int protocol_check_answer(const struct protocol_message *message, struct error *err)
{
	const char *text = json_string(json_get(&message->json, "error"));
	int64_t number;

	if (text == NULL)
		return 0;
	if (json_int64(json_get(&message->json, "errno"), &number) < 0 || number <= 0 ||
		number > 4095)
		number = EPROTO;
	return error_say(err, (int)number, "%s", text);
}
