/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Creating a container, on the creator's side: everything that can fail cheaply first, a record of
 * what will have to be cleaned up before it exists, then cgroup and process, and the conversation
 * with the process until it waits at its gate.
 */
#include "runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/log.h"
#include "lib/socket.h"
#include "lib/utc.h"
#include "runtime/channel.h"
#include "runtime/creation.h"
#include "runtime/gate.h"
#include "runtime/isolation.h"
#include "runtime/notify.h"
#include "runtime/ns/rootfs.h"

#define MANY_MOUNTS 100

static char *time_now(struct arena *arena)
{
	struct timespec now;
	char text[UTC_TEXT_SIZE];

	clock_gettime(CLOCK_REALTIME, &now);
	utc_format(&now, true, text);
	return arena_strndup(arena, text, strlen(text));
}

static int fill_state(struct creation *creation, struct error *err)
{
	struct container *container = creation->container;
	struct state *state = &container->state;
	const struct create_options *options = creation->init.options;

	state->id = arena_strndup(&state->arena, options->id, strlen(options->id));
	state->bundle = arena_strndup(&state->arena, options->bundle, strlen(options->bundle));
	state->created = time_now(&state->arena);
	state_set_cgroup(state, &creation->cgroup);
	if (state->id == NULL || state->bundle == NULL || state->created == NULL ||
		state->cgroup.path == NULL)
		return error_set(err, ENOMEM, "create container %s", options->id);
	state->isolation = container->isolation->name;
	state->owner = geteuid();
	state->notify = options->notify_socket != NULL;
	state->annotations = &container->config.annotations;
	if (container->config.linux.intel_rdt.set) {
		const char *group = container->config.linux.intel_rdt.clos_id;

		state->rdt_group = group != NULL ? (char *)group : state->id;
	}
	return process_identify(getpid(), &state->creator, err);
}

/* What the specification leaves open and this runtime cannot do without. */
static int check_config(const struct oci_config *config, struct error *err)
{
	if (!config->root.set)
		return error_say(
			err, EINVAL, "root: missing: a container needs a root file system");
	if (!config->process.set)
		return error_say(
			err, EINVAL, "process: missing: a container needs a program to run");
	if (config->hostname != NULL && !config->linux.namespaces[OCI_NAMESPACE_UTS].set)
		return error_say(err, EINVAL,
			"hostname: needs a uts namespace of the container's own: add it to "
			"linux.namespaces");
	if (config->domainname != NULL && !config->linux.namespaces[OCI_NAMESPACE_UTS].set)
		return error_say(err, EINVAL,
			"domainname: needs a uts namespace of the container's own: add it to "
			"linux.namespaces");
	return 0;
}

static uint32_t host_id_of_root(const struct oci_id_mappings *mappings)
{
	for (size_t i = 0; i < mappings->count; i++) {
		if (mappings->items[i].container_id == 0)
			return mappings->items[i].host_id;
	}
	return 0;
}

static int locate_cgroup(struct creation *creation, struct error *err)
{
	const struct oci_linux *linux = &creation->container->config.linux;
	const struct oci_namespace *user = &linux->namespaces[OCI_NAMESPACE_USER];
	const struct runtime *runtime = creation->container->runtime;

	const struct oci_resources *resources = linux->resources.set ? &linux->resources : NULL;
	if (resources != NULL && creation->init.isolation->limit != NULL) {
		int status = creation->init.isolation->limit(&creation->init, resources,
			&creation->container->config.arena, &creation->host_resources, err);

		if (status < 0)
			return status;
		resources = &creation->host_resources;
	}
	creation->request = (struct cgroup_request){
		.devices_later = true,
		.manager = runtime->cgroup_manager,
		.cgroups_path = linux->cgroups_path,
		.id = creation->init.options->id,
		.rootless = runtime->rootless,
		.owner_set = user->set && user->path == NULL && runtime->privileged &&
			linux->namespaces[OCI_NAMESPACE_CGROUP].set,
		.owner_uid = host_id_of_root(&linux->uid_mappings),
		.owner_gid = host_id_of_root(&linux->gid_mappings),
		.resources = resources,
		.annotations = &creation->container->config.annotations,
	};
	return cgroup_locate(&creation->request, &creation->cgroup, err);
}

/* Writes down what will have to be cleaned up, before it exists. */
static int record(struct creation *creation, struct error *err)
{
	const struct create_options *options = creation->init.options;
	struct container *container = creation->container;

	int status = fill_state(creation, err);
	if (status < 0)
		return status;
	state_cgroup_mark(&container->state, creation->cgroup_mark);
	creation->request.mark = creation->cgroup_mark;
	container->dir = state_make(container->runtime, options->id, err);
	if (container->dir < 0)
		return container->dir;
	creation->recorded = true;
	status = state_write(container->dir, &container->state, err);
	if (status < 0)
		return status;
	return replace_file(container->dir, STATE_CONFIG, options->config_text,
		options->config_length, 0600, err);
}

/* Each mount's source is open until it is mounted: more than many a caller's soft limit allows. */
static void raise_open_files(struct container_init *init)
{
	struct rlimit limit;

	if (init->config->n_mounts < MANY_MOUNTS || getrlimit(RLIMIT_NOFILE, &limit) < 0 ||
		limit.rlim_cur >= limit.rlim_max)
		return;
	init->open_files = limit;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void restore_open_files(const struct container_init *init)
{
	if (init->open_files.rlim_max != 0)
		setrlimit(RLIMIT_NOFILE, &init->open_files);
}

static int prepare_rootfs(struct creation *creation, struct error *err)
{
	struct container_init *init = &creation->init;
	const struct runtime *runtime = init->runtime;
	_cleanup_free_ char *notify = NULL;

	if (init->state->notify) {
		/* The container's user has to reach the socket in it; what is above is 0700. */
		if (mkdirat(init->dir, STATE_NOTIFY, 0755) < 0)
			return error_set(err, errno, "make the directory of the notify socket");
		if (asprintf(&notify, "%s/%s/" STATE_NOTIFY, runtime->root_path, init->state->id) <
			0)
			return error_set(err, ENOMEM, "create container %s", init->state->id);
	}
	struct rootfs_options options = {
		.config = init->config,
		.bundle = init->options->bundle,
		.user_namespace = namespaces_has(&init->namespaces, CLONE_NEWUSER),
		.rootless = !runtime->privileged,
		.mount_namespace = namespaces_has(&init->namespaces, CLONE_NEWNS),
		.cgroup_namespace = namespaces_has(&init->namespaces, CLONE_NEWCGROUP),
		.network_namespace = namespaces_has(&init->namespaces, CLONE_NEWNET),
		.no_pivot = init->options->no_pivot,
		.cgroup_path = creation->cgroup.path,
		.notify_socket_directory = notify,
		.own_kernel = init->isolation->own_kernel,
	};
	return rootfs_prepare(&options, &init->rootfs, err);
}

/* The environment that the container gets from the caller's: socket activation, sd_notify. */
static void prepare_environment(struct container_init *init)
{
	size_t n = 0;

	if (init->options->listen_fds > 0) {
		snprintf(init->listen_fds, sizeof(init->listen_fds), "LISTEN_FDS=%u",
			init->options->listen_fds);
		init->extra_env[n++] = init->listen_fds;
		init->extra_env[n++] = "LISTEN_PID=1";
	}
	if (init->state->notify)
		init->extra_env[n++] = "NOTIFY_SOCKET=" NOTIFY_SOCKET_PATH;
	init->extra_env[n] = NULL;
}

/* Opens all that the new process will need, with the creator's rights. */
static int prepare(struct creation *creation, struct error *err)
{
	struct container_init *init = &creation->init;
	const struct oci_config *config = init->config;
	int status = namespaces_prepare(
		&config->linux, creation->container->runtime->rootless, &init->namespaces, err);

	if (status == 0)
		status = prepare_rootfs(creation, err);
	if (status < 0)
		return status;
	init->filter = init->options->seccomp;
	if (init->filter == NULL && config->linux.seccomp.set) {
		_cleanup_close_ int cache = runtime_open_seccomp_cache(init->runtime);

		status = seccomp_filter_get(&config->linux.seccomp, cache, &init->seccomp, err);
		if (status < 0)
			return status;
		init->filter = &init->seccomp;
	}
	prepare_environment(init);
	snprintf(init->keyring, sizeof(init->keyring), "_ses.%s", init->options->id);
	if (!init->options->attached) {
		init->gate = gate_open(init->dir, err);
		if (init->gate < 0)
			return init->gate;
	}
	if (config->process.terminal && init->options->console_socket == NULL &&
		!init->options->want_terminal)
		return error_say(err, EINVAL,
			"process.terminal: a detached container's terminal needs --console-socket");
	status = new_process_connect_console(&init->child, init->options->console_socket, err);
	if (status < 0)
		return status;
	return init->isolation->prepare == NULL ? 0 : init->isolation->prepare(init, err);
}

/* Makes cgroup and process. Returns 0 on the creator's side only. */
static int spawn(struct creation *creation, struct error *err)
{
	struct container_init *init = &creation->init;
	int holder = -EBADF;
	struct new_process *process = &init->child;
	int status = channel_open(process->channel, err);

	if (status == 0)
		status = cgroup_create(
			&creation->cgroup, &creation->request, &creation->cgroup_fd, &holder, err);
	if (status < 0) {
		/* Nothing of ours is there; what is there is another's, and not to be cleaned up.
		 */
		static char none[] = "";

		creation->container->state.cgroup.path = none;
		return status;
	}

	pid_t pid = namespaces_clone(&init->namespaces, creation->cgroup_fd, &process->pidfd, err);
	if (pid == 0)
		container_init_run(init);
	cgroup_creation_done(holder);
	process->channel[1] = close_fd(process->channel[1]);
	if (pid < 0)
		return pid;
	process->pid = pid;
	/* On another processor than the one that mounts the container's file systems. */
	if (creation->cgroup_fd >= 0)
		status = cgroup_set_devices(creation->cgroup_fd, &creation->request, err);
	if (status == 0 && !namespaces_needs_intermediate(&init->namespaces))
		status = creation_stage(creation, err);
	return status < 0 ? creation_own_error(creation, status, err) : status;
}

/* Makes the container known: pid file, state, pidfd, the terminal's master. */
static int publish(struct creation *creation, struct error *err)
{
	const struct create_options *options = creation->init.options;
	struct container *container = creation->container;
	int status = creation->staged ? 0 : creation_stage(creation, err);

	if (status == 0)
		status = state_commit(container->dir, err);
	if (status == 0)
		status = new_process_publish(
			&creation->init.child, options->pid_file, options->pidfd_socket, err);
	if (status < 0)
		return status;
	log_debug("container %s: process %d, isolation %s, cgroup %s", options->id,
		creation->init.child.pid, container->isolation->name, creation->cgroup.path);
	return creation_let_go(creation, err);
}

/* Takes back all that a failed creation made. */
static void abort_creation(struct creation *creation)
{
	struct container *container = creation->container;
	struct error ignored = ERROR_INIT;

	int status = 0;

	new_process_end(&creation->init.child);
	/* A failed creation goes on with the deletion, poststop hooks too, where hooks may have
	 * made something (runtime.md, "Lifecycle", steps 3 to 5). */
	if (creation->recorded)
		status = creation->init.child.pid > 0 ? container_finish(container, &ignored)
						      : container_destroy(container, &ignored);
	if (status < 0)
		log_warning("cannot clean up after the failed creation: %s", ignored.message);
}

static void creation_free(struct creation *creation)
{
	struct container_init *init = &creation->init;

	if (init->isolation->prepare_free != NULL)
		init->isolation->prepare_free(init);
	namespaces_close(&init->namespaces);
	rootfs_free(init->rootfs);
	seccomp_filter_free(&init->seccomp);
	new_process_close(&init->child);
	close_fd(init->gate);
	close_fd(creation->cgroup_fd);
	cgroup_location_free(&creation->cgroup);
	restore_open_files(init);
}

static int create(struct creation *creation, struct error *err)
{
	const struct create_options *options = creation->init.options;
	struct container *container = creation->container;
	int status = state_check_id(options->id, err);

	if (status == 0)
		status = oci_config_decode(
			options->config_text, options->config_length, &container->config, err);
	if (status < 0)
		return status;
	container->has_config = true;
	status = check_config(&container->config, err);
	if (status == 0)
		status = isolation_raise(container->runtime->settings, &container->config,
			&container->isolation, err);
	if (status < 0)
		return status;
	creation->init.isolation = container->isolation;
	isolation_complete_config(
		container->isolation, container->runtime->rootless, &container->config);
	status = locate_cgroup(creation, err);
	if (status == 0)
		status = record(creation, err);
	if (status < 0)
		return status;
	creation->init.dir = container->dir;
	raise_open_files(&creation->init);
	status = prepare(creation, err);
	if (status == 0)
		status = spawn(creation, err);
	if (status == 0)
		status = creation_converse(creation, err);
	if (status == 0 && creation->init.isolation->ready != NULL)
		creation->init.isolation->ready(&creation->init, creation->cgroup_fd);
	return status < 0 ? status : publish(creation, err);
}

int container_create(const struct runtime *runtime, const struct create_options *options,
	struct created_container *ret, struct error *err)
{
	struct container container = {
		.runtime = runtime, .isolation = runtime->isolation, .dir = -EBADF
	};
	_cleanup_(creation_free) struct creation creation = {
		.container = &container,
		.init = { .runtime = runtime,
			.isolation = runtime->isolation,
			.options = options,
			.config = &container.config,
			.state = &container.state,
			.dir = -EBADF,
			.child = NEW_PROCESS_INIT,
			.gate = -EBADF,
			.procfs = -EBADF },
		.cgroup_fd = -EBADF,
	};
	creation.init.child.state = &container.state;
	creation.init.child.status = CONTAINER_CREATING;
	creation.init.child.seccomp = &container.config.linux.seccomp;
	int status = create(&creation, err);

	if (status < 0) {
		abort_creation(&creation);
		container_close(&container);
		return status;
	}
	*ret = (struct created_container){
		.container = container,
		.pidfd = take_fd(&creation.init.child.pidfd),
		.channel = options->attached ? take_fd(&creation.init.child.channel[0]) : -EBADF,
		.terminal = take_fd(&creation.init.child.terminal),
	};
	ret->container.state.annotations = &ret->container.config.annotations;
	if (!options->attached)
		state_unlock(ret->container.dir);
	return 0;
}

void created_container_free(struct created_container *created)
{
	container_close(&created->container);
	created->pidfd = close_fd(created->pidfd);
	created->channel = close_fd(created->channel);
	created->terminal = close_fd(created->terminal);
}
