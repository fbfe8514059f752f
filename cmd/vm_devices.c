/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/vm_boot.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/accel/accel.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/monitor/machine.h"
#include "runtime/vm/virtio/balloon.h"
#include "runtime/vm/virtio/blk.h"
#include "runtime/vm/virtio/console.h"
#include "runtime/vm/virtio/console_log.h"
#include "runtime/vm/virtio/device.h"
#include "runtime/vm/virtio/rng.h"
#include "runtime/vm/virtio/vsock.h"

#define CONSOLE_BUFFER (256 << 10)
#define PANIC "Kernel panic - not syncing"

static int open_file(const char *option, const char *path, int flags, struct error *err)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	return fd < 0 ? error_set(err, errno, "%s: open %s", option, path) : fd;
}

/* FILE or FILE,ro */
static int open_disk(const char *text, int *ret_fd, bool *ret_read_only, struct error *err)
{
	size_t length = strlen(text);
	bool read_only = length > 3 && strcmp(text + length - 3, ",ro") == 0;
	_cleanup_free_ char *path = strndup(text, read_only ? length - 3 : length);
	int fd;

	if (path == NULL)
		return error_set(err, ENOMEM, "--disk %s", text);
	fd = open_file("--disk", path, read_only ? O_RDONLY : O_RDWR, err);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	*ret_read_only = read_only;
	return 0;
}

static int listen_at(const char *path, struct error *err)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask;
	int r;

	if (fd < 0)
		return error_set(err, errno, "--vsock %s", path);
	if (strlen(path) >= sizeof(address.sun_path))
		return error_say(err, ENAMETOOLONG, "--vsock %s: a path of at most %zu bytes", path,
			sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, path);
	/* Who can connect can reach every port of the guest. */
	mask = umask(0077);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (r < 0)
		return error_set(err, errno, "--vsock %s", path);
	if (listen(fd, 16) < 0) {
		r = error_set(err, errno, "--vsock %s", path);
		unlink(path);
		return r;
	}
	return take_fd(&fd);
}

static int open_disks(const struct vm_boot *boot, struct vm_files *files, struct error *err)
{
	size_t count = boot->disks.count;

	if (count == 0)
		return 0;
	files->disks = calloc(count, sizeof(files->disks[0]));
	files->read_only = calloc(count, sizeof(files->read_only[0]));
	if (files->disks == NULL || files->read_only == NULL)
		return error_set(err, ENOMEM, "open disks");
	for (size_t i = 0; i < count; i++)
		files->disks[i] = -EBADF;
	for (size_t i = 0; i < count; i++) {
		int r = open_disk(
			boot->disks.items[i], &files->disks[i], &files->read_only[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

/* Counts in all threads to come; what a virtual processor under test does not have is no error. */
static int count_instructions(void)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attributes),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.exclude_host = 1,
		.inherit = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attributes, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

int vm_files_open(const struct vm_boot *boot, struct vm_files *ret, struct error *err)
{
	int r = open_disks(boot, ret, err);

	if (r >= 0)
		r = ret->kvm = accel_open_device(err);
	if (r >= 0)
		r = ret->kernel = open_file("--kernel", boot->kernel, O_RDONLY, err);
	if (r >= 0 && boot->initrd != NULL)
		r = ret->initrd = open_file("--initrd", boot->initrd, O_RDONLY, err);
	if (r >= 0 && boot->console != NULL)
		r = ret->console = open_file(
			"--console", boot->console, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, err);
	else if (r >= 0)
		r = ret->console = STDOUT_FILENO;
	if (r >= 0 && boot->vsock != NULL)
		r = ret->vsock = listen_at(boot->vsock, err);
	if (r >= 0 && boot->stats)
		ret->instructions = count_instructions();
	return r < 0 ? r : 0;
}

void vm_files_close(struct vm_files *files, const struct vm_boot *boot)
{
	close_fd(files->kvm);
	close_fd(files->kernel);
	close_fd(files->initrd);
	close_fd(files->vsock);
	close_fd(files->instructions);
	if (files->console != STDOUT_FILENO)
		close_fd(files->console);
	for (size_t i = 0; files->disks != NULL && i < boot->disks.count; i++)
		close_fd(files->disks[i]);
	vm_shares_free(boot, files);
	free(files->disks);
	free(files->read_only);
}

void vm_console_watch(struct vm_console *console, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] != '\n' && text[i] != '\r') {
			if (console->length < sizeof(console->line) - 1)
				console->line[console->length++] = text[i];
			continue;
		}
		console->line[console->length] = '\0';
		console->length = 0;
		if (strstr(console->line, PANIC) != NULL)
			memcpy(console->panic, console->line, sizeof(console->panic));
	}
}

static void on_console_output(const char *text, size_t length, void *data)
{
	struct vm_console *console = data;

	vm_console_watch(console, text, length);
	console_log_write(text, length, console->log);
}

/* What the guest does not take at once is dropped: a person sees that nothing is echoed. */
static void on_console_input(uint32_t events, void *data)
{
	struct vm_console *console = data;
	char text[512];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text));

	(void)events;
	if (n > 0) {
		virtio_console_input(console->device, text, (size_t)n);
	} else if (n == 0 || errno != EINTR) {
		loop_remove(console->input);
		console->input = NULL;
	}
}

int vm_attach(struct machine *machine, struct virtio_device *device, struct error *err)
{
	unsigned int slot;
	int r = machine_attach(machine, device, &slot, err);

	if (r < 0)
		virtio_device_free(device);
	return r;
}

static int attach_console(const struct vm_files *files, struct loop *loop, struct machine *machine,
	struct vm_console *console, struct error *err)
{
	int r = console_log_new(loop, files->console, CONSOLE_BUFFER, 0, &console->log, err);

	if (r >= 0)
		r = virtio_console_new(loop, machine_memory(machine), on_console_output, console,
			&console->device, err);
	if (r >= 0)
		r = vm_attach(machine, console->device, err);
	if (r < 0)
		return r;
	/* A regular file or /dev/null is never ready: then nobody types. */
	(void)loop_add(
		loop, STDIN_FILENO, EPOLLIN, on_console_input, console, &console->input, NULL);
	return 0;
}

static int attach_disks(const struct vm_boot *boot, struct vm_files *files, struct machine *machine,
	struct error *err)
{
	for (size_t i = 0; i < boot->disks.count; i++) {
		const struct blk_options options = {
			.confine = true,
			.fd = files->disks[i],
			.read_only = files->read_only[i],
		};
		struct virtio_device *device;
		int r = virtio_blk_new(machine_memory(machine), &options, &device, err);

		if (r < 0)
			return error_prefix(err, "--disk %s", boot->disks.items[i]);
		files->disks[i] = -EBADF;
		r = vm_attach(machine, device, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int attach_vsock(const struct vm_boot *boot, struct vm_files *files, struct loop *loop,
	struct machine *machine, struct error *err)
{
	const struct vsock_options options = {
		.listen_fd = files->vsock,
		.dial_path = boot->vsock,
	};
	struct virtio_device *device;
	int r = virtio_vsock_new(loop, machine_memory(machine), &options, &device, err);

	if (r < 0)
		return r;
	files->vsock = -EBADF;
	return vm_attach(machine, device, err);
}

static int attach_balloon(struct loop *loop, struct machine *machine, struct error *err)
{
	struct virtio_device *device;
	int r = virtio_balloon_new(loop, machine_memory(machine), false, &device, err);

	return r < 0 ? r : vm_attach(machine, device, err);
}

static int attach_rng(struct loop *loop, struct machine *machine, struct error *err)
{
	struct virtio_device *device;
	int r = virtio_rng_new(loop, machine_memory(machine), &device, err);

	return r < 0 ? r : vm_attach(machine, device, err);
}

int vm_devices_attach(const struct vm_boot *boot, struct vm_files *files, struct loop *loop,
	struct machine *machine, struct vm_console *console, struct error *err)
{
	int r = 0;

	if (!boot->serial)
		r = attach_console(files, loop, machine, console, err);
	if (r >= 0)
		r = attach_disks(boot, files, machine, err);
	if (r >= 0 && boot->vsock != NULL)
		r = attach_vsock(boot, files, loop, machine, err);
	if (r >= 0 && boot->balloon)
		r = attach_balloon(loop, machine, err);
	if (r >= 0 && boot->rng)
		r = attach_rng(loop, machine, err);
	if (r >= 0)
		r = vm_shares_attach(boot, files, machine, err);
	if (r >= 0)
		r = vm_taps_attach(boot, machine, err);
	return r;
}
