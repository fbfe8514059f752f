/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process's standard streams between the host and the guest, in a thread of their own: inherited
 * descriptors may be anything, files that epoll(7) refuses, pipes whose reader has stalled; none of
 * them is made non-blocking, and none can hold the monitor up.
 */
#pragma once

struct error;
struct stdio;

#define STDIO_STREAMS 3

/*
 * Starts the thread. `host` are the caller's stdin, stdout and stderr, `guest` the connected
 * streams, both taken over (negative ones are left out). `ret` is given back by stdio_free().
 */
int stdio_start(const int host[STDIO_STREAMS], const int guest[STDIO_STREAMS], struct stdio **ret,
	struct error *err);

/* An fd that becomes readable once all that the guest wrote to stdout and stderr is passed on. */
int stdio_drained_fd(const struct stdio *stdio);

/* Ends the thread, whatever is on its way. */
void stdio_free(struct stdio *stdio);
