/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A further process of a container, from clone to the user's program: into the container's
 * namespaces, its terminal, and prepared exactly as the first one was (init.c).
 */
#include "runtime/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/fds.h"
#include "lib/log.h"
#include "lib/signals.h"
#include "runtime/channel.h"
#include "runtime/gate.h"
#include "runtime/isolation.h"
#include "runtime/ns/console.h"
#include "runtime/ns/namespaces.h"
#include "runtime/ns/path.h"

pid_t exec_clone(int cgroup, bool sibling, int *pidfd)
{
	struct clone_args arguments = {
		.flags = CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)pidfd,
		.exit_signal = sibling ? 0 : SIGCHLD,
	};

	if (sibling)
		arguments.flags = CLONE_PARENT;
	if (cgroup >= 0) {
		arguments.flags |= CLONE_INTO_CGROUP;
		arguments.cgroup = (uint64_t)cgroup;
	}
	return (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
}

/* In the new process: into the container's namespaces. Its root and working directory are theirs
 * then. */
static int enter(struct container_process *joining, struct error *err)
{
	int flags = joining->flags & ~(joining->by_two ? 0 : CLONE_NEWPID);

	if (flags != 0 && setns(joining->init, flags) < 0)
		return error_set(err, errno, "join the namespaces of container %s",
			joining->container->state.id);
	if (!joining->by_two)
		return 0;
	int status = namespaces_become_root(joining->setup.procfs, err);
	if (status < 0)
		return status;
	prctl(PR_SET_DUMPABLE, 0);
	pid_t pid = exec_clone(-EBADF, true, NULL);
	if (pid < 0)
		return error_set(err, errno, "make a process in the container's pid namespace");
	if (pid > 0)
		_exit(channel_send(joining->child.channel[1], CHANNEL_PID, pid, NULL, -EBADF) < 0);
	/* The session is still that of the one in between, and a terminal is for its leader. */
	if (setsid() < 0)
		return error_set(err, errno, "make a session");
	/* Whatever it says next is about this process, not about the one in between. */
	return channel_wait_go(joining->child.channel[1], err);
}

static int open_terminal(struct container_process *joining, struct error *err)
{
	const struct oci_process *process = joining->options->process;
	_cleanup_close_ int master = -EBADF;
	_cleanup_close_ int terminal = -EBADF;

	if (!process->terminal)
		return 0;
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_set(err, errno, "open the container's root");
	int status = console_open(root, joining->setup.procfs, process, &master, &terminal, err);
	if (status == 0 && joining->options->plain_lines)
		status = console_keep_newlines(terminal, err);
	if (status < 0)
		return status;
	status = channel_send(joining->child.channel[1], CHANNEL_TERMINAL, 0, NULL, master);
	if (status < 0)
		return error_set(err, -status, "hand over the terminal");
	return console_take(take_fd(&terminal), err);
}

static int announce_listener(int fd, void *data, struct error *err)
{
	const struct container_process *joining = data;
	int status = channel_send(joining->child.channel[1], CHANNEL_LISTENER, fd, NULL, -EBADF);

	return status < 0 ? error_set(err, -status, "announce the seccomp listener") : 0;
}

static int run_inside(struct container_process *joining, struct error *err)
{
	_cleanup_free_ char *program = NULL;
	_cleanup_close_ int listener = -EBADF;
	int status;

	if (setsid() < 0)
		return error_set(err, errno, "make a session");
	/* Before there is anything of the container's that could look at this process
	 * (CVE-2016-9962). */
	prctl(PR_SET_DUMPABLE, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	joining->setup.announce_listener = announce_listener;
	joining->setup.announce_data = joining;
	joining->setup.procfs = path_open_callers_procfs(err);
	if (joining->setup.procfs < 0)
		return joining->setup.procfs;
	status = enter(joining, err);
	if (status < 0)
		return status;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	const struct isolation *isolation = joining->container->isolation;
	status = open_terminal(joining, err);
	if (status == 0 && isolation->exec_run == NULL)
		status = process_prepare(&joining->setup, &program, &listener, err);
	if (status == 0 && joining->published) {
		status = channel_send(joining->child.channel[1], CHANNEL_READY, 0, NULL, -EBADF);
		if (status == 0)
			status = channel_wait_go(joining->child.channel[1], err);
	}
	if (status < 0)
		return status;
	prctl(PR_SET_PDEATHSIG, 0);
	if (isolation->exec_run != NULL)
		return isolation->exec_run(joining, err);
	return process_execute(&joining->setup, program, err);
}

_Noreturn void exec_run_new_process(struct container_process *joining)
{
	struct error err = ERROR_INIT;

	fds_take_stdio(joining->options->stdio);
	/* Nothing else of the host's comes along into the container (CVE-2024-21626). */
	int keep[CONTAINER_PROCESS_KEEP + 2] = { joining->child.channel[1], joining->init };

	memcpy(keep + 2, joining->keep, joining->n_keep * sizeof(*keep));
	fds_close_except(3 + joining->options->preserve_fds, keep, 2 + joining->n_keep);
	log_set_sink(channel_log, &joining->child.channel[1], LOG_LEVEL_DEBUG);
	signals_reset();
	run_inside(joining, &err);
	gate_report(joining->child.channel[1], &err);
	_exit(err.errnum == ENOENT ? 127 : 126);
}
