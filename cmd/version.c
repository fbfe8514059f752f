/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli.h"

#include <stdio.h>

#include "config/oci.h"

const char *const cli_version = CAISSON_VERSION;
const char *const cli_commit = CAISSON_COMMIT;

/* Exactly three lines: some versions of go-runc refuse others. */
void cli_print_version(void)
{
	printf("caisson version %s\ncommit: %s\nspec: %s\n", cli_version, cli_commit, OCI_VERSION);
}
