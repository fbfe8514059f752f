/* SPDX-License-Identifier: Apache-2.0 */
/* Values of cgroup v1, which linux.resources speaks, as values of cgroup v2. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "lib/error.h"
#include "runtime/cgroup/resources.h"

uint64_t cgroup_cpu_weight(uint64_t shares)
{
	if (shares == 0)
		return 0;
	if (shares <= 2)
		return 1;
	if (shares >= 262144)
		return 10000;

	double l = log2((double)shares);
	double exponent = (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0;

	return (uint64_t)ceil(pow(10.0, exponent));
}

uint64_t cgroup_io_weight(uint64_t weight)
{
	if (weight == 0)
		return 0;
	return 1 + (weight - 10) * 9999 / 990;
}

int cgroup_swap_max(int64_t memory_and_swap, int64_t memory, int64_t *ret, struct error *err)
{
	if (memory_and_swap == -1) {
		*ret = -1;
		return 0;
	}
	if (memory <= 0)
		return error_say(err, EINVAL,
			"linux.resources.memory.swap: %" PRId64
			" is memory and swap together, and needs a memory limit: set memory.limit",
			memory_and_swap);
	if (memory_and_swap < memory)
		return error_say(err, EINVAL,
			"linux.resources.memory.swap: %" PRId64
			" is memory and swap together, and cannot be below the memory limit "
			"%" PRId64,
			memory_and_swap, memory);
	*ret = memory_and_swap - memory;
	return 0;
}

bool cgroup_list_is_valid(const char *list)
{
	return strspn(list, "0123456789,-: /\t\n") == strlen(list) && strlen(list) < 4096;
}
