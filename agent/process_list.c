/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/process_list.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/json_write.h"
#include "runtime/cgroup/cgroup.h"

#define COMMAND_MAX 4096

static ssize_t read_at(int dir, const char *name, char *text, size_t size)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, size - 1);

	if (length >= 0)
		text[length] = '\0';
	return length;
}

/* The arguments with spaces between them; a process without any shows its name in brackets. */
static void read_command(int dir, const char *name, char *command, size_t size)
{
	ssize_t length = read_at(dir, "cmdline", command, size);

	if (length <= 0) {
		snprintf(command, size, "[%s]", name);
		return;
	}
	while (length > 0 && command[length - 1] == '\0')
		length--;
	for (ssize_t i = 0; i < length; i++) {
		if (command[i] == '\0')
			command[i] = ' ';
	}
}

/* proc_pid_stat(5). */
static void write_process(struct json_writer *writer, pid_t pid)
{
	char path[32], stat_text[512], command[COMMAND_MAX];
	unsigned long user, system;
	struct stat owner;
	int ppid;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	_cleanup_close_ int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &owner) < 0 ||
		read_at(dir, "stat", stat_text, sizeof(stat_text)) <= 0)
		return;
	char *name = strchr(stat_text, '('), *end = strrchr(stat_text, ')');
	if (name == NULL || end == NULL ||
		sscanf(end + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &ppid, &user,
			&system) != 3)
		return;
	*end = '\0';
	read_command(dir, name + 1, command, sizeof(command));
	json_write_object(writer);
	json_write_int_member(writer, "pid", pid);
	json_write_int_member(writer, "ppid", ppid);
	json_write_int_member(writer, "uid", owner.st_uid);
	json_write_uint_member(
		writer, "cpu", (user + system) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK));
	json_write_string_member(writer, "command", command);
	json_write_end(writer);
}

void process_list_write(struct json_writer *writer, const char *key, const struct pid_list *pids)
{
	json_write_array_member(writer, key);
	for (size_t i = 0; i < pids->count; i++)
		write_process(writer, pids->items[i]);
	json_write_end(writer);
}
