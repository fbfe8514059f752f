/* SPDX-License-Identifier: Apache-2.0 */
/* Threads of the kernel's that came into a cgroup with what a process did there (cgroup.h). */
#include "runtime/cgroup/cgroup.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "runtime/cgroup/file.h"

#define PF_KTHREAD 0x00200000UL /* of the kernel's, stable since 2.6.27 */

/* proc_pid_stat(5): the flags are the seventh field behind the name, which may hold anything. */
static bool is_kernel_thread(pid_t pid)
{
	char path[32], text[512];
	unsigned long flags;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (length <= 0)
		return false;
	text[length] = '\0';
	const char *name_end = strrchr(text, ')');
	return name_end != NULL &&
		sscanf(name_end + 1, " %*c %*d %*d %*d %*d %*d %lu", &flags) == 1 &&
		(flags & PF_KTHREAD) != 0;
}

void cgroup_evict_kernel_threads(int fd)
{
	_cleanup_(pid_list_free) struct pid_list list = { 0 };
	_cleanup_close_ int root = open(CGROUP_MOUNT, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char text[16];

	if (root < 0 || cgroup_processes(fd, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < list.count; i++) {
		if (!is_kernel_thread(list.items[i]))
			continue;
		snprintf(text, sizeof(text), "%d", (int)list.items[i]);
		cgroup_file_write(root, "cgroup.procs", text);
	}
}
