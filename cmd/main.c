/* SPDX-License-Identifier: Apache-2.0 */
/* The program: global flags, then one of the commands. */
#include "cmd/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/log.h"
#include "runtime/ns/exe.h"

const struct command *const commands[] = { &command_create, &command_start, &command_state,
	&command_kill, &command_delete, &command_run, &command_exec, &command_list, &command_ps,
	&command_spec, &command_pause, &command_resume, &command_update, &command_events,
	&command_features, &command_vm, &command_doctor, NULL };

struct global_flags {
	const char *log, *log_format, *log_level, *rootless;
	bool debug, systemd_cgroup, version, help;
};

static void print_help(void)
{
	printf("usage: caisson [global options] command [options] [arguments]\n\n"
	       "An OCI container runtime: containers in Linux namespaces and cgroup v2.\n\n"
	       "commands:\n");
	for (size_t i = 0; commands[i] != NULL; i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	printf("\nglobal options:\n"
	       "  --root DIR                  where containers' states are kept\n"
	       "  --log FILE                  write a log too\n"
	       "  --log-format text|json      form of the log\n"
	       "  --log-level LEVEL           error, warning, info or debug\n"
	       "  --debug                     the same as --log-level debug\n"
	       "  --systemd-cgroup            the same as --cgroup-manager systemd\n"
	       "  --cgroup-manager MANAGER    cgroupfs, systemd or disabled\n"
	       "  --rootless auto|true|false  whether the caller is less than root\n"
	       "  --isolation namespace|vm|auto  how new containers are isolated\n"
	       "  --settings FILE             in place of /etc/caisson/config.json\n"
	       "  --version, -v               show the version\n"
	       "  --help, -h                  show this; 'caisson COMMAND --help' for a command\n");
}

static int parse_rootless(const char *text, struct cli *cli, struct error *err)
{
	if (text == NULL || strcmp(text, "auto") == 0)
		cli->rootless = -1;
	else if (strcmp(text, "true") == 0)
		cli->rootless = 1;
	else if (strcmp(text, "false") == 0)
		cli->rootless = 0;
	else
		return error_say(err, EINVAL, "--rootless %s: must be auto, true or false", text);
	return 0;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; commands[i] != NULL; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

static int run_command(struct cli *cli, const char *name, int argc, char **argv, char **whole_argv)
{
	const struct command *command = find_command(name);
	struct error err = ERROR_INIT;

	if (command == NULL) {
		error_say(&err, EINVAL, "unknown command %s (see caisson --help)", name);
		return cli_fail(&err);
	}
	if (command->enters_containers && exe_protect(whole_argv, &err) < 0)
		return cli_fail(&err);
	int status = command->run(cli, argc, argv);
	runtime_close(&cli->runtime);
	settings_free(&cli->settings);
	return status;
}

/* Closed ones would be filled by the first files that are opened, and those given to the container.
 */
static int fill_standard_fds(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct cli cli = { .rootless = -1, .runtime = { .root = -EBADF } };
	struct global_flags flags = { .log_format = "text" };
	const struct cli_option options[] = {
		{ "root", 0, "DIR", "", CLI_STRING, &cli.root },
		{ "log", 0, "FILE", "", CLI_STRING, &flags.log },
		{ "log-format", 0, "FORMAT", "", CLI_STRING, &flags.log_format },
		{ "log-level", 0, "LEVEL", "", CLI_STRING, &flags.log_level },
		{ "debug", 0, NULL, "", CLI_FLAG, &flags.debug },
		{ "systemd-cgroup", 0, NULL, "", CLI_FLAG, &flags.systemd_cgroup },
		{ "cgroup-manager", 0, "MANAGER", "", CLI_STRING, &cli.cgroup_manager },
		{ "rootless", 0, "WHEN", "", CLI_STRING, &flags.rootless },
		{ "isolation", 0, "NAME", "", CLI_STRING, &cli.isolation },
		{ "settings", 0, "FILE", "", CLI_STRING, &cli.settings_file },
		{ "version", 'v', NULL, "", CLI_FLAG, &flags.version },
		{ "help", 'h', NULL, "", CLI_FLAG, &flags.help },
	};
	const struct command self = {
		.name = "caisson", .arguments = "", .summary = "", .options_first = true
	};
	struct error err = ERROR_INIT;
	int status;

	if (fill_standard_fds() < 0)
		return EXIT_FAILURE;
	cli_log_open(NULL, "text", NULL, false, &err);
	/* A name of its own, so that an engine's list of runtimes needs no flags. */
	const char *name = strrchr(argc > 0 ? argv[0] : "", '/');
	name = name != NULL ? name + 1 : argc > 0 ? argv[0] : "";
	cli.called_vm = strcmp(name, "caisson-vm") == 0;
	int first = cli_parse(&self, options, CLI_COUNT(options), argc, argv, 0, -1, &status);
	if (first < 0)
		return status;
	if (flags.version || flags.help || first == argc) {
		flags.version ? cli_print_version() : print_help();
		return fflush(stdout) == 0 && (flags.version || flags.help) ? EXIT_SUCCESS
									    : EXIT_FAILURE;
	}
	if (flags.systemd_cgroup)
		cli.cgroup_manager = "systemd";
	if (cli_log_open(flags.log, flags.log_format, flags.log_level, flags.debug, &err) < 0 ||
		parse_rootless(flags.rootless, &cli, &err) < 0)
		return cli_fail(&err);
	return run_command(&cli, argv[first], argc - first, argv + first, argv);
}
