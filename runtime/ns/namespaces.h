/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and joining namespaces (namespaces(7), config-linux.md "Namespaces"). The usual container
 * is one clone3(2). What cannot be said in one clone (a pid or user namespace to be joined, offsets
 * of a time namespace, a namespace of the caller's beside a new user namespace) goes through an
 * intermediate process, which makes the container's first process as its own sibling and ends.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct error;
struct oci_id_mappings;
struct oci_linux;

struct namespace_join {
	int flag; /* CLONE_NEW… */
	int fd;
};

struct namespaces {
	const struct oci_linux *linux;
	unsigned long new_flags;    /* CLONE_NEW… of those to be made */
	unsigned long joined_flags; /* … of those to be joined */
	struct namespace_join joins[8];
	unsigned int n_joins;
	bool rootless; /* mappings beyond the caller's own ids need newuidmap(1) */
};

/*
 * Opens what is to be joined and checks its kind. `linux` must outlive `ret`. The fds are given
 * back by namespaces_close().
 */
int namespaces_prepare(
	const struct oci_linux *linux, bool rootless, struct namespaces *ret, struct error *err);

void namespaces_close(struct namespaces *namespaces);

/* True where the container's first process sees this kind as its own, made or joined. */
bool namespaces_has(const struct namespaces *namespaces, int flag);

/*
 * Creator's side: makes the new process, in the cgroup `cgroup` (fd, or negative to stay in the
 * caller's). `channel` is both ends of a channel (channel.h). Returns the process's pid in the
 * caller, and 0 in the new process, which is to call namespaces_settle() first. *ret_pidfd gets its
 * pidfd; where an intermediate process is needed (namespaces_needs_intermediate()), pid and pidfd
 * are that one's, and CHANNEL_PID tells the real one.
 */
pid_t namespaces_clone(
	const struct namespaces *namespaces, int cgroup, int *ret_pidfd, struct error *err);

bool namespaces_needs_intermediate(const struct namespaces *namespaces);

/*
 * In the new process: waits for the mappings, joins what is to be joined, goes through the
 * intermediate process if need be (which never returns from here), makes the cgroup namespace,
 * becomes root of a new user namespace. From here on the process is not dumpable (CVE-2016-9962).
 */
int namespaces_settle(const struct namespaces *namespaces, int channel, struct error *err);

/*
 * Becomes root of the user namespace that the process is in, or, where its 0 is nobody's, the first
 * user and group that it has. `procfs` is a fd of /proc.
 */
int namespaces_become_root(int procfs, struct error *err);

/*
 * Creator's side of CHANNEL_MAP: writes the process's uid_map, gid_map and setgroups, by
 * newuidmap(1) and newgidmap(1) where the caller may not write them.
 */
int namespaces_write_mappings(const struct namespaces *namespaces, pid_t pid, struct error *err);
