/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is remembered of a container between two commands: a directory per container below the state
 * root, with state.json (replaced atomically), config.json as it was when the container was
 * created, and the start gate's socket. The directory is locked (flock(2)) by whoever changes the
 * container; readers never wait for that lock.
 *
 * What can be derived is not stored: the status comes from the process, the gate and the cgroup.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/arena.h"
#include "runtime/cgroup/cgroup.h"

struct error;
struct key_value_list;
struct runtime;

#define CONTAINER_ID_MAX 128 /* longer than any caller's; a directory's name and a cgroup's */
#define STATE_GATE "start"   /* the gate's socket, there until the container was started */
#define STATE_CONFIG "config.json"
#define STATE_NOTIFY "notify" /* the directory that the container sees as /run/notify */

enum container_status {
	CONTAINER_CREATING,
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_STOPPED,
};

/* A process that cannot be mistaken for a later one of the same pid. */
struct process_identity {
	pid_t pid;		       /* 0: none */
	unsigned long long start_time; /* field 22 of proc_pid_stat(5), clock ticks */
};

struct state {
	struct arena arena; /* owns the strings */
	char *id;
	char *bundle;
	char *created; /* RFC 3339, UTC */
	const char *isolation;
	struct process_identity init; /* pid 0 until the container is created */
	struct process_identity creator;
	uid_t owner;		       /* who created it */
	struct cgroup_location cgroup; /* manager, path … */
	char *rdt_group;	       /* a resctrl group that was made for it, or NULL */
	bool notify;		       /* sd_notify(3) messages are passed on from the container */
	struct key_value_list *annotations;
};

/* Checks an id: what runc accepts ([A-Za-z0-9+._-], not "." or ".."), at most CONTAINER_ID_MAX
 * bytes. */
int state_check_id(const char *id, struct error *err);

/*
 * Makes the container's directory and locks it. Returns its fd, which holds the lock until it
 * is closed. -EEXIST where there is a container of that id.
 */
int state_make(const struct runtime *runtime, const char *id, struct error *err);

/* Opens the container's directory. -ENOENT with "container ID does not exist". */
int state_open(const struct runtime *runtime, const char *id, struct error *err);

/*
 * Locks an open directory, waiting a bounded time. -EBUSY naming the command to wait for; -ENOENT
 * where the container was deleted meanwhile.
 */
int state_lock(int dir, const char *id, struct error *err);

/* Locks without waiting: 0, or -EWOULDBLOCK. */
int state_try_lock(int dir);

/* Lets others lock it, while the directory stays open. */
void state_unlock(int dir);

/* Writes state.json. */
int state_write(int dir, const struct state *state, struct error *err);

/* The same in two steps (stage_file(), commit_file()): the first while there is time. */
int state_stage(int dir, const struct state *state, struct error *err);
int state_commit(int dir, struct error *err);

/*
 * Reads state.json. Where a creation was killed before it wrote one, `ret` is empty but for
 * the id: such a container can be deleted. -ENOTEMPTY for what is no container's directory.
 */
int state_read(int dir, const char *id, struct state *ret, struct error *err);

/* The state of a container of which nothing is known but its id. */
int state_read_nothing(const char *id, struct state *ret, struct error *err);

/*
 * What the container's cgroup is marked with while it is created: no other container's is the same.
 */
#define STATE_CGROUP_MARK_SIZE (CONTAINER_ID_MAX + 96)
void state_cgroup_mark(const struct state *state, char ret[static STATE_CGROUP_MARK_SIZE]);

/* Copies a cgroup's location; the path is NULL where memory is short. */
void state_set_cgroup(struct state *state, const struct cgroup_location *location);

void state_free(struct state *state);

/*
 * Removes the container's directory below the state root, state.json last, so that a removal that
 * is killed can be repeated.
 */
int state_remove(const struct runtime *runtime, const char *id, int dir, struct error *err);

/* The status now. `dir` is the container's directory. */
enum container_status state_status(int dir, const struct state *state);

/* The same where the first process is known to be alive. */
enum container_status state_status_alive(int dir, const struct state *state);

/* "creating", "created", "running", "paused", "stopped". */
const char *container_status_name(enum container_status status);

/* Fills in the identity of a process that exists. */
int process_identify(pid_t pid, struct process_identity *ret, struct error *err);

/* True while that very process is alive (a zombie is not). */
bool process_is_alive(const struct process_identity *process);

/* Returns a pidfd (pidfd_open(2)) of that very process, or -ESRCH. */
int process_open(const struct process_identity *process, struct error *err);

/*
 * The state as the specification shows it to hooks and callers (runtime.md, "State"): a string for
 * free(). `pid` in place of the state's own where above 0.
 */
char *state_specification_json(const struct state *state, enum container_status status, pid_t pid);
