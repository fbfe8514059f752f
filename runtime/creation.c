/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/creation.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/socket.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/channel.h"
#include "runtime/hooks.h"
#include "runtime/ns/console.h"
#include "runtime/ns/intel_rdt.h"
#include "runtime/ns/net_devices.h"
#include "runtime/ns/seccomp_notify.h"

int write_pid_file(const char *path, pid_t pid, struct error *err)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", pid);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_set(err, errno, "create the pid file %s", path);
	int status = write_all(fd, text, (size_t)length);
	return status < 0 ? error_set(err, -status, "write the pid file %s", path) : 0;
}

int send_pidfd(const char *path, int pidfd, struct error *err)
{
	_cleanup_close_ int socket = socket_connect_at(AT_FDCWD, path, SOCK_STREAM, err);

	if (socket < 0)
		return error_prefix(err, "--pidfd-socket");
	return socket_send_fds(socket, "pidfd", strlen("pidfd"), &pidfd, 1, err);
}

void child_end(pid_t pid)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

/* The hooks of the runtime's namespaces, and what else has to reach into the new ones. */
static int run_creator_part(struct creation *creation, struct error *err)
{
	const struct oci_config *config = creation->init.config;
	const struct state *state = creation->init.state;
	char path[64];
	int status = 0;

	if (config->linux.n_net_devices > 0) {
		snprintf(path, sizeof(path), "/proc/%d/ns/net", creation->pid);
		_cleanup_close_ int netns = open(path, O_RDONLY | O_CLOEXEC);
		if (netns < 0)
			return error_set(err, errno, "open the container's network namespace");
		status = net_devices_move(&config->linux, netns, err);
	}
	if (status == 0 && config->linux.intel_rdt.set)
		status = intel_rdt_apply(
			&config->linux.intel_rdt, state->rdt_group, state->id, creation->pid, err);
	if (status < 0 ||
		(config->hooks.prestart.count == 0 && config->hooks.create_runtime.count == 0))
		return status;

	_cleanup_free_ char *json = state_specification_json(
		state, CONTAINER_CREATING, creation->pid);
	if (json == NULL)
		return error_set(err, ENOMEM, "run hooks");
	status = hooks_run(&config->hooks.prestart, "prestart", json, -EBADF, false, err);
	if (status == 0)
		status = hooks_run(
			&config->hooks.create_runtime, "createRuntime", json, -EBADF, false, err);
	return status;
}

static int take_listener(struct creation *creation, int number, struct error *err)
{
	const struct oci_seccomp *seccomp = &creation->init.config->linux.seccomp;
	_cleanup_free_ char *json = state_specification_json(
		creation->init.state, CONTAINER_CREATING, creation->pid);
	if (json == NULL)
		return error_set(err, ENOMEM, "pass on the seccomp listener");

	_cleanup_close_ int listener = seccomp_listener_take(
		creation->pidfd, number, LISTENER_WAIT_MS, err);
	if (listener < 0)
		return listener;
	return seccomp_notify_send(seccomp, json, creation->pid, listener, err);
}

static int take_terminal(struct creation *creation, int *master, struct error *err)
{
	if (creation->console_socket >= 0)
		return console_send(creation->console_socket, *master, err);
	creation->terminal = take_fd(master);
	return 0;
}

/* The intermediate process made the container's first process, a child of ours too, and ends. */
static int adopt(struct creation *creation, pid_t pid, struct error *err)
{
	while (waitpid(creation->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	creation->pid = pid;
	close_fd(creation->pidfd);
	creation->pidfd = pidfd_open(pid, 0);
	return creation->pidfd < 0 ? error_set(err, errno, "open process %d", pid) : 0;
}

int creation_stage(struct creation *creation, struct error *err)
{
	struct container *container = creation->container;
	int status = process_identify(creation->pid, &container->state.init, err);

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
	if (waitid(P_PIDFD, (id_t)creation->pidfd, &end, WEXITED | WNOWAIT | __WALL) == 0 &&
		end.si_code != CLD_EXITED)
		return error_say(err, ECHILD,
			"the container's process was killed by signal %d before it was ready",
			end.si_status);
	return error_say(err, ECHILD, "the container's process ended before it was ready");
}

static int answer(struct creation *creation, const struct channel_message *message, int *fd,
	struct error *err)
{
	int status = 0;

	switch ((enum channel_type)message->type) {
	case CHANNEL_LOG:
		log_line((enum log_level)message->value, "%s", message->text);
		return 0;
	case CHANNEL_ERROR:
		return error_say(err, message->value, "%s", message->text);
	case CHANNEL_MAP:
		status = namespaces_write_mappings(&creation->init.namespaces, creation->pid, err);
		break;
	case CHANNEL_PID:
		status = adopt(creation, message->value, err);
		break;
	case CHANNEL_HOOKS:
		status = run_creator_part(creation, err);
		break;
	case CHANNEL_TERMINAL:
		return take_terminal(creation, fd, err);
	case CHANNEL_LISTENER:
		return take_listener(creation, message->value, err);
	case CHANNEL_READY:
	case CHANNEL_GO:
		return 0;
	}
	if (status == 0)
		status = channel_send(creation->init.channel[0], CHANNEL_GO, 0, NULL, -EBADF);
	return status;
}

int creation_converse(struct creation *creation, struct error *err)
{
	struct channel_message message;

	do {
		_cleanup_close_ int fd = -EBADF;
		int got = channel_receive(creation->init.channel[0], &message, &fd);

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
