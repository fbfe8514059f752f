/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/limits.h"

#include <errno.h>
#include <sys/personality.h>

#include "config/oci.h"
#include "lib/error.h"

int personality_set(const struct oci_personality *wanted, struct error *err)
{
	if (!wanted->set)
		return 0;
	if (personality(wanted->domain) < 0)
		return error_set(err, errno, "linux.personality: set domain 0x%lx", wanted->domain);
	return 0;
}
