/* SPDX-License-Identifier: Apache-2.0 */
/* Other ends of the sockets that a runtime is given: descriptors, sd_notify, LISTEN_FDS. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/tools/tool.h"

static void die(const char *what)
{
	perror(what);
	exit(125);
}

static struct sockaddr_un address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

int tool_bind(const char *path, int type)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, type, 0);

	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		die(path);
	if (type == SOCK_STREAM && listen(fd, 4) < 0)
		die(path);
	return fd;
}

size_t tool_receive(const char *path, char *text, size_t size, int *fds, size_t *count)
{
	int listener = tool_bind(path, SOCK_STREAM), fd = accept(listener, NULL, NULL);
	char control[CMSG_SPACE(16 * sizeof(int))];
	struct iovec part = { text, size - 1 };
	struct msghdr message = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	size_t room = *count;
	ssize_t length;

	if (fd < 0 || (length = recvmsg(fd, &message, 0)) < 0)
		die("recvmsg");
	text[length] = '\0';
	*count = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(c), (n < room ? n : room) * sizeof(int));
		*count = n;
	}
	close(listener);
	return (size_t)length;
}

/* Prints the message, then for each descriptor what /proc says of it. */
int tool_fd_receiver(int argc, char **argv)
{
	char text[65536], path[64], target[4096], line[256];
	size_t count = 16;
	int fds[16];

	if (argc != 2)
		return 2;
	tool_receive(argv[1], text, sizeof(text), fds, &count);
	printf("message: %s\n", text);
	for (size_t i = 0; i < count; i++) {
		FILE *info;
		ssize_t length;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[i]);
		length = readlink(path, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		printf("fd: %s\n", target);
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fds[i]);
		info = fopen(path, "re");
		while (info != NULL && fgets(line, sizeof(line), info) != NULL) {
			if (strncmp(line, "Pid:", 4) == 0)
				fputs(line, stdout);
		}
		if (info != NULL)
			fclose(info);
	}
	return 0;
}

int tool_notify_listen(int argc, char **argv)
{
	int fd;

	if (argc != 3)
		return 2;
	fd = tool_bind(argv[1], SOCK_DGRAM);
	for (int i = atoi(argv[2]); i > 0; i--) {
		char text[4096];
		ssize_t length = recv(fd, text, sizeof(text), 0);

		if (length < 0)
			die("recv");
		printf("%.*s\n", (int)length, text);
		fflush(stdout);
	}
	return 0;
}

int tool_notify(int argc, char **argv)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (argc != 2 || path == NULL || fd < 0) {
		fputs("notify: no NOTIFY_SOCKET\n", stderr);
		return 1;
	}
	address = address_of(path);
	if (sendto(fd, argv[1], strlen(argv[1]), 0, (struct sockaddr *)&address, sizeof(address)) <
		0)
		die(path);
	return 0;
}

/* As systemd's socket activation: sockets from descriptor 3 on, LISTEN_PID this process. */
int tool_listen_fds(int argc, char **argv)
{
	int count = argc > 2 ? atoi(argv[1]) : 0;
	char text[16];

	if (count < 1)
		return 2;
	for (int i = 0; i < count; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		if (fd < 0 || (fd != 3 + i && dup2(fd, 3 + i) < 0))
			die("socket");
	}
	snprintf(text, sizeof(text), "%d", count);
	setenv("LISTEN_FDS", text, 1);
	snprintf(text, sizeof(text), "%d", getpid());
	setenv("LISTEN_PID", text, 1);
	setenv("LISTEN_FDNAMES", "web:web", 1);
	execvp(argv[2], argv + 2);
	die(argv[2]);
	return 1;
}

/* What a shim's abstract socket would give away (CVE-2020-15257). */
int tool_abstract_connect(int argc, char **argv)
{
	FILE *sockets = fopen("/proc/net/unix", "re");
	char line[512], *at;
	int reached = 0;

	(void)argc;
	(void)argv;
	while (sockets != NULL && fgets(line, sizeof(line), sockets) != NULL) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);
		size_t length;

		at = strchr(line, '@');
		if (at != NULL) {
			at[strcspn(at, "\n")] = '\0';
			length = strlen(at + 1);
			memcpy(address.sun_path + 1, at + 1, length);
			printf("abstract socket %s: %s\n", at + 1,
				connect(fd, (struct sockaddr *)&address,
					(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
						length)) == 0
					? "connected"
					: strerror(errno));
			reached++;
		}
		close(fd);
	}
	printf("abstract sockets: %d\n", reached);
	return 0;
}

int tool_full_socket(int argc, char **argv)
{
	if (argc != 2)
		return 2;

	struct sockaddr_un address = address_of(argv[1]);
	int fd = tool_bind(argv[1], SOCK_STREAM), other;

	/* Its queue is full once a connection has to wait. */
	do {
		other = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	} while (connect(other, (struct sockaddr *)&address, sizeof(address)) == 0);
	puts("full");
	fflush(stdout);
	pause();
	return fd < 0;
}
