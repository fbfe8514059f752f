/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a container is isolated: the one interface behind which namespaces and a virtual machine look
 * the same. The life cycle (create, start, state, kill, delete, hooks, console, pid file, host
 * cgroup) is runtime/'s, common to all; what differs goes through these operations, and nothing
 * above them asks which isolation it has.
 *
 * A null operation means that the isolation has nothing to add to the common code, except where it
 * is said to be required.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct arena;
struct checkpoint_options;
struct container;
struct container_init;
struct container_process;
struct container_process_table;
struct cgroup_stats;
struct error;
struct json_writer;
struct oci_config;
struct oci_process;
struct oci_resources;
struct pid_list;
struct settings;

struct isolation {
	const char *name; /* what --isolation and state say: "namespace", "vm" */
	/*
	 * Programs run under a kernel of their own: no device or Unix socket of this one reaches
	 * them, and the host's files do as trees (rootfs_export()).
	 */
	bool own_kernel;
	/*
	 * A container that the host's root makes, and whose config.json has no user namespace, gets
	 * one that maps every id to itself: its process holds no capability over the host.
	 */
	bool user_namespace;

	/* startContainer hooks run where the program does, and that is its own to see to. */
	bool runs_start_hooks;

	/* ---- create: caller's side, before the process is cloned */

	/*
	 * Opens every device and export that the other side will need, refuses what this isolation
	 * cannot honour. What it keeps goes to init->isolation_data.
	 */
	int (*prepare)(struct container_init *init, struct error *err);
	void (*prepare_free)(struct container_init *init);

	/*
	 * The limits of the host's cgroup, where they are not the container's own. What is new in
	 * them lives in `arena`. Comes before prepare(), where config.json has limits.
	 */
	int (*limit)(struct container_init *init, const struct oci_resources *wanted,
		struct arena *arena, struct oci_resources *ret, struct error *err);

	/* The new process waits at its gate, in the cgroup that is open as `cgroup` (or < 0). */
	void (*ready)(struct container_init *init, int cgroup);

	/* ---- in the container's first process */

	/* The root is built and the host's paths still exist: takes what will be needed of them. */
	int (*built)(struct container_init *init, struct error *err);

	/*
	 * Required. Inside its namespaces and root, while it is still privileged: takes on
	 * everything that can be taken on before the start gate opens.
	 */
	int (*become)(struct container_init *init, struct error *err);

	/* Waits until `fd` is readable, for who has other things to serve meanwhile. */
	int (*wait)(struct container_init *init, int fd, struct error *err);

	/*
	 * Required. Once the start gate has opened: turns into the program, or into its stand-in.
	 * Execution of the program closes init->starter. Returns on failure only.
	 */
	int (*run)(struct container_init *init, struct error *err);

	/* ---- exec: as prepare, become and run */
	int (*exec_prepare)(struct container_process *process, struct error *err);
	int (*exec_run)(struct container_process *process, struct error *err);
	void (*exec_free)(struct container_process *process);

	/* ---- on a running container, in the process of whoever calls */

	/* It waits at its gate, which is about to be opened. */
	int (*start)(struct container *container, struct error *err);

	int (*kill)(struct container *container, int signal, bool all, struct error *err);
	/* Its cgroup has been thawed. */
	int (*resume)(struct container *container, struct error *err);
	int (*processes)(struct container *container, struct pid_list *ret, struct error *err);
	int (*update)(struct container *container, const struct oci_resources *resources,
		struct error *err);
	int (*stats)(struct container *container, struct cgroup_stats *ret, struct error *err);

	/* Where the container has a kernel of its own: what that one knows (container.h). */
	int (*process_table)(struct container *container, struct container_process_table *ret,
		struct error *err);
	int (*write_guest_stats)(
		struct container *container, const char *key, struct json_writer *writer);
	int64_t (*guest_oom_kills)(struct container *container);

	/*
	 * Whether a kernel of the container's own killed one of its processes for lack of memory,
	 * and how many bytes there were. Null: the host's cgroup counts that.
	 */
	bool (*oom_killed)(const struct container *container, uint64_t *ret_limit);

	/* What the container holds outside its processes and its cgroup is given back. Idempotent.
	 */
	int (*release)(struct container *container, struct error *err);

	int (*checkpoint)(struct container *container, const struct checkpoint_options *options,
		struct error *err);
	int (*restore)(struct container_init *init, const struct checkpoint_options *options,
		struct error *err);
};

/* Returns the isolation of that name, or NULL. */
const struct isolation *isolation_find(const char *name);

/* config.json's way to ask for an isolation: for "vm", where the settings allow the annotation. */
#define ISOLATION_ANNOTATION "caisson.isolation"

/*
 * What the annotation makes of *isolation, which was chosen without it. A container's own data
 * never lowers its isolation, and is never passed over in silence: -EPERM, -EINVAL. `settings` is
 * NULL in a guest, where what was asked for is what it is in.
 */
int isolation_raise(const struct settings *settings, const struct oci_config *config,
	const struct isolation **isolation, struct error *err);

/* Adds to a decoded configuration what the isolation makes of it (user_namespace). */
void isolation_complete_config(
	const struct isolation *isolation, bool rootless, struct oci_config *config);
