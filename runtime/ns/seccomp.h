/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filters (config-linux.md, "Seccomp"; seccomp(2)): compiled by libseccomp, kept by
 * content in a cache directory, loaded in the container's process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <linux/filter.h>

struct error;
struct oci_seccomp;

struct seccomp_filter {
	struct sock_filter *instructions;
	unsigned short count;
	unsigned int flags; /* SECCOMP_FILTER_FLAG_… for seccomp(2) */
	bool listener;	    /* some rule has SCMP_ACT_NOTIFY */
};

/*
 * Compiles, or takes from the cache, the filter of a profile. `cache` is an fd of a directory that
 * only the caller can write, or negative for no cache; an entry is used only when its whole key,
 * the canonical form of the profile plus library and kernel version, compares equal. Safe against
 * concurrent writers. `ret` is given back by seccomp_filter_free().
 * Errors: -EINVAL naming the JSON path of an action, architecture, operator or flag that this build
 * or kernel lacks.
 */
int seccomp_filter_get(const struct oci_seccomp *profile, int cache, struct seccomp_filter *ret,
	struct error *err);

/*
 * The parent's side of process_setup.announce_listener: waits until `fd` of the process behind
 * `pidfd` is a seccomp listener, for at most `timeout` milliseconds, and takes a copy of it
 * (pidfd_getfd(2), which asks for the right to trace the process). Returns the listener;
 * -ETIMEDOUT, -ESRCH when the process is gone.
 */
int seccomp_listener_take(int pidfd, int fd, int timeout, struct error *err);

/*
 * Loads the filter into the calling thread (all threads with TSYNC). *ret_listener gets the
 * notification fd where filter->listener, else -EBADF.
 */
int seccomp_filter_load(const struct seccomp_filter *filter, int *ret_listener, struct error *err);

void seccomp_filter_free(struct seccomp_filter *filter);
