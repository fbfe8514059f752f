/* SPDX-License-Identifier: Apache-2.0 */
/* What each op of the protocol does. One request at a time; each is answered before the next. */
#pragma once

#include <stdbool.h>

struct error;
struct guest_process;
struct protocol_message;
struct runtime;

struct agent {
	const struct runtime *runtime; /* where the guest's containers are */
};

/* A connection of the host's, as far as operations care. */
struct peer {
	int fd;
	struct guest_process *process; /* "open" makes the connection stand for one */
	bool raw;		       /* it became a stream: its fd is the process's now */
};

/*
 * Carries out a request and answers it. Negative only when the connection is of no use any more; a
 * request that fails is answered with its error.
 */
int operation_run(struct agent *agent, struct peer *peer, const struct protocol_message *request,
	struct error *err);
