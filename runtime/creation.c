/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/creation.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/channel.h"
#include "runtime/hooks.h"
#include "runtime/ns/intel_rdt.h"
#include "runtime/ns/limits.h"
#include "runtime/ns/net_devices.h"

/* The hooks of the runtime's namespaces, and what else has to reach into the new ones. */
static int run_creator_part(struct creation *creation, struct error *err)
{
	const struct oci_config *config = creation->init.config;
	const struct state *state = creation->init.state;
	char path[64];
	int status = 0;

	if (config->linux.n_net_devices > 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/net", creation->init.child.pid);
		_cleanup_close_ int netns = open(path, O_RDONLY | O_CLOEXEC);
		if (netns < 0)
			return error_set(err, errno, "open the container's network namespace");
		status = net_devices_move(&config->linux, netns, err);
	}
	if (status == 0 && config->linux.intel_rdt.set)
		status = intel_rdt_apply(&config->linux.intel_rdt, state->rdt_group, state->id,
			creation->init.child.pid, err);
	if (status < 0 ||
		(config->hooks.prestart.count == 0 && config->hooks.create_runtime.count == 0))
		return status;

	_cleanup_free_ char *json = state_specification_json(
		state, CONTAINER_CREATING, creation->init.child.pid);
	if (json == NULL)
		return error_set(err, ENOMEM, "run hooks");
	status = hooks_run(&config->hooks.prestart, "prestart", json, -EBADF, false, err);
	if (status == 0)
		status = hooks_run(
			&config->hooks.create_runtime, "createRuntime", json, -EBADF, false, err);
	return status;
}

int creation_stage(struct creation *creation, struct error *err)
{
	struct container *container = creation->container;
	int status = process_identify(creation->init.child.pid, &container->state.init, err);

	if (status == 0)
		status = state_stage(container->dir, &container->state, err);
	creation->staged = status == 0;
	return status;
}

/* The new process ended without an error of its own. */
static int explain_end(struct creation *creation, struct error *err)
{
	uint64_t limit = 0;
	siginfo_t end = { 0 };

	if (creation->cgroup_fd >= 0 && cgroup_oom_killed(creation->cgroup_fd, &limit) > 0)
		return error_say(err, ENOMEM,
			"memory limit %" PRIu64
			" too low: the container's process was killed before it started; raise "
			"linux.resources.memory.limit",
			limit);
	if (waitid(P_PIDFD, (id_t)creation->init.child.pidfd, &end, WEXITED | WNOWAIT | __WALL) ==
			0 &&
		end.si_code != CLD_EXITED)
		return error_say(err, ECHILD,
			"the container's process was killed by signal %d before it was ready",
			end.si_status);
	return error_say(err, ECHILD, "the container's process ended before it was ready");
}

/* What the process may not do itself any more: map ids, and lower its OOM score. */
static int settle_user_namespace(struct creation *creation, struct error *err)
{
	const struct container_init *init = &creation->init;
	const struct optional_i32 *score = &init->config->process.oom_score_adj;

	if (score->set) {
		_cleanup_close_ int procfs = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (procfs < 0)
			return error_set(err, errno, "open /proc");
		int status = oom_score_set(
			procfs, init->child.pid, score, init->runtime->rootless, err);
		if (status < 0)
			return status;
	}
	return namespaces_write_mappings(&init->namespaces, init->child.pid, err);
}

static int answer(struct creation *creation, const struct channel_message *message, int *fd,
	struct error *err)
{
	struct new_process *process = &creation->init.child;
	int status;

	if (message->type == CHANNEL_MAP)
		status = settle_user_namespace(creation, err);
	else if (message->type == CHANNEL_HOOKS)
		status = run_creator_part(creation, err);
	else
		return new_process_answer(process, message, fd, err);
	return status < 0 ? status : new_process_let_go(process, err);
}

int creation_converse(struct creation *creation, struct error *err)
{
	struct channel_message message;

	do {
		_cleanup_close_ int fd = -EBADF;
		int got = channel_receive(creation->init.child.channel[0], &message, &fd);

		if (got < 0)
			return error_set(err, -got, "listen to the container's process");
		if (got == 0)
			return explain_end(creation, err);
		int status = answer(creation, &message, &fd, err);
		if (status == -EPIPE && err->errnum == 0)
			return explain_end(creation, err);
		if (status < 0)
			return status;
	} while (message.type != CHANNEL_READY);
	return 0;
}

int creation_own_error(struct creation *creation, int status, struct error *err)
{
	const int channel = creation->init.child.channel[0];
	struct pollfd waiting = { .fd = channel, .events = POLLIN };
	struct channel_message message;

	while (poll(&waiting, 1, 0) > 0 && channel_receive(channel, &message, NULL) > 0) {
		if (message.type == CHANNEL_ERROR)
			return error_say(err, message.value, "%s", message.text);
	}
	return status;
}

int creation_let_go(struct creation *creation, struct error *err)
{
	int status = new_process_let_go(&creation->init.child, err);

	return status == -EPIPE && err->errnum == 0 ? explain_end(creation, err) : status;
}
