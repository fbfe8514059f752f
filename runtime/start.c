/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/gate.h"
#include "runtime/hooks.h"
#include "runtime/isolation.h"
#include "runtime/notify.h"

/* A failing poststart hook stops the container (runtime.md, "Lifecycle", step 9; an error
 * since 1.3). */
static int run_poststart(struct container *container, struct error *err)
{
	int status = container_load_config(container, err);

	if (status < 0 || container->config.hooks.poststart.count == 0)
		return status;
	_cleanup_free_ char *state = state_specification_json(
		&container->state, CONTAINER_RUNNING, 0);
	if (state == NULL)
		return error_set(err, ENOMEM, "run poststart hooks");
	status = hooks_run(
		&container->config.hooks.poststart, "poststart", state, -EBADF, false, err);
	if (status < 0)
		container_kill(container, SIGKILL, true, NULL);
	return status;
}

static int tell_isolation(struct container *container, struct error *err)
{
	return container->isolation->start == NULL ? 0
						   : container->isolation->start(container, err);
}

static int check_created(const struct container *container, struct error *err)
{
	enum container_status status = container_status(container);

	uint64_t limit;

	if (status == CONTAINER_CREATED)
		return 0;
	if (status == CONTAINER_STOPPED && container_oom_killed(container, &limit))
		return error_say(err, ENOMEM,
			"cannot start container %s: it is stopped, the kernel killed it: memory "
			"limit %" PRIu64 " too low; raise linux.resources.memory.limit",
			container->state.id, limit);
	return error_say(err, EINVAL, "cannot start container %s: it is %s, not created",
		container->state.id, container_status_name(status));
}

/* What the lifecycle goes on with where a poststart hook failed: the end, and the poststop hooks.
 */
static void end_failed(struct container *container)
{
	struct error err = ERROR_INIT;
	int status = state_lock(container->dir, container->state.id, &err);

	if (status == -ENOENT) /* somebody else deleted it */
		return;
	if (status < 0 || container_finish(container, &err) < 0)
		log_warning("delete container %s: %s", container->state.id, err.message);
}

int container_start(struct container *container, const char *notify_socket, struct error *err)
{
	_cleanup_(notify_close) struct notify notify = NOTIFY_INIT;
	int status = state_lock(container->dir, container->state.id, err);

	/* It may have been read while the creation was still under way. */
	if (status == 0 && container->state.init.pid == 0)
		status = container_read_again(container, err);
	if (status == 0)
		status = check_created(container, err);
	if (status == 0 && container->state.notify && notify_socket != NULL)
		status = notify_open(container->dir, notify_socket, &notify, err);
	if (status == 0)
		status = tell_isolation(container, err);
	if (status == 0)
		status = gate_pass(container->dir, err);
	/* Hooks may take long, and a container that runs can be deleted by force meanwhile. */
	state_unlock(container->dir);
	if (status == 0) {
		status = run_poststart(container, err);
		if (status < 0 && container->config.hooks.poststart.count > 0)
			end_failed(container);
	}
	/* The service manager hears of readiness from us: only now is there a program that tells.
	 */
	if (status == 0 && notify.socket >= 0)
		status = notify_wait_ready(&notify, &container->state.init, err);
	return status;
}

int container_start_attached(struct created_container *created, struct error *err)
{
	struct container *container = &created->container;
	int status = tell_isolation(container, err);

	if (status == 0)
		status = gate_pass_channel(created->channel, err);
	created->channel = close_fd(created->channel);
	state_unlock(container->dir);
	return status < 0 ? status : run_poststart(container, err);
}
