/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to a container that exists: signals, freezing, its processes and limits. */
#include "runtime/container.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/cgroup/resources.h"
#include "runtime/cgroup/stats.h"
#include "runtime/isolation.h"

/* Without a pid namespace of its own, the end of the first process ends nobody else. */
static bool has_pid_namespace(struct container *container)
{
	const struct oci_namespace *pid;

	if (container_load_config(container, NULL) < 0)
		return true;
	pid = &container->config.linux.namespaces[OCI_NAMESPACE_PID];
	return pid->set && (pid->path == NULL || pid->path[0] == '\0');
}

static int signal_all(struct container *container, int signal, struct error *err)
{
	_cleanup_close_ int cgroup = cgroup_open(&container->state.cgroup, err);

	if (cgroup == -ENOENT)
		return error_say(err, ESRCH, "container not running: the cgroup of %s is gone",
			container->state.id);
	return cgroup < 0 ? cgroup : cgroup_signal(cgroup, signal, err);
}

/*
 * The first process is gone. Where it was no pid namespace's, others may live on, and SIGKILL is
 * for the whole container; `err` says already that it is not running.
 */
static int kill_rest(struct container *container, struct error *err)
{
	_cleanup_(pid_list_free) struct pid_list left = { 0 };

	if (has_pid_namespace(container))
		return -ESRCH;
	_cleanup_close_ int cgroup = cgroup_open(&container->state.cgroup, NULL);
	if (cgroup < 0 || cgroup_processes(cgroup, &left, NULL) < 0 || left.count == 0)
		return -ESRCH;
	*err = ERROR_INIT;
	return cgroup_signal(cgroup, SIGKILL, err);
}

int container_kill(struct container *container, int signal, bool all, struct error *err)
{
	if (container->isolation->kill != NULL)
		return container->isolation->kill(container, signal, all, err);

	const struct state *state = &container->state;
	bool has_cgroup = state->cgroup.path[0] != '\0';
	/* After the first process has ended, others may be left: --all reaches them. */
	if (all && has_cgroup)
		return signal_all(container, signal, err);

	_cleanup_close_ int pidfd = process_open(&state->init, err);
	if (pidfd == -ESRCH && signal == SIGKILL && has_cgroup)
		return kill_rest(container, err);
	if (pidfd < 0)
		return pidfd;
	if (signal == SIGKILL && has_cgroup && !has_pid_namespace(container))
		return signal_all(container, signal, err);
	if (pidfd_send_signal(pidfd, signal, NULL, 0) < 0)
		return error_set(err, errno, "send signal %d to container %s", signal, state->id);
	return 0;
}

static int freeze(struct container *container, bool frozen, struct error *err)
{
	enum container_status status = container_status(container);
	const char *verb = frozen ? "pause" : "resume";

	if (frozen ? status != CONTAINER_RUNNING && status != CONTAINER_CREATED
		   : status != CONTAINER_PAUSED && status != CONTAINER_CREATED)
		return error_say(err, EINVAL, "cannot %s container %s: it is %s", verb,
			container->state.id, container_status_name(status));
	_cleanup_close_ int cgroup = cgroup_open(&container->state.cgroup, err);
	int result = cgroup < 0 ? cgroup : cgroup_freeze(cgroup, frozen, err);
	return result < 0 ? error_prefix(err, "%s container %s", verb, container->state.id) : 0;
}

int container_pause(struct container *container, struct error *err)
{
	return freeze(container, true, err);
}

int container_resume(struct container *container, struct error *err)
{
	int status = freeze(container, false, err);

	if (status == 0 && container->isolation->resume != NULL)
		status = container->isolation->resume(container, err);
	return status;
}

int container_processes(struct container *container, struct pid_list *ret, struct error *err)
{
	if (container->isolation->processes != NULL)
		return container->isolation->processes(container, ret, err);

	_cleanup_close_ int cgroup = cgroup_open(&container->state.cgroup, err);
	return cgroup < 0 ? cgroup : cgroup_processes(cgroup, ret, err);
}

int container_process_table(
	struct container *container, struct container_process_table *ret, struct error *err)
{
	if (container->isolation->process_table == NULL)
		return 0;
	int status = container->isolation->process_table(container, ret, err);
	return status < 0 ? status : 1;
}

static bool can_ask_guest(const struct container *container)
{
	enum container_status status = container_status(container);

	return status == CONTAINER_RUNNING || status == CONTAINER_CREATED;
}

int container_write_guest_stats(
	struct container *container, const char *key, struct json_writer *writer)
{
	if (container->isolation->write_guest_stats == NULL || !can_ask_guest(container))
		return 0;
	return container->isolation->write_guest_stats(container, key, writer) < 0 ? 0 : 1;
}

int64_t container_guest_oom_kills(struct container *container)
{
	if (container->isolation->guest_oom_kills == NULL || !can_ask_guest(container))
		return -1;
	return container->isolation->guest_oom_kills(container);
}

static int check_updatable(const struct container *container, struct error *err)
{
	enum container_status status = container_status(container);

	if (status != CONTAINER_STOPPED && status != CONTAINER_CREATING)
		return 0;
	return error_say(err, EINVAL, "cannot update container %s: it is %s", container->state.id,
		container_status_name(status));
}

int container_update_undoable(struct container *container, const struct oci_resources *resources,
	struct cgroup_undo *ret, struct error *err)
{
	int status = check_updatable(container, err);
	if (status < 0)
		return status;
	_cleanup_close_ int cgroup = cgroup_open(&container->state.cgroup, err);
	return cgroup < 0 ? cgroup
			  : cgroup_update_undoable(cgroup, &container->state.cgroup, resources,
				    container->runtime->rootless, ret, err);
}

int container_update(
	struct container *container, const struct oci_resources *resources, struct error *err)
{
	_cleanup_(cgroup_undo_free) struct cgroup_undo undo = { 0 };

	if (container->isolation->update == NULL)
		return container_update_undoable(container, resources, &undo, err);
	int status = check_updatable(container, err);
	return status < 0 ? status : container->isolation->update(container, resources, err);
}

int container_stats(struct container *container, struct cgroup_stats *ret, struct error *err)
{
	enum container_status status = container_status(container);

	if (status == CONTAINER_STOPPED || status == CONTAINER_CREATING)
		return error_say(err, EINVAL, "container not running: %s is %s",
			container->state.id, container_status_name(status));
	if (container->isolation->stats != NULL)
		return container->isolation->stats(container, ret, err);

	_cleanup_close_ int cgroup = cgroup_open(&container->state.cgroup, err);
	return cgroup < 0 ? cgroup : cgroup_stats_read(cgroup, ret, err);
}
