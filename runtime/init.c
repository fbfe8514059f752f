/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/fds.h"
#include "lib/log.h"
#include "lib/signals.h"
#include "runtime/channel.h"
#include "runtime/gate.h"
#include "runtime/hooks.h"
#include "runtime/isolation.h"
#include "runtime/ns/console.h"
#include "runtime/ns/environment.h"
#include "runtime/ns/limits.h"
#include "runtime/ns/net_devices.h"
#include "runtime/ns/path.h"
#include "runtime/ns/rootfs.h"
#include "runtime/ns/sysctl.h"

bool container_init_needs_creator(const struct container_init *init)
{
	const struct oci_config *config = init->config;

	return config->hooks.prestart.count > 0 || config->hooks.create_runtime.count > 0 ||
		config->linux.n_net_devices > 0 || config->linux.intel_rdt.set;
}

/* In the root file system that is not entered yet, as runc has it: relative paths lead there. */
static int run_create_hooks(const struct container_init *init, struct error *err)
{
	const struct oci_hook_list *hooks = &init->config->hooks.create_container;

	if (hooks->count == 0)
		return 0;
	_cleanup_free_ char *state = state_specification_json(
		init->state, CONTAINER_CREATING, getpid());
	if (state == NULL)
		return error_set(err, ENOMEM, "run createContainer hooks");
	return hooks_run(hooks, "createContainer", state, rootfs_fd(init->rootfs), false, err);
}

/* What they execute is the container's, as the program is: the same filter is around it. */
static int run_start_hooks(const struct container_init *init, struct error *err)
{
	const struct oci_hook_list *hooks = &init->config->hooks.start_container;

	if (hooks->count == 0 || init->isolation->runs_start_hooks)
		return 0;
	_cleanup_free_ char *state = state_specification_json(
		init->state, CONTAINER_CREATED, getpid());
	if (state == NULL)
		return error_set(err, ENOMEM, "run startContainer hooks");
	return hooks_run_confined(
		hooks, "startContainer", state, process_late_filter(&init->setup), err);
}

static int set_names(const struct container_init *init, struct error *err)
{
	const struct oci_config *config = init->config;

	if (config->hostname != NULL && sethostname(config->hostname, strlen(config->hostname)) < 0)
		return error_set(err, errno, "hostname: set %s", config->hostname);
	if (config->domainname != NULL &&
		setdomainname(config->domainname, strlen(config->domainname)) < 0)
		return error_set(err, errno, "domainname: set %s", config->domainname);
	return 0;
}

/* The terminal comes from the container's own devpts; its master goes to the creator. */
static int open_terminal(struct container_init *init, struct error *err)
{
	const struct oci_process *process = &init->config->process;
	_cleanup_close_ int master = -EBADF;
	_cleanup_close_ int terminal = -EBADF;

	if (!process->terminal)
		return 0;
	int status = console_open(
		rootfs_fd(init->rootfs), init->procfs, process, &master, &terminal, err);
	if (status < 0)
		return status;
	status = rootfs_bind_console(init->rootfs, terminal, err);
	if (status == 0 && init->options->plain_lines)
		status = console_keep_newlines(terminal, err);
	if (status < 0)
		return status;
	status = channel_send(init->child.channel[1], CHANNEL_TERMINAL, 0, NULL, master);
	if (status < 0)
		return error_set(err, -status, "hand over the terminal");
	return console_take(take_fd(&terminal), err);
}

/* Until the creator, and the hooks that it runs, know of the namespaces. */
static int wait_for_creator(struct container_init *init, struct error *err)
{
	if (!container_init_needs_creator(init))
		return 0;
	int status = channel_send(init->child.channel[1], CHANNEL_HOOKS, 0, NULL, -EBADF);
	if (status < 0)
		return error_set(err, -status, "tell of the namespaces");
	return channel_wait_go(init->child.channel[1], err);
}

static int build(struct container_init *init, struct error *err)
{
	int status;

	if (init->namespaces.new_flags & CLONE_NEWNET) {
		status = net_loopback_up(err);
		if (status < 0)
			return status;
	}
	status = set_names(init, err);
	if (status == 0)
		status = wait_for_creator(init, err);
	if (status < 0)
		return status;
	status = rootfs_mount(init->rootfs, err);
	if (status < 0)
		return status;
	init->procfs = rootfs_take_procfs(init->rootfs);
	if (init->procfs < 0)
		init->procfs = path_open_procfs(err);
	if (init->procfs < 0)
		return init->procfs;
	status = open_terminal(init, err);
	if (status == 0)
		status = run_create_hooks(init, err);
	if (status == 0)
		status = sysctl_apply(init->procfs, &init->config->linux.sysctl, err);
	if (status < 0)
		return status;
	if (init->isolation->built != NULL)
		status = init->isolation->built(init, err);
	if (status < 0)
		return status;
	if (init->config->root.readonly)
		working_directory_make(rootfs_fd(init->rootfs), init->config->process.cwd);
	return rootfs_enter(init->rootfs, err);
}

/* A creator that dies takes the half-made container with it, until its state is recorded. */
static void die_with_creator(bool yes)
{
	prctl(PR_SET_PDEATHSIG, yes ? SIGKILL : 0);
}

/*
 * In a user namespace the process does not own its files in procfs while it is not dumpable, nor
 * may it lower its score: what joins one sets its OOM score before. In a new one the creator sees
 * to it (creation.c).
 */
static int set_oom_score_early(const struct container_init *init, struct error *err)
{
	const struct optional_i32 *score = &init->config->process.oom_score_adj;

	if (!score->set || !(init->namespaces.joined_flags & CLONE_NEWUSER))
		return 0;
	_cleanup_close_ int procfs = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (procfs < 0)
		return error_set(err, errno, "open /proc");
	return oom_score_set(procfs, 0, score, init->runtime->rootless, err);
}

/*
 * What waits at the gate, perhaps for long and perhaps seen by others of its pid namespace, holds
 * nothing of the host's but what the program will have (CVE-2016-9962, CVE-2024-21626).
 */
static void let_go_of_host(const struct container_init *init)
{
	int keep[CONTAINER_INIT_KEEP + 3] = { init->child.channel[1], init->gate, init->procfs };

	memcpy(keep + 3, init->keep, init->n_keep * sizeof(*keep));
	fds_close_except(3 + init->options->preserve_fds, keep, 3 + init->n_keep);
}

/* An isolation that has a guest to serve does so while it waits. */
static int wait_readable(struct container_init *init, int fd, struct error *err)
{
	return init->isolation->wait == NULL ? 0 : init->isolation->wait(init, fd, err);
}

static int reach_gate(struct container_init *init, struct error *err)
{
	int channel = init->child.channel[1];

	int status = set_oom_score_early(init, err);
	if (status < 0)
		return status;
	status = namespaces_settle(&init->namespaces, channel, err);
	if (status < 0)
		return status;
	/* Settling may have made another process, and a terminal is for a session's leader. */
	if (setsid() < 0)
		return error_set(err, errno, "make a session");
	die_with_creator(true);
	status = build(init, err);
	if (status < 0)
		return status;
	let_go_of_host(init);
	if (init->open_files.rlim_max != 0)
		setrlimit(RLIMIT_NOFILE, &init->open_files);
	status = init->isolation->become(init, err);
	if (status < 0)
		return status;
	/*
	 * From here on the end of the channel tells of the creator's death: it may end right after
	 * it has said go, and that must not kill.
	 */
	die_with_creator(false);
	status = channel_send(channel, CHANNEL_READY, 0, NULL, -EBADF);
	if (status < 0)
		return error_set(err, -status, "tell that the container is ready");
	status = wait_readable(init, channel, err);
	return status < 0 ? status : channel_wait_go(channel, err);
}

/* Waits for the word to start; returns the fd that failures are reported on. */
static int pass_gate(struct container_init *init, struct error *err)
{
	int status;

	if (init->gate < 0) {
		status = wait_readable(init, init->child.channel[1], err);
		if (status == 0)
			status = channel_wait_go(init->child.channel[1], err);
		return status < 0 ? status : init->child.channel[1];
	}
	log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
	init->child.channel[1] = close_fd(init->child.channel[1]);
	status = wait_readable(init, init->gate, err);
	return status < 0 ? status : gate_wait(init->gate, err);
}

_Noreturn void container_init_run(struct container_init *init)
{
	struct error err = ERROR_INIT;

	/* The directory's lock is the creator's, and so is the other end of the channel. */
	init->dir = close_fd(init->dir);
	init->child.channel[0] = close_fd(init->child.channel[0]);
	log_set_sink(channel_log, &init->child.channel[1], LOG_LEVEL_DEBUG);
	fds_take_stdio(init->options->stdio);
	signals_reset();
	if (reach_gate(init, &err) < 0) {
		channel_send(
			init->child.channel[1], CHANNEL_ERROR, err.errnum, err.message, -EBADF);
		_exit(1);
	}
	init->starter = pass_gate(init, &err);
	if (init->starter < 0)
		_exit(1);
	init->gate = close_fd(init->gate);
	if (run_start_hooks(init, &err) == 0)
		init->isolation->run(init, &err);
	gate_report(init->starter, &err);
	_exit(err.errnum == ENOENT ? 127 : 126);
}
