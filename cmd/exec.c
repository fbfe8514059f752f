/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/exec_process.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/json.h"
#include "runtime/container.h"
#include "runtime/isolation.h"
#include "runtime/supervise.h"

#define MONITOR_END_MS 2000

static int load_process(
	const char *path, struct arena *arena, struct oci_process *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t length;
	int status = read_file(AT_FDCWD, path, JSON_MAX_SIZE, &text, &length, err);

	if (status == 0)
		status = oci_process_decode(text, length, arena, ret, err);
	return status < 0 ? error_prefix(err, "--process %s", path) : 0;
}

/*
 * What stands for a program of another kernel says by its exit status how that ended. Killed it is
 * with its namespace of processes, when the monitor's end comes sooner than its own.
 */
static bool went_with_monitor(const struct container *container)
{
	_cleanup_close_ int pidfd = process_open(&container->state.init, NULL);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	return pidfd < 0 || poll(&ended, 1, MONITOR_END_MS) > 0;
}

/* Returns the exit status, or a negative errno: that of the program only where it is to blame. */
static int run_in(struct container *container, const struct exec_options *options, bool detach,
	struct error *err)
{
	struct exec_process process = { 0 };

	if (options->process->terminal && detach && options->console_socket == NULL)
		return error_say(
			err, EINVAL, "a detached process's terminal needs --console-socket");
	if (options->console_socket != NULL && !options->process->terminal)
		return error_say(err, EINVAL, "--console-socket needs a terminal: add --tty");
	if (!detach)
		supervise_block_signals(NULL);
	int status = container_exec(container, options, &process, err);
	if (status < 0)
		return process.refused ? status : -EIO;
	if (detach)
		return 0;
	struct supervision supervision = {
		.pid = process.pid, .pidfd = process.pidfd, .terminal = process.terminal
	};
	status = supervise(&supervision, err);
	close_fd(process.pidfd);
	if (supervision.killed && container->isolation->own_kernel && went_with_monitor(container))
		return error_say(err, EPIPE, "container %s: exec: the virtual machine ended",
			container->state.id);
	return status;
}

/* As a shell says it: 127 where the program is not there, 126 where it cannot be executed. */
static int exit_status(int failure)
{
	if (failure == -ENOENT)
		return 127;
	return failure == -EACCES || failure == -ENOEXEC ? 126 : 255;
}

static int run_exec(struct cli *cli, int argc, char **argv)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	_cleanup_(arena_free) struct arena arena = { 0 };
	struct exec_options exec = { 0 };
	_cleanup_(exec_flags_free) struct exec_flags flags = { 0 };
	const char *process_file = NULL;
	unsigned int preserve_fds = 0;
	bool detach = false, ignored;
	const struct cli_option options[] = {
		{ "process", 'p', "FILE", "the process object (JSON), in place of the flags below",
			CLI_STRING, &process_file },
		{ "detach", 'd', NULL, "do not wait for the process's end", CLI_FLAG, &detach },
		{ "console-socket", 0, "PATH", "send the terminal's master over this Unix socket",
			CLI_STRING, &exec.console_socket },
		{ "pid-file", 0, "FILE", "write the process's pid there", CLI_STRING,
			&exec.pid_file },
		{ "pidfd-socket", 0, "PATH", "send a pidfd of the process over this Unix socket",
			CLI_STRING, &exec.pidfd_socket },
		{ "preserve-fds", 0, "N", "pass the fds 3 to 3+N-1 on", CLI_NUMBER, &preserve_fds },
		{ "cgroup", 0, "PATH", "a cgroup below the container's", CLI_STRING, &exec.cgroup },
		{ "ignore-paused", 0, NULL, "even when the container is paused", CLI_FLAG,
			&exec.ignore_paused },
		{ "tty", 't', NULL, "with a terminal", CLI_FLAG, &flags.tty },
		{ "cwd", 0, "DIR", "working directory", CLI_STRING, &flags.cwd },
		{ "env", 'e', "NAME=VALUE", "set in the environment", CLI_LIST, &flags.env },
		{ "user", 'u', "UID[:GID]", "user and group, as numbers", CLI_STRING, &flags.user },
		{ "additional-gids", 'g', "GID", "one more group", CLI_LIST, &flags.gids },
		{ "cap", 'c', "CAP", "one more capability", CLI_LIST, &flags.capabilities },
		{ "no-new-privs", 0, NULL, "without new privileges", CLI_FLAG,
			&flags.no_new_privileges },
		{ "process-label", 0, "LABEL", "SELinux label", CLI_STRING, &flags.selinux_label },
		{ "apparmor", 0, "PROFILE", "AppArmor profile", CLI_STRING, &flags.apparmor },
		{ "no-subreaper", 0, NULL, NULL, CLI_FLAG, &ignored },
	};
	struct oci_process process = { 0 };
	struct error err = ERROR_INIT;
	int status;
	int first = cli_parse(
		&command_exec, options, CLI_COUNT(options), argc, argv, 1, -1, &status);

	if (first < 0)
		return status;
	if (process_file == NULL && argc - first < 2)
		return cli_usage(&command_exec, "a command is missing (or --process)");
	flags.args = argv + first + 1;
	flags.n_args = (size_t)(argc - first - 1);
	exec.process = &process;
	exec.want_terminal = !detach;
	exec.plain_lines = !detach && exec.console_socket == NULL && !isatty(STDOUT_FILENO);
	if (cli_passed_fds(preserve_fds, &exec.preserve_fds, &exec.listen_fds, &err) < 0 ||
		cli_open_runtime(cli, false, &err) < 0 ||
		container_open(&cli->runtime, argv[first], &container, &err) < 0 ||
		container_load_config(&container, &err) < 0 ||
		(process_file != NULL ? load_process(process_file, &arena, &process, &err)
				      : exec_process_from_flags(&container.config.process, &flags,
						&arena, &process, &err)) < 0)
		return cli_fail(&err), 255;
	process.terminal = process.terminal || (process_file != NULL && flags.tty);
	exec.attached = !detach;
	status = run_in(&container, &exec, detach, &err);
	if (status < 0) {
		cli_fail(&err);
		return exit_status(status);
	}
	return status;
}

const struct command command_exec = {
	.name = "exec",
	.arguments = "[options] ID COMMAND [ARGUMENT...]  |  --process FILE ID",
	.summary = "run a further process in a container",
	.run = run_exec,
	.enters_containers = true,
	.options_first = true,
};
