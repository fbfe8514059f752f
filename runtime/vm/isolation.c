/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vm isolation: the container's first process, in the container's namespaces and cgroup,
 * becomes the monitor of a guest and the stand-in for the program that runs there.
 */
#include "runtime/isolation.h"

#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/settings.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/socket.h"
#include "runtime/init.h"
#include "runtime/ns/credentials.h"
#include "runtime/ns/limits.h"
#include "runtime/ns/rootfs.h"
#include "runtime/vm/accel/accel.h"
#include "runtime/vm/control/control.h"
#include "runtime/vm/kernel/choice.h"
#include "runtime/vm/monitor/confine.h"
#include "runtime/vm/monitor/growth.h"
#include "runtime/vm/monitor/guest.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/plan/asked.h"
#include "runtime/vm/plan/size.h"
#include "runtime/vm/plan/split.h"
#include "runtime/vm/plan/split_resources.h"
#include "runtime/vm/stand_in/stand_in.h"
#include "runtime/vm/vm.h"

#define CPUID_VMX (1U << 5) /* leaf 1, ecx */
#define CPUID_SVM (1U << 2) /* leaf 0x80000001, ecx */

/* What the creator made ready, and what the new process makes of it. */
struct vm_container {
	int kvm, log, oom, vsock, control_socket;
	struct vm_kernel kernel;
	struct settings_vm settings; /* in force: for this container and this kernel */
	int image;		     /* the root's, or -EBADF: the rootfs's */
	struct vm_split split;
	struct guest_export *exports; /* the new process's fds */
	struct loop *loop;
	struct guest *guest;
	struct growth *growth;
	struct control *control;
	struct stand_in *stand_in;
};

/*
 * A processor without VMX and SVM has a KVM that may only emulate, which a first guest of some
 * bytes tells; it costs some milliseconds, which a processor that has them is spared.
 */
static int check_processor(int kvm, struct error *err)
{
	unsigned int a, b, c = 0, d, extended = 0;

	__get_cpuid(1, &a, &b, &c, &d);
	__get_cpuid(0x80000001, &a, &b, &extended, &d);
	if (c & CPUID_VMX || extended & CPUID_SVM)
		return 0;
	int works = accel_probe(kvm, err);
	return works > 0 ? 0 : works < 0 ? works : -ENOTSUP;
}

/* Tells later commands that this container's guest has a distribution's kernel. */
static int mark_distribution(int dir, struct error *err)
{
	_cleanup_close_ int fd = openat(
		dir, VM_DISTRIBUTION, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd < 0 ? error_set(err, errno, "record the guest's kernel") : 0;
}

static int open_files(struct vm_container *vm, const struct container_init *init, struct error *err)
{
	if (vm->kernel.distribution && mark_distribution(init->dir, err) < 0)
		return -err->errnum;
	vm->log = openat(init->dir, VM_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (vm->log < 0)
		return error_set(err, errno, "create the log of the guest's console");
	vm->oom = openat(init->dir, VM_OOM, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (vm->oom < 0)
		return error_set(err, errno, "create the record of the guest's memory");
	vm->vsock = socket_bind_at(init->dir, VM_SOCKET, SOCK_STREAM | SOCK_NONBLOCK, 64, err);
	if (vm->vsock < 0)
		return vm->vsock;
	vm->control_socket = socket_bind_at(
		init->dir, VM_CONTROL, SOCK_SEQPACKET | SOCK_NONBLOCK, 8, err);
	return vm->control_socket < 0 ? vm->control_socket : 0;
}

int vm_is_possible(const struct settings_vm *settings, struct error *err)
{
	_cleanup_close_ int kvm = accel_open_device(err);
	struct vm_kernel kernel;

	if (kvm < 0)
		return kvm;
	int status = vm_kernel_open(settings, &kernel, err);
	if (status < 0)
		return status;
	close_fd(kernel.kernel);
	close_fd(kernel.initrd);
	int works = accel_probe(kvm, err);
	return works > 0 ? 0 : works < 0 ? works : -ENOTSUP;
}

static void prepare_free(struct container_init *init)
{
	struct vm_container *vm = init->isolation_data;

	if (vm == NULL)
		return;
	close_fd(vm->kvm);
	close_fd(vm->kernel.kernel);
	close_fd(vm->kernel.initrd);
	close_fd(vm->log);
	close_fd(vm->oom);
	close_fd(vm->vsock);
	close_fd(vm->control_socket);
	vm_split_free(&vm->split);
	free(vm);
	init->isolation_data = NULL;
}

/* What the guest runs on, and what boots there: known before its limits are, which depend on it. */
static int choose(struct container_init *init, struct error *err)
{
	if (init->isolation_data != NULL)
		return 0;
	struct vm_container *vm = calloc(1, sizeof(*vm));
	if (vm == NULL)
		return error_set(err, ENOMEM, "make a virtual machine");
	vm->kvm = vm->kernel.kernel = vm->kernel.initrd = vm->log = -EBADF;
	vm->oom = vm->vsock = vm->control_socket = -EBADF;
	init->isolation_data = vm;
	if (init->options->preserve_fds > 0)
		return error_say(err, ENOTSUP,
			"--preserve-fds and LISTEN_FDS: a descriptor cannot be passed into a "
			"virtual machine");
	int status = vm_check_asked(init, err);
	if (status < 0)
		return status;
	vm->kvm = accel_open_device(err);
	if (vm->kvm < 0)
		return vm->kvm;
	status = check_processor(vm->kvm, err);
	if (status < 0)
		return status;
	const struct settings_vm files = vm_asked_files(init);
	status = vm_kernel_open(&files, &vm->kernel, err);
	if (status == 0)
		vm->settings = vm_kernel_settings(&files, vm->kernel.distribution);
	return status;
}

static int prepare(struct container_init *init, struct error *err)
{
	int status = choose(init, err);

	if (status < 0)
		return status;
	struct vm_container *vm = init->isolation_data;
	vm->image = rootfs_image(init->rootfs);
	status = vm_split(init->options->config_text, init->options->config_length, init->config,
		vm->image >= 0, &vm->split, err);
	if (status == 0)
		status = open_files(vm, init, err);
	if (status < 0)
		return status;
	const int keep[] = { vm->kvm, vm->kernel.kernel, vm->kernel.initrd, vm->log, vm->oom,
		vm->vsock, vm->control_socket, vm->image };
	memcpy(init->keep, keep, sizeof(keep));
	init->n_keep = sizeof(keep) / sizeof(*keep) - (vm->image < 0);
	if (vm->split.n_exports > CONTAINER_INIT_KEEP - init->n_keep)
		return error_say(err, E2BIG, "mounts: at most %zu bind mounts in a virtual machine",
			CONTAINER_INIT_KEEP - init->n_keep - 1);
	return 0;
}

static int limit(struct container_init *init, const struct oci_resources *wanted,
	struct arena *arena, struct oci_resources *ret, struct error *err)
{
	int status = choose(init, err);

	if (status < 0)
		return status;
	const struct vm_container *vm = init->isolation_data;
	return vm_split_resources(wanted, vm->settings.overhead, arena, ret, err);
}

static void ready(struct container_init *init, int cgroup)
{
	(void)init;
	if (cgroup >= 0)
		cgroup_evict_kernel_threads(cgroup);
}

/* Each export is a tree of its own from here on, whatever is mounted over it. */
static int built(struct container_init *init, struct error *err)
{
	struct vm_container *vm = init->isolation_data;

	vm->exports = calloc(vm->split.n_exports + 1, sizeof(*vm->exports));
	if (vm->exports == NULL)
		return error_set(err, ENOMEM, "export the container's files");
	for (size_t i = 0; i < vm->split.n_exports; i++) {
		const struct vm_export *export = &vm->split.exports[i];
		int fd = rootfs_export(init->rootfs,
			export->mount == VM_EXPORT_ROOT ? ROOTFS_EXPORT_ROOT : export->mount, err);

		if (fd < 0)
			return error_prefix(err, "export the container's files");
		vm->exports[i] = (struct guest_export){
			.name = export->name,
			.fd = fd,
			.read_only = export->read_only,
			/* Callers rewrite /etc/hosts and resolv.conf while the container runs. */
			.revalidate = export->mount != VM_EXPORT_ROOT,
		};
		init->keep[init->n_keep++] = fd;
	}
	return 0;
}

/* Appends the list's items to `text`, which is the caller's and may move. -ENOMEM. */
static int append_parameters(char **text, const struct string_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		char *longer;

		if (asprintf(&longer, "%s%s%s", *text != NULL ? *text : "",
			    *text != NULL ? " " : "", list->items[i]) < 0)
			return -ENOMEM;
		free(*text);
		*text = longer;
	}
	return 0;
}

static int dial(void *data, struct error *err)
{
	return guest_dial(data, err);
}

/*
 * Of the process what concerns the host: where the guest's memory comes from; and labels, which the
 * host's kernel must know although nothing here executes a program.
 */
static int apply_host_part(struct container_init *init, struct error *err)
{
	const struct oci_process *process = &init->config->process;
	int status = memory_policy_set(&init->config->linux.memory_policy, err);

	if (status == 0)
		status = label_set_apparmor(init->procfs, process->apparmor_profile, err);
	if (status == 0)
		status = label_set_selinux(init->procfs, process->selinux_label, err);
	return status;
}

static int become(struct container_init *init, struct error *err)
{
	struct vm_container *vm = init->isolation_data;
	_cleanup_free_ char *parameters = NULL;

	if (append_parameters(&parameters, &vm->settings.kernel_parameters) < 0)
		return error_set(err, ENOMEM, "virtual machine");
	const struct guest_options options = {
		.kernel_parameters = parameters,
		.kvm = vm->kvm,
		.kernel = vm->kernel.kernel,
		.initrd = vm->kernel.initrd,
		.distribution = vm->kernel.distribution,
		.log = vm->log,
		.image = vm->image,
		.vsock = vm->vsock,
		.size = vm_size(init->config, &vm->settings),
		.exports = vm->exports,
		.n_exports = vm->split.n_exports,
		.timeout = (int)vm->settings.timeout * 1000,
	};
	int status = loop_new(&vm->loop, err);

	if (status == 0)
		status = apply_host_part(init, err);
	if (status == 0)
		status = confine_monitor(err);
	if (status == 0)
		status = guest_boot(vm->loop, &options, &vm->guest, err);
	if (status == 0)
		status = growth_new(vm->loop, vm->guest, &options.size, &vm->growth, err);
	if (status == 0)
		status = control_new(
			vm->loop, vm->guest, vm->growth, vm->control_socket, &vm->control, err);
	if (status < 0)
		return error_prefix(err, "virtual machine");
	const struct stand_in_options stand_in = {
		.loop = vm->loop,
		.dial = dial,
		.data = vm->guest,
		.terminal = init->config->process.terminal,
		.notify = init->state->notify,
		.timeout = (int)vm->settings.timeout * 1000,
	};
	status = stand_in_new(&stand_in, &vm->stand_in, err);
	if (status == 0)
		status = stand_in_create(vm->stand_in, init->options->id, init->options->bundle,
			vm->split.guest_config,
			(vm->split.n_exports > 0 ? STAND_IN_EXPORTS : 0) |
				(vm->image >= 0 ? STAND_IN_IMAGE : 0),
			init->filter, err);
	if (status == -EPIPE || status == -ECANCELED)
		guest_explain(vm->guest, err);
	return status;
}

static void on_readable(uint32_t events, void *data)
{
	(void)events;
	loop_stop(data);
}

static int wait_readable(struct container_init *init, int fd, struct error *err)
{
	struct vm_container *vm = init->isolation_data;
	struct loop_source *source;
	int status = loop_add(vm->loop, fd, EPOLLIN, on_readable, vm->loop, &source, err);

	if (status < 0)
		return status;
	status = loop_run(vm->loop, err);
	loop_remove(source);
	return status;
}

/*
 * The guest ended under the program: one line for whoever reads what the program says, and in the
 * log, and an exit status that is nobody's.
 */
static _Noreturn void end_without_guest(struct vm_container *vm, const char *id, struct error *err)
{
	guest_explain(vm->guest, err);
	dprintf(vm->log, "caisson: %s\n", err->message);
	dprintf(STDERR_FILENO, "caisson: container %s: %s\n", id, err->message);
	_exit(VM_EXIT_LOST);
}

/* For who waits for the container: without a limit the whole guest's memory was one. */
static void record_oom(
	const struct vm_container *vm, const struct container_init *init, uint64_t limit)
{
	dprintf(vm->oom, "%" PRIu64 "\n",
		limit != UINT64_MAX ? limit : vm_size(init->config, &vm->settings).memory);
	dprintf(vm->log,
		"caisson: the guest's kernel killed a process of the container: "
		"out of memory\n");
}

static int run(struct container_init *init, struct error *err)
{
	struct vm_container *vm = init->isolation_data;
	uint64_t oom_limit = 0;
	int status = stand_in_start(vm->stand_in, err);

	if (status == -EPIPE || status == -ECANCELED)
		guest_explain(vm->guest, err);
	if (status < 0)
		return status;
	/* The program is executed: whoever waits for that learns it by the end of the connection.
	 */
	init->starter = close_fd(init->starter);
	log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
	status = stand_in_run(vm->stand_in, &oom_limit, err);
	if (status < 0)
		end_without_guest(vm, init->options->id, err);
	if (oom_limit != 0)
		record_oom(vm, init, oom_limit);
	/* The guest's file systems are synced by the agent: there is nothing to switch off in
	 * order. */
	_exit(status);
}

const struct isolation vm_isolation = {
	.name = "vm",
	.own_kernel = true,
	.runs_start_hooks = true,
	.user_namespace = true,
	.prepare = prepare,
	.prepare_free = prepare_free,
	.limit = limit,
	.ready = ready,
	.built = built,
	.become = become,
	.wait = wait_readable,
	.run = run,
	.exec_prepare = vm_exec_prepare,
	.exec_run = vm_exec_run,
	.exec_free = vm_exec_free,
	.start = vm_start,
	.kill = vm_kill,
	.release = vm_release,
	.resume = vm_resume,
	.oom_killed = vm_oom_killed,
	.update = vm_update,
	.process_table = vm_process_table,
	.write_guest_stats = vm_write_guest_stats,
	.guest_oom_kills = vm_guest_oom_kills,
};
