/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli.h"

#include <stdlib.h>

#include "lib/error.h"
#include "runtime/container.h"

static int run_delete(struct cli *cli, int argc, char **argv)
{
	bool force = false;
	const struct cli_option options[] = {
		{ "force", 'f', NULL, "kill it first if it runs; an unknown id is no error",
			CLI_FLAG, &force },
	};
	struct error err = ERROR_INIT;
	int status;
	int first = cli_parse(
		&command_delete, options, CLI_COUNT(options), argc, argv, 1, -1, &status);

	if (first < 0)
		return status;
	if (cli_open_runtime(cli, false, &err) < 0)
		return cli_fail(&err);
	status = EXIT_SUCCESS;
	for (int i = first; i < argc; i++) {
		if (container_delete(&cli->runtime, argv[i], force, &err) < 0)
			status = cli_fail(&err);
	}
	return status;
}

const struct command command_delete = {
	.name = "delete",
	.arguments = "[options] ID...",
	.summary = "delete containers that are stopped",
	.run = run_delete,
};
