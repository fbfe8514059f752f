/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process of a container as the agent knows it: a container's first one or an exec'd one, its
 * three streams to the host, its end. It exists from "open" on, as long as its control connection.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "lib/pump.h"
#include "runtime/container.h"
#include "runtime/notify.h"

struct error;
struct pollfd;

#define PROCESS_TOKEN 33 /* 32 hexadecimal digits and the NUL */
#define PROCESS_STREAMS 3
#define PROCESS_FDS (2 * PROCESS_STREAMS + 1)

struct guest_process {
	struct guest_process *next;
	char token[PROCESS_TOKEN];
	int control;		      /* the connection's fd, not ours to close */
	int streams[PROCESS_STREAMS]; /* the host's ends until they are pumped, or -EBADF */
	struct pump pumps[PROCESS_STREAMS];
	int terminal;	    /* its master, for its size; or -EBADF */
	bool has_container; /* it is a container's first process */
	struct created_container created;
	struct notify notify; /* what its program says of being ready */
	pid_t pid;	      /* 0: not running */
	int pidfd;
};

/* Makes one for a control connection; NULL and errno. */
struct guest_process *process_new(int control);

/* Finds it by its token, by its pid. */
struct guest_process *process_by_token(const char *token);
struct guest_process *process_by_pid(pid_t pid);

/* The first; `next` leads to the others. */
struct guest_process *process_first(void);

/* Gives it a stream (0 to 2) to the host, which it takes over. -EEXIST, -EINVAL. */
int process_take_stream(struct guest_process *process, int number, int fd);

/* Creates the container `id` up to its gate; `notify`: it has a socket to say when it is ready. */
int process_create(struct guest_process *process, const struct runtime *runtime, const char *id,
	const char *bundle, const char *config, bool notify, const struct seccomp_filter *seccomp,
	struct error *err);

/* Opens the gate: the program is executed when it returns 0. */
int process_start(struct guest_process *process, struct error *err);

/* Executes a further program in the container `id`. */
int process_exec(struct guest_process *process, const struct runtime *runtime, const char *id,
	const struct oci_process *program, const char *cgroup, const struct seccomp_filter *seccomp,
	struct error *err);

int process_signal(struct guest_process *process, int signal, bool all, struct error *err);
int process_resize(struct guest_process *process, unsigned short rows, unsigned short columns,
	struct error *err);

/* Its streams and notify socket, for the loop: PROCESS_FDS entries. */
void process_poll(const struct guest_process *process, struct pollfd *fds);
/* True when it says that it is ready. */
bool process_handle(struct guest_process *process, const struct pollfd *fds);

/* It ended with a wait(2) status: what its container holds in the guest is cleared. */
void process_ended(struct guest_process *process);

/* Ends what runs, and forgets it. */
void process_free(struct guest_process *process);
