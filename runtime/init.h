/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container's first process, from clone to the user's program: it settles in its namespaces,
 * builds the file system view, becomes what the isolation says, and waits at the start gate.
 */
#pragma once

#include <stdbool.h>
#include <sys/resource.h>

#include "runtime/container.h"
#include "runtime/new_process.h"
#include "runtime/ns/namespaces.h"
#include "runtime/ns/process.h"
#include "runtime/ns/seccomp.h"

struct isolation;
struct rootfs;

/* Exports of every mount, and devices. */
#define CONTAINER_INIT_KEEP 4096

/* All that was made ready on the creator's side and that the new process works with. */
struct container_init {
	const struct runtime *runtime;
	const struct isolation *isolation;
	const struct create_options *options;
	const struct oci_config *config;
	const struct state *state;
	struct namespaces namespaces;
	struct rootfs *rootfs;
	const struct seccomp_filter *filter; /* NULL: none */
	struct seccomp_filter seccomp;	     /* where it is our own */
	struct rlimit open_files;	     /* the caller's, where it was raised; else zero */
	int dir; /* the state directory, which the new process closes: its lock is the creator's */
	struct new_process child;
	int gate; /* a listening socket, or -EBADF: the channel is the gate */
	void *isolation_data;
	int keep[CONTAINER_INIT_KEEP]; /* the isolation's fds, that come along to the gate */
	size_t n_keep;
	char keyring[CONTAINER_ID_MAX + 8];
	char listen_fds[24];
	const char *extra_env[4]; /* NULL-terminated */

	/* the new process's own */
	int procfs;
	int starter; /* who opened the gate; its end says that the program is executed */
	char *program;
	struct process_setup setup;
};

/* True where the creator has to do something while the new process waits (CHANNEL_HOOKS). */
bool container_init_needs_creator(const struct container_init *init);

/* The new process's whole life. */
_Noreturn void container_init_run(struct container_init *init);
