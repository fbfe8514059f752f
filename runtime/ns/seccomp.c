/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/seccomp.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/ns/seccomp_cache.h"
#include "runtime/ns/seccomp_compile.h"

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static bool notifies(const struct oci_seccomp *profile)
{
	if (strcmp(profile->default_action, "SCMP_ACT_NOTIFY") == 0)
		return true;
	for (size_t i = 0; i < profile->n_syscalls; i++) {
		if (strcmp(profile->syscalls[i].action, "SCMP_ACT_NOTIFY") == 0)
			return true;
	}
	return false;
}

static int parse_flags(
	const struct oci_seccomp *profile, bool listener, unsigned int *ret, struct error *err)
{
	static const struct {
		const char *name;
		unsigned int flag;
	} known[] = {
		{ "SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC },
		{ "SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG },
		{ "SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW },
		{ "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
			SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV },
	};
	unsigned int flags = listener ? SECCOMP_FILTER_FLAG_NEW_LISTENER : 0;

	/* Without a word about flags the filter slows no branch prediction down, as with runc. */
	if (profile->flags.items == NULL)
		flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
	for (size_t i = 0; profile->flags.items != NULL && i < profile->flags.count; i++) {
		size_t k = 0;

		while (k < sizeof(known) / sizeof(known[0]) &&
			strcmp(profile->flags.items[i], known[k].name) != 0)
			k++;
		if (k == sizeof(known) / sizeof(known[0]))
			return error_say(err, EINVAL,
				"linux.seccomp.flags[%zu]: this build knows no \"%s\"", i,
				profile->flags.items[i]);
		flags |= known[k].flag;
	}
	if (!listener && (flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)) {
		log_debug("linux.seccomp.flags: WAIT_KILLABLE_RECV has no meaning without a rule "
			  "that notifies");
		flags &= ~(unsigned int)SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	}
	/* The kernel cannot return a listener and a thread's id at once (seccomp(2)). */
	if (listener && (flags & SECCOMP_FILTER_FLAG_TSYNC))
		flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	*ret = flags;
	return 0;
}

static void free_key(struct seccomp_key *key)
{
	free(key->bytes);
}

int seccomp_filter_get(
	const struct oci_seccomp *profile, int cache, struct seccomp_filter *ret, struct error *err)
{
	struct seccomp_filter filter = { .listener = notifies(profile) };
	_cleanup_(free_key) struct seccomp_key key = { 0 };
	int status;

	if (filter.listener && profile->listener_path == NULL)
		return error_say(err, EINVAL,
			"linux.seccomp.listenerPath: is missing, and SCMP_ACT_NOTIFY needs it");
	status = parse_flags(profile, filter.listener, &filter.flags, err);
	if (status < 0)
		return status;

	bool keyed = cache >= 0 && seccomp_key_make(profile, &key);
	if (keyed && seccomp_cache_get(cache, &key, &filter.instructions, &filter.count)) {
		*ret = filter;
		return 0;
	}
	status = seccomp_compile(profile, &filter.instructions, &filter.count, err);
	if (status < 0)
		return status;
	if (keyed)
		seccomp_cache_put(cache, &key, filter.instructions, filter.count);
	*ret = filter;
	return 0;
}

int seccomp_filter_load(const struct seccomp_filter *filter, int *ret_listener, struct error *err)
{
	struct sock_fprog program = { .len = filter->count, .filter = filter->instructions };
	long status = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, filter->flags, &program);

	if (status < 0 && errno == EACCES)
		return error_say(err, EACCES,
			"linux.seccomp: load the filter: needs CAP_SYS_ADMIN, or "
			"process.noNewPrivileges set to true");
	if (status < 0 && errno == EBUSY)
		return error_say(err, EBUSY,
			"linux.seccomp: load the filter: a filter around this container already "
			"has a listener, and the kernel allows one");
	if (status < 0 && errno == EINVAL)
		return error_say(err, EINVAL,
			"linux.seccomp: load the filter: this kernel refuses flags 0x%x or one of "
			"the actions",
			filter->flags);
	if (status < 0)
		return error_set(err, errno, "linux.seccomp: load the filter");
	if (status > 0 && !filter->listener)
		return error_say(err, ESRCH,
			"linux.seccomp: load the filter: thread %ld cannot take it on", status);
	*ret_listener = filter->listener ? (int)status : -EBADF;
	return 0;
}

/* Only a listener knows this request: an unknown id is ENOENT, any other file says ENOTTY. */
static bool is_listener(int fd)
{
	__u64 id = 0;

	return ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0 || errno == ENOENT;
}

int seccomp_listener_take(int pidfd, int fd, int timeout, struct error *err)
{
	/* Loading a filter takes a fraction of a millisecond. */
	const struct timespec pause = { .tv_nsec = 100 * 1000 };
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		int taken = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

		if (taken >= 0 && is_listener(taken))
			return taken;
		if (taken < 0 && errno != EBADF)
			return error_set(err, errno,
				"linux.seccomp: take the listener from the container's process");
		close_fd(taken);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 >=
			timeout)
			return error_say(err, ETIMEDOUT,
				"linux.seccomp: the container's process loaded no filter with a "
				"listener within %d ms",
				timeout);
		nanosleep(&pause, NULL);
	}
}

void seccomp_filter_free(struct seccomp_filter *filter)
{
	free(filter->instructions);
	*filter = (struct seccomp_filter){ 0 };
}
