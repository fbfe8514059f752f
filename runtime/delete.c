/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a container: whatever a command before left, in whatever state, is cleared, so that a
 * deletion that was itself killed can be repeated.
 */
#include "runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/hooks.h"
#include "runtime/isolation.h"
#include "runtime/ns/intel_rdt.h"

#define KILL_WAIT_MS 10000 /* a process in an uninterruptible sleep may outlive its SIGKILL */

static int kill_and_wait(
	const struct process_identity *process, const char *what, struct error *err)
{
	_cleanup_close_ int pidfd = process_open(process, NULL);
	if (pidfd < 0)
		return 0;
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return error_set(err, errno, "kill %s (process %d)", what, process->pid);

	struct pollfd fd = { .fd = pidfd, .events = POLLIN };
	int ready;
	do {
		ready = poll(&fd, 1, KILL_WAIT_MS);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return error_say(err, ETIMEDOUT,
			"%s (process %d) did not end within %d s of SIGKILL", what, process->pid,
			KILL_WAIT_MS / 1000);
	return 0;
}

/*
 * Until the container's process is recorded, its cgroup may not be there yet, and another's of the
 * same path may. A damaged state does not say (`created` is missing): then the cgroup is taken for
 * its own.
 */
static int destroy_cgroup(const struct state *state, struct error *err)
{
	char mark[STATE_CGROUP_MARK_SIZE];

	if (state->init.pid != 0 || state->created == NULL || *state->created == '\0')
		return cgroup_destroy(&state->cgroup, err);
	state_cgroup_mark(state, mark);
	return cgroup_destroy_unfinished(&state->cgroup, mark, err);
}

int container_destroy(struct container *container, struct error *err)
{
	const struct state *state = &container->state;
	int status = kill_and_wait(&state->init, "the container's process", err);

	if (status == 0)
		status = destroy_cgroup(state, err);
	if (status == 0 && container->isolation->release != NULL)
		status = container->isolation->release(container, err);
	if (status == 0 && state->rdt_group != NULL)
		status = intel_rdt_remove(state->rdt_group, state->id, err);
	return status < 0 ? status
			  : state_remove(container->runtime, state->id, container->dir, err);
}

/* Failures of poststop hooks are told and change nothing (runtime.md, "Lifecycle", step 13). */
static void run_poststop(struct container *container)
{
	struct error err = ERROR_INIT;

	if (!container->has_config || container->config.hooks.poststop.count == 0)
		return;
	_cleanup_free_ char *state = state_specification_json(
		&container->state, CONTAINER_STOPPED, 0);
	if (state != NULL)
		hooks_run(&container->config.hooks.poststop, "poststop", state, -EBADF, true, &err);
}

/*
 * Ends the hooks that a creating command waits for, each in a process group of its own: they would
 * outlive it. It is stopped meanwhile, so that no process of the list is reaped and its pid reused.
 */
static void kill_hooks_of(const struct process_identity *creator)
{
	char path[64], list[4096], *next = list;
	_cleanup_close_ int pidfd = process_open(creator, NULL);

	/* A process that creates and deletes itself would stop for good. */
	if (pidfd < 0 || creator->pid == getpid() || pidfd_send_signal(pidfd, SIGSTOP, NULL, 0) < 0)
		return;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", creator->pid, creator->pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, list, sizeof(list) - 1);

	list[length > 0 ? length : 0] = '\0';
	for (;;) {
		long pid = strtol(next, &next, 10);

		if (pid <= 1)
			break;
		kill(-(pid_t)pid, SIGKILL);
	}
	pidfd_send_signal(pidfd, SIGCONT, NULL, 0);
}

/*
 * A creation under way holds the lock for as long as its hooks take, a start for as long as those
 * of the container's process do: with force the one that they wait for is ended, which frees it.
 */
static int lock_for_deletion(struct container *container, bool force, struct error *err)
{
	const struct state *state = &container->state;

	if (state_try_lock(container->dir) == 0)
		return 0;
	if (force) {
		/* Who starts it waits for its first process, who creates it is waited for itself.
		 */
		if (state->init.pid == 0)
			kill_hooks_of(&state->creator);
		int status = state->init.pid != 0
			? kill_and_wait(&state->init, "the container's process", err)
			: kill_and_wait(&state->creator, "the creating command", err);

		if (status < 0)
			return status;
	}
	return state_lock(container->dir, state->id, err);
}

static int check_deletable(const struct container *container, bool force, struct error *err)
{
	enum container_status status = container_status(container);

	if (force || status == CONTAINER_STOPPED || status == CONTAINER_CREATED)
		return 0;
	return error_say(err, EINVAL,
		"cannot delete container %s: it is %s; stop it first, or use --force",
		container->state.id, container_status_name(status));
}

/* What a damaged state said of the cgroup, once more from the configuration. */
static void locate_cgroup(struct container *container)
{
	struct cgroup_location location = { 0 };

	if (container_load_config(container, NULL) < 0)
		return;
	struct cgroup_request request = {
		.manager = container->runtime->cgroup_manager,
		.cgroups_path = container->config.linux.cgroups_path,
		.id = container->state.id,
		.rootless = container->runtime->rootless,
		.annotations = &container->config.annotations,
	};
	if (cgroup_locate(&request, &location, NULL) < 0)
		return;
	if (location.path != NULL)
		state_set_cgroup(&container->state, &location);
	cgroup_location_free(&location);
}

/* Opens it even when state.json is damaged: with force everything can be deleted. */
static int open_for_deletion(const struct runtime *runtime, const char *id, bool force,
	struct container *ret, struct error *err)
{
	int status = container_open(runtime, id, ret, err);

	if (status == 0 || status == -ENOENT || status == -ENOTEMPTY || !force ||
		state_check_id(id, NULL) < 0)
		return status;
	log_warning("%s", err->message);
	*ret = (struct container){ .runtime = runtime, .isolation = isolation_find("namespace") };
	ret->dir = state_open(runtime, id, err);
	status = ret->dir < 0 ? ret->dir : state_read_nothing(id, &ret->state, err);
	if (status == 0)
		locate_cgroup(ret);
	return status;
}

/* Where killing means more than a signal (what a guest has written is kept), that comes first. */
static void kill_gently(struct container *container)
{
	struct error err = ERROR_INIT;

	if (container->isolation->kill != NULL &&
		container_status(container) == CONTAINER_RUNNING &&
		container->isolation->kill(container, SIGKILL, true, &err) < 0)
		log_debug("%s", err.message);
}

int container_finish(struct container *container, struct error *err)
{
	struct error ignored = ERROR_INIT;

	if (container_load_config(container, &ignored) < 0)
		log_debug("%s", ignored.message);
	kill_gently(container);
	int status = container_destroy(container, err);
	if (status == 0)
		run_poststop(container);
	return status;
}

int container_delete(const struct runtime *runtime, const char *id, bool force, struct error *err)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	int status = open_for_deletion(runtime, id, force, &container, err);

	if (status == 0)
		status = lock_for_deletion(&container, force, err);
	if (status == 0) {
		/* The state may have changed until the lock was ours. */
		status = container_read_again(&container, err);
		if (force)
			status = 0;
	}
	if (status == -ENOENT && force)
		return 0;
	if (status == 0)
		status = check_deletable(&container, force, err);
	if (status < 0)
		return status;
	return container_finish(&container, err);
}
