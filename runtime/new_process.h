/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that was made for a container and is not the user's program yet, as its maker sees it:
 * a container's first one (create.c) or a further one (exec.c). Both speak over a channel, ask for
 * the same things, and are made known in the same way.
 */
#pragma once

#include <sys/types.h>

#include "config/oci.h"
#include "lib/error.h"
#include "runtime/channel.h"
#include "runtime/state.h"

struct new_process {
	pid_t pid; /* 0: not made yet; else a child of the maker's */
	int pidfd;
	int channel[2];	    /* [0] the maker's end, [1] the new process's */
	int console_socket; /* connected; -EBADF: the maker keeps the terminal */
	int terminal;	    /* the master that was kept, or -EBADF */
	bool refused;	    /* it said what it failed at */
	/* What a seccomp agent is told (config-linux.md, "Container process state") */
	const struct state *state;
	enum container_status status;
	const struct oci_seccomp *seccomp;
};

#define NEW_PROCESS_INIT                                                                  \
	{                                                                                 \
		.pidfd = -EBADF, .channel = { -EBADF, -EBADF }, .console_socket = -EBADF, \
		.terminal = -EBADF,                                                       \
	}

/* Connects to the socket that the terminal's master is to go to; none when `path` is NULL. */
int new_process_connect_console(struct new_process *process, const char *path, struct error *err);

/*
 * Does what a message of the new process asks for: passes on a log line, takes the real process
 * after an intermediate one, the terminal (from *fd), the seccomp listener. CHANNEL_ERROR becomes
 * the error that is returned. Does nothing for messages that are not the same for both kinds.
 */
int new_process_answer(struct new_process *process, const struct channel_message *message, int *fd,
	struct error *err);

/* Writes the pid file and sends the pidfd, where a path (else NULL) is given. */
int new_process_publish(const struct new_process *process, const char *pid_file,
	const char *pidfd_socket, struct error *err);

/* Lets the process go on (CHANNEL_GO); -EPIPE with no error set when it has ended. */
int new_process_let_go(const struct new_process *process, struct error *err);

/*
 * Kills it and waits for it, if it was made: it was not waited for before, so that its pid is
 * nobody else's.
 */
void new_process_end(const struct new_process *process);

/* Closes all descriptors. */
void new_process_close(struct new_process *process);
