/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A creation under way, shared by the files that make it: create.c (the order of things),
 * creation.c (the conversation with the new process) and exec.c (which publishes a process the same
 * way).
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/container.h"
#include "runtime/init.h"

/* A process that announced its seccomp listener loads it at once. */
#define LISTENER_WAIT_MS 10000

struct creation {
	struct container *container;
	struct container_init init;
	struct cgroup_request request;
	struct oci_resources host_resources; /* where the isolation has its own limits */
	struct cgroup_location cgroup;
	bool recorded; /* the state directory is there */
	int cgroup_fd;
	int console_socket;
	pid_t pid;
	bool staged; /* the state with the process in it is written, and only to be put in place */
	int pidfd;
	int terminal; /* master, where the caller wants it */
};

/* Identifies the process that was made, and stages the state that is published with it. */
int creation_stage(struct creation *creation, struct error *err);

/*
 * Answers what the new process asks for until it is at its gate: mappings, hooks, the terminal, the
 * seccomp listener. On failure the error is the new process's own, or says why it ended.
 */
int creation_converse(struct creation *creation, struct error *err);

/* Writes the pid, and nothing else, to a file of the caller's. */
int write_pid_file(const char *path, pid_t pid, struct error *err);

/* Sends a pidfd over the Unix socket at `path`. */
int send_pidfd(const char *path, int pidfd, struct error *err);

/* Kills a child of ours that was not waited for (its pid is nobody else's until then), and waits.
 */
void child_end(pid_t pid);
