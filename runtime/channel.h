/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container's first process and its creator say to each other until the container is
 * created: short messages of fixed size over a SOCK_SEQPACKET pair, some with a descriptor. The
 * first process becomes untrusted only after its end of the channel is closed.
 */
#pragma once

#include <sys/types.h>

#include "lib/error.h"
#include "lib/log.h"

enum channel_type {
	/* from the new process */
	CHANNEL_LOG,   /* value: the level; text */
	CHANNEL_ERROR, /* value: the errno; text. The last message. */
	CHANNEL_MAP,   /* a new user namespace waits for its mappings; answered by CHANNEL_GO */
	CHANNEL_PID, /* value: the real process, made by an intermediate one; answered by CHANNEL_GO
		      */
	CHANNEL_HOOKS,	  /* namespaces are there: runtime hooks; answered by CHANNEL_GO */
	CHANNEL_TERMINAL, /* with the terminal's master */
	CHANNEL_LISTENER, /* value: the fd number that the seccomp listener is going to have */
	CHANNEL_READY,	  /* at the gate; answered by CHANNEL_GO once the state is recorded */
	/* from the creator */
	CHANNEL_GO,
};

struct channel_message {
	int type;
	int value;
	char text[ERROR_MESSAGE_MAX];
};

/* Makes the pair: ends[0] is the creator's. */
int channel_open(int ends[2], struct error *err);

/* Sends a message; text may be NULL, fd negative. -EPIPE when the other end is gone; no SIGPIPE. */
int channel_send(int end, enum channel_type type, int value, const char *text, int fd);

/*
 * Receives a message. *ret_fd (may be NULL) gets its descriptor, or -EBADF. Returns 1; 0 when the
 * other end is closed; a negative errno.
 */
int channel_receive(int end, struct channel_message *ret, int *ret_fd);

/* Receives until CHANNEL_GO. -EPIPE when the creator is gone. */
int channel_wait_go(int end, struct error *err);

/* The log sink that sends lines over a channel; `data` points to the end's fd. */
void channel_log(enum log_level level, const char *message, void *data);
