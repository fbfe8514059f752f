/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/control/ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/error.h"
#include "lib/socket.h"
#include "runtime/vm/control/message.h"
#include "runtime/vm/vm.h"

#define ANSWER_WAIT_MS 10000

int control_connect(int dir, struct error *err)
{
	int connection = socket_connect_at(dir, VM_CONTROL, SOCK_SEQPACKET, err);

	return connection < 0 ? error_prefix(err, "reach the container's monitor") : connection;
}

/* Whatever a monitor says is data: its guest may have taken it over. */
static int check_answer(struct control_answer *answer, ssize_t length, struct error *err)
{
	if (length <= 0)
		return error_say(err, EPROTO, "the container's monitor is gone");
	answer->error.message[sizeof(answer->error.message) - 1] = '\0';
	if ((size_t)length >= sizeof(answer->error) && answer->error.errnum != 0)
		return error_say(err, answer->error.errnum, "%s", answer->error.message);
	return (size_t)length == sizeof(*answer)
		? 0
		: error_say(
			  err, EPROTO, "the container's monitor is of another version of caisson");
}

static int receive_answer(int connection, struct control_answer *ret, struct error *err)
{
	struct pollfd wait = { .fd = connection, .events = POLLIN };
	struct control_answer answer = { .error = ERROR_INIT };
	int ready;

	do {
		ready = poll(&wait, 1, ANSWER_WAIT_MS);
	} while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return error_say(err, ETIMEDOUT,
			"the container's monitor did not answer within %d s",
			ANSWER_WAIT_MS / 1000);
	/* MSG_TRUNC: the length that was sent, whatever fits. */
	ssize_t length = recv(connection, &answer, sizeof(answer), MSG_TRUNC);
	int status = check_answer(&answer, length, err);
	if (status == 0)
		*ret = answer;
	return status;
}

int control_ask(int connection, const struct control_request *request, const int *fds, size_t n_fds,
	struct control_answer *ret, struct error *err)
{
	struct control_request versioned = *request;

	versioned.version = CONTROL_VERSION;
	int status = socket_send_fds(connection, &versioned, sizeof(versioned), fds, n_fds, err);
	return status < 0 ? error_prefix(err, "reach the container's monitor")
			  : receive_answer(connection, ret, err);
}
