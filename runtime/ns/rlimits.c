/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/resource.h>

#include "config/oci.h"
#include "lib/error.h"

static const char *const names[RLIM_NLIMITS] = {
	[RLIMIT_AS] = "RLIMIT_AS",
	[RLIMIT_CORE] = "RLIMIT_CORE",
	[RLIMIT_CPU] = "RLIMIT_CPU",
	[RLIMIT_DATA] = "RLIMIT_DATA",
	[RLIMIT_FSIZE] = "RLIMIT_FSIZE",
	[RLIMIT_LOCKS] = "RLIMIT_LOCKS",
	[RLIMIT_MEMLOCK] = "RLIMIT_MEMLOCK",
	[RLIMIT_MSGQUEUE] = "RLIMIT_MSGQUEUE",
	[RLIMIT_NICE] = "RLIMIT_NICE",
	[RLIMIT_NOFILE] = "RLIMIT_NOFILE",
	[RLIMIT_NPROC] = "RLIMIT_NPROC",
	[RLIMIT_RSS] = "RLIMIT_RSS",
	[RLIMIT_RTPRIO] = "RLIMIT_RTPRIO",
	[RLIMIT_RTTIME] = "RLIMIT_RTTIME",
	[RLIMIT_SIGPENDING] = "RLIMIT_SIGPENDING",
	[RLIMIT_STACK] = "RLIMIT_STACK",
};

static const char *name_of(int type)
{
	if (type < 0 || (size_t)type >= RLIM_NLIMITS || names[type] == NULL)
		return "unknown limit";
	return names[type];
}

static int set_one(const struct oci_rlimit *wanted, struct error *err)
{
	struct rlimit limit = { .rlim_cur = wanted->soft, .rlim_max = wanted->hard };
	struct rlimit now;

	if (getrlimit(wanted->type, &now) < 0)
		return error_set(err, errno, "process.rlimits: read %s", name_of(wanted->type));
	if (now.rlim_cur == limit.rlim_cur && now.rlim_max == limit.rlim_max)
		return 0;
	if (setrlimit(wanted->type, &limit) == 0)
		return 0;
	if (errno == EPERM && limit.rlim_max > now.rlim_max)
		return error_say(err, EPERM,
			"process.rlimits: %s: the hard limit %" PRIu64
			" is above the caller's %" PRIu64
			", and raising it needs CAP_SYS_RESOURCE: ask for at most %" PRIu64,
			name_of(wanted->type), wanted->hard, (uint64_t)now.rlim_max,
			(uint64_t)now.rlim_max);
	return error_set(err, errno, "process.rlimits: set %s to soft %" PRIu64 ", hard %" PRIu64,
		name_of(wanted->type), wanted->soft, wanted->hard);
}

int rlimits_set(const struct oci_rlimit *limits, size_t n_limits, struct error *err)
{
	for (size_t i = 0; i < n_limits; i++) {
		int status = set_one(&limits[i], err);

		if (status < 0)
			return status;
	}
	return 0;
}
