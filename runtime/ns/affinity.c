/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/limits.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/number_list.h"

/* The kernel's largest NR_CPUS. */
#define MAX_CPUS 8192

int affinity_set(const char *cpus, struct error *err)
{
	unsigned long mask[MAX_CPUS / NUMBER_LIST_WORD_BITS] = { 0 };

	if (cpus == NULL || *cpus == '\0')
		return 0;

	int words = number_list_parse(cpus, mask, MAX_CPUS);
	if (words < 0)
		return error_say(err, -words,
			"process.execCPUAffinity: \"%s\" is no list of CPUs such as \"0-3,7\"",
			cpus);
	/* The raw call: the wrapper's cpu_set_t ends at 1024. */
	if (syscall(SYS_sched_setaffinity, 0, (size_t)words * sizeof(mask[0]), mask) == 0)
		return 0;
	if (errno == EINVAL)
		return error_say(err, EINVAL,
			"process.execCPUAffinity: none of the CPUs \"%s\" is there and in the "
			"container's cpuset",
			cpus);
	return error_set(err, errno, "process.execCPUAffinity: set CPUs \"%s\"", cpus);
}
