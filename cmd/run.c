/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/bundle.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/notify.h"
#include "runtime/supervise.h"

struct run_flags {
	bool detach, keep, no_subreaper;
};

/* After the container's end; what of it is left with --keep is for a later delete. */
static int clean_up(struct created_container *created, bool keep, struct error *err)
{
	if (keep)
		return 0;
	int status = state_lock(created->container.dir, created->container.state.id, err);
	if (status == -ENOENT) /* somebody else deleted it */
		return 0;
	return status < 0 ? status : container_finish(&created->container, err);
}

static int stand_in_front(
	struct created_container *created, struct notify *notify, struct error *err)
{
	struct supervision supervision = {
		.pid = created->container.state.init.pid,
		.pidfd = created->pidfd,
		.terminal = take_fd(&created->terminal),
		.notify = notify->socket >= 0 ? notify : NULL,
	};

	return supervise(&supervision, err);
}

static int start(struct created_container *created, const struct bundle *bundle, bool detach,
	struct notify *notify, struct error *err)
{
	const char *host = bundle->options.notify_socket;
	int status = 0;

	if (host != NULL && created->container.state.notify)
		status = notify_open(created->container.dir, host, notify, err);
	if (status == 0)
		status = container_start_attached(created, err);
	if (status == 0 && detach && notify->socket >= 0)
		status = notify_wait_ready(notify, &created->container.state.init, err);
	return status;
}

/* A shell passes the death of its child by signal N on as 128 + N, too. */
static void warn_of_oom(const struct container *container, int status)
{
	uint64_t limit;

	if (status == 128 + SIGKILL && container_oom_killed(container, &limit))
		log_warning("container %s was killed by the kernel: memory limit %" PRIu64
			    " reached; raise linux.resources.memory.limit",
			container->state.id, limit);
}

/* Returns the exit status, or a negative errno. */
static int run_bundle(const struct runtime *runtime, const struct bundle *bundle,
	const struct run_flags *flags, struct error *err)
{
	_cleanup_(created_container_free) struct created_container created = CREATED_CONTAINER_INIT;
	_cleanup_(notify_close) struct notify notify = NOTIFY_INIT;
	int status;

	if (!flags->detach) {
		supervise_block_signals(NULL);
		if (!flags->no_subreaper)
			prctl(PR_SET_CHILD_SUBREAPER, 1);
	}
	status = container_create(runtime, &bundle->options, &created, err);
	if (status < 0)
		return status;
	status = start(&created, bundle, flags->detach, &notify, err);
	if (status == 0 && flags->detach)
		return 0;
	if (status == 0) {
		status = stand_in_front(&created, &notify, err);
		warn_of_oom(&created.container, status);
	}

	struct error failure = ERROR_INIT;
	if (clean_up(&created, flags->keep && status >= 0, &failure) < 0 && status >= 0) {
		*err = failure;
		return -failure.errnum;
	}
	return status;
}

static int check_terminal(const struct bundle *bundle, bool detach, struct error *err)
{
	if (bundle->options.console_socket != NULL && !detach)
		return error_say(err, EINVAL, "--console-socket goes with --detach only");
	return 0;
}

static int run_run(struct cli *cli, int argc, char **argv)
{
	_cleanup_(bundle_free) struct bundle bundle = { .options.attached = true };
	struct run_flags flags = { 0 };
	const struct cli_option options[] = {
		BUNDLE_OPTIONS(&bundle),
		{ "detach", 'd', NULL, "do not wait for the container's end", CLI_FLAG,
			&flags.detach },
		{ "keep", 0, NULL, "do not delete the container when it ends", CLI_FLAG,
			&flags.keep },
		{ "no-subreaper", 0, NULL, "do not adopt the container's orphans", CLI_FLAG,
			&flags.no_subreaper },
	};
	struct error err = ERROR_INIT;
	int status;
	int first = cli_parse(&command_run, options, CLI_COUNT(options), argc, argv, 1, 1, &status);

	if (first < 0)
		return status;
	bundle.options.want_terminal = !flags.detach;
	bundle.options.plain_lines = !flags.detach && !isatty(STDOUT_FILENO);
	if (check_terminal(&bundle, flags.detach, &err) < 0 ||
		bundle_load(&bundle, argv[first], &err) < 0 ||
		cli_open_runtime(cli, true, &err) < 0)
		return cli_fail(&err);
	status = run_bundle(&cli->runtime, &bundle, &flags, &err);
	return status < 0 ? cli_fail(&err) : status;
}

const struct command command_run = {
	.name = "run",
	.arguments = "[options] ID",
	.summary = "create, start and (unless detached) wait for and delete a container",
	.run = run_run,
	.enters_containers = true,
};
