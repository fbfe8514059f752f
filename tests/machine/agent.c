/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The far end of the command channel: runs one command after the other for each port it is given,
 * sends back what they write and how they end, and kills the ones that take too long.
 *
 *   agent PORT...          virtio-serial ports, a process for each
 *   agent --listen SOCKET  a Unix socket, a process for each connection
 *
 * Each process is a subreaper, so that the orphans of a command (containers are) stay findable:
 * they live on after a command that ended by itself, and die with one that is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/machine/channel.h"

/*
 * Data may overtake the notice that a client has connected to a virtio-serial port, or that the one
 * before it has left: only a port that stays hung up for a while has lost its client.
 */
#define HANG_UP_MS 1000

struct session {
	int port;
	uint32_t number;
	int64_t hung_up; /* since when, 0: not */
	bool lost;	 /* the client hung up */
};

static volatile pid_t command_pid;
static volatile sig_atomic_t command_ended;
static volatile int command_status;

static void reap(int signal)
{
	int saved = errno, status;
	pid_t pid;

	(void)signal;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == command_pid) {
			command_status = status;
			command_ended = 1;
		}
	}
	errno = saved;
}

static void ignore(int signal)
{
	(void)signal;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

/* SIGCHLD and SIGIO are blocked except while waiting here; both end the wait. */
static int wait_for(struct pollfd *fds, nfds_t count, int64_t timeout_ms)
{
	struct timespec timeout = { timeout_ms / 1000, timeout_ms % 1000 * 1000000 };
	sigset_t none;

	sigemptyset(&none);
	return ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, &none);
}

static void check_port(struct session *session)
{
	struct pollfd fd = { .fd = session->port };

	if (poll(&fd, 1, 0) == 1 && (fd.revents & (POLLHUP | POLLERR)) != 0) {
		if (session->hung_up == 0)
			session->hung_up = now_ms();
		session->lost = now_ms() - session->hung_up > HANG_UP_MS;
	} else {
		session->hung_up = 0;
	}
}

static void send_all(struct session *session, const void *data, size_t length)
{
	const char *next = data;

	while (length > 0 && !session->lost) {
		ssize_t written = write(session->port, next, length);

		if (written > 0) {
			next += written;
			length -= (size_t)written;
		} else if (errno == EAGAIN) {
			struct pollfd fd = { .fd = session->port, .events = POLLOUT };

			check_port(session);
			wait_for(&fd, session->hung_up ? 0 : 1, 20);
		} else if (errno != EINTR) {
			session->lost = true;
		}
	}
}

static void send_frame(struct session *session, uint16_t type, const void *data, uint16_t length)
{
	char buffer[sizeof(struct channel_frame) + CHANNEL_CHUNK];
	struct channel_frame frame = { CHANNEL_MAGIC, session->number, type, length };

	/* One write, so that a client that is cut off leaves whole frames behind. */
	memcpy(buffer, &frame, sizeof(frame));
	if (length > 0)
		memcpy(buffer + sizeof(frame), data, length);
	send_all(session, buffer, sizeof(frame) + length);
}

/* Reads `length` bytes; false when the client hung up, or has not come where `first`. */
static bool read_all(int port, void *data, size_t length, bool first)
{
	int64_t deadline = now_ms() + HANG_UP_MS;
	char *next = data;

	while (length > 0) {
		struct pollfd fd = { .fd = port, .events = POLLIN };
		ssize_t count = read(port, next, length);

		if (count > 0) {
			next += count;
			length -= (size_t)count;
			first = false;
			deadline = now_ms() + HANG_UP_MS;
		} else if (count == 0) {
			if (first || now_ms() > deadline)
				return false;
			wait_for(NULL, 0, 5);
		} else if (errno == EAGAIN) {
			wait_for(&fd, 1, -1);
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* Returns a file with the request's stdin at offset 0, or /dev/null; negative when cut off. */
static int read_stdin(int port, size_t length)
{
	char buffer[CHANNEL_CHUNK];
	int file;

	if (length == 0)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	file = memfd_create("stdin", MFD_CLOEXEC);
	while (file >= 0 && length > 0) {
		size_t part = length < sizeof(buffer) ? length : sizeof(buffer);

		if (!read_all(port, buffer, part, false) ||
			write(file, buffer, part) != (ssize_t)part) {
			close(file);
			return -1;
		}
		length -= part;
	}
	if (file >= 0)
		lseek(file, 0, SEEK_SET);
	return file;
}

static void run_command(char *args, size_t length, int in, int out, int err)
{
	static char *argv[CHANNEL_ARGS_MAX / 2 + 2];
	size_t count = 0;
	sigset_t none;

	for (char *arg = args; arg < args + length; arg += strlen(arg) + 1)
		argv[count++] = arg;
	setsid();
	for (int i = 1; i < NSIG; i++)
		signal(i, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
		_exit(126);
	close_range(3, ~0U, 0);
	execvp(argv[0], argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

/* Kills this process's children until there are none: what they leave becomes a child of ours. */
static void kill_descendants(void)
{
	char path[64], list[16384];

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	for (int round = 0; round < 250; round++) {
		struct timespec pause = { 0, 20000000 };
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t count = fd < 0 ? -1 : read(fd, list, sizeof(list) - 1);
		char *next = list;

		close(fd);
		if (count <= 0)
			return;
		list[count] = '\0';
		for (;;) {
			pid_t pid = (pid_t)strtol(next, &next, 10);

			if (pid <= 1)
				break;
			kill(pid, SIGKILL);
		}
		nanosleep(&pause, NULL);
		reap(0);
	}
}

/* Forwards one of the command's pipes; returns false once it has ended. */
static bool forward(struct session *session, int pipe, uint16_t type)
{
	char buffer[CHANNEL_CHUNK];
	ssize_t count = read(pipe, buffer, sizeof(buffer));

	if (count > 0)
		send_frame(session, type, buffer, (uint16_t)count);
	return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

/* All that is in the pipe now: a daemon that holds it open is not waited for. */
static void drain(struct session *session, int pipe, uint16_t type)
{
	struct pollfd fd = { .fd = pipe, .events = POLLIN };

	while (!session->lost && poll(&fd, 1, 0) == 1 && (fd.revents & POLLIN) != 0) {
		if (!forward(session, pipe, type))
			break;
	}
}

static void watch_command(struct session *session, int out, int err, int64_t deadline)
{
	struct pollfd fds[] = { { .fd = out, .events = POLLIN }, { .fd = err, .events = POLLIN } };
	bool timed_out = false;

	while (!command_ended && !session->lost && !timed_out) {
		int64_t left = deadline - now_ms();

		timed_out = left <= 0;
		if (timed_out)
			break;
		check_port(session);
		if (wait_for(fds, 2, left < 200 ? left : 200) <= 0)
			continue;
		if (fds[0].revents != 0 && !forward(session, out, FRAME_STDOUT))
			fds[0].fd = -1;
		if (fds[1].revents != 0 && !forward(session, err, FRAME_STDERR))
			fds[1].fd = -1;
	}
	if (timed_out || session->lost)
		kill_descendants();
	drain(session, out, FRAME_STDOUT);
	drain(session, err, FRAME_STDERR);
	if (timed_out)
		send_frame(session, FRAME_TIMEOUT, NULL, 0);
}

static void serve_request(int port, const struct channel_request *request)
{
	struct session session = { .port = port, .number = request->session };
	int64_t deadline = now_ms() + request->timeout_ms;
	int in = -1, out[2], err[2], status;
	char *args = calloc(1, request->args_length + 1U);

	if (args == NULL || !read_all(port, args, request->args_length, false) ||
		(in = read_stdin(port, request->stdin_length)) < 0) {
		free(args);
		return;
	}
	if (pipe2(out, O_CLOEXEC) < 0 || pipe2(err, O_CLOEXEC) < 0)
		_exit(1);
	command_ended = 0;
	command_pid = fork(); /* SIGCHLD is blocked: reap() sees the pid */
	if (command_pid == 0)
		run_command(args, request->args_length, in, out[1], err[1]);
	free(args);
	close(in);
	close(out[1]);
	close(err[1]);
	watch_command(&session, out[0], err[0], deadline);
	close(out[0]);
	close(err[0]);
	status = WIFSIGNALED(command_status) ? 128 + WTERMSIG(command_status)
					     : WEXITSTATUS(command_status);
	send_frame(&session, FRAME_EXIT, &status, sizeof(status));
}

/* Skips what a client that was cut off left in the port, until a request begins. */
static bool read_request(int port, struct channel_request *request)
{
	if (!read_all(port, request, sizeof(*request), true))
		return false;
	while (request->magic != CHANNEL_MAGIC || request->args_length == 0 ||
		request->args_length > CHANNEL_ARGS_MAX ||
		request->stdin_length > CHANNEL_STDIN_MAX) {
		memmove(request, (char *)request + 1, sizeof(*request) - 1);
		if (!read_all(port, (char *)request + sizeof(*request) - 1, 1, false))
			return false;
	}
	return true;
}

/* A virtio-serial port reads as ended until a client connects; the kernel says so by SIGIO. */
static void serve_port(const char *path)
{
	int port = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	struct channel_request request;

	if (port < 0 || fcntl(port, F_SETOWN, getpid()) < 0 ||
		fcntl(port, F_SETFL, O_NONBLOCK | O_ASYNC) < 0) {
		fprintf(stderr, "agent: %s: %s\n", path, strerror(errno));
		_exit(1);
	}
	for (;;) {
		if (read_request(port, &request))
			serve_request(port, &request);
		else
			wait_for(NULL, 0, 500);
	}
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	strcpy(address.sun_path, path);
	umask(077);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(fd, 16) < 0) {
		fprintf(stderr, "agent: %s: %s\n", path, strerror(errno));
		return -1;
	}
	umask(022);
	return fd;
}

/* One process serves all connections in turn, so that it keeps the orphans of all commands. */
static void serve_socket(const char *path)
{
	int fd = listen_on(path);
	struct channel_request request;

	if (fd < 0)
		_exit(1);
	for (;;) {
		struct pollfd poll = { .fd = fd, .events = POLLIN };
		int port;

		if (wait_for(&poll, 1, -1) <= 0)
			continue;
		port = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (port < 0)
			continue;
		if (read_request(port, &request))
			serve_request(port, &request);
		close(port);
	}
}

int main(int argc, char **argv)
{
	struct sigaction on_child = { .sa_handler = reap }, on_io = { .sa_handler = ignore };
	sigset_t blocked;

	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGCHLD, &on_child, NULL);
	sigaction(SIGIO, &on_io, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigaddset(&blocked, SIGIO);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	if (argc == 3 && strcmp(argv[1], "--listen") == 0) {
		prctl(PR_SET_CHILD_SUBREAPER, 1);
		serve_socket(argv[2]);
	}
	for (int i = 1; i < argc; i++) {
		if (fork() == 0) {
			prctl(PR_SET_CHILD_SUBREAPER, 1);
			serve_port(argv[i]);
		}
	}
	for (;;)
		wait_for(NULL, 0, -1);
}
