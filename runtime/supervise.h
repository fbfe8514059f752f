/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standing in front of a process in the foreground (`run`, `exec`): its terminal is the caller's,
 * signals to the caller are signals to it, its end is the caller's.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

struct error;
struct notify;

struct supervision {
	pid_t pid; /* a child of the caller's */
	int pidfd;
	int terminal;	       /* its terminal's master, or -EBADF; becomes supervise()'s */
	struct notify *notify; /* NULL: none */
	bool killed;	       /* supervise() says: it died by SIGKILL itself */
};

/*
 * Blocks every signal that supervise() forwards, so that none is lost between the making of the
 * process and the loop. To be called before the process is made, which unblocks them for itself.
 * `ret_before` gets the old mask.
 */
void supervise_block_signals(sigset_t *ret_before);

/*
 * Waits for the process, forwarding signals and terminal; reaps what else becomes a child of the
 * caller's. Returns the process's exit status, 128 + N for death by signal N, or a negative errno.
 */
int supervise(struct supervision *supervision, struct error *err);
