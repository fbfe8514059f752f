/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/terminal_relay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"

#define DRAIN_MS 2000

/* The terminal to restore; a signal handler reads it. */
static struct {
	volatile sig_atomic_t raw;
	struct termios before;
	struct sigaction pipe_before;
} caller;

static void restore_terminal(void)
{
	int saved = errno;

	if (caller.raw) {
		caller.raw = 0;
		tcsetattr(STDIN_FILENO, TCSADRAIN, &caller.before);
	}
	errno = saved;
}

static void restore_and_die(int signal)
{
	restore_terminal();
	/* The action is back to its default (SA_RESETHAND); it comes when the handler returns. */
	raise(signal);
}

static void restore_on_death(void)
{
	static const int fatal[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGSEGV, SIGBUS, SIGFPE,
		SIGILL, SIGTRAP, SIGABRT, SIGSYS, SIGXCPU, SIGXFSZ, SIGALRM };
	static bool registered;
	struct sigaction action = { .sa_handler = restore_and_die, .sa_flags = (int)SA_RESETHAND };

	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		struct sigaction now;

		if (sigaction(fatal[i], NULL, &now) == 0 && now.sa_handler == SIG_DFL)
			sigaction(fatal[i], &action, NULL);
	}
	if (!registered)
		registered = atexit(restore_terminal) == 0;
}

static int make_raw(struct error *err)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO))
		return 0;
	if (tcgetattr(STDIN_FILENO, &caller.before) < 0)
		return error_set(err, errno, "read the terminal's mode");
	restore_on_death();
	raw = caller.before;
	cfmakeraw(&raw);
	caller.raw = 1;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0) {
		caller.raw = 0;
		return error_set(err, errno, "put the terminal into raw mode");
	}
	return 0;
}

/*
 * An fd to write to. A terminal or pipe is opened anew, non-blocking: the flag belongs to the open
 * file description, which the caller's shell shares. Of other files a copy.
 */
static int open_output(void)
{
	struct stat st;
	int fd = -EBADF;

	if (fstat(STDOUT_FILENO, &st) < 0)
		return -EBADF;
	if (S_ISFIFO(st.st_mode) || isatty(STDOUT_FILENO))
		fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 ? fd : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

int terminal_relay_open(struct terminal_relay *relay, int master, struct error *err)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	int flags = fcntl(master, F_GETFL);

	*relay = (struct terminal_relay){
		.master = master,
		.input = STDIN_FILENO,
		.output = open_output(),
		.line_complete = true,
	};
	/* This one is ours alone: the container's side closed it when it was handed over. */
	if (flags < 0 || fcntl(master, F_SETFL, flags | O_NONBLOCK) < 0) {
		int failure = errno;

		relay->output = close_fd(relay->output);
		relay->master = close_fd(master);
		return error_set(err, failure, "relay the terminal");
	}
	int status = make_raw(err);
	if (status < 0) {
		relay->output = close_fd(relay->output);
		relay->master = close_fd(master);
		return status;
	}
	sigaction(SIGPIPE, &ignore, &caller.pipe_before);
	terminal_relay_resize(relay);
	return 0;
}

void terminal_relay_resize(const struct terminal_relay *relay)
{
	static const int candidates[] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO };
	struct winsize size;

	for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
		if (ioctl(candidates[i], TIOCGWINSZ, &size) == 0) {
			if (relay->master >= 0)
				ioctl(relay->master, TIOCSWINSZ, &size);
			return;
		}
	}
}

static bool is_empty(const struct terminal_stream *stream)
{
	return stream->start == stream->end;
}

static bool is_passing(int error)
{
	return error == EAGAIN || error == EINTR;
}

/* Returns false when there is nothing more to come. */
static bool fill(struct terminal_stream *stream, int fd)
{
	ssize_t n = read(fd, stream->bytes, sizeof(stream->bytes));

	if (n < 0)
		return is_passing(errno);
	stream->start = 0;
	stream->end = (size_t)n;
	return n > 0;
}

/* Returns false when nobody takes it any more. */
static bool flush(struct terminal_stream *stream, int fd)
{
	if (is_empty(stream))
		return true;
	ssize_t n = write(fd, stream->bytes + stream->start, stream->end - stream->start);
	if (n < 0)
		return is_passing(errno);
	stream->start += (size_t)n;
	return true;
}

/* Without a reader the bytes are dropped, or the program would wait for ever. */
static void flush_output(struct terminal_relay *relay)
{
	if (relay->output >= 0 && !flush(&relay->out, relay->output))
		relay->output = close_fd(relay->output);
	if (relay->output < 0)
		relay->out.start = relay->out.end;
}

static void flush_input(struct terminal_relay *relay)
{
	char last = is_empty(&relay->in) ? '\0' : relay->in.bytes[relay->in.end - 1];

	/* EIO and the like: reading from the master says what has become of it. */
	if (!flush(&relay->in, relay->master))
		relay->in.start = relay->in.end;
	if (last != '\0' && is_empty(&relay->in))
		relay->line_complete = last == '\n' || last == '\r';
}

/*
 * The input of a program that reads lines ends by a character. In the middle of a line the first
 * one only hands over the line.
 */
static void end_input(struct terminal_relay *relay)
{
	struct termios modes;

	relay->input = -EBADF;
	if (relay->master < 0 || tcgetattr(relay->master, &modes) < 0 || !(modes.c_lflag & ICANON))
		return;
	relay->in.start = 0;
	relay->in.end = relay->line_complete ? 1 : 2;
	relay->in.bytes[0] = relay->in.bytes[1] = (char)modes.c_cc[VEOF];
	flush_input(relay);
}

int terminal_relay_poll(const struct terminal_relay *relay, struct pollfd *fds)
{
	short master = 0;

	if (is_empty(&relay->out))
		master |= POLLIN;
	if (!is_empty(&relay->in))
		master |= POLLOUT;
	/* An fd of which nothing is wanted is left out: its POLLHUP would wake the loop for ever.
	 */
	fds[0] = (struct pollfd){ .fd = master != 0 ? relay->master : -1, .events = master };
	fds[1] = (struct pollfd){
		.fd = relay->master >= 0 && is_empty(&relay->in) ? relay->input : -1,
		.events = POLLIN,
	};
	fds[2] = (struct pollfd){ .fd = is_empty(&relay->out) ? -1 : relay->output,
		.events = POLLOUT };
	return TERMINAL_RELAY_FDS;
}

void terminal_relay_handle(struct terminal_relay *relay, const struct pollfd *fds)
{
	if (fds[2].fd >= 0 && fds[2].revents != 0)
		flush_output(relay);
	if (fds[0].fd >= 0 && (fds[0].revents & POLLOUT))
		flush_input(relay);
	if (fds[0].fd >= 0 && (fds[0].revents & ~POLLOUT) && is_empty(&relay->out)) {
		if (fill(&relay->out, relay->master))
			flush_output(relay);
		else
			relay->master = close_fd(relay->master);
	}
	if (fds[1].fd >= 0 && fds[1].revents != 0 && relay->master >= 0) {
		if (!fill(&relay->in, relay->input))
			end_input(relay);
		else
			flush_input(relay);
	}
}

static long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void drain(struct terminal_relay *relay)
{
	long end = now_ms() + DRAIN_MS;

	/* A read that would block means that there is no more: the kernel looks at what is still
	 * between the two ends first. */
	for (;;) {
		if (is_empty(&relay->out)) {
			if (relay->master < 0 || !fill(&relay->out, relay->master) ||
				is_empty(&relay->out))
				return;
		}
		flush_output(relay);
		if (is_empty(&relay->out))
			continue;

		struct pollfd ready = { .fd = relay->output, .events = POLLOUT };
		long left = end - now_ms();
		if (left <= 0 || poll(&ready, 1, (int)left) == 0)
			return;
	}
}

void terminal_relay_close(struct terminal_relay *relay)
{
	bool open = relay->master >= 0 || relay->output >= 0 || caller.raw;

	drain(relay);
	restore_terminal();
	if (open)
		sigaction(SIGPIPE, &caller.pipe_before, NULL);
	relay->master = close_fd(relay->master);
	relay->output = close_fd(relay->output);
	relay->input = -EBADF;
}
