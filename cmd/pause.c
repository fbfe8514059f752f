/* SPDX-License-Identifier: Apache-2.0 */
/* pause and resume. */
#include "cmd/cli.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/container.h"

static int change(const struct command *command,
	int (*act)(struct container *container, struct error *err), struct cli *cli, int argc,
	char **argv)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	struct error err = ERROR_INIT;
	int status;
	int first = cli_parse(command, NULL, 0, argc, argv, 1, 1, &status);

	if (first < 0)
		return status;
	if (cli_open_runtime(cli, false, &err) < 0 ||
		container_open(&cli->runtime, argv[first], &container, &err) < 0 ||
		act(&container, &err) < 0)
		return cli_fail(&err);
	return EXIT_SUCCESS;
}

static int run_pause(struct cli *cli, int argc, char **argv)
{
	return change(&command_pause, container_pause, cli, argc, argv);
}

static int run_resume(struct cli *cli, int argc, char **argv)
{
	return change(&command_resume, container_resume, cli, argc, argv);
}

const struct command command_pause = {
	.name = "pause",
	.arguments = "ID",
	.summary = "freeze all processes of a container",
	.run = run_pause,
};

const struct command command_resume = {
	.name = "resume",
	.arguments = "ID",
	.summary = "let the processes of a paused container go on",
	.run = run_resume,
};
