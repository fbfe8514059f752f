/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"

/* Reads a process's state letter and start time, fields 3 and 22 of proc_pid_stat(5). */
static int read_stat(pid_t pid, char *ret_letter, unsigned long long *ret_start)
{
	char path[32], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	ssize_t length = read(fd, text, sizeof(text) - 1);
	if (length < 0)
		return -errno;
	text[length] = '\0';

	/* The command's name is the process's own choice: the fields start behind its last ')'. */
	char *field = strrchr(text, ')');
	if (field == NULL || field[1] != ' ')
		return -EPROTO;
	*ret_letter = field[2];
	field += 1;
	for (int number = 3; number < 22; number++) {
		field = strchr(field + 1, ' ');
		if (field == NULL)
			return -EPROTO;
	}
	*ret_start = strtoull(field + 1, NULL, 10);
	return 0;
}

int process_identify(pid_t pid, struct process_identity *ret, struct error *err)
{
	unsigned long long start;
	char letter;
	int status = read_stat(pid, &letter, &start);

	if (status < 0)
		return error_set(err, -status, "read /proc/%d/stat", pid);
	*ret = (struct process_identity){ .pid = pid, .start_time = start };
	return 0;
}

bool process_is_alive(const struct process_identity *process)
{
	unsigned long long start = 0;
	char letter = 'X';

	if (process->pid <= 0 || read_stat(process->pid, &letter, &start) < 0)
		return false;
	return start == process->start_time && letter != 'Z' && letter != 'X';
}

int process_open(const struct process_identity *process, struct error *err)
{
	if (process->pid <= 0)
		return error_say(err, ESRCH, "container not running: it has no process");
	_cleanup_close_ int fd = pidfd_open(process->pid, 0);
	/* EINVAL: the number still names the session or group of those that it left behind. */
	if (fd < 0 && errno != ESRCH && errno != EINVAL)
		return error_set(err, errno, "open process %d", process->pid);
	/* Looked at with the pidfd in hand: had it ended before, the pid could be another's. */
	if (fd < 0 || !process_is_alive(process))
		return error_say(
			err, ESRCH, "container not running: process %d is gone", process->pid);
	return take_fd(&fd);
}
