/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream listen|connect ADDRESS send|receive MEBIBYTES
 *
 * One end of a connection over which that many mebibytes go one way, each eight bytes being their
 * own number, which the receiver checks. Prints "bytes MICROSECONDS", from the connection's start
 * to the moment at which the other end has everything; anything else is an error, and status 1.
 *
 * ADDRESS is unix:PATH, tcp:IPV4:PORT, or vsock:CID:PORT (with -1 for any).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define BUFFER (256u << 10)

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_in in;
	struct sockaddr_vm vm;
};

static uint64_t buffer[BUFFER / sizeof(uint64_t)];

static int fail(const char *what)
{
	fprintf(stderr, "stream: %s: %s\n", what, strerror(errno));
	exit(1);
}

static socklen_t parse(const char *text, union address *ret)
{
	char host[64];
	unsigned int port;
	int cid;

	memset(ret, 0, sizeof(*ret));
	if (strncmp(text, "unix:", 5) == 0 && strlen(text + 5) < sizeof(ret->un.sun_path)) {
		ret->un.sun_family = AF_UNIX;
		strcpy(ret->un.sun_path, text + 5);
		return sizeof(ret->un);
	}
	if (sscanf(text, "tcp:%63[0-9.]:%u", host, &port) == 2) {
		ret->in.sin_family = AF_INET;
		ret->in.sin_port = htons((uint16_t)port);
		if (inet_pton(AF_INET, host, &ret->in.sin_addr) == 1)
			return sizeof(ret->in);
	}
	if (sscanf(text, "vsock:%d:%u", &cid, &port) == 2) {
		ret->vm.svm_family = AF_VSOCK;
		ret->vm.svm_cid = (unsigned int)cid;
		ret->vm.svm_port = port;
		return sizeof(ret->vm);
	}
	errno = EINVAL;
	fail(text);
	return 0;
}

static int get_connection(bool listens, const char *text)
{
	union address address;
	socklen_t size = parse(text, &address);
	int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, connection;

	if (fd < 0)
		fail("socket");
	if (!listens) {
		if (connect(fd, &address.any, size) < 0)
			fail("connect");
		return fd;
	}
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &address.any, size) < 0 || listen(fd, 1) < 0)
		fail("listen");
	connection = accept(fd, NULL, NULL);
	if (connection < 0)
		fail("accept");
	return connection;
}

static void send_all(int fd, uint64_t bytes)
{
	uint64_t number = 0;

	for (uint64_t done = 0; done < bytes;) {
		uint64_t piece = bytes - done < BUFFER ? bytes - done : BUFFER;

		for (size_t i = 0; i < piece / 8; i++)
			buffer[i] = number++;
		for (uint64_t at = 0; at < piece;) {
			ssize_t n = write(fd, (char *)buffer + at, piece - at);

			if (n < 0)
				fail("write");
			at += (uint64_t)n;
		}
		done += piece;
	}
	shutdown(fd, SHUT_WR);
	/* The other end closes when it has everything. */
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
}

static void receive_all(int fd, uint64_t bytes)
{
	uint64_t number = 0, have = 0, got = 0;

	for (;;) {
		ssize_t n = read(fd, (char *)buffer + have, sizeof(buffer) - have);
		size_t whole;

		if (n < 0)
			fail("read");
		if (n == 0)
			break;
		got += (uint64_t)n;
		have += (uint64_t)n;
		whole = have / 8;
		for (size_t i = 0; i < whole; i++)
			if (buffer[i] != number++) {
				fprintf(stderr, "stream: wrong content before byte %llu\n",
					(unsigned long long)got);
				exit(1);
			}
		have -= whole * 8;
		memmove(buffer, buffer + whole, have);
	}
	if (got != bytes) {
		fprintf(stderr, "stream: %llu bytes instead of %llu\n", (unsigned long long)got,
			(unsigned long long)bytes);
		exit(1);
	}
}

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	uint64_t bytes, begin;
	int fd;

	if (argc != 5) {
		fputs("usage: stream listen|connect ADDRESS send|receive MEBIBYTES\n", stderr);
		return 2;
	}
	bytes = strtoull(argv[4], NULL, 10) << 20;
	fd = get_connection(strcmp(argv[1], "listen") == 0, argv[2]);
	begin = now();
	if (strcmp(argv[3], "send") == 0)
		send_all(fd, bytes);
	else
		receive_all(fd, bytes);
	close(fd);
	printf("%llu %llu\n", (unsigned long long)bytes, (unsigned long long)(now() - begin));
	return 0;
}
