/* SPDX-License-Identifier: Apache-2.0 */
/* A terminal of our own for a command, and the other end of --console-socket. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#include "tests/tools/tool.h"

/* Copies out until the terminal hangs up; input is typed once output has come and paused. */
static void pump(int master, const char *input)
{
	struct pollfd fd = { .fd = master, .events = POLLIN };
	bool started = false;

	for (;;) {
		char buffer[4096];
		ssize_t count;

		if (poll(&fd, 1, started && input != NULL ? 500 : -1) == 0 && input != NULL) {
			if (write(master, input, strlen(input)) < 0)
				return;
			input = NULL;
			continue;
		}
		count = read(master, buffer, sizeof(buffer));
		if (count <= 0 || write(1, buffer, (size_t)count) < 0)
			return;
		started = true;
	}
}

static void child_on(int slave, char **argv)
{
	login_tty(slave);
	execvp(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

/* Prints what the command left of the terminal's modes on stderr, and ends with its status. */
int tool_pty(int argc, char **argv)
{
	struct winsize size = { .ws_row = 33, .ws_col = 101 };
	const char *resize = getenv("PTY_RESIZE"), *keep = getenv("PTY_INPUT");
	struct termios before, after;
	int master, slave, status;
	pid_t pid, reader;

	if (argc < 2 || openpty(&master, &slave, NULL, NULL, &size) < 0)
		return 125;
	tcgetattr(slave, &before);
	pid = fork();
	if (pid == 0) {
		close(master);
		child_on(slave, argv + 1);
	}
	if (resize != NULL && fork() == 0) {
		close(slave);
		usleep(1500000);
		size.ws_row = (unsigned short)atoi(resize);
		ioctl(master, TIOCSWINSZ, &size);
		_exit(0);
	}
	reader = fork();
	if (reader == 0) {
		close(slave); /* so that it reads the hang-up once the parent has closed its own */
		pump(master, keep);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return 125;
	tcgetattr(slave, &after);
	fprintf(stderr, "modes: %s\n",
		before.c_lflag == after.c_lflag && before.c_iflag == after.c_iflag &&
				before.c_oflag == after.c_oflag
			? "same"
			: "changed");
	close(slave);
	waitpid(reader, NULL, 0);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int tool_console(int argc, char **argv)
{
	char text[4096];
	struct winsize size = { 0 };
	size_t count = 1;
	int master = -1;

	if (argc < 2)
		return 2;
	tool_receive(argv[1], text, sizeof(text), &master, &count);
	if (count != 1 || ioctl(master, TIOCGWINSZ, &size) < 0) {
		fprintf(stderr, "console: %zu descriptors, not a terminal\n", count);
		return 1;
	}
	printf("message: %s\nsize: %d %d\n", text, size.ws_row, size.ws_col);
	fflush(stdout);
	pump(master, argc > 2 ? argv[2] : NULL);
	return 0;
}
