/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "runtime/runtime.h"

/* Who holds a lock longer runs a hook without a timeout, or hangs. */
#define LOCK_WAIT_MS 10000
#define LOCK_POLL_MS 5

int state_check_id(const char *id, struct error *err)
{
	size_t length = strlen(id);

	if (length == 0)
		return error_say(err, EINVAL, "the container's id is empty");
	if (length > CONTAINER_ID_MAX)
		return error_say(err, EINVAL, "the container's id has %zu characters: at most %d",
			length, CONTAINER_ID_MAX);
	for (const char *c = id; *c != '\0'; c++) {
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+._-",
			    *c) == NULL)
			return error_say(err, EINVAL,
				"invalid container id %s: use letters, digits, '+', '.', '_' and "
				"'-'",
				id);
	}
	if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0 || id[0] == '-')
		return error_say(err, EINVAL, "invalid container id %s", id);
	return 0;
}

int state_make(const struct runtime *runtime, const char *id, struct error *err)
{
	/* Twice: a deletion may take the directory away before it is locked. */
	for (int attempt = 0; attempt < 2; attempt++) {
		if (mkdirat(runtime->root, id, 0700) < 0) {
			if (errno == EEXIST)
				return error_say(err, EEXIST, "container %s already exists", id);
			return error_set(err, errno, "make the state directory %s/%s",
				runtime->root_path, id);
		}
		_cleanup_close_ int dir = openat(
			runtime->root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (dir < 0 && errno != ENOENT)
			return error_set(err, errno, "open the state directory %s/%s",
				runtime->root_path, id);
		struct stat st;
		if (dir >= 0 && flock(dir, LOCK_EX | LOCK_NB) == 0 && fstat(dir, &st) == 0 &&
			st.st_nlink > 0)
			return take_fd(&dir);
	}
	return error_say(err, EBUSY, "container %s is being deleted by another command", id);
}

int state_open(const struct runtime *runtime, const char *id, struct error *err)
{
	int status = state_check_id(id, err);
	if (status < 0)
		return status;

	int dir = -EBADF;
	errno = ENOENT;
	if (runtime->root >= 0)
		dir = openat(runtime->root, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 && errno == ENOENT)
		return error_say(
			err, ENOENT, "container %s does not exist (in %s)", id, runtime->root_path);
	if (dir < 0)
		return error_set(
			err, errno, "open the state directory %s/%s", runtime->root_path, id);
	return dir;
}

int state_try_lock(int dir)
{
	return flock(dir, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

void state_unlock(int dir)
{
	flock(dir, LOCK_UN);
}

int state_lock(int dir, const char *id, struct error *err)
{
	int status = -EWOULDBLOCK;

	for (int waited = 0; waited < LOCK_WAIT_MS; waited += LOCK_POLL_MS) {
		status = state_try_lock(dir);
		if (status != -EWOULDBLOCK)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = LOCK_POLL_MS * 1000000L }, NULL);
	}
	if (status == -EWOULDBLOCK)
		return error_say(err, EBUSY,
			"container %s is busy: another command has been changing it for %d s", id,
			LOCK_WAIT_MS / 1000);
	if (status < 0)
		return error_set(err, -status, "lock the state of container %s", id);

	struct stat st;
	if (fstat(dir, &st) < 0 || st.st_nlink == 0)
		return error_say(err, ENOENT, "container %s does not exist: it was deleted", id);
	return 0;
}

int state_remove(const struct runtime *runtime, const char *id, int dir, struct error *err)
{
	int own = dup(dir);
	if (own < 0)
		return error_set(err, errno, "remove the state of container %s", id);
	_cleanup_closedir_ DIR *stream = fdopendir(own);
	if (stream == NULL) {
		close_fd(own);
		return error_set(err, ENOMEM, "remove the state of container %s", id);
	}
	rewinddir(stream);
	for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			strcmp(entry->d_name, "state.json") == 0 ||
			unlinkat(dir, entry->d_name, 0) == 0)
			continue;
		int status = remove_tree(dir, entry->d_name, err);
		if (status < 0)
			return error_prefix(err, "remove the state of container %s", id);
	}
	if (unlinkat(dir, "state.json", 0) < 0 && errno != ENOENT)
		return error_set(err, errno, "remove the state of container %s", id);
	if (unlinkat(runtime->root, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_set(err, errno, "remove the state of container %s", id);
	return 0;
}

enum container_status state_status(int dir, const struct state *state)
{
	if (state->init.pid == 0)
		return process_is_alive(&state->creator) ? CONTAINER_CREATING : CONTAINER_STOPPED;
	return process_is_alive(&state->init) ? state_status_alive(dir, state) : CONTAINER_STOPPED;
}

enum container_status state_status_alive(int dir, const struct state *state)
{
	if (faccessat(dir, STATE_GATE, F_OK, 0) == 0)
		return CONTAINER_CREATED;

	_cleanup_close_ int cgroup = cgroup_open(&state->cgroup, NULL);
	return cgroup >= 0 && cgroup_frozen(cgroup) > 0 ? CONTAINER_PAUSED : CONTAINER_RUNNING;
}

const char *container_status_name(enum container_status status)
{
	static const char *const names[] = {
		[CONTAINER_CREATING] = "creating",
		[CONTAINER_CREATED] = "created",
		[CONTAINER_RUNNING] = "running",
		[CONTAINER_PAUSED] = "paused",
		[CONTAINER_STOPPED] = "stopped",
	};

	return names[status];
}

static char *copy_string(struct arena *arena, const char *text)
{
	return text != NULL ? arena_strndup(arena, text, strlen(text)) : NULL;
}

void state_set_cgroup(struct state *state, const struct cgroup_location *location)
{
	state->cgroup = *location;
	state->cgroup.path = copy_string(&state->arena, location->path);
	state->cgroup.unit = copy_string(&state->arena, location->unit);
	state->cgroup.slice = copy_string(&state->arena, location->slice);
}

void state_cgroup_mark(const struct state *state, char ret[static STATE_CGROUP_MARK_SIZE])
{
	snprintf(ret, STATE_CGROUP_MARK_SIZE, "%s %s", state->id,
		state->created != NULL ? state->created : "");
}

void state_free(struct state *state)
{
	arena_free(&state->arena);
	*state = (struct state){ 0 };
}
