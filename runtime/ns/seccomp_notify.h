/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent that answers for a filter with SCMP_ACT_NOTIFY (config-linux.md, "Seccomp",
 * listenerPath, and "The Container Process State"): the caller's side.
 */
#pragma once

#include <sys/types.h>

struct error;
struct oci_seccomp;

/*
 * Connects to profile->listener_path and sends the container process state with the listener's fd
 * beside it. `state` is the container's state as JSON (runtime.md, "State"), `pid` is the process
 * in the runtime's pid namespace. The connection is closed again; `listener` stays the caller's.
 */
int seccomp_notify_send(const struct oci_seccomp *profile, const char *state, pid_t pid,
	int listener, struct error *err);
