/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/intel_rdt.h"

#include <errno.h>

#include "lib/error.h"

int intel_rdt_apply(
	const struct oci_intel_rdt *rdt, const char *group, pid_t pid, struct error *err)
{
	(void)rdt, (void)group, (void)pid;
	return error_say(err, ENOTSUP, "linux.intelRdt: not supported by this build");
}

int intel_rdt_remove(const char *group, const char *id, struct error *err)
{
	(void)group, (void)id, (void)err;
	return 0;
}
