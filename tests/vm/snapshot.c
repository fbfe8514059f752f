/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot KERNEL INITRD DISK DIRECTORY: saves a guest's machine in the middle of its life and goes
 * on with it in another machine with other devices, twice: once after the first machine went on for
 * a while, too. What the guest does then shows that processors, interrupts, clocks, timers and
 * devices are what they were. Prints what it sees; the status is 0 when it was as it must be.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/error.h"
#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/monitor/machine.h"
#include "runtime/vm/monitor/machine_state.h"
#include "runtime/vm/virtio/balloon.h"
#include "runtime/vm/virtio/blk.h"
#include "runtime/vm/virtio/console.h"
#include "runtime/vm/virtio/fs.h"
#include "runtime/vm/virtio/fs/fuse_server.h"
#include "runtime/vm/virtio/mem.h"
#include "runtime/vm/virtio/rng.h"
#include "runtime/vm/virtio/vsock.h"
#include "tests/vm/hearing.h"

#define MIB (UINT64_C(1) << 20)
#define MEMORY (128 * MIB)
#define SPARE (256 * MIB)
#define PLUGGED (128 * MIB)
#define BALLOON (16 * MIB)
#define PATIENCE 60 /* seconds */
#define VSOCK_PORT 7777

static const char *disk_path, *directory;
static struct loop *loop;
static struct machine *machine;
static struct fuse_server *server;
static struct virtio_device *console, *balloon, *memory;
static int connection = -1;

static void on_connection(int fd, uint32_t port, void *data)
{
	(void)port;
	(void)data;
	connection = fd;
}

/* What the guest sends comes behind its connection; it waits for the end of it. */
static void serve_connection(void)
{
	char text[32] = "";

	ssize_t n = connection < 0 ? -1 : recv(connection, text, sizeof(text) - 1, MSG_DONTWAIT);
	if (n > 0)
		printf("heard %s", text);
	if (n == 0) {
		close(connection);
		connection = -1;
	}
}

/* Runs the machine until the guest has said it; at its end, or after a minute, it is wrong. */
static void wait_until_said(const char *text)
{
	time_t end = time(NULL) + PATIENCE;

	while (strstr(said, text) == NULL) {
		if (ended || time(NULL) > end)
			die(text);
		serve_connection();
		if (!loop_turn(loop))
			usleep(2000);
	}
}

/* Has the guest do something, and waits for what it says of it. */
static void order(const char *what, const char *answer)
{
	static unsigned int number;
	char line[64];

	said_length = 0;
	memset(said, 0, sizeof(said));
	snprintf(line, sizeof(line), "%s %u\n", what, ++number);
	virtio_console_input(console, line, strlen(line));
	snprintf(line, sizeof(line), "guest: done %u.", number);
	wait_until_said(line);
	if (strstr(said, answer) == NULL)
		die(answer);
}

static bool has_amounts(void)
{
	return virtio_balloon_actual(balloon) == BALLOON && virtio_mem_plugged(memory) == PLUGGED;
}

static struct balloon_statistics statistics;
static bool answered;

static void on_statistics(const struct balloon_statistics *given, void *data)
{
	(void)data;
	statistics = *given;
	answered = true;
}

static void ask_balloon(void)
{
	time_t end = time(NULL) + PATIENCE;

	answered = false;
	if (!virtio_balloon_ask(balloon, on_statistics, NULL))
		die("the balloon takes no question");
	while (!answered && time(NULL) < end)
		if (!loop_turn(loop))
			usleep(2000);
	if (!answered || statistics.total < 64 * MIB || statistics.total > MEMORY + SPARE)
		die("the balloon has no statistics");
}

/* All that a guest does with what it has. */
static void exercise(void)
{
	order("disk", "disk from the host");
	order("sleep", "slept well");
	order("random", "guest: random bytes");
	order("spin", "a token went round 2 processors");
	order("vsock", "guest: sent");
	ask_balloon();
	if (!has_amounts())
		die("the balloon or the plugged memory changed");
}

static void attach(int r, struct virtio_device *device, struct error *err)
{
	unsigned int slot;

	if (r < 0 || machine_attach(machine, device, &slot, err) < 0)
		die(err->message);
}

static void attach_share(struct error *err)
{
	const struct fuse_server_options limits = { .proc_self_fd = -1 };
	const struct fuse_export_options export = { 0 };
	const struct fs_options options = { .tag = "share" };
	struct virtio_device *device = NULL;
	int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fuse_server_new(&limits, &server, err) < 0 ||
		fuse_server_add_export(server, "root", fd, &export, err) < 0)
		die(err->message);
	int r = virtio_fs_new(machine_memory(machine), server, &options, &device, err);
	attach(r, device, err);
}

/* A machine with one device of each kind, on new files. */
static void make(void)
{
	struct machine_options options = {
		.memory = MEMORY,
		.cpus = 2,
		.cpus_max = 2,
		.memory_spare = SPARE,
		.large_pages = true,
		.serial = -1,
		.confine = true,
	};
	const struct vsock_options vsock = { .listen_fd = -1 };
	struct blk_options disk = { .fd = open(disk_path, O_RDWR | O_CLOEXEC), .queues = 2 };
	struct virtio_device *device = NULL;
	struct error err = ERROR_INIT;
	uint64_t spare;
	int r;

	options.kvm = accel_open_device(&err);
	if (options.kvm < 0 || loop_new(&loop, &err) < 0 ||
		machine_new(loop, &options, on_end, NULL, &machine, &err) < 0 ||
		machine_open_spare(machine, &spare, &err) < 0)
		die(err.message);
	close(options.kvm);
	const struct guest_memory *guest = machine_memory(machine);
	r = virtio_console_new(loop, guest, on_output, NULL, &console, &err);
	attach(r, console, &err);
	r = virtio_blk_new(guest, &disk, &device, &err);
	attach(r, device, &err);
	r = virtio_rng_new(loop, guest, &device, &err);
	attach(r, device, &err);
	r = virtio_vsock_new(loop, guest, &vsock, &device, &err);
	attach(r, device, &err);
	if (virtio_vsock_handle(device, VSOCK_PORT, on_connection, NULL) < 0)
		die("no port of vsock");
	r = virtio_balloon_new(loop, guest, false, &balloon, &err);
	attach(r, balloon, &err);
	r = virtio_mem_new(loop, guest, spare, SPARE, &memory, &err);
	attach(r, memory, &err);
	attach_share(&err);
}

static void unmake(void)
{
	machine_free(machine);
	fuse_server_free(server);
	loop_free(loop);
}

/* The content of the guest's memory. */
static uint8_t *copy_memory(uint64_t *ret_size)
{
	const struct guest_memory *guest = machine_memory(machine);
	uint64_t size = 0, at = 0;
	uint8_t *copy;

	for (uint32_t i = 0; i < guest->count; i++)
		size += guest->regions[i].size;
	copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		-1, 0);
	if (copy == MAP_FAILED)
		die("no room for a copy of the guest's memory");
	for (uint32_t i = 0; i < guest->count; i++) {
		memcpy(copy + at, guest->regions[i].host, guest->regions[i].size);
		at += guest->regions[i].size;
	}
	*ret_size = size;
	return copy;
}

static void fill_memory(const uint8_t *copy)
{
	const struct guest_memory *guest = machine_memory(machine);

	for (uint32_t i = 0; i < guest->count; i++) {
		memcpy(guest->regions[i].host, copy, guest->regions[i].size);
		copy += guest->regions[i].size;
	}
}

static void start(const char *kernel_path, const char *initrd_path)
{
	int kernel = open(kernel_path, O_RDONLY | O_CLOEXEC);
	int initrd = open(initrd_path, O_RDONLY | O_CLOEXEC);
	struct error err = ERROR_INIT;
	time_t end = time(NULL) + PATIENCE;

	make();
	if (machine_start(machine, kernel, initrd,
		    "console=hvc0 quiet panic=-1 reboot=k,f tsc=reliable no_timer_check "
		    "memhp_default_state=online_movable do=orders",
		    &err) < 0)
		die(err.message);
	close(kernel);
	close(initrd);
	wait_until_said("guest: processors 2 of 2");
	virtio_balloon_set_target(balloon, BALLOON);
	virtio_mem_request(memory, PLUGGED);
	while (!has_amounts() && time(NULL) < end)
		if (!loop_turn(loop))
			usleep(2000);
	exercise();
}

/* The saved machine once more, with nothing of the first one but struct and content of memory. */
static void go_on_elsewhere(const struct machine_state *state, const uint8_t *content)
{
	struct error err = ERROR_INIT;

	make();
	fill_memory(content);
	if (machine_restore(machine, state, &err) < 0)
		die(err.message);
	machine_resume(machine);
	exercise();
	/* A share that was not mounted: what was, would know names of another process. */
	order("share", "share from the host");
	printf("it went on in another machine\n");
}

int main(int argc, char **argv)
{
	struct machine_state *state = NULL;
	struct error err = ERROR_INIT;
	uint64_t size;

	if (argc != 5) {
		fprintf(stderr, "usage: snapshot KERNEL INITRD DISK DIRECTORY\n");
		return 2;
	}
	disk_path = argv[3];
	directory = argv[4];
	setvbuf(stdout, NULL, _IONBF, 0);
	start(argv[1], argv[2]);
	machine_pause(machine);
	if (machine_save(machine, &state, &err) < 0)
		die(err.message);
	uint8_t *content = copy_memory(&size);
	printf("saved: %zu bytes of state, %" PRIu64 " MiB of memory\n", machine_state_size(state),
		size / MIB);
	if (machine_continue(machine, &err) < 0)
		die(err.message);
	machine_resume(machine);
	exercise();
	printf("it went on itself\n");
	unmake();
	for (int i = 0; i < 2; i++) {
		go_on_elsewhere(state, content);
		unmake();
	}
	munmap(content, size);
	free(state);
	printf("all as it must be\n");
	return 0;
}
