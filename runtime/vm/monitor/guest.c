/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/monitor/guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "agent/image.h"
#include "agent/protocol.h"
#include "agent/system.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/vm/accel/accel.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/monitor/machine.h"
#include "runtime/vm/virtio/blk.h"
#include "runtime/vm/virtio/console.h"
#include "runtime/vm/virtio/console_log.h"
#include "runtime/vm/virtio/device.h"
#include "runtime/vm/virtio/fs.h"
#include "runtime/vm/virtio/fs/fuse_server.h"
#include "runtime/vm/virtio/rng.h"
#include "runtime/vm/virtio/vsock.h"
#include "runtime/vm/vm.h"

#define LOG_CAPACITY (64 << 10)
#define LOG_FILE_MAX (256 << 10)
#define LINE_MAX_LENGTH 256
#define PANIC "Kernel panic - not syncing"
#define AGENT "caisson-agent: "
#define SPARE_SLOTS (VM_CARDS_MAX + 2)	 /* for cards that come late, and for growth.h's two */
#define END_WAIT_NS UINT64_C(1000000000) /* from the end of the agent to that of the guest */
#define MEMORY_UNIT (UINT64_C(2) << 20)
/* One that waits for a disk (a sync, a frozen file system) must not hold up the others. */
#define FILE_THREADS 4

/*
 * quiet: each line of the log costs accesses of the console. Without ACPI the way off is a reset
 * (reboot=k). No tracing of scheduling domains; grace periods are not waited for.
 */
#define COMMAND_LINE                                                                      \
	"console=hvc0 quiet panic=-1 reboot=k tsc=reliable no_timer_check noreplace-smp " \
	"rcupdate.rcu_expedited=1 cryptomgr.notests dummy.numdummies=0 percpu_alloc=page"

/* The console's driver is a module: what the kernel says before is heard from the serial port. */
#define DISTRIBUTION_COMMAND_LINE "console=ttyS0 "

struct words {
	char line[LINE_MAX_LENGTH]; /* in hand */
	size_t length;
};

struct guest {
	struct loop *loop;
	struct machine *machine;
	struct fuse_server *files;
	struct console_log *log;
	struct virtio_device *vsock;
	struct loop_source *timer, *serial_source;
	int serial[2];	/* a pipe: a distribution's kernel's first words */
	int kvm, hello; /* hello: the agent's own connection, which it watches */
	bool ended, timed_out;
	enum machine_end end;
	char reason[LINE_MAX_LENGTH]; /* the machine's */
	struct words console_words, serial_words;
	bool console_speaks;
	char last_line[LINE_MAX_LENGTH];
	char last_words[LINE_MAX_LENGTH]; /* a panic, or what the agent said last */
};

static void take_line(struct guest *guest, struct words *words)
{
	words->line[words->length] = '\0';
	if (words->length > 0)
		memcpy(guest->last_line, words->line, words->length + 1);
	words->length = 0;
	const char *panic = strstr(words->line, PANIC);
	const char *agent = strstr(words->line, AGENT);
	/* The panic is what follows from the agent's end, whose words say why. */
	if (agent != NULL)
		snprintf(guest->last_words, sizeof(guest->last_words), "%s", agent);
	else if (panic != NULL && strstr(guest->last_words, AGENT) == NULL)
		snprintf(guest->last_words, sizeof(guest->last_words), "%s", panic);
}

static void listen_to(struct guest *guest, struct words *words, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '\n' || text[i] == '\r')
			take_line(guest, words);
		else if (words->length < sizeof(words->line) - 1)
			/* It may be shown on a terminal: the guest's escape sequences are not. */
			words->line[words->length++] = text[i] >= ' ' && text[i] <= '~' ? text[i]
											: '?';
	}
	console_log_write(text, length, guest->log);
}

static void on_console(const char *text, size_t length, void *data)
{
	struct guest *guest = data;

	guest->console_speaks = true;
	listen_to(guest, &guest->console_words, text, length);
}

/* The kernel says the same on both as soon as it has both. */
static void on_serial(uint32_t events, void *data)
{
	struct guest *guest = data;
	char text[1024];
	ssize_t n = read(guest->serial[0], text, sizeof(text));

	(void)events;
	if (n > 0 && !guest->console_speaks)
		listen_to(guest, &guest->serial_words, text, (size_t)n);
}

static void on_machine_end(enum machine_end end, const char *message, void *data)
{
	struct guest *guest = data;

	guest->ended = true;
	guest->end = end;
	snprintf(guest->reason, sizeof(guest->reason), "%s", message);
	loop_stop(guest->loop);
}

static void on_timeout(void *data)
{
	struct guest *guest = data;

	guest->timed_out = true;
	loop_stop(guest->loop);
}

static void on_hello(int fd, uint32_t port, void *data)
{
	struct guest *guest = data;

	(void)port;
	if (guest->hello >= 0) {
		close_fd(fd);
		return;
	}
	guest->hello = fd;
	loop_stop(guest->loop);
}

static void on_hello_readable(uint32_t events, void *data)
{
	struct guest *guest = data;

	(void)events;
	loop_stop(guest->loop);
}

int guest_attach(struct guest *guest, struct virtio_device *device, unsigned int *ret_slot,
	struct error *err)
{
	int status = machine_attach(guest->machine, device, ret_slot, err);

	if (status < 0)
		virtio_device_free(device);
	return status;
}

int guest_open_spare(struct guest *guest, uint64_t *ret_gpa, struct error *err)
{
	return machine_open_spare(guest->machine, ret_gpa, err);
}

int guest_add_cpus(struct guest *guest, unsigned int count, struct error *err)
{
	return machine_add_cpus(guest->machine, count, err);
}

static int attach(struct guest *guest, struct virtio_device *device, struct error *err)
{
	unsigned int slot;

	return guest_attach(guest, device, &slot, err);
}

const struct guest_memory *guest_memory_of(const struct guest *guest)
{
	return machine_memory(guest->machine);
}

static int attach_console(struct guest *guest, int log, struct error *err)
{
	struct virtio_device *device;
	int status = console_log_new(
		guest->loop, log, LOG_CAPACITY, LOG_FILE_MAX, &guest->log, err);

	if (status >= 0)
		status = virtio_console_new(guest->loop, machine_memory(guest->machine), on_console,
			guest, &device, err);
	return status < 0 ? status : attach(guest, device, err);
}

static int attach_vsock(struct guest *guest, int listener, struct error *err)
{
	const struct vsock_options options = { .listen_fd = listener };
	int status = virtio_vsock_new(
		guest->loop, machine_memory(guest->machine), &options, &guest->vsock, err);

	if (status >= 0)
		status = attach(guest, guest->vsock, err);
	if (status >= 0)
		status = virtio_vsock_handle(guest->vsock, PROTOCOL_HOST_PORT, on_hello, guest);
	return status;
}

static int attach_files(struct guest *guest, const struct guest_options *options, struct error *err)
{
	const struct fuse_server_options server = { .proc_self_fd = -EBADF };
	const struct fs_options fs = {
		.tag = AGENT_EXPORTS_TAG, .threads = FILE_THREADS, .confine = true
	};
	struct virtio_device *device;

	if (options->n_exports == 0)
		return 0;
	int status = fuse_server_new(&server, &guest->files, err);
	for (size_t i = 0; status >= 0 && i < options->n_exports; i++) {
		const struct guest_export *export = &options->exports[i];
		const struct fuse_export_options how = { .read_only = export->read_only,
			.cache = export->revalidate ? FUSE_CACHE_NEVER : FUSE_CACHE_AUTO };

		status = fuse_server_add_export(guest->files, export->name, export->fd, &how, err);
	}
	if (status >= 0)
		status = virtio_fs_new(
			machine_memory(guest->machine), guest->files, &fs, &device, err);
	return status < 0 ? status : attach(guest, device, err);
}

/* The root's image is another's as well, perhaps: what the guest writes stays in the guest. */
static int attach_image(struct guest *guest, int image, struct error *err)
{
	struct blk_options options = {
		.read_only = true, .serial = AGENT_IMAGE_SERIAL, .confine = true
	};
	struct virtio_device *device;

	if (image < 0)
		return 0;
	options.fd = fcntl(image, F_DUPFD_CLOEXEC, 3);
	if (options.fd < 0)
		return error_set(err, errno, "attach the root's image");
	int status = virtio_blk_new(machine_memory(guest->machine), &options, &device, err);
	if (status < 0) {
		close_fd(options.fd);
		return error_prefix(err, "root.path");
	}
	return attach(guest, device, err);
}

static int attach_rng(struct guest *guest, struct error *err)
{
	struct virtio_device *device;
	int status = virtio_rng_new(guest->loop, machine_memory(guest->machine), &device, err);

	return status < 0 ? status : attach(guest, device, err);
}

/* What a full pipe does not take is lost: it never stops a processor. */
static int make_serial(struct guest *guest, struct error *err)
{
	if (pipe2(guest->serial, O_CLOEXEC | O_NONBLOCK) < 0) {
		guest->serial[0] = guest->serial[1] = -EBADF;
		return error_set(err, errno, "make a serial port");
	}
	return loop_add(guest->loop, guest->serial[0], EPOLLIN, on_serial, guest,
		&guest->serial_source, err);
}

static int build(struct guest *guest, const struct guest_options *options, struct error *err)
{
	const struct machine_options machine = {
		.kvm = options->kvm,
		.memory = (options->size.memory + MEMORY_UNIT - 1) / MEMORY_UNIT * MEMORY_UNIT,
		.memory_spare = options->size.spare / MEMORY_UNIT * MEMORY_UNIT,
		.cpus = options->size.cpus,
		.cpus_max = options->size.cpus_max,
		.spare_slots = SPARE_SLOTS,
		.large_pages = true,
		.acpi = options->distribution,
		.serial = guest->serial[1],
		.confine = true,
	};
	int status = machine_new(
		guest->loop, &machine, on_machine_end, guest, &guest->machine, err);

	if (status >= 0)
		status = attach_console(guest, options->log, err);
	if (status >= 0)
		status = attach_vsock(guest, options->vsock, err);
	if (status >= 0)
		status = attach_files(guest, options, err);
	if (status >= 0)
		status = attach_image(guest, options->image, err);
	if (status >= 0)
		status = attach_rng(guest, err);
	return status;
}

/* A guest that resets itself loses its connections first: its end is heard of a moment later. */
static void wait_for_end(struct guest *guest)
{
	loop_set_timer(guest->timer, END_WAIT_NS);
	while (!guest->ended && !guest->timed_out && loop_run(guest->loop, NULL) == 0)
		;
	loop_set_timer(guest->timer, 0);
}

/* The kernel's words, the agent's, or what the machine knows. */
void guest_explain(struct guest *guest, struct error *err)
{
	struct error probe = ERROR_INIT;

	if (err->errnum == EPIPE)
		wait_for_end(guest);
	if (guest->last_words[0] != '\0')
		error_say(err, EIO, "the guest ended: %s", guest->last_words);
	else if (guest->ended && guest->end == MACHINE_FAILED &&
		accel_probe(guest->kvm, &probe) == 0)
		error_say(err, ENOTSUP, "%s", probe.message);
	else if (guest->ended)
		error_say(err, EIO, "the guest ended: %s",
			guest->reason[0] != '\0' ? guest->reason : "it reset itself");
}

static int read_hello(struct guest *guest, int timeout, struct error *err)
{
	_cleanup_(protocol_message_free) struct protocol_message message = { 0 };
	_cleanup_(protocol_reader_free) struct protocol_reader reader = { 0 };
	int64_t version;
	struct loop_source *source = NULL;
	/* The loop serves the connection's other end: what has arrived may be a part. */
	int got = fcntl(guest->hello, F_SETFL, O_NONBLOCK) < 0
		? -errno
		: loop_add(guest->loop, guest->hello, EPOLLIN, on_hello_readable, guest, &source,
			  err);

	loop_set_timer(guest->timer, (uint64_t)timeout * 1000000);
	while (got == 0 && !guest->ended && !guest->timed_out) {
		got = protocol_read(guest->hello, &reader, &message, err);
		if (got == 0)
			got = loop_run(guest->loop, err);
	}
	loop_set_timer(guest->timer, 0);
	loop_remove(source);
	if (got <= 0)
		return error_say(err, EPROTO, "the guest's agent said nothing");
	if (json_int64(json_get(&message.json, "version"), &version) < 0 ||
		version != PROTOCOL_VERSION)
		return error_say(err, EPROTO,
			"the guest's agent is of another version of caisson: install program and "
			"agent together");
	return 0;
}

static int wait_for_agent(struct guest *guest, int timeout, struct error *err)
{
	int status = loop_add_timer(guest->loop, on_timeout, guest, &guest->timer, err);

	if (status < 0)
		return status;
	loop_set_timer(guest->timer, (uint64_t)timeout * 1000000);
	while (status >= 0 && guest->hello < 0 && !guest->ended && !guest->timed_out)
		status = loop_run(guest->loop, err);
	loop_set_timer(guest->timer, 0);
	if (status < 0)
		return status;
	if (guest->hello >= 0)
		return read_hello(guest, timeout, err);
	error_say(err, ETIMEDOUT,
		"the guest's agent did not answer within %d s after its start; its console said "
		"last: %s",
		timeout / 1000, guest->last_line[0] != '\0' ? guest->last_line : "nothing");
	guest_explain(guest, err);
	return -err->errnum;
}

int guest_boot(struct loop *loop, const struct guest_options *options, struct guest **ret,
	struct error *err)
{
	char line[2048];
	struct guest *guest = calloc(1, sizeof(*guest));

	if (guest == NULL)
		return error_set(err, ENOMEM, "make the guest");
	guest->loop = loop;
	guest->hello = guest->serial[0] = guest->serial[1] = -EBADF;
	guest->kvm = options->kvm;
	int status = options->distribution ? make_serial(guest, err) : 0;
	if (status >= 0)
		status = build(guest, options, err);
	if (status >= 0) {
		snprintf(line, sizeof(line), "%s%s %s",
			options->distribution ? DISTRIBUTION_COMMAND_LINE : "", COMMAND_LINE,
			options->kernel_parameters != NULL ? options->kernel_parameters : "");
		status = machine_start(guest->machine, options->kernel, options->initrd, line, err);
	}
	if (status >= 0)
		status = wait_for_agent(guest, options->timeout, err);
	if (status < 0) {
		guest_free(guest);
		return status;
	}
	*ret = guest;
	return 0;
}

int guest_dial(void *data, struct error *err)
{
	struct guest *guest = data;
	int fd;
	int status = virtio_vsock_dial(guest->vsock, PROTOCOL_AGENT_PORT, &fd, err);

	if (status < 0)
		return status;
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		close_fd(fd);
		return error_set(err, errno, "connect to the guest's agent");
	}
	return fd;
}

int guest_adopt(struct guest *guest, int fd, uint32_t from, uint32_t port, struct error *err)
{
	return virtio_vsock_adopt(guest->vsock, fd, from, port, err);
}

void guest_free(struct guest *guest)
{
	if (guest == NULL)
		return;
	machine_free(guest->machine);
	fuse_server_free(guest->files);
	console_log_free(guest->log, 100);
	loop_remove(guest->timer);
	loop_remove(guest->serial_source);
	close_fd(guest->serial[0]);
	close_fd(guest->serial[1]);
	close_fd(guest->hello);
	free(guest);
}
