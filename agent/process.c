/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"

static struct guest_process *first;

/* The program's ends of its stdin, stdout and stderr, and ours. */
struct pipes {
	int program[PROCESS_STREAMS], own[PROCESS_STREAMS];
};

static void pipes_close(struct pipes *pipes)
{
	for (int i = 0; i < PROCESS_STREAMS; i++) {
		pipes->program[i] = close_fd(pipes->program[i]);
		pipes->own[i] = close_fd(pipes->own[i]);
	}
}

static int pipes_open(struct pipes *pipes, struct error *err)
{
	*pipes = (struct pipes){ { -EBADF, -EBADF, -EBADF }, { -EBADF, -EBADF, -EBADF } };
	for (int i = 0; i < PROCESS_STREAMS; i++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC) < 0) {
			pipes_close(pipes);
			return error_set(err, errno, "make the program's pipes");
		}
		pipes->program[i] = ends[i == 0 ? 0 : 1];
		pipes->own[i] = ends[i == 0 ? 1 : 0];
	}
	return 0;
}

struct guest_process *process_new(int control)
{
	unsigned char random[(PROCESS_TOKEN - 1) / 2];
	struct guest_process *process = calloc(1, sizeof(*process));

	if (process == NULL || getrandom(random, sizeof(random), 0) != sizeof(random)) {
		free(process);
		return NULL;
	}
	for (size_t i = 0; i < sizeof(random); i++)
		sprintf(process->token + 2 * i, "%02x", random[i]);
	process->control = control;
	process->terminal = process->pidfd = -EBADF;
	process->created = CREATED_CONTAINER_INIT;
	process->notify = NOTIFY_INIT;
	for (int i = 0; i < PROCESS_STREAMS; i++) {
		process->streams[i] = -EBADF;
		pump_open(&process->pumps[i], -EBADF, -EBADF);
	}
	process->next = first;
	first = process;
	return process;
}

struct guest_process *process_first(void)
{
	return first;
}

struct guest_process *process_by_token(const char *token)
{
	struct guest_process *process = first;

	while (process != NULL && strcmp(process->token, token) != 0)
		process = process->next;
	return process;
}

struct guest_process *process_by_pid(pid_t pid)
{
	struct guest_process *process = first;

	while (process != NULL && process->pid != pid)
		process = process->next;
	return process;
}

int process_take_stream(struct guest_process *process, int number, int fd)
{
	if (number < 0 || number >= PROCESS_STREAMS)
		return -EINVAL;
	if (process->streams[number] >= 0 || process->pid != 0)
		return -EEXIST;
	process->streams[number] = fd;
	return 0;
}

static void pump_stream(struct guest_process *process, int number, int own)
{
	int stream = take_fd(&process->streams[number]);

	if (number == 0)
		pump_open(&process->pumps[number], stream, own);
	else
		pump_open(&process->pumps[number], own, stream);
}

/* A terminal has one end for both directions; its size is set through a third fd. */
static void connect_terminal(struct guest_process *process, int master)
{
	pump_stream(process, 0, fcntl(master, F_DUPFD_CLOEXEC, 3));
	pump_stream(process, 1, fcntl(master, F_DUPFD_CLOEXEC, 3));
	process->streams[2] = close_fd(process->streams[2]);
	process->terminal = master;
}

static void connect_pipes(struct guest_process *process, struct pipes *pipes)
{
	for (int i = 0; i < PROCESS_STREAMS; i++)
		pump_stream(process, i, take_fd(&pipes->own[i]));
}

static void began(
	struct guest_process *process, pid_t pid, int pidfd, int terminal, struct pipes *pipes)
{
	process->pid = pid;
	process->pidfd = pidfd;
	if (terminal >= 0)
		connect_terminal(process, terminal);
	else
		connect_pipes(process, pipes);
}

int process_create(struct guest_process *process, const struct runtime *runtime, const char *id,
	const char *bundle, const char *config, bool notify, const struct seccomp_filter *seccomp,
	struct error *err)
{
	_cleanup_(pipes_close) struct pipes pipes;
	int status = pipes_open(&pipes, err);

	if (status < 0)
		return status;
	const struct create_options options = {
		.id = id,
		.bundle = bundle, /* what hooks are told: every path of the config is absolute */
		.no_pivot =
			true, /* the guest's root is an initramfs, which cannot be left otherwise */
		.config_text = config,
		.config_length = strlen(config),
		.attached = true,
		.want_terminal = true,
		.stdio = pipes.program,
		.seccomp = seccomp,
		/* There is none of the caller's here: the host hears of it from us. */
		.notify_socket = notify ? "host" : NULL,
	};
	status = container_create(runtime, &options, &process->created, err);
	if (status < 0)
		return status;
	process->has_container = true;
	began(process, process->created.container.state.init.pid, take_fd(&process->created.pidfd),
		take_fd(&process->created.terminal), &pipes);
	return 0;
}

int process_start(struct guest_process *process, struct error *err)
{
	if (!process->has_container)
		return error_say(err, EINVAL, "there is no container to start");
	const struct container *container = &process->created.container;
	if (container->state.notify && process->notify.socket < 0 &&
		notify_listen(container->dir, &process->notify, err) < 0)
		return -err->errnum;
	return container_start_attached(&process->created, err);
}

int process_exec(struct guest_process *process, const struct runtime *runtime, const char *id,
	const struct oci_process *program, const char *cgroup, const struct seccomp_filter *seccomp,
	struct error *err)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	_cleanup_(pipes_close) struct pipes pipes;
	struct exec_process executed = { 0 };
	int status = pipes_open(&pipes, err);

	if (status < 0)
		return status;
	const struct exec_options options = {
		.process = program,
		.cgroup = cgroup,
		.want_terminal = true,
		.ignore_paused = true, /* pausing is the host's: whoever got here may go on */
		.stdio = pipes.program,
		.seccomp = seccomp,
	};
	status = container_open(runtime, id, &container, err);
	if (status == 0)
		status = container_exec(&container, &options, &executed, err);
	if (status < 0)
		return status;
	began(process, executed.pid, executed.pidfd, executed.terminal, &pipes);
	return 0;
}

int process_signal(struct guest_process *process, int signal, bool all, struct error *err)
{
	if (process->pid == 0)
		return error_say(err, ESRCH, "container not running");
	if (process->has_container)
		return container_kill(&process->created.container, signal, all, err);
	if (pidfd_send_signal(process->pidfd, signal, NULL, 0) < 0)
		return error_set(err, errno, "send signal %d", signal);
	return 0;
}

int process_resize(struct guest_process *process, unsigned short rows, unsigned short columns,
	struct error *err)
{
	const struct winsize size = { .ws_row = rows, .ws_col = columns };

	if (process->terminal >= 0 && ioctl(process->terminal, TIOCSWINSZ, &size) < 0)
		return error_set(err, errno, "set the terminal's size");
	return 0;
}

void process_poll(const struct guest_process *process, struct pollfd *fds)
{
	for (int i = 0; i < PROCESS_STREAMS; i++)
		pump_poll(&process->pumps[i], fds + 2 * i);
	fds[2 * PROCESS_STREAMS] = (struct pollfd){ .fd = process->notify.socket,
		.events = POLLIN };
}

bool process_handle(struct guest_process *process, const struct pollfd *fds)
{
	for (int i = 0; i < PROCESS_STREAMS; i++)
		pump_handle(&process->pumps[i], fds + 2 * i);
	return fds[2 * PROCESS_STREAMS].revents != 0 && notify_receive(&process->notify) > 0;
}

void process_ended(struct guest_process *process)
{
	struct error err = ERROR_INIT;

	process->pid = 0;
	process->pidfd = close_fd(process->pidfd);
	if (!process->has_container)
		return;
	process->has_container = false;
	notify_close(&process->notify);
	if (container_finish(&process->created.container, &err) < 0)
		log_warning("%s", err.message);
	created_container_free(&process->created);
}

void process_free(struct guest_process *process)
{
	for (struct guest_process **link = &first; *link != NULL; link = &(*link)->next) {
		if (*link == process) {
			*link = process->next;
			break;
		}
	}
	if (process->pid != 0) {
		process_signal(process, SIGKILL, process->has_container, NULL);
		while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
			;
		process_ended(process);
	}
	for (int i = 0; i < PROCESS_STREAMS; i++) {
		close_fd(process->streams[i]);
		pump_close(&process->pumps[i]);
	}
	close_fd(process->terminal);
	free(process);
}
