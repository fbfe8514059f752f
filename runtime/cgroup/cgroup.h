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
#include <stdint.h>
#include <sys/types.h>

struct cgroup_undo;
struct error;
struct key_value_list;
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
	const char
		*mark; /* what the cgroup is marked with (cgroup_destroy_unfinished()), or NULL */
	bool rootless; /* the caller is not root on the host */
	/*
	 * cgroup_create() leaves the device filter to cgroup_set_devices(), so that the kernel can
	 * verify the filter (about as long as all the rest takes) while the process that was cloned
	 * into the cgroup sets itself up.
	 */
	bool devices_later;
	bool owner_set; /* give the cgroup to this owner (user namespace's root) */
	uid_t owner_uid;
	gid_t owner_gid;
	const struct oci_resources *resources;	  /* may be NULL */
	const struct key_value_list *annotations; /* org.systemd.property.*, may be NULL */
};

/*
 * Decides the location; makes nothing. A rootless caller that may not make cgroups there gets the
 * location without one (path "") when no limit is asked for, with a line in the log. Errors:
 * -EINVAL for a path that leaves the hierarchy or is not of the driver's form, -ENOTSUP where no
 * unified hierarchy is mounted at /sys/fs/cgroup, -EACCES for a rootless caller that asks for
 * limits it cannot set.
 */
int cgroup_locate(
	const struct cgroup_request *request, struct cgroup_location *ret, struct error *err);

void cgroup_location_free(struct cgroup_location *location);

/*
 * Makes the cgroup (with systemd: the scope) and sets every limit of request->resources, and the
 * device filter. A memory limit counts from the first page of the process that enters: namespaces
 * and mounts of a container cost about 260 KiB of it (measured on Linux 6.1), pages that the
 * process dirties before it executes the program come on top. Returns in *ret_fd a directory fd,
 * which the caller closes, for CLONE_INTO_CGROUP; -EBADF where the location's path is "": there is
 * no cgroup to enter, and the calls that take its fd are not to be made. *ret_holder gets a pidfd
 * to a process that keeps a systemd scope alive until the container's own process is in it, to be
 * passed to cgroup_creation_done(), or -EBADF. On failure nothing is left.
 *
 * Errors: -EBUSY when the cgroup was there and has processes; -ENOTSUP for a limit whose controller
 * is missing, or that cgroup v2 does not have; -EINVAL for a value out of range; what the kernel
 * says when it refuses a value.
 */
int cgroup_create(const struct cgroup_location *location, const struct cgroup_request *request,
	int *ret_fd, int *ret_holder, struct error *err);

/*
 * Sets the device filter of request->resources on a new cgroup, where cgroup_create() was told to
 * leave it: before the user's program can run. The mount and mknod work of a container's set-up is
 * not subject to it, but opening a device is. Errors as for cgroup_create().
 */
int cgroup_set_devices(int fd, const struct cgroup_request *request, struct error *err);

/* The container's process is inside: lets the holder go. Closes it. */
void cgroup_creation_done(int holder);

/*
 * Opens the cgroup's directory. -ENOENT when it is gone, -ENOTSUP for a location without a cgroup
 * (path "").
 */
int cgroup_open(const struct cgroup_location *location, struct error *err);

/* Moves a process into the cgroup, or into `sub` (relative, may be NULL) below it. */
int cgroup_attach(int fd, const char *sub, pid_t pid, struct error *err);

/*
 * Opens the cgroup at a path from `fd` ("/" is that itself), without '..', for CLONE_INTO_CGROUP
 * (`exec --cgroup`). Returns a directory fd, or a negative errno.
 */
int cgroup_open_below(int fd, const char *sub, struct error *err);

/*
 * Says why a process could not enter the cgroup `fd` with `errnum` of clone3(CLONE_INTO_CGROUP) or
 * of a write to cgroup.procs: reads what the cgroup is. Returns -errnum.
 */
int cgroup_entry_error(int fd, int errnum, struct error *err);

/*
 * Changes the limits and device rules of a container that exists, all or nothing: what was written
 * before a write failed is put back. Only what `resources` has is changed; the device filter is
 * replaced where there are any rules. Errors as for cgroup_create().
 */
int cgroup_update(int fd, const struct cgroup_location *location,
	const struct oci_resources *resources, bool rootless, struct error *err);

/*
 * The same as a step of something larger: *ret gets the old values, for cgroup_update_undo() or
 * cgroup_undo_free() (resources.h). A device filter that was replaced is not put back.
 */
int cgroup_update_undoable(int fd, const struct cgroup_location *location,
	const struct oci_resources *resources, bool rootless, struct cgroup_undo *ret,
	struct error *err);

/* Puts the old values back, and drops them; what cannot be put back is a warning in the log. */
void cgroup_update_undo(int fd, const struct cgroup_location *location, struct cgroup_undo *undo);

/*
 * How many processes of the subtree the OOM killer has killed (memory.events, oom_kill), so that a
 * process that died while it was set up can be explained. 0 where the memory controller is not
 * there, or a negative errno. *ret_limit (may be NULL) gets memory.max in bytes, UINT64_MAX: none.
 */
int64_t cgroup_oom_killed(int fd, uint64_t *ret_limit);

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

/*
 * Moves threads of the kernel's out of the cgroup, to the hierarchy's root, as far as the caller
 * may. Before Linux 6.13 KVM keeps a thread (kvm-nx-lpage-recovery) in the cgroup of who made a
 * virtual machine; a cgroup that has one never counts as frozen.
 */
void cgroup_evict_kernel_threads(int fd);

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

/*
 * The same after a creation that was killed at a point nobody knows, so that what is there may be
 * another's. Only what has the creation's `mark` is cleared; of anything else an empty directory is
 * removed, as the creation would have taken it over, and what has processes stays.
 */
int cgroup_destroy_unfinished(
	const struct cgroup_location *location, const char *mark, struct error *err);
