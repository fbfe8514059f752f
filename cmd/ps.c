/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/container.h"

static int print_json(const struct pid_list *pids, struct error *err)
{
	putchar('[');
	for (size_t i = 0; i < pids->count; i++)
		printf("%s%d", i > 0 ? "," : "", pids->items[i]);
	puts("]");
	return fflush(stdout) == 0 ? 0 : error_set(err, errno, "write to stdout");
}

/* Which white-space separated column of ps's heading is called PID; -1: none. */
static int find_pid_column(const char *heading)
{
	int column = 0;

	for (const char *c = heading; *c != '\0'; column++) {
		c += strspn(c, " \t\n");
		size_t length = strcspn(c, " \t\n");

		if (length == 3 && strncmp(c, "PID", 3) == 0)
			return column;
		c += length;
	}
	return -1;
}

static bool is_listed(const char *line, int column, const struct pid_list *pids)
{
	for (; column > 0; column--) {
		line += strspn(line, " \t");
		line += strcspn(line, " \t\n");
	}
	line += strspn(line, " \t");
	if (!isdigit((unsigned char)*line))
		return false;
	long pid = strtol(line, NULL, 10);
	for (size_t i = 0; i < pids->count; i++) {
		if (pids->items[i] == pid)
			return true;
	}
	return false;
}

static int filter(FILE *output, const struct pid_list *pids, struct error *err)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int column = -1;

	while (getline(&line, &size, output) > 0) {
		if (column < 0) {
			column = find_pid_column(line);
			if (column < 0)
				return error_say(err, EINVAL,
					"ps prints no column PID: choose other options for it");
			fputs(line, stdout);
		} else if (is_listed(line, column, pids)) {
			fputs(line, stdout);
		}
	}
	return fflush(stdout) == 0 ? 0 : error_set(err, errno, "write to stdout");
}

/* The host's ps(1), cut down to the container's processes. */
static int print_table(const struct pid_list *pids, char **arguments, struct error *err)
{
	static char name[] = "ps", all[] = "-ef";
	char *fallback[] = { name, all, NULL };
	char **argv = arguments[0] != NULL ? arguments - 1 : fallback;
	int ends[2], status;

	argv[0] = name;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, errno, "run ps");
	pid_t child = fork();
	if (child == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execvp("ps", argv);
		_exit(127);
	}
	close_fd(ends[1]);
	_cleanup_fclose_ FILE *output = fdopen(ends[0], "r");
	if (child < 0 || output == NULL)
		return error_set(err, errno, "run ps");
	int result = filter(output, pids, err);
	/* It may have more to say than anybody reads. */
	fclose(take_ptr(&output));
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return error_say(err, ENOENT, "ps not found: install procps, or use --format json");
	return result;
}

static void print_guest_row(const struct container_process_row *row)
{
	unsigned long seconds = (unsigned long)(row->cpu / 1000);

	printf("%-8u %7d %7d %02lu:%02lu:%02lu %s\n", row->uid, row->pid, row->ppid, seconds / 3600,
		seconds / 60 % 60, seconds % 60, row->command);
}

/* 1: printed; 0: the processes are the host's. Options of ps(1) are for those only. */
static int print_guest_table(struct container *container, struct error *err)
{
	struct container_process_table table;
	int status = container_process_table(container, &table, err);

	if (status <= 0)
		return status;
	printf("%-8s %7s %7s %8s %s\n", "UID", "PID", "PPID", "TIME", "COMMAND");
	for (size_t i = 0; i < table.count; i++)
		print_guest_row(&table.rows[i]);
	arena_free(&table.arena);
	return fflush(stdout) == 0 ? 1 : error_set(err, errno, "write to stdout");
}

static int print_processes(
	struct container *container, bool json, char **ps_options, struct error *err)
{
	_cleanup_(pid_list_free) struct pid_list pids = { 0 };
	int status = json ? 0 : print_guest_table(container, err);

	if (status != 0)
		return status;
	status = container_processes(container, &pids, err);
	if (status < 0)
		return status;
	return json ? print_json(&pids, err) : print_table(&pids, ps_options, err);
}

static int run_ps(struct cli *cli, int argc, char **argv)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	const char *format = "table";
	const struct cli_option options[] = {
		{ "format", 'f', "table|json", "form of the list", CLI_STRING, &format },
	};
	struct error err = ERROR_INIT;
	int status;
	int first = cli_parse(&command_ps, options, CLI_COUNT(options), argc, argv, 1, -1, &status);

	if (first < 0)
		return status;
	bool json = strcmp(format, "json") == 0;
	if (!json && strcmp(format, "table") != 0)
		return cli_usage(&command_ps, "--format %s: must be table or json", format);
	if (cli_open_runtime(cli, false, &err) < 0 ||
		container_open(&cli->runtime, argv[first], &container, &err) < 0 ||
		print_processes(&container, json, argv + first + 1, &err) < 0)
		return cli_fail(&err);
	return EXIT_SUCCESS;
}

const struct command command_ps = {
	.name = "ps",
	.arguments = "[options] ID [PS-OPTION...]",
	.summary = "show the processes of a container",
	.run = run_ps,
	.options_first = true,
};
