/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/new_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "lib/cleanup.h"
#include "lib/fds.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/socket.h"
#include "runtime/ns/console.h"
#include "runtime/ns/seccomp.h"
#include "runtime/ns/seccomp_notify.h"

/* A process that announced its seccomp listener loads it at once. */
#define LISTENER_WAIT_MS 10000

int new_process_connect_console(struct new_process *process, const char *path, struct error *err)
{
	if (path == NULL)
		return 0;
	process->console_socket = socket_connect_at(AT_FDCWD, path, SOCK_STREAM, err);
	return process->console_socket < 0 ? error_prefix(err, "--console-socket") : 0;
}

/* The intermediate process made the real one, a child of ours too, and ends. */
static int adopt(struct new_process *process, pid_t pid, struct error *err)
{
	while (waitpid(process->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	process->pid = pid;
	close_fd(process->pidfd);
	process->pidfd = pidfd_open(pid, 0);
	if (process->pidfd < 0)
		return error_set(err, errno, "open process %d", pid);
	return new_process_let_go(process, err);
}

static int take_listener(struct new_process *process, int number, struct error *err)
{
	_cleanup_free_ char *json = state_specification_json(process->state, process->status,
		process->status == CONTAINER_CREATING ? process->pid : 0);
	if (json == NULL)
		return error_set(err, ENOMEM, "pass on the seccomp listener");
	_cleanup_close_ int listener = seccomp_listener_take(
		process->pidfd, number, LISTENER_WAIT_MS, err);
	if (listener < 0)
		return listener;
	return seccomp_notify_send(process->seccomp, json, process->pid, listener, err);
}

int new_process_answer(struct new_process *process, const struct channel_message *message, int *fd,
	struct error *err)
{
	switch ((enum channel_type)message->type) {
	case CHANNEL_LOG:
		log_line((enum log_level)message->value, "%s", message->text);
		return 0;
	case CHANNEL_ERROR:
		process->refused = true;
		return error_say(err, message->value, "%s", message->text);
	case CHANNEL_PID:
		return adopt(process, message->value, err);
	case CHANNEL_TERMINAL:
		if (process->console_socket >= 0)
			return console_send(process->console_socket, *fd, err);
		process->terminal = take_fd(fd);
		return 0;
	case CHANNEL_LISTENER:
		return take_listener(process, message->value, err);
	case CHANNEL_MAP:
	case CHANNEL_HOOKS:
	case CHANNEL_READY:
	case CHANNEL_GO:
		break;
	}
	return 0;
}

static int write_pid_file(const char *path, pid_t pid, struct error *err)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", pid);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		return error_set(err, errno, "create the pid file %s", path);
	int status = write_all(fd, text, (size_t)length);
	return status < 0 ? error_set(err, -status, "write the pid file %s", path) : 0;
}

static int send_pidfd(const char *path, int pidfd, struct error *err)
{
	_cleanup_close_ int socket = socket_connect_at(AT_FDCWD, path, SOCK_STREAM, err);

	if (socket < 0)
		return error_prefix(err, "--pidfd-socket");
	return socket_send_fds(socket, "pidfd", strlen("pidfd"), &pidfd, 1, err);
}

int new_process_publish(const struct new_process *process, const char *pid_file,
	const char *pidfd_socket, struct error *err)
{
	int status = 0;

	if (pid_file != NULL)
		status = write_pid_file(pid_file, process->pid, err);
	if (status == 0 && pidfd_socket != NULL)
		status = send_pidfd(pidfd_socket, process->pidfd, err);
	return status;
}

int new_process_let_go(const struct new_process *process, struct error *err)
{
	int status = channel_send(process->channel[0], CHANNEL_GO, 0, NULL, -EBADF);

	if (status == -EPIPE || status == 0)
		return status;
	return error_set(err, -status, "let the new process go on");
}

void new_process_end(const struct new_process *process)
{
	if (process->pid <= 0)
		return;
	kill(process->pid, SIGKILL);
	while (waitpid(process->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
}

void new_process_close(struct new_process *process)
{
	process->pidfd = close_fd(process->pidfd);
	process->channel[0] = close_fd(process->channel[0]);
	process->channel[1] = close_fd(process->channel[1]);
	process->console_socket = close_fd(process->console_socket);
	process->terminal = close_fd(process->terminal);
}
