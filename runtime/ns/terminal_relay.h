/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The caller's own terminal in front of a container's: raw mode, data both ways, window size;
 * restored on any exit. A part of an event loop: it names what it waits for, and is told what came.
 */
#pragma once

#include <poll.h>

struct error;

#define TERMINAL_RELAY_FDS 3 /* at most */

struct terminal_relay {
	int master;
};

/* Takes `master` over. The caller's stdin need not be a terminal. */
int terminal_relay_open(struct terminal_relay *relay, int master, struct error *err);

/* Passes the caller's window size on (SIGWINCH). */
void terminal_relay_resize(struct terminal_relay *relay);

/* Fills in what to poll(2) for; returns how many. */
int terminal_relay_poll(struct terminal_relay *relay, struct pollfd *fds);

/* Moves the data that can be moved. `fds` as terminal_relay_poll() left them, with revents. */
void terminal_relay_handle(struct terminal_relay *relay, struct pollfd *fds);

/* Passes on what the program wrote last, restores the caller's terminal, closes the master. */
void terminal_relay_close(struct terminal_relay *relay);
