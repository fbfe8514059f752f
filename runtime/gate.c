/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/gate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/channel.h"
#include "runtime/state.h"

/* The socket's address through the directory's fd: sun_path is short, a state root's path is not.
 */
static struct sockaddr_un gate_address(int dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/" STATE_GATE, dir);
	return address;
}

int gate_open(int dir, struct error *err)
{
	struct sockaddr_un address = gate_address(dir);
	_cleanup_close_ int gate = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (gate < 0 || bind(gate, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(gate, 1) < 0)
		return error_set(err, errno, "make the container's start gate");
	return take_fd(&gate);
}

int gate_wait(int gate, struct error *err)
{
	for (;;) {
		struct channel_message message;
		_cleanup_close_ int connection = accept4(gate, NULL, NULL, SOCK_CLOEXEC);

		if (connection < 0) {
			if (errno == EINTR)
				continue;
			return error_set(err, errno, "wait at the start gate");
		}
		/* A starter that was killed before it said the word did not start anything. */
		if (channel_receive(connection, &message, NULL) == 1 && message.type == CHANNEL_GO)
			return take_fd(&connection);
	}
}

void gate_report(int connection, const struct error *failure)
{
	channel_send(connection, CHANNEL_ERROR, failure->errnum, failure->message, -EBADF);
}

int gate_pass_channel(int channel, struct error *err)
{
	struct channel_message message;
	int got = channel_send(channel, CHANNEL_GO, 0, NULL, -EBADF);

	if (got == -EPIPE || got == -ECONNRESET)
		return error_say(err, ESRCH, "container not running: its process has ended");
	if (got < 0)
		return error_set(err, -got, "open the start gate");
	while ((got = channel_receive(channel, &message, NULL)) == 1) {
		if (message.type == CHANNEL_ERROR)
			return error_say(err, message.value, "%s", message.text);
		if (message.type == CHANNEL_LOG)
			log_line((enum log_level)message.value, "%s", message.text);
	}
	return got < 0 ? error_set(err, -got, "wait for the container's program") : 0;
}

int gate_pass(int dir, struct error *err)
{
	struct sockaddr_un address = gate_address(dir);
	_cleanup_close_ int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (connection < 0)
		return error_set(err, errno, "open the start gate");
	if (connect(connection, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "reach the container's start gate");
	/* From now on the container counts as started: the gate's name is its mark. */
	if (unlinkat(dir, STATE_GATE, 0) < 0)
		return error_set(err, errno, "open the start gate");
	return gate_pass_channel(connection, err);
}
