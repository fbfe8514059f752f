/* SPDX-License-Identifier: Apache-2.0 */
/* The other side of the control socket: one request to a container's monitor, and its answer. */
#pragma once

#include <stddef.h>

struct control_answer;
struct control_request;
struct error;

/* Connects to the monitor whose container has the state directory `dir`. Returns the socket. */
int control_connect(int dir, struct error *err);

/*
 * Sends `request` (all but its version) with `n_fds` descriptors, which stay the caller's, and
 * waits for the answer, 10 s at most. *ret is set on success only: what the monitor could not do is
 * an error here. A connection is good for several requests.
 */
int control_ask(int connection, const struct control_request *request, const int *fds, size_t n_fds,
	struct control_answer *ret, struct error *err);
