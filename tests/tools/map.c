/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/tools/tool.h"

#define SIZE (1 << 20)

/* What is written so nobody is told of: it lies in the kernel's page cache until that is synced. */
int tool_map_write(int argc, char **argv)
{
	int fd = argc > 1 ? open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;

	if (fd < 0 || ftruncate(fd, SIZE) < 0) {
		perror("map-write");
		return 1;
	}
	char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		perror("map-write: mmap");
		return 1;
	}
	for (int i = 0; i < SIZE; i++)
		map[i] = i % 64 == 63 ? '\n' : 'x';
	puts("written");
	fflush(stdout);
	pause();
	return 0;
}
