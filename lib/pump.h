/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of bytes between two descriptors, as a part of somebody's event loop: nothing is
 * read before what was read is written (backpressure). Neither descriptor need be non-blocking:
 * they are touched only when poll(2) says so, and written in pieces that do not block.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

#define PUMP_BUFFER 32768

struct pump {
	int from, to;		     /* the pump's own, -EBADF: ended */
	bool from_socket, to_socket; /* shut down rather than only closed */
	size_t start, end;
	unsigned char *bytes; /* PUMP_BUFFER, taken on first use */
};

/*
 * Takes `from` and `to` over. When `from` ends, what is left is written, then `to` is closed; when
 * `to` is gone (EPIPE), `from` is closed, so that who writes there learns of it.
 */
void pump_open(struct pump *pump, int from, int to);

/* False once both ends are closed. */
bool pump_is_open(const struct pump *pump);

/* What to wait for: fds[0] is of `from`, fds[1] of `to`; an fd of which nothing is wanted is -1. */
void pump_poll(const struct pump *pump, struct pollfd fds[2]);

/* Moves what can be moved; fds as pump_poll() left them, with revents. */
void pump_handle(struct pump *pump, const struct pollfd fds[2]);

/* Closes both ends and gives the buffer back. May be called twice. */
void pump_close(struct pump *pump);
