/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bundle.h"

#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/error.h"

static int run_create(struct cli *cli, int argc, char **argv)
{
	_cleanup_(bundle_free) struct bundle bundle = { 0 };
	const struct cli_option options[] = { BUNDLE_OPTIONS(&bundle) };
	struct created_container created = CREATED_CONTAINER_INIT;
	struct error err = ERROR_INIT;
	int status;
	int first = cli_parse(
		&command_create, options, CLI_COUNT(options), argc, argv, 1, 1, &status);

	if (first < 0)
		return status;
	if (bundle_load(&bundle, argv[first], &err) < 0 || cli_open_runtime(cli, true, &err) < 0 ||
		container_create(&cli->runtime, &bundle.options, &created, &err) < 0)
		return cli_fail(&err);
	created_container_free(&created);
	return EXIT_SUCCESS;
}

const struct command command_create = {
	.name = "create",
	.arguments = "[options] ID",
	.summary = "create a container from a bundle, up to its start gate",
	.run = run_create,
	.enters_containers = true,
};
