/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a privileged process inside the container's namespaces and root to the user's program: what
 * config.json's `process` object says, applied in the order that the kernel's rules ask for. Used
 * by a container's first process and by exec alike.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;
struct oci_linux;
struct oci_process;
struct seccomp_filter;

struct process_setup {
	const struct oci_process *process;
	const struct oci_linux *linux;	      /* personality, memory policy; NULL for none */
	const struct seccomp_filter *seccomp; /* NULL: none */
	int procfs;			      /* a private procfs (path_open_procfs()) */
	const char *
		keyring_name; /* join a new session keyring of this name; NULL: keep the caller's */
	bool exec;	      /* joins a container that runs: exec_cpu_affinity counts */
	bool keep_groups;     /* the caller's supplementary groups: see credentials.h */
	bool keep_oom_score;  /* the caller may not lower it (rootless): refusals are no error */
	size_t extra_fds;     /* fds 3 … 3 + extra_fds - 1 are passed on */
	const char *const
		*extra_env; /* NAME=value added behind process.env; NULL-terminated or NULL */
	/*
	 * Called (where set) right before a filter with a listener is loaded, with the number that
	 * the listener's fd will have: a filter may notify every system call, so that the process
	 * cannot hand over its listener once it is loaded. The parent takes it with
	 * seccomp_listener_take() before it opens the gate: the fd stays open in the process until
	 * it executes, and *ret_listener is -EBADF. Negative return: nothing is loaded.
	 */
	int (*announce_listener)(int fd, void *data, struct error *err);
	void *announce_data;
};

/*
 * The process is inside its namespaces and root, is its own session's leader where it shall be,
 * has no signal blocked or ignored (signals_reset()), and still has every capability. Afterwards:
 * - the environment (environ(7)) is the container's: the caller's own is gone;
 * - the process is not dumpable until it executes (CVE-2016-9962). Where it is so before, and not
 *   executed inside the container's user namespace, it cannot write its own procfs files: then
 *   oom_score_adj is for the parent to set (oom_score_set()).
 *
 * Everything up to the start gate: working directory, session, keyring, limits (rlimits, OOM score,
 * scheduler, I/O priority, affinity, personality, memory policy), labels for exec, groups and ids,
 * capabilities, no_new_privs, and seccomp where it needs the privilege that is dropped or has a
 * listener. Finds the program, so that a missing one fails here. The path found goes to
 * *ret_program, the caller's. *ret_listener gets the seccomp listener, or -EBADF.
 * Errors besides the kernel's: -ENOENT no such program (a shell's status 127), -EACCES it cannot be
 * executed (126), -EXDEV a working directory outside the root (CVE-2024-21626).
 * A capability that cannot be granted is a warning (config.md, "Linux Process").
 */
int process_prepare(const struct process_setup *setup, char **ret_program, int *ret_listener,
	struct error *err);

/* The filter that process_execute() is going to load: NULL where none is left. */
const struct seccomp_filter *process_late_filter(const struct process_setup *setup);

/*
 * What is left when the gate opens: closes every fd above the passed ones (on exec), loads a filter
 * that needs no privilege, and executes `program`. Returns on failure only: -ENOENT (the program,
 * or the interpreter that it names, is gone), -EACCES, -ENOEXEC … from execve(2); the caller's own
 * descriptors are then still open.
 */
int process_execute(const struct process_setup *setup, const char *program, struct error *err);
