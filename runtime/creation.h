/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A creation under way, shared by the files that make it: create.c (the order of things) and
 * creation.c (the conversation with the new process).
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/container.h"
#include "runtime/init.h"

struct creation {
	struct container *container;
	struct container_init init;
	struct cgroup_request request;
	struct oci_resources host_resources; /* where the isolation has its own limits */
	struct cgroup_location cgroup;
	char cgroup_mark[STATE_CGROUP_MARK_SIZE];
	bool recorded; /* the state directory is there */
	int cgroup_fd;
	bool staged; /* the state with the process in it is written, and only to be put in place */
};

/* Identifies the process that was made, and stages the state that is published with it. */
int creation_stage(struct creation *creation, struct error *err);

/*
 * Answers what the new process asks for until it is at its gate: mappings, hooks, the terminal, the
 * seccomp listener. On failure the error is the new process's own, or says why it ended.
 */
int creation_converse(struct creation *creation, struct error *err);

/*
 * After a step of the creator's failed with `status`: when the new process has said what it failed
 * of, that is the error, and the step's its consequence (its control group goes when it ends).
 */
int creation_own_error(struct creation *creation, int status, struct error *err);

/* Lets the process go on to its gate; when it has ended, the error says why. */
int creation_let_go(struct creation *creation, struct error *err);
