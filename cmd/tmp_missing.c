#include "cmd/cli.h"
static int nope(struct cli *cli, int argc, char **argv)
{
	(void)cli;
	(void)argc;
	(void)argv;
	return 1;
}
const struct command command_update = { .name = "update", .summary = "", .run = nope },
		     command_events = { .name = "events", .summary = "", .run = nope },
		     command_features = { .name = "features", .summary = "", .run = nope };
