/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/limits.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/error.h"
#include "lib/number_list.h"

/* The kernel's largest MAX_NUMNODES. */
#define MAX_NODES 1024

int memory_policy_set(const struct oci_memory_policy *policy, struct error *err)
{
	unsigned long mask[MAX_NODES / NUMBER_LIST_WORD_BITS] = { 0 };
	bool has_nodes = policy->nodes != NULL && *policy->nodes != '\0';

	if (!policy->set)
		return 0;
	if (has_nodes) {
		int words = number_list_parse(policy->nodes, mask, MAX_NODES);

		if (words < 0)
			return error_say(err, -words,
				"linux.memoryPolicy.nodes: \"%s\" is no list of nodes such as "
				"\"0-1,3\"",
				policy->nodes);
	}
	/* set_mempolicy(2) reads one bit less than it is told. */
	if (syscall(SYS_set_mempolicy, (unsigned long)policy->mode | policy->flags,
		    has_nodes ? mask : NULL, has_nodes ? MAX_NODES + 1UL : 0UL) == 0)
		return 0;
	if (errno == ENOSYS)
		return error_say(
			err, ENOSYS, "linux.memoryPolicy: this kernel is built without NUMA");
	return error_set(err, errno, "linux.memoryPolicy: set mode %d, flags 0x%x, nodes \"%s\"",
		policy->mode, policy->flags, has_nodes ? policy->nodes : "");
}
