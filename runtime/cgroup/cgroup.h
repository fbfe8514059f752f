/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's control group (version 2, cgroups(7), Documentation/admin-guide/cgroup-v2.rst):
 * where it is, how it is made and removed, what is in it. Limits are in resources.h, numbers in
 * stats.h, the device filter in devices.h. Everything goes through the directory's fd; nothing here
 * knows what runs inside.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct error;
struct oci_resources;

enum cgroup_manager {
	CGROUP_MANAGER_CGROUPFS,
	CGROUP_MANAGER_SYSTEMD,
	CGROUP_MANAGER_DISABLED, /* the caller's cgroup is used as it is */
};

/* Where a container's cgroup is, decided before anything is made and kept in its state. */
struct cgroup_location {
	enum cgroup_manager manager;
	char *path;	   /* below the cgroup2 mount, begins with '/'; "" when disabled */
	char *unit;	   /* systemd: the scope's name, else NULL */
	char *slice;	   /* systemd: the slice's name, else NULL */
	bool user_manager; /* systemd: the caller's own manager (rootless), not the system's */
};

/* What of linux.cgroupsPath, the container's id and the caller's standing the location is made. */
struct cgroup_request {
	enum cgroup_manager manager;
	const char *cgroups_path; /* linux.cgroupsPath, or NULL */
	const char *id;
	bool rootless;	/* the caller is not root on the host */
	bool owner_set; /* give the cgroup to this owner (user namespace's root) */
	uid_t owner_uid;
	gid_t owner_gid;
	const struct oci_resources *resources;	  /* may be NULL */
	const struct key_value_list *annotations; /* org.systemd.property.*, may be NULL */
};

/*
 * Decides the location; makes nothing. Errors: -EINVAL for a path that leaves the hierarchy or is
 * not of the driver's form, -ENOTSUP where no unified hierarchy is mounted at /sys/fs/cgroup.
 */
int cgroup_locate(
	const struct cgroup_request *request, struct cgroup_location *ret, struct error *err);

void cgroup_location_free(struct cgroup_location *location);

/*
 * Makes the cgroup (with systemd: the scope) and sets every limit of request->resources but the
 * device filter's rules, which are set too. Returns in *ret_fd a directory fd, which the caller
 * closes, for CLONE_INTO_CGROUP. *ret_holder gets a pidfd to a process that keeps a systemd scope
 * alive until the container's own process is in it, to be passed to cgroup_creation_done(), or
 * -EBADF. On failure nothing is left.
 */
int cgroup_create(const struct cgroup_location *location, const struct cgroup_request *request,
	int *ret_fd, int *ret_holder, struct error *err);

/* The container's process is inside: lets the holder go. Closes it. */
void cgroup_creation_done(int holder);

/* Opens the cgroup's directory. -ENOENT when it is gone. */
int cgroup_open(const struct cgroup_location *location, struct error *err);

/* Moves a process into the cgroup, or into `sub` (relative, may be NULL) below it. */
int cgroup_attach(int fd, const char *sub, pid_t pid, struct error *err);

/*
 * Freezes or thaws, and waits (bounded, about 10 s) until cgroup.events says so. cgroup_frozen()
 * reads cgroup.events: 1 frozen, 0 not, negative errno.
 */
int cgroup_freeze(int fd, bool freeze, struct error *err);
int cgroup_frozen(int fd);

/* 1 when any process is in the cgroup or below it, 0 when none is, negative errno. */
int cgroup_populated(int fd);

/*
 * Sends the signal to every process of the subtree; SIGKILL through cgroup.kill, which forks cannot
 * outrun, else process by process while frozen.
 */
int cgroup_signal(int fd, int signal, struct error *err);

struct pid_list {
	pid_t *items;
	size_t count;
};

/* Every process of the subtree, in the caller's pid namespace; pid_list_free() gives it back. */
int cgroup_processes(int fd, struct pid_list *ret, struct error *err);
void pid_list_free(struct pid_list *list);

/*
 * Kills what is left inside and removes the cgroup with all below it (with systemd: stops and
 * resets the scope); bounded in time. A cgroup that is gone is success.
 */
int cgroup_destroy(const struct cgroup_location *location, struct error *err);
