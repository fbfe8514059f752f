/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/exec.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/settings.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/vm/kernel/choice.h"
#include "runtime/vm/monitor/confine.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/plan/split.h"
#include "runtime/vm/stand_in/process_json.h"
#include "runtime/vm/stand_in/stand_in.h"
#include "runtime/vm/stand_in/stdio.h"
#include "runtime/vm/vm.h"

#define CONNECTIONS (1 + STDIO_STREAMS)
#define MONITOR_END_MS 500

/* Opened by the caller, who can reach the monitor's socket; taken one by one by the stand-in. */
struct vm_process {
	int connections[CONNECTIONS];
	size_t next;
	char *json;
};

int vm_exec_prepare(struct container_process *process, struct error *err)
{
	struct vm_process *vm = calloc(1, sizeof(*vm));

	if (vm == NULL)
		return error_set(err, ENOMEM, "exec in a virtual machine");
	for (size_t i = 0; i < CONNECTIONS; i++)
		vm->connections[i] = -EBADF;
	process->isolation_data = vm;
	if (process->options->preserve_fds > 0)
		return error_say(err, ENOTSUP,
			"--preserve-fds and LISTEN_FDS: a descriptor cannot be passed into a "
			"virtual machine");
	int status = vm_check_user(
		&process->container->config.linux, &process->options->process->user, err);
	if (status == 0)
		status = process_json(process->options->process, &vm->json, err);
	for (size_t i = 0; status >= 0 && i < CONNECTIONS; i++) {
		status = vm->connections[i] = vm_connect(
			process->container->dir, VM_AGENT_TIMEOUT_MS, err);
		if (status >= 0)
			process->keep[process->n_keep++] = status;
	}
	return status < 0 ? status : 0;
}

void vm_exec_free(struct container_process *process)
{
	struct vm_process *vm = process->isolation_data;

	if (vm == NULL)
		return;
	for (size_t i = 0; i < CONNECTIONS; i++)
		close_fd(vm->connections[i]);
	free(vm->json);
	free(vm);
	process->isolation_data = NULL;
}

static int take_connection(void *data, struct error *err)
{
	struct vm_process *vm = data;

	if (vm->next == CONNECTIONS)
		return error_say(err, EMFILE, "no connection to the guest is left");
	int fd = take_fd(&vm->connections[vm->next++]);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return error_set(err, errno, "talk to the guest's agent");
	return fd;
}

/*
 * The agent's end may be the first sign of the monitor's, whose namespace takes this process with
 * it at any moment: then one line is enough, and the caller has it.
 */
static void give_way_to_caller(const struct container_process *process)
{
	struct pollfd monitor = { .fd = process->init, .events = POLLIN };

	if (process->options->attached)
		poll(&monitor, 1, MONITOR_END_MS);
}

int vm_exec_run(struct container_process *process, struct error *err)
{
	struct vm_process *vm = process->isolation_data;
	const struct settings_vm settings = vm_kernel_settings_of(
		process->container->runtime->vm, process->container->dir);
	struct stand_in_options options = {
		.dial = take_connection,
		.data = vm,
		.terminal = process->options->process->terminal,
		.timeout = (int)settings.timeout * 1000,
	};
	struct stand_in *stand_in = NULL;
	int status = process->outside ? confine_outside(err) : 0;

	if (status == 0)
		status = loop_new(&options.loop, err);
	if (status == 0)
		status = stand_in_new(&options, &stand_in, err);
	if (status == 0)
		status = stand_in_exec(stand_in, process->container->state.id, vm->json,
			process->options->cgroup, process->setup.seccomp, err);
	if (status < 0)
		return status;
	log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
	process->child.channel[1] = close_fd(process->child.channel[1]);
	status = stand_in_run(stand_in, NULL, err);
	if (status >= 0)
		_exit(status);
	give_way_to_caller(process);
	dprintf(STDERR_FILENO, "caisson: container %s: exec: %s\n", process->container->state.id,
		err->message);
	_exit(VM_EXIT_LOST);
}
