/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of the command channel: sends one command, copies what comes back to its own
 * stdout and stderr, and ends with the command's status; 124 after a timeout, 125 when the machine
 * does not answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/machine/channel.h"

#define STATUS_TIMEOUT 124
#define STATUS_FAILED 125
/* A machine that kills a command needs a while to say so. */
#define GRACE_MS 15000

static const char usage[] =
	"usage: run [--timeout SECONDS] [--stdin] [--sh SCRIPT] [--] COMMAND [ARGUMENT...]\n"
	"Runs a command in the test machine whose directory is $MACHINE.\n"
	"  --timeout S  kill the command after S seconds, status 124 (default 60)\n"
	"  --stdin      send this program's standard input (the command reads /dev/null "
	"otherwise)\n"
	"  --sh SCRIPT  run a shell script; the arguments become $1, $2 ...\n";

struct options {
	unsigned int timeout; /* seconds */
	bool send_stdin;
	const char *script;
};

static int die(const char *what, const char *which)
{
	fprintf(stderr, "machine: %s%s%s\n", what, which ? ": " : "", which ? which : "");
	exit(STATUS_FAILED);
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		die("socket path too long", path);
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(strerror(errno), path);
	return fd;
}

/* A port has one user at a time: the first free one, or wait for the first. */
static int connect_machine(const char *machine)
{
	char pattern[4096];
	glob_t ports;
	int fd = -1;

	snprintf(pattern, sizeof(pattern), "%s/port*", machine);
	if (glob(pattern, 0, NULL, &ports) != 0)
		die("not up (no port in its directory)", machine);
	for (int pass = 0; fd < 0; pass++) {
		for (size_t i = 0; fd < 0 && i < ports.gl_pathc; i++) {
			char lock_path[4096];
			int lock;

			snprintf(lock_path, sizeof(lock_path), "%s/lock-%zu", machine, i);
			lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
			if (lock < 0)
				die(strerror(errno), lock_path);
			if (flock(lock, pass == 0 ? LOCK_EX | LOCK_NB : LOCK_EX) == 0)
				fd = connect_to(ports.gl_pathv[i]);
			else
				close(lock);
		}
	}
	globfree(&ports);
	return fd;
}

static void send_all(int fd, const void *data, size_t length)
{
	const char *next = data;

	while (length > 0) {
		ssize_t sent = send(fd, next, length, MSG_NOSIGNAL);

		if (sent < 0 && errno != EINTR)
			die("the machine hung up", NULL);
		if (sent > 0) {
			next += sent;
			length -= (size_t)sent;
		}
	}
}

static char *read_input(size_t *ret_length)
{
	size_t room = 1 << 16, length = 0;
	char *data = malloc(room);
	ssize_t count;

	while (data != NULL && (count = read(0, data + length, room - length)) > 0) {
		length += (size_t)count;
		if (length == room) {
			char *larger = realloc(data, room *= 2);

			if (larger == NULL)
				free(data);
			data = larger;
		}
	}
	if (data == NULL || length > CHANNEL_STDIN_MAX)
		die("standard input is too long", NULL);
	*ret_length = length;
	return data;
}

static size_t join_arguments(char *joined, const struct options *options, char **argv)
{
	const char *shell = getenv("MACHINE_SHELL");
	const char *first[] = { shell ? shell : "/bin/sh", "-c", options->script, "sh" };
	size_t length = 0;

	for (int i = 0; options->script != NULL && i < 4; i++)
		length += (size_t)snprintf(
			joined + length, CHANNEL_ARGS_MAX - length, "%s%c", first[i], '\0');
	for (; *argv != NULL; argv++) {
		if (length + strlen(*argv) + 1 >= CHANNEL_ARGS_MAX)
			die("arguments are too long", NULL);
		strcpy(joined + length, *argv);
		length += strlen(*argv) + 1;
	}
	return length;
}

/* Reads `length` bytes; the machine is given up when nothing comes for too long. */
static void receive(int fd, void *data, size_t length, int timeout_ms)
{
	char *next = data;

	while (length > 0) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
		ssize_t count;

		if (poll(&poll_fd, 1, timeout_ms) == 0)
			die("no answer in time; see its console", getenv("MACHINE"));
		count = read(fd, next, length);
		if (count == 0 || (count < 0 && errno != EINTR))
			die("went down; see its console", getenv("MACHINE"));
		if (count > 0) {
			next += count;
			length -= (size_t)count;
		}
	}
}

/* Skips what a cut-off session left in the port, byte by byte, until our frame begins. */
static struct channel_frame receive_frame(int fd, uint32_t session, int timeout_ms)
{
	struct channel_frame frame;

	receive(fd, &frame, sizeof(frame), timeout_ms);
	while (frame.magic != CHANNEL_MAGIC || frame.session != session ||
		frame.length > CHANNEL_CHUNK) {
		memmove(&frame, (char *)&frame + 1, sizeof(frame) - 1);
		receive(fd, (char *)&frame + sizeof(frame) - 1, 1, timeout_ms);
	}
	return frame;
}

static void copy_out(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t count = write(fd, data, length);

		if (count < 0 && errno != EINTR)
			return; /* a reader that left early, as head does */
		if (count > 0) {
			data += count;
			length -= (size_t)count;
		}
	}
}

static int follow(int fd, uint32_t session, const struct options *options)
{
	int timeout_ms = (int)options->timeout * 1000 + GRACE_MS, status = STATUS_FAILED;
	bool timed_out = false;

	for (;;) {
		struct channel_frame frame = receive_frame(fd, session, timeout_ms);
		char data[CHANNEL_CHUNK];

		receive(fd, data, frame.length, timeout_ms);
		switch (frame.type) {
		case FRAME_STDOUT:
		case FRAME_STDERR:
			copy_out(frame.type == FRAME_STDOUT ? 1 : 2, data, frame.length);
			break;
		case FRAME_TIMEOUT:
			fprintf(stderr, "machine: killed after %u s\n", options->timeout);
			timed_out = true;
			break;
		case FRAME_EXIT:
			memcpy(&status, data, sizeof(status));
			return timed_out ? STATUS_TIMEOUT : status;
		}
	}
}

static char **parse(char **argv, struct options *options)
{
	for (argv++; *argv != NULL && (*argv)[0] == '-'; argv++) {
		if (strcmp(*argv, "--timeout") == 0 && argv[1] != NULL) {
			options->timeout = (unsigned int)strtoul(*++argv, NULL, 10);
		} else if (strcmp(*argv, "--sh") == 0 && argv[1] != NULL) {
			options->script = *++argv;
		} else if (strcmp(*argv, "--stdin") == 0) {
			options->send_stdin = true;
		} else if (strcmp(*argv, "--help") == 0) {
			fputs(usage, stdout);
			exit(0);
		} else if (strcmp(*argv, "--") == 0) {
			argv++;
			break;
		} else {
			fputs(usage, stderr);
			exit(STATUS_FAILED);
		}
	}
	if (options->timeout == 0 || options->timeout > 86400)
		die("--timeout takes 1 to 86400 seconds", NULL);
	return argv;
}

int main(int argc, char **argv)
{
	struct options options = { .timeout = 60 };
	char **command = parse(argv, &options), *args = malloc(CHANNEL_ARGS_MAX), *input = NULL;
	const char *machine = getenv("MACHINE");
	struct channel_request request = { .magic = CHANNEL_MAGIC };
	size_t input_length = 0;
	int fd;

	(void)argc;
	if (machine == NULL || args == NULL)
		die("MACHINE must name the machine's directory", NULL);
	if (*command == NULL && options.script == NULL)
		die("no command (see --help)", NULL);
	if (options.send_stdin)
		input = read_input(&input_length);
	request.args_length = (uint32_t)join_arguments(args, &options, command);
	request.stdin_length = (uint32_t)input_length;
	request.timeout_ms = options.timeout * 1000;
	if (getrandom(&request.session, sizeof(request.session), 0) < 0)
		die("getrandom", strerror(errno));
	fd = connect_machine(machine);
	send_all(fd, &request, sizeof(request));
	send_all(fd, args, request.args_length);
	send_all(fd, input, input_length);
	free(args);
	free(input);
	return follow(fd, request.session, &options);
}
