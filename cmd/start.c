/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/container.h"

static int run_start(struct cli *cli, int argc, char **argv)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	struct error err = ERROR_INIT;
	int status;
	int first = cli_parse(&command_start, NULL, 0, argc, argv, 1, 1, &status);

	if (first < 0)
		return status;
	if (cli_open_runtime(cli, false, &err) < 0 ||
		container_open(&cli->runtime, argv[first], &container, &err) < 0 ||
		container_start(&container, getenv("NOTIFY_SOCKET"), &err) < 0)
		return cli_fail(&err);
	return EXIT_SUCCESS;
}

const struct command command_start = {
	.name = "start",
	.arguments = "ID",
	.summary = "run the program of a created container",
	.run = run_start,
};
