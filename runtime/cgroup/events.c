/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup/events.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/cgroup/file.h"

/* Reads from the open file: that is what tells the kernel up to where the reader knows. */
static int find(int fd, const char *key, uint64_t *ret)
{
	char text[1024];
	ssize_t n;

	do {
		n = pread(fd, text, sizeof(text) - 1, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return cgroup_text_find(text, key, ret);
}

static int watch_file(struct cgroup_watch *watch, int file)
{
	struct epoll_event event = { .events = EPOLLPRI };

	return epoll_ctl(watch->fd, EPOLL_CTL_ADD, file, &event) < 0 ? -errno : 0;
}

int cgroup_watch_open(int cgroup, struct cgroup_watch *ret, struct error *err)
{
	_cleanup_(cgroup_watch_close) struct cgroup_watch watch = CGROUP_WATCH_INIT;
	uint64_t populated;
	int status = 0;

	watch.fd = epoll_create1(EPOLL_CLOEXEC);
	if (watch.fd < 0)
		return error_set(err, errno, "cgroup: watch events");
	watch.cgroup_events = openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (watch.cgroup_events < 0)
		return error_set(err, errno, "cgroup: watch cgroup.events");
	status = find(watch.cgroup_events, "populated", &populated);
	if (status == 0)
		status = watch_file(&watch, watch.cgroup_events);
	if (status < 0)
		return error_set(err, -status, "cgroup: watch cgroup.events");
	watch.memory_events = openat(cgroup, "memory.events", O_RDONLY | O_CLOEXEC);
	if (watch.memory_events >= 0) {
		status = find(watch.memory_events, "oom_kill", &watch.oom_kills);
		if (status == 0)
			status = watch_file(&watch, watch.memory_events);
		if (status < 0)
			return error_set(err, -status, "cgroup: watch memory.events");
	}
	*ret = watch;
	watch = (struct cgroup_watch)CGROUP_WATCH_INIT;
	return 0;
}

int cgroup_watch_read(struct cgroup_watch *watch)
{
	uint64_t value = 0;
	int events = 0;

	if (watch->memory_events >= 0 && find(watch->memory_events, "oom_kill", &value) == 0 &&
		value > watch->oom_kills) {
		watch->oom_kills = value;
		events |= CGROUP_EVENT_OOM;
	}
	if (find(watch->cgroup_events, "populated", &value) < 0 || value == 0)
		events |= CGROUP_EVENT_EMPTY;
	return events;
}

void cgroup_watch_close(struct cgroup_watch *watch)
{
	close_fd(watch->fd);
	close_fd(watch->memory_events);
	close_fd(watch->cgroup_events);
	*watch = (struct cgroup_watch)CGROUP_WATCH_INIT;
}
