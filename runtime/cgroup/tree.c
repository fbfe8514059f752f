/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/file.h"

/* More cgroups than this in one container are not walked: memory is not the container's to size. */
#define CGROUPS_MOST 65536

/* All of a cgroup.procs: the kernel's largest pid_max at 8 bytes each. */
#define PROCS_MOST ((size_t)32 << 20)

int64_t cgroup_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int cgroup_wait_event(int fd, const char *key, unsigned int value, int64_t deadline)
{
	_cleanup_close_ int events = openat(fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
	/* The kernel holds a notification back for 10 ms after another: look by ourselves first. */
	int pause = 1;

	if (events < 0)
		return -errno;
	for (;;) {
		char text[256];
		uint64_t now;
		ssize_t n = pread(events, text, sizeof(text) - 1, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text[n] = '\0';

		int status = cgroup_text_find(text, key, &now);

		if (status < 0)
			return status;
		if (now == value)
			return 0;

		int64_t left = deadline - cgroup_now();

		if (left <= 0)
			return -ETIMEDOUT;

		struct pollfd change = { .fd = events, .events = POLLPRI };

		if (poll(&change, 1, left < pause ? (int)left : pause) < 0 && errno != EINTR)
			return -errno;
		if (pause < 100)
			pause *= 2;
	}
}

/* True for an entry that is a cgroup: every other entry of cgroupfs is a file. */
static bool is_cgroup(const struct dirent *entry)
{
	return entry->d_type == DT_DIR && strcmp(entry->d_name, ".") != 0 &&
		strcmp(entry->d_name, "..") != 0;
}

/* A stream over the directory `fd`, which stays the caller's. */
static DIR *open_stream(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;

	if (dir == NULL)
		close_fd(copy);
	return dir;
}

/*
 * Removes what can be removed among the children of `fd`. Returns 1 with an fd of the first one
 * that has children of its own in *ret_child, 0 when nothing is left.
 */
static int remove_children(int fd, int *ret_child)
{
	_cleanup_closedir_ DIR *dir = open_stream(fd);

	if (dir == NULL)
		return -errno;
	for (;;) {
		struct dirent *entry;

		errno = 0;
		entry = readdir(dir);
		if (entry == NULL)
			return -errno;
		if (!is_cgroup(entry) || unlinkat(fd, entry->d_name, AT_REMOVEDIR) == 0 ||
			errno == ENOENT || errno == ENODEV)
			continue;
		if (errno != EBUSY && errno != ENOTEMPTY)
			return -errno;

		int child = openat(
			fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		if (child < 0 && errno == ENOENT)
			continue;
		if (child < 0)
			return -errno;
		*ret_child = child;
		return 1;
	}
}

/*
 * The depth is the container's choice, so neither a stack of descriptors nor one of names: down
 * into whatever cannot be removed yet, and back up through "..".
 */
int cgroup_remove_below(int fd, int64_t deadline)
{
	_cleanup_close_ int here = -EBADF;
	uint64_t depth = 0;
	ino_t emptied = 0;

	for (;;) {
		int next = -EBADF;
		int status = remove_children(depth > 0 ? here : fd, &next);
		struct stat child;

		if (status < 0)
			return status;
		if (status == 0 && depth == 0)
			return 0;
		if (status == 1) {
			if (cgroup_now() >= deadline) {
				close(next);
				return -EBUSY;
			}
			/* Nothing is below and it is still busy: a process that is not quite gone.
			 */
			if (fstat(next, &child) == 0 && child.st_ino == emptied)
				poll(NULL, 0, 1);
			depth++;
		} else {
			next = openat(here, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (next < 0)
				return -errno;
			emptied = fstat(here, &child) == 0 ? child.st_ino : 0;
			depth--;
		}
		close_fd(here);
		here = next;
	}
}

struct pending {
	char **paths;
	size_t count, room;
};

static void pending_free(struct pending *pending)
{
	for (size_t i = 0; i < pending->count; i++)
		free(pending->paths[i]);
	free(pending->paths);
}

static int pending_add(struct pending *pending, const char *parent, const char *name)
{
	char *path;

	if (pending->count >= CGROUPS_MOST)
		return -E2BIG;
	if (pending->count == pending->room) {
		size_t room = pending->room > 0 ? 2 * pending->room : 16;
		char **more = reallocarray(pending->paths, room, sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		pending->paths = more;
		pending->room = room;
	}
	if (asprintf(&path, "%s%s%s", parent, *parent != '\0' ? "/" : "", name) < 0)
		return -ENOMEM;
	pending->paths[pending->count++] = path;
	return 0;
}

/* Takes the pids out of the text of a cgroup.procs; 0 is one this pid namespace cannot see. */
static int add_pids(const char *text, struct pid_list *list, size_t *room)
{
	while (*text != '\0') {
		uint64_t pid;
		const char *end = cgroup_text_number(text, &pid);

		if (end == NULL || pid > INT_MAX)
			return -EINVAL;
		if (pid != 0) {
			if (list->count == *room) {
				size_t more = *room > 0 ? 2 * *room : 64;
				pid_t *items = reallocarray(list->items, more, sizeof(*items));

				if (items == NULL)
					return -ENOMEM;
				list->items = items;
				*room = more;
			}
			list->items[list->count++] = (pid_t)pid;
		}
		text = *end == '\n' ? end + 1 : end;
		if (*end != '\n' && *end != '\0')
			return -EINVAL;
	}
	return 0;
}

static int collect_one(
	int fd, const char *path, struct pid_list *list, size_t *room, struct pending *pending)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *entry;
	int status = 0;
	ssize_t n = cgroup_file_read_all(fd, "cgroup.procs", PROCS_MOST, &text);

	/*
	 * EOPNOTSUPP: a threaded cgroup, whose processes all stand in the cgroup.procs of the
	 * domain above it (cgroups(7), "Thread mode").
	 */
	if (n < 0 && n != -EOPNOTSUPP)
		return n == -ENODEV || n == -ENOENT ? 0 : (int)n;
	if (n > 0)
		status = add_pids(text, list, room);
	dir = open_stream(fd);
	if (dir == NULL)
		return errno == ENOENT || errno == ENODEV ? status : -errno;
	while (status == 0 && (entry = readdir(dir)) != NULL) {
		if (is_cgroup(entry))
			status = pending_add(pending, path, entry->d_name);
	}
	return status;
}

int cgroup_collect(int fd, struct pid_list *ret, struct error *err)
{
	_cleanup_(pending_free) struct pending pending = { 0 };
	_cleanup_(pid_list_free) struct pid_list list = { 0 };
	size_t room = 0;
	int status = collect_one(fd, "", &list, &room, &pending);

	for (size_t i = 0; status == 0 && i < pending.count; i++) {
		_cleanup_close_ int child = openat(
			fd, pending.paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

		if (child < 0 && (errno == ENOENT || errno == ENODEV || errno == ENAMETOOLONG))
			continue;
		if (child < 0)
			status = -errno;
		else
			status = collect_one(child, pending.paths[i], &list, &room, &pending);
	}
	if (status < 0)
		return error_set(err, -status, "cgroup: list the processes");
	*ret = list;
	list = (struct pid_list){ 0 };
	return 0;
}
