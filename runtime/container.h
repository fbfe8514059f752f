/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's life: create, start, kill, delete and what lies between (runtime.md, "Lifecycle"),
 * the same for every isolation. The caller may be a command line or an agent behind a socket;
 * nothing here reads arguments, prints, or takes for granted that a process has one container.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "config/oci.h"
#include "runtime/runtime.h"
#include "runtime/state.h"

struct cgroup_stats;
struct cgroup_undo;
struct isolation;
struct json_writer;
struct seccomp_filter;

/* An open container: its directory, what is remembered of it. */
struct container {
	const struct runtime *runtime; /* outlives it */
	const struct isolation *isolation;
	int dir;
	struct state state;
	bool has_config;
	struct oci_config config; /* as it was created with: container_load_config() */
};

/* -ENOENT "container ID does not exist". Given back by container_close(). */
int container_open(
	const struct runtime *runtime, const char *id, struct container *ret, struct error *err);
void container_close(struct container *container);

/* Reads the state again, for who holds the lock by now. */
int container_read_again(struct container *container, struct error *err);

/* Reads the configuration that the container was created with, once. */
int container_load_config(struct container *container, struct error *err);

enum container_status container_status(const struct container *container);

/* ---- create, start ----------------------------------------------------------------------------
 */

struct create_options {
	const char *id;
	const char *bundle;	 /* absolute path of the bundle's directory */
	const char *config_text; /* config.json, kept with the state */
	size_t config_length;
	const char *pid_file;	    /* NULL: none */
	const char *console_socket; /* path of a Unix socket, or NULL */
	const char *pidfd_socket;   /* likewise */
	const char *notify_socket;  /* the caller's NOTIFY_SOCKET, or NULL */
	unsigned int preserve_fds;  /* fds 3 … 3 + n - 1 are passed to the program */
	unsigned int listen_fds;    /* how many of them are socket activation's (LISTEN_FDS) */
	bool no_pivot, no_new_keyring;
	bool attached;	    /* the caller starts it itself at once: no gate for another command */
	bool want_terminal; /* hand the terminal's master to the caller (no console socket) */
	bool plain_lines;   /* console_keep_newlines(): what the caller relays to is no terminal */
	const int *stdio;   /* three fds for its stdin, stdout and stderr; NULL: the caller's own */
	const struct seccomp_filter *seccomp; /* compiled already; NULL: as config.json says */
};

/* A container that waits at its start gate. */
struct created_container {
	struct container container;
	int pidfd;    /* its first process, a child of the caller's */
	int channel;  /* attached: the gate, else -EBADF */
	int terminal; /* the terminal's master, or -EBADF */
};

#define CREATED_CONTAINER_INIT                                       \
	((struct created_container){ .container = { .dir = -EBADF }, \
		.pidfd = -EBADF,                                     \
		.channel = -EBADF,                                   \
		.terminal = -EBADF })

/*
 * Creates a container up to its start gate. On failure nothing of it is left. `ret` is given back
 * by created_container_free(), which leaves the container as it is.
 */
int container_create(const struct runtime *runtime, const struct create_options *options,
	struct created_container *ret, struct error *err);
void created_container_free(struct created_container *created);

/*
 * Opens the gate of a created container and waits until its program is executed (or could not be:
 * the container is stopped then). `notify_socket` as at creation.
 */
int container_start(struct container *container, const char *notify_socket, struct error *err);

/* The same for a container that was created attached. */
int container_start_attached(struct created_container *created, struct error *err);

/*
 * True where the kernel killed processes in the container's cgroup for its memory limit (bytes, in
 * *ret_limit). False, too, where that cannot be known: no cgroup of its own, no limit, or systemd
 * has already removed the cgroup.
 */
bool container_oom_killed(const struct container *container, uint64_t *ret_limit);

/* ---- a container that exists ------------------------------------------------------------------
 */

/* Sends a signal to the first process, or to all. "container not running" when there is none. */
int container_kill(struct container *container, int signal, bool all, struct error *err);

int container_pause(struct container *container, struct error *err);
int container_resume(struct container *container, struct error *err);

/* Host pids of all its processes; pid_list_free(). */
int container_processes(struct container *container, struct pid_list *ret, struct error *err);

/* A process as the container's own kernel shows it. */
struct container_process_row {
	pid_t pid, ppid;
	uint32_t uid;
	uint64_t cpu; /* milliseconds */
	const char *command;
};

struct container_process_table {
	struct arena arena;
	struct container_process_row *rows;
	size_t count;
};

/*
 * The processes of a container that has a kernel of its own: 1, and `ret`, whose arena the caller
 * frees. 0 where they are the host's (container_processes()).
 */
int container_process_table(
	struct container *container, struct container_process_table *ret, struct error *err);

/*
 * What a container that has a kernel of its own used by that kernel's account, in the form of
 * cgroup_stats_write(), as the member `key`: 1; 0, and nothing written, where there is no
 * such account or it cannot be had now.
 */
int container_write_guest_stats(
	struct container *container, const char *key, struct json_writer *writer);

/*
 * How many processes the OOM killer of that kernel has killed in the container, or -1 where there
 * is no such kernel, or it cannot be asked now.
 */
int64_t container_guest_oom_kills(struct container *container);

/* What its cgroup used; cgroup_stats_free(). "container not running" for one that has ended. */
int container_stats(struct container *container, struct cgroup_stats *ret, struct error *err);

/* Other limits for a container that is created or runs: all of them, or nothing is changed. */
int container_update(
	struct container *container, const struct oci_resources *resources, struct error *err);

/*
 * The same for a container of namespaces as a step of something larger: *ret gets the old values,
 * for cgroup_undo_free() (cgroup/resources.h).
 */
int container_update_undoable(struct container *container, const struct oci_resources *resources,
	struct cgroup_undo *ret, struct error *err);

/*
 * Deletes a stopped (or created) container; with `force` any: one that runs is killed, one that is
 * being created loses its creator, what a killed command left is cleared. With `force` an unknown
 * id is no error.
 */
int container_delete(const struct runtime *runtime, const char *id, bool force, struct error *err);

/* The same for an open container whose lock is the caller's, whatever its status. */
int container_finish(struct container *container, struct error *err);

/* Clears what a container has on the host, its state last, without hooks. The lock is the caller's.
 */
int container_destroy(struct container *container, struct error *err);

/* ---- exec
 * ----------------------------------------------------------------------------------------- */

struct exec_options {
	const struct oci_process *process; /* complete: defaults were merged by the caller */
	const char *pid_file, *console_socket, *pidfd_socket;
	const char *cgroup; /* below the container's own, or NULL */
	unsigned int preserve_fds, listen_fds;
	bool want_terminal;
	bool plain_lines;
	bool ignore_paused;
	bool attached;	  /* the caller waits for the end, and says so when it was the machine's */
	const int *stdio; /* as for create_options */
	const struct seccomp_filter *seccomp;
};

struct exec_process {
	pid_t pid;
	int pidfd;
	int terminal;
	bool refused; /* it failed, and the new process itself said why: mostly its program */
};

/*
 * Runs a further process in the container: returns once its program is executed. The process is a
 * child of the caller's. On failure ret->refused alone is set.
 */
int container_exec(struct container *container, const struct exec_options *options,
	struct exec_process *ret, struct error *err);
