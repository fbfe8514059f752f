/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/signals.h"
#include "runtime/container.h"

static int run_kill(struct cli *cli, int argc, char **argv)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	bool all = false;
	const struct cli_option options[] = {
		{ "all", 'a', NULL, "every process of the container, not just its first", CLI_FLAG,
			&all },
	};
	struct error err = ERROR_INIT;
	int signal = SIGTERM, status;
	int first = cli_parse(
		&command_kill, options, CLI_COUNT(options), argc, argv, 1, 2, &status);

	if (first < 0)
		return status;
	if (argc - first == 2)
		signal = signal_parse(argv[first + 1]);
	if (signal < 0)
		return cli_usage(&command_kill, "unknown signal %s", argv[first + 1]);
	if (cli_open_runtime(cli, false, &err) < 0 ||
		container_open(&cli->runtime, argv[first], &container, &err) < 0 ||
		container_kill(&container, signal, all, &err) < 0)
		return cli_fail(&err);
	return EXIT_SUCCESS;
}

const struct command command_kill = {
	.name = "kill",
	.arguments = "[options] ID [SIGNAL]",
	.summary = "send a signal (default: TERM) to a container",
	.run = run_kill,
};
