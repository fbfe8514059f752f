/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's own terminal in front of a container's (`run` and `exec` with a terminal and without
 * a console socket): raw mode, window size, and the bytes in both directions. A part of somebody
 * else's event loop, without a loop of its own; only a socket or a file as standard output may keep
 * it waiting. It works on the process's standard
 * input and output, whatever they are; one per process, as the terminal is.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>

struct error;

#define TERMINAL_RELAY_FDS 3
#define TERMINAL_RELAY_BUFFER 4096

/* Bytes on their way in one direction: nothing is read before they are gone (backpressure). */
struct terminal_stream {
	size_t start, end;
	char bytes[TERMINAL_RELAY_BUFFER];
};

struct terminal_relay {
	int master;	    /* negative: the container's terminal has ended */
	int input, output;  /* the caller's; negative: ended. */
	bool line_complete; /* what was last written to the container ended a line */
	struct terminal_stream in, out;
};

/*
 * Takes over `master` (also on failure), puts the caller's terminal into raw mode where standard
 * input is one, and gives the container's terminal its size. Until terminal_relay_close() the
 * terminal is restored by exit(3) and by signals that would kill the process, and SIGPIPE is
 * ignored. Inherited descriptors keep their flags.
 */
int terminal_relay_open(struct terminal_relay *relay, int master, struct error *err);

/* Fills TERMINAL_RELAY_FDS entries for poll(2), and returns how many that is. */
int terminal_relay_poll(const struct terminal_relay *relay, struct pollfd *fds);

/*
 * Moves what can be moved after poll(2) filled in `fds`. When standard input ends and the container
 * reads lines, it gets its end-of-file character. When standard output is gone (EPIPE), what the
 * container writes is dropped, so that it goes on.
 */
void terminal_relay_handle(struct terminal_relay *relay, const struct pollfd *fds);

/* Gives the container's terminal the size of the caller's: for SIGWINCH. */
void terminal_relay_resize(const struct terminal_relay *relay);

/*
 * Passes on what the container wrote last (for at most 2 seconds), restores the caller's terminal
 * and closes the master. May be called twice.
 */
void terminal_relay_close(struct terminal_relay *relay);
