/* SPDX-License-Identifier: Apache-2.0 */
/* A further process of a container while it is made (exec.c), as the isolations see it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "runtime/container.h"
#include "runtime/new_process.h"
#include "runtime/ns/process.h"
#include "runtime/ns/seccomp.h"

#define CONTAINER_PROCESS_KEEP 8

struct container_process {
	struct container *container;
	const struct exec_options *options;
	struct process_setup setup;
	struct seccomp_filter seccomp;
	int flags;	/* CLONE_NEW… of the namespaces that are not the caller's */
	bool published; /* waits until it is made known */
	bool by_two;	/* a process in between enters the user namespace first */
	bool outside;	/* joins nothing: it only stands for a program of another kernel */
	int init;	/* pidfd of the container's first process */
	int cgroup;
	struct new_process child; /* the end of its channel says "executed" */
	const char *extra_env[3];
	char listen_fds[24];
	void *isolation_data;
	int keep[CONTAINER_PROCESS_KEEP]; /* the isolation's fds, that come along */
	size_t n_keep;
};

/* Makes a process in a cgroup (negative: the caller's), a sibling of the caller's if so wanted. */
pid_t exec_clone(int cgroup, bool sibling, int *pidfd);

/* The new process's whole life (exec_inside.c). */
_Noreturn void exec_run_new_process(struct container_process *joining);
