/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host process that stands for a process in the guest: its pid, standard streams, signals and
 * exit status are the guest process's. Beside a monitor it shares the monitor's loop; for an exec
 * it is all that there is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;
struct loop;
struct seccomp_filter;
struct stand_in;

/* Opens one more connection to the agent. Returns a stream socket, or a negative errno. */
typedef int (*stand_in_dial)(void *data, struct error *err);

struct stand_in_options {
	struct loop *loop;
	stand_in_dial dial;
	void *data;
	bool terminal; /* fds 0 to 2 are the host's side of a terminal */
	bool notify;   /* the container says when it is ready (runtime/notify.h) */
	int timeout;   /* ms, for each answer of the agent's */
};

/*
 * Connects to the agent, for a process to be. Every signal is blocked from here on: they are the
 * guest process's. `ret` is given back by stand_in_free().
 */
int stand_in_new(const struct stand_in_options *options, struct stand_in **ret, struct error *err);
void stand_in_free(struct stand_in *stand_in);

/* What the agent mounts first. */
enum stand_in_files {
	STAND_IN_EXPORTS = 1 << 0, /* files of the host's */
	STAND_IN_IMAGE = 1 << 1,   /* the root, from a disk */
};

/* The guest's container `id`, up to its start gate; `files`: enum stand_in_files. */
int stand_in_create(struct stand_in *stand_in, const char *id, const char *bundle,
	const char *config, unsigned int files, const struct seccomp_filter *filter,
	struct error *err);

/* Opens its gate: its program is executed when it returns 0. */
int stand_in_start(struct stand_in *stand_in, struct error *err);

/* A further program (a process object as JSON) in the guest's container `id`. */
int stand_in_exec(struct stand_in *stand_in, const char *id, const char *process,
	const char *cgroup, const struct seccomp_filter *filter, struct error *err);

/*
 * Stands in until the program ends and all that it wrote is passed on (bounded). Returns its exit
 * status (128 + N for death by signal N), or a negative errno when the guest is gone;
 * *ret_oom_limit (may be NULL) is 0, or the limit that the guest's container ran out of,
 * UINT64_MAX: its machine's.
 */
int stand_in_run(struct stand_in *stand_in, uint64_t *ret_oom_limit, struct error *err);
