/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A further process in a container: made in the container's cgroup, moved into its namespaces, then
 * prepared exactly as the first one was (exec_inside.c). This is the side of who asks for it.
 */
#include "runtime/container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/channel.h"
#include "runtime/exec.h"
#include "runtime/isolation.h"
#include "runtime/ns/credentials.h"
#include "runtime/ns/limits.h"
#include "runtime/ns/namespaces.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
	const char *name;
	int flag;
} namespace_files[] = {
	{ "user", CLONE_NEWUSER },
	{ "pid", CLONE_NEWPID },
	{ "mnt", CLONE_NEWNS },
	{ "net", CLONE_NEWNET },
	{ "ipc", CLONE_NEWIPC },
	{ "uts", CLONE_NEWUTS },
	{ "cgroup", CLONE_NEWCGROUP },
	{ "time", CLONE_NEWTIME },
};

/* Joining one's own is no error and changes nothing, for who is privileged over it. */
#define HARMLESS (CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP)

/*
 * Which namespaces of the container are to be joined: those that are not the caller's own, for
 * joining one's own user namespace is an error (setns(2)). To look at one costs the kernel an
 * inode, so that the harmless ones are not looked at by who is privileged over all there are.
 */
static int differing_namespaces(
	const struct container *container, int *ret_flags, struct error *err)
{
	char path[32];
	const struct oci_namespace *wanted = container->config.linux.namespaces;
	bool own_mounts = wanted[OCI_NAMESPACE_MOUNT].set;
	bool own_time = wanted[OCI_NAMESPACE_TIME].set;
	bool may_join_all = false;
	int flags = 0;

	snprintf(path, sizeof(path), "/proc/%d/ns", container->state.init.pid);
	_cleanup_close_ int theirs = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int ours = open("/proc/self/ns", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (theirs < 0 || ours < 0)
		return error_set(err, errno, "look at the namespaces in %s", path);
	for (size_t i = 0; i < sizeof(namespace_files) / sizeof(*namespace_files); i++) {
		const char *name = namespace_files[i].name;
		int flag = namespace_files[i].flag;
		struct stat a, b;

		if (may_join_all && (flag & HARMLESS || (flag == CLONE_NEWNS && own_mounts))) {
			flags |= flag;
			continue;
		}
		if (may_join_all && flag == CLONE_NEWTIME && !own_time)
			continue;
		if (fstatat(theirs, name, &a, 0) < 0) {
			if (errno == ENOENT && faccessat(ours, name, F_OK, 0) < 0)
				continue; /* this kernel has no such kind */
			return error_set(err, errno, "look at %s/%s", path, name);
		}
		if (fstatat(ours, name, &b, 0) < 0)
			return error_set(err, errno, "look at /proc/self/ns/%s", name);
		if (a.st_ino != b.st_ino || a.st_dev != b.st_dev)
			flags |= flag;
		else if (flag == CLONE_NEWUSER)
			may_join_all = container->runtime->privileged &&
				b.st_ino == RUNTIME_INITIAL_USER_NAMESPACE;
	}
	*ret_flags = flags;
	return 0;
}

/*
 * The first process of a container with a kernel of its own is a monitor, into which an ordinary
 * user may not look. What stands for a program of that kernel needs no namespace of the
 * container's: it stays outside, and the isolation confines it there.
 */
static int find_namespaces(struct container_process *joining, struct error *err)
{
	const struct container *container = joining->container;
	int status = differing_namespaces(container, &joining->flags, err);

	if (status != -EACCES || !container->isolation->own_kernel ||
		container->runtime->privileged)
		return status;
	*err = ERROR_INIT;
	joining->flags = 0;
	joining->outside = true;
	return 0;
}

static int explain_end(struct error *err)
{
	return error_say(err, ECHILD, "the new process ended before it was ready");
}

/* Up to READY, or (once the word was given) up to the execution of the program. */
static int converse(struct container_process *joining, bool until_executed, struct error *err)
{
	struct channel_message message;

	do {
		_cleanup_close_ int fd = -EBADF;
		int got = channel_receive(joining->child.channel[0], &message, &fd);

		if (got < 0)
			return error_set(err, -got, "listen to the new process");
		if (got == 0)
			return until_executed ? 0 : explain_end(err);
		int status = new_process_answer(&joining->child, &message, &fd, err);
		if (status == -EPIPE && err->errnum == 0)
			return explain_end(err);
		if (status < 0)
			return status;
	} while (until_executed || message.type != CHANNEL_READY);
	return 0;
}

static int open_cgroup(struct container_process *joining, struct error *err)
{
	const struct cgroup_location *location = &joining->container->state.cgroup;

	if (location->path[0] == '\0')
		return 0;
	_cleanup_close_ int cgroup = cgroup_open(location, err);
	if (cgroup < 0)
		return cgroup;
	/* With a kernel of its own, the cgroups below the container's are that one's. */
	if (joining->options->cgroup != NULL && !joining->container->isolation->own_kernel)
		joining->cgroup = cgroup_open_below(cgroup, joining->options->cgroup, err);
	else
		joining->cgroup = take_fd(&cgroup);
	return joining->cgroup < 0 ? joining->cgroup : 0;
}

/*
 * Where the container manages cgroups itself, its own may hold no process ("no internal processes",
 * cgroups(7)): then the new one goes where the first process is.
 */
static int open_cgroup_of_init(struct container_process *joining)
{
	char path[PATH_MAX + 64];
	struct cgroup_location location = joining->container->state.cgroup;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", joining->container->state.init.pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, path, sizeof(path) - 1);
	if (length <= 0)
		return -ESRCH;
	path[length] = '\0';
	char *line = strncmp(path, "0::", 3) == 0 ? path : strstr(path, "\n0::");
	if (line == NULL)
		return -ENOENT;
	location.path = strchr(line, '/');
	if (location.path == NULL)
		return -ENOENT;
	location.path[strcspn(location.path, "\n")] = '\0';
	return cgroup_open(&location, NULL);
}

static int check_running(const struct container *container, enum container_status status,
	bool ignore_paused, struct error *err)
{
	if (status == CONTAINER_RUNNING || status == CONTAINER_CREATED ||
		(status == CONTAINER_PAUSED && ignore_paused))
		return 0;
	if (status == CONTAINER_PAUSED)
		return error_say(err, EINVAL,
			"cannot exec in a paused container: resume %s first, or use "
			"--ignore-paused",
			container->state.id);
	return error_say(err, EINVAL,
		"cannot exec in container %s: container not running, it is %s", container->state.id,
		container_status_name(status));
}

static int prepare(struct container_process *joining, struct error *err)
{
	struct container *container = joining->container;
	const struct exec_options *options = joining->options;
	const struct runtime *runtime = container->runtime;
	const struct oci_linux *linux = &container->config.linux;
	size_t n = 0;
	int status = open_cgroup(joining, err);

	if (status == 0)
		status = find_namespaces(joining, err);
	if (status < 0)
		return status;
	/* Only who holds CAP_SYS_ADMIN in both user namespaces may make children in another pid
	 * namespace. */
	joining->by_two = joining->flags & CLONE_NEWUSER;
	const struct seccomp_filter *filter = options->seccomp;
	if (filter == NULL && linux->seccomp.set) {
		_cleanup_close_ int cache = runtime_open_seccomp_cache(runtime);

		status = seccomp_filter_get(&linux->seccomp, cache, &joining->seccomp, err);
		if (status < 0)
			return status;
		filter = &joining->seccomp;
	}
	if (options->listen_fds > 0) {
		snprintf(joining->listen_fds, sizeof(joining->listen_fds), "LISTEN_FDS=%u",
			options->listen_fds);
		joining->extra_env[n++] = joining->listen_fds;
		joining->extra_env[n++] = "LISTEN_PID=1";
	}
	joining->setup = (struct process_setup){
		.process = options->process,
		.linux = linux,
		.seccomp = filter,
		.procfs = -EBADF,
		.exec = true,
		.keep_groups = ids_keep_groups(&container->config, runtime->rootless),
		.keep_oom_score = runtime->rootless || joining->by_two,
		.extra_fds = options->preserve_fds,
		.extra_env = joining->extra_env,
	};
	/* Somebody waits to hear of it, or to take its listener, before its program runs. */
	joining->published = options->pid_file != NULL || options->pidfd_socket != NULL ||
		(filter != NULL && filter->listener);
	if (container->isolation->exec_prepare != NULL) {
		int prepared = container->isolation->exec_prepare(joining, err);

		if (prepared < 0)
			return prepared;
	}
	return new_process_connect_console(&joining->child, options->console_socket, err);
}

/* Children are made in the container's pid namespace; the caller itself stays where it is. */
static int clone_inside(struct container_process *joining, struct error *err)
{
	bool pid_namespace = !joining->by_two && joining->flags & CLONE_NEWPID;
	_cleanup_close_ int own = -EBADF;

	if (pid_namespace) {
		own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
		if (own < 0 || setns(joining->init, CLONE_NEWPID) < 0)
			return error_set(err, errno, "join the pid namespace of container %s",
				joining->container->state.id);
	}
	pid_t pid = exec_clone(joining->cgroup, false, &joining->child.pidfd);
	if (pid < 0 && errno == EBUSY && joining->options->cgroup == NULL) {
		close_fd(joining->cgroup);
		joining->cgroup = open_cgroup_of_init(joining);
		pid = exec_clone(joining->cgroup, false, &joining->child.pidfd);
	}
	int clone_errno = errno;
	if (pid == 0)
		exec_run_new_process(joining);
	if (pid_namespace)
		setns(own, CLONE_NEWPID);
	if (pid < 0 && joining->cgroup >= 0 && (clone_errno == EBUSY || clone_errno == EOPNOTSUPP))
		return cgroup_entry_error(joining->cgroup, clone_errno, err);
	if (pid < 0)
		return error_set(err, clone_errno, "make a process in container %s",
			joining->container->state.id);
	joining->child.pid = pid;
	joining->child.channel[1] = close_fd(joining->child.channel[1]);
	return 0;
}

/* The new process inherits where it may run; the caller itself, perhaps an agent, goes back. */
static int clone_on_initial_cpus(struct container_process *joining, struct error *err)
{
	const char *initial = joining->options->process->exec_cpu_affinity.initial;
	cpu_set_t before;

	if (initial == NULL)
		return clone_inside(joining, err);
	if (sched_getaffinity(0, sizeof(before), &before) < 0)
		return error_set(err, errno, "process.execCPUAffinity.initial");
	int status = affinity_set(initial, err);
	if (status == 0)
		status = clone_inside(joining, err);
	sched_setaffinity(0, sizeof(before), &before);
	return status;
}

static int exec_in(struct container_process *joining, struct error *err)
{
	struct container *container = joining->container;
	joining->init = process_open(&container->state.init, err);
	if (joining->init < 0)
		return check_running(container, container_status(container), false, err) < 0
			? -EINVAL
			: joining->init;
	int status = check_running(container, state_status_alive(container->dir, &container->state),
		joining->options->ignore_paused, err);
	if (status == 0)
		status = container_load_config(container, err);
	if (status < 0)
		return status;
	status = prepare(joining, err);
	if (status == 0)
		status = channel_open(joining->child.channel, err);
	if (status == 0)
		status = clone_on_initial_cpus(joining, err);
	if (status == 0 && joining->published) {
		status = converse(joining, false, err);
		if (status == 0)
			status = new_process_publish(&joining->child, joining->options->pid_file,
				joining->options->pidfd_socket, err);
		if (status == 0)
			status = new_process_let_go(&joining->child, err);
		if (status == -EPIPE && err->errnum == 0)
			status = explain_end(err);
	}
	return status < 0 ? status : converse(joining, true, err);
}

static void joining_free(struct container_process *joining)
{
	if (joining->container->isolation->exec_free != NULL)
		joining->container->isolation->exec_free(joining);
	seccomp_filter_free(&joining->seccomp);
	close_fd(joining->init);
	close_fd(joining->cgroup);
	new_process_close(&joining->child);
}

int container_exec(struct container *container, const struct exec_options *options,
	struct exec_process *ret, struct error *err)
{
	_cleanup_(joining_free) struct container_process joining = {
		.container = container,
		.options = options,
		.init = -EBADF,
		.cgroup = -EBADF,
		.child = NEW_PROCESS_INIT,
	};
	joining.child.state = &container->state;
	joining.child.status = CONTAINER_RUNNING;
	joining.child.seccomp = &container->config.linux.seccomp;
	int status = exec_in(&joining, err);

	if (status < 0) {
		ret->refused = joining.child.refused;
		new_process_end(&joining.child);
		return status;
	}
	*ret = (struct exec_process){
		.pid = joining.child.pid,
		.pidfd = take_fd(&joining.child.pidfd),
		.terminal = take_fd(&joining.child.terminal),
	};
	return 0;
}
