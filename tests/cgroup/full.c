/* SPDX-License-Identifier: Apache-2.0 */
/* What needs controllers. */
#include "tests/cgroup/check.h"

const struct check full_checks[] = {
	{ NULL, NULL },
};
