/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/vm.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/protocol.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/json_write.h"
#include "lib/socket.h"
#include "runtime/container.h"

#define ANSWER_MAX 64

/* Reads the one line that answers "CONNECT", byte by byte: what is behind it is the stream's. */
static int read_answer(int connection, int timeout, char *line, struct error *err)
{
	struct pollfd fd = { .fd = connection, .events = POLLIN };

	for (size_t length = 0; length < ANSWER_MAX - 1;) {
		if (poll(&fd, 1, timeout) == 0)
			return error_say(err, ETIMEDOUT,
				"the container's monitor did not answer within %d s",
				timeout / 1000);
		ssize_t n = read(connection, line + length, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_say(err, ECONNREFUSED, "the guest's agent is gone");
		if (line[length] == '\n') {
			line[length] = '\0';
			return 0;
		}
		length++;
	}
	return error_say(err, EPROTO, "the container's monitor answered with too long a line");
}

int vm_connect(int dir, int timeout, struct error *err)
{
	char line[ANSWER_MAX];
	int length = snprintf(line, sizeof(line), "CONNECT %u\n", PROTOCOL_AGENT_PORT);
	_cleanup_close_ int connection = socket_connect_at(dir, VM_SOCKET, SOCK_STREAM, err);

	if (connection < 0)
		return error_prefix(err, "reach the container's monitor");
	int status = write_all(connection, line, (size_t)length);
	if (status < 0)
		return error_set(err, -status, "reach the container's monitor");
	status = read_answer(connection, timeout, line, err);
	if (status < 0)
		return status;
	if (strncmp(line, "OK ", 3) != 0)
		return error_say(err, EPROTO, "the container's monitor answered %s", line);
	return take_fd(&connection);
}

int vm_request(struct container *container, struct json_writer *writer, const void *bytes,
	size_t n_bytes, int timeout, struct protocol_message *ret, struct error *err)
{
	_cleanup_(protocol_reader_free) struct protocol_reader reader = { 0 };
	struct protocol_message answer;
	_cleanup_close_ int connection = vm_connect(container->dir, timeout, err);

	if (connection < 0) {
		json_writer_close(writer);
		return connection;
	}
	json_write_end(writer);
	int status = protocol_send(connection, writer, bytes, n_bytes, err);
	if (status == 0)
		status = protocol_wait(connection, &reader, timeout, &answer, err);
	if (status < 0)
		return error_prefix(err, "the guest's agent");
	status = protocol_check_answer(&answer, err);
	if (status < 0)
		protocol_message_free(&answer);
	else
		*ret = answer;
	return status;
}
