/* SPDX-License-Identifier: Apache-2.0 */
/* A seccomp agent, as linux.seccomp.listenerPath names one, and raw system calls to test filters.
 */
#include <errno.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/tools/tool.h"

/* Prints the container process state it was sent, then answers each notification with an errno. */
int tool_seccomp_agent(int argc, char **argv)
{
	char text[65536];
	size_t count = 2;
	int fds[2] = { -1, -1 };

	if (argc != 3)
		return 2;
	tool_receive(argv[1], text, sizeof(text), fds, &count);
	printf("%s\n", text);
	printf("descriptors: %zu\n", count);
	fflush(stdout);
	for (;;) {
		struct seccomp_notif request = { 0 };
		struct seccomp_notif_resp response = { 0 };

		if (ioctl(fds[0], SECCOMP_IOCTL_NOTIF_RECV, &request) < 0) {
			if (errno == EINTR)
				continue;
			return errno == ENOENT ? 0 : 1;
		}
		response.id = request.id;
		response.error = -atoi(argv[2]);
		printf("notified: %d\n", request.data.nr);
		fflush(stdout);
		ioctl(fds[0], SECCOMP_IOCTL_NOTIF_SEND, &response);
	}
}

int tool_syscall(int argc, char **argv)
{
	long arguments[7] = { 0 };
	long result;

	if (argc < 2 || argc > 8)
		return 2;
	for (int i = 1; i < argc; i++)
		arguments[i - 1] = strtol(argv[i], NULL, 0);
	errno = 0;
	result = syscall(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
		arguments[5], arguments[6]);
	printf("%ld %s\n", result, result < 0 ? strerrorname_np(errno) : "0");
	return 0;
}
