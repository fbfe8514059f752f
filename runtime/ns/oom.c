/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/limits.h"

#include <errno.h>
#include <stdio.h>

#include "config/oci.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/ns/path.h"

int oom_score_set(
	int procfs, pid_t pid, const struct optional_i32 *score, bool keep, struct error *err)
{
	struct error failure = ERROR_INIT;
	char value[16], path[32] = "self/oom_score_adj";

	if (!score->set)
		return 0;
	snprintf(value, sizeof(value), "%d", score->value);
	if (pid != 0)
		snprintf(path, sizeof(path), "%d/oom_score_adj", pid);
	if (path_write_procfs(procfs, path, value, &failure) == 0)
		return 0;
	if (keep && (failure.errnum == EACCES || failure.errnum == EPERM)) {
		log_debug("process.oomScoreAdj: %s cannot be set, the caller's score stays", value);
		return 0;
	}
	if (failure.errnum == EACCES)
		return error_say(err, EACCES,
			"process.oomScoreAdj: %s is below the caller's score, and lowering it "
			"needs "
			"CAP_SYS_RESOURCE: ask for a higher one, or none",
			value);
	return error_say(
		err, failure.errnum, "process.oomScoreAdj: set %s: %s", value, failure.message);
}
