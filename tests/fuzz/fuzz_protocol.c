/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a broken agent, or a broken host, sends: bytes in two pieces. Whatever is taken for a
 * message is an object, and its error one line.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/protocol.h"
#include "lib/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Messages until more is needed, or the connection is to be ended. */
static int take_all(int connection, struct protocol_reader *reader)
{
	for (;;) {
		struct protocol_message message = { 0 };
		struct error err = ERROR_INIT;
		int got = protocol_read(connection, reader, &message, &err);

		if (got <= 0) {
			if (got < 0 && (err.errnum == 0 || err.message[0] == '\0'))
				abort();
			return got;
		}
		if (message.json.type != JSON_OBJECT || message.n_bytes > PROTOCOL_BYTES_MAX)
			abort();
		err = ERROR_INIT;
		if (protocol_check_answer(&message, &err) < 0 &&
			(err.errnum <= 0 || err.errnum > 4095 ||
				strpbrk(err.message, "\n\r\033") != NULL))
			abort();
		protocol_message_free(&message);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct protocol_reader reader = { 0 };
	int pair[2];

	if (size < 1 || size > 65536)
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	size_t first = 1 + (size_t)data[0] * (size - 1) / 255;
	int got = 0;
	if (write(pair[1], data + 1, first - 1) == (ssize_t)(first - 1))
		got = take_all(pair[0], &reader);
	if (got == 0 && write(pair[1], data + first, size - first) == (ssize_t)(size - first)) {
		close(pair[1]);
		pair[1] = -1;
		if (take_all(pair[0], &reader) == 0)
			abort();
	}
	protocol_reader_free(&reader);
	close(pair[0]);
	if (pair[1] >= 0)
		close(pair[1]);
	return 0;
}
