/* SPDX-License-Identifier: Apache-2.0 */
/* A process whose threads are in different cgroups (cgroup v2's thread mode). */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/tools/tool.h"

static void *enter(void *data)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/cgroup.threads", (const char *)data);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) < 0) {
		perror(path);
		_exit(1);
	}
	for (;;)
		pause();
	return NULL;
}

int tool_threads(int argc, char **argv)
{
	pthread_t thread;

	for (int i = 1; i < argc; i++) {
		if (pthread_create(&thread, NULL, enter, argv[i]) != 0)
			return 1;
	}
	for (;;)
		pause();
	return 0;
}
