/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's first program in place of the agent, which does not do what the agent does.
 *"agent=WORD" on the kernel's command line chooses how:
 *
 *	ends        before it has said a word
 *	mute        lives, and never says one
 *	version     greets in the next version of the protocol
 *	garbage     greets with bytes that are no message
 *	half        greets with the beginning of a large message
 *	refuses     greets, and takes no connection
 *	deaf        greets, takes connections, answers nothing
 *	lies        greets, answers each request with something else than an answer
 *	insults     greets, answers each request with an error of several lines and escape sequences
 *	dies        greets, and ends at the first request
 */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "agent/protocol.h"
#include "lib/error.h"
#include "lib/json_write.h"

#define CONNECTIONS 16

static int vsock(void)
{
	return socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int dial(void)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = PROTOCOL_HOST_PORT,
	};
	int fd = vsock();

	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : fd;
}

static int listen_for_host(void)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = PROTOCOL_AGENT_PORT,
	};
	int fd = vsock();

	if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 16) < 0)
		return -1;
	return fd;
}

static void greet(int host, int version)
{
	struct json_writer writer;

	if (protocol_begin(&writer, "op", "hello", NULL) < 0)
		return;
	json_write_int_member(&writer, "version", version);
	json_write_end(&writer);
	protocol_send(host, &writer, NULL, 0, NULL);
}

static void answer(int connection, const char *word)
{
	static const char *const lies[] = { "[1, 2, 3]", "{\"token\": {}}", "{\"token\": \"\"}",
		"{\"errno\": -1}", "{", "null" };
	static unsigned int next;
	const char *text = lies[next++ % (sizeof(lies) / sizeof(*lies))];
	uint32_t header[2] = { (uint32_t)strlen(text), 0 };

	if (strcmp(word, "insults") == 0) {
		const struct error insult = { .errnum = 100000,
			.message = "first line\nsecond line\033[2J\r\nthird \x9b line" };

		protocol_answer(connection, &insult, NULL);
		return;
	}
	if (write(connection, header, sizeof(header)) < 0 ||
		write(connection, text, strlen(text)) < 0)
		close(connection);
}

static void serve(int listener, const char *word)
{
	struct pollfd fds[CONNECTIONS] = { { .fd = listener, .events = POLLIN } };
	nfds_t count = 1;
	char buffer[65536];

	for (;;) {
		poll(fds, count, -1);
		for (nfds_t i = 1; i < count; i++) {
			if (fds[i].revents == 0)
				continue;
			if (strcmp(word, "dies") == 0)
				return;
			if (read(fds[i].fd, buffer, sizeof(buffer)) <= 0)
				fds[i].fd = -1;
			else if (strcmp(word, "deaf") != 0)
				answer(fds[i].fd, word);
		}
		if (fds[0].revents != 0 && count < CONNECTIONS)
			fds[count++] = (struct pollfd){
				.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), .events = POLLIN
			};
	}
}

int main(void)
{
	const char *word = getenv("agent");

	if (word == NULL || strcmp(word, "ends") == 0)
		return 3;
	printf("an agent that is %s\n", word);
	if (strcmp(word, "mute") == 0)
		pause();
	int listener = strcmp(word, "refuses") == 0 ? -1 : listen_for_host();
	int host = dial();
	if (strcmp(word, "garbage") == 0) {
		char bytes[4096];

		memset(bytes, 0xff, sizeof(bytes));
		if (write(host, bytes, sizeof(bytes)) < 0)
			return 4;
	} else if (strcmp(word, "half") == 0) {
		const uint32_t header[2] = { 1 << 20, 1 << 20 };

		if (write(host, header, sizeof(header)) < 0)
			return 4;
	} else {
		greet(host, strcmp(word, "version") == 0 ? PROTOCOL_VERSION + 1 : PROTOCOL_VERSION);
	}
	if (listener < 0)
		pause();
	serve(listener, word);
	return 5;
}
