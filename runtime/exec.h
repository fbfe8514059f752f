/* SPDX-License-Identifier: Apache-2.0 */
/* A further process of a container while it is made (exec.c), as the isolations see it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/container.h"
#include "runtime/ns/process.h"
#include "runtime/ns/seccomp.h"

#define CONTAINER_PROCESS_KEEP 8

struct container_process {
	struct container *container;
	const struct exec_options *options;
	struct process_setup setup;
	struct seccomp_filter seccomp;
	int flags;   /* CLONE_NEW… of the namespaces that are not the caller's */
	bool by_two; /* a process in between enters the user namespace first */
	int init;    /* pidfd of the container's first process */
	int cgroup;
	int channel[2]; /* [0] the caller's end, [1] the new process's: its end says "executed" */
	int console_socket;
	int pidfd;
	pid_t pid;
	int terminal;
	const char *extra_env[3];
	char listen_fds[24];
	void *isolation_data;
	int keep[CONTAINER_PROCESS_KEEP]; /* the isolation's fds, that come along */
	size_t n_keep;
};
