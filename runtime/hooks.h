/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks (config.md, "POSIX-platform Hooks"): programs of the host's or the container's that run at
 * fixed points of a container's life, with its state on their standard input.
 */
#pragma once

#include <stdbool.h>

struct error;
struct oci_hook_list;
struct seccomp_filter;

/*
 * Runs the hooks of a list in order, in the calling process's namespaces and root, each until it
 * ends: with exactly its own arguments and environment (none means empty), in the working directory
 * behind the fd `directory` (negative: the caller's), in a process group of its own, with no
 * descriptor but 0, 1 and 2, no blocked signal, and `state` (JSON) on standard input.
 *
 * `list_name` is the config's ("createRuntime"), for messages. Output goes to the log at debug
 * level. A hook that exits with anything but 0, dies by a signal, does not start, or outlives its
 * timeout (then its process group is killed) has failed. Without `all` the first failure ends it;
 * with `all` each failure is a warning and the rest still runs (runtime.md, "Lifecycle", steps 9
 * and 13). Returns 0, or the first failure: -ETIMEDOUT, -ECHILD for a bad status, or the errno of
 * what could not be done; the message ends in the last line of the hook's standard error.
 */
int hooks_run(const struct oci_hook_list *hooks, const char *list_name, const char *state,
	int directory, bool all, struct error *err);

/*
 * The same for startContainer hooks, in the caller's working directory, up to the first failure:
 * one that names no environment gets the caller's, which is the program's already, and each is
 * under `filter` (NULL: none), which the caller itself is not under yet. A filter with a listener
 * cannot be loaded so.
 */
int hooks_run_confined(const struct oci_hook_list *hooks, const char *list_name, const char *state,
	const struct seccomp_filter *filter, struct error *err);
