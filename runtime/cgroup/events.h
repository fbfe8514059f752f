/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens in a cgroup, as it happens: a process killed by the OOM killer, and the last process
 * gone. The kernel tells of changes in memory.events and cgroup.events through poll() on the files
 * (cgroups(7), "inotify and poll"), so one descriptor stands for both and goes into any event loop.
 */
#pragma once

#include <stdint.h>

struct error;

enum {
	CGROUP_EVENT_OOM = 1 << 0,   /* the OOM killer killed in the subtree */
	CGROUP_EVENT_EMPTY = 1 << 1, /* no process is left, or the cgroup is gone */
};

struct cgroup_watch {
	int fd; /* readable (POLLIN) when something may have happened */
	int memory_events, cgroup_events;
	uint64_t oom_kills; /* seen so far */
};

#define CGROUP_WATCH_INIT     \
	{                     \
		-1, -1, -1, 0 \
	}

/*
 * Begins to watch the cgroup `cgroup`, which the caller may close afterwards. Kills from before
 * are not told of. Without the memory controller only CGROUP_EVENT_EMPTY comes. Errors: -ENODEV or
 * -ENOENT when the cgroup is gone, those of epoll_create1(2).
 */
int cgroup_watch_open(int cgroup, struct cgroup_watch *ret, struct error *err);

/*
 * Finds out what has happened since the last call; does not wait. Returns a mask of
 * CGROUP_EVENT_…, 0 for a change that is neither.
 */
int cgroup_watch_read(struct cgroup_watch *watch);

/* Ends the watch. A watch of CGROUP_WATCH_INIT may be closed. */
void cgroup_watch_close(struct cgroup_watch *watch);
