/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pump.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"

static bool is_socket(int fd)
{
	int type;
	socklen_t length = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) == 0;
}

void pump_open(struct pump *pump, int from, int to)
{
	*pump = (struct pump){
		.from = from, .to = to, .from_socket = is_socket(from), .to_socket = is_socket(to)
	};
}

bool pump_is_open(const struct pump *pump)
{
	return pump->from >= 0 || pump->to >= 0;
}

static bool is_empty(const struct pump *pump)
{
	return pump->start == pump->end;
}

void pump_poll(const struct pump *pump, struct pollfd fds[2])
{
	/* Waiting for nothing on `to` still tells of its end (POLLERR, POLLHUP). */
	fds[0] = (struct pollfd){ .fd = is_empty(pump) ? pump->from : -1, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = pump->to, .events = is_empty(pump) ? 0 : POLLOUT };
}

static void end_from(struct pump *pump)
{
	if (pump->from_socket && pump->from >= 0)
		shutdown(pump->from, SHUT_RD);
	pump->from = close_fd(pump->from);
}

static void end_to(struct pump *pump)
{
	if (pump->to_socket && pump->to >= 0)
		shutdown(pump->to, SHUT_WR);
	pump->to = close_fd(pump->to);
	pump->start = pump->end = 0;
}

static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR;
}

static void fill(struct pump *pump)
{
	if (pump->bytes == NULL)
		pump->bytes = malloc(PUMP_BUFFER);
	ssize_t n = pump->bytes == NULL ? 0 : read(pump->from, pump->bytes, PUMP_BUFFER);
	if (n < 0 && is_passing(errno))
		return;
	if (n <= 0) {
		end_from(pump);
		end_to(pump);
		return;
	}
	pump->start = 0;
	pump->end = (size_t)n;
}

/* A pipe that polls as writable takes PIPE_BUF bytes without blocking (pipe(7)). */
static void flush(struct pump *pump)
{
	size_t length = pump->end - pump->start;
	ssize_t n;

	if (pump->to_socket) {
		n = send(pump->to, pump->bytes + pump->start, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	} else {
		n = write(
			pump->to, pump->bytes + pump->start, length < PIPE_BUF ? length : PIPE_BUF);
	}
	if (n >= 0) {
		pump->start += (size_t)n;
	} else if (!is_passing(errno)) {
		end_to(pump);
		end_from(pump);
	}
}

void pump_handle(struct pump *pump, const struct pollfd fds[2])
{
	if (fds[1].fd >= 0 && pump->to >= 0 && !is_empty(pump) && fds[1].revents != 0)
		flush(pump);
	else if (fds[1].fd >= 0 && pump->to >= 0 && fds[1].revents & (POLLERR | POLLNVAL)) {
		end_to(pump);
		end_from(pump);
	}
	if (fds[0].fd >= 0 && pump->from >= 0 && is_empty(pump) && fds[0].revents != 0)
		fill(pump);
}

void pump_close(struct pump *pump)
{
	end_from(pump);
	end_to(pump);
	free(pump->bytes);
	pump->bytes = NULL;
}
