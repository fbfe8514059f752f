/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest (tests/vm/hostile.c) against every device at once, on the real /dev/kvm. The
 * monitor goes on, and holds no more memory, files or threads; devices that the guest leaves alone
 * do their work; the machine is paused and resumed all the time, and is taken down in the middle.
 * HOSTILE_SECONDS and HOSTILE_SEED in the environment make it last, and choose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/monitor/machine.h"
#include "runtime/vm/virtio/balloon.h"
#include "runtime/vm/virtio/blk.h"
#include "runtime/vm/virtio/console.h"
#include "runtime/vm/virtio/device.h"
#include "runtime/vm/virtio/fs.h"
#include "runtime/vm/virtio/fs/fuse_server.h"
#include "runtime/vm/virtio/mem.h"
#include "runtime/vm/virtio/net.h"
#include "runtime/vm/virtio/rng.h"
#include "runtime/vm/virtio/vsock.h"
#include "tests/vm/hostile.h"

#define SECONDS 4
#define ROUNDS_MIN 48u
#define SPARE (64ULL << 20)
/* Streams' windows, answers of the file server, buffers of the C library's. */
#define GROWTH_MAX (8ULL << 20)
#define NODES_MAX 256u

__asm__(".pushsection .rodata\n"
	"hostile_begin: .incbin \"build/vm/hostile\"\n"
	"hostile_end:\n"
	".popsection\n");

extern const uint8_t hostile_begin[], hostile_end[];

struct run {
	struct loop *loop;
	struct machine *machine;
	struct fuse_server *server;
	struct loop_source *timer;
	int left;
	bool ended;
	char message[256];
	uint64_t resident; /* the most of it */
};

static bool privileged;

/* Of this process, without the guest's. */
static uint64_t resident(const struct run *run)
{
	static struct machine_stats stats;
	struct error err = ERROR_INIT;

	if (machine_get_stats(run->machine, &stats, &err) < 0)
		fail_msg("%s", err.message);
	return stats.monitor_bytes;
}

static unsigned int entries(const char *directory)
{
	DIR *dir = opendir(directory);
	unsigned int count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static void on_end(enum machine_end end, const char *message, void *data)
{
	struct run *run = data;

	run->ended = true;
	snprintf(run->message, sizeof(run->message), "%d %s", end, message);
	loop_stop(run->loop);
}

static void swallow(const char *text, size_t length, void *data)
{
	(void)text;
	(void)length;
	(void)data;
}

static const struct hostile_report *report_of(const struct run *run)
{
	const struct hostile_report *report = guest_memory_at(
		machine_memory(run->machine), HOSTILE_REPORT, sizeof(*report));

	assert_non_null(report);
	return report;
}

/* Pauses and goes on ten times a second. */
static void on_timer(void *data)
{
	struct run *run = data;
	uint64_t now;

	machine_pause(run->machine);
	now = resident(run);
	run->resident = now > run->resident ? now : run->resident;
	machine_resume(run->machine);
	/* A busy host gets more time for as many rounds. */
	if (--run->left <= 0 && (report_of(run)->rounds >= ROUNDS_MIN || run->left < -600))
		loop_stop(run->loop);
	else
		loop_set_timer(run->timer, 100000000);
}

static void attach(struct run *run, int r, struct virtio_device **device, struct error *err)
{
	unsigned int slot;

	if (r < 0)
		fail_msg("%s", err->message);
	assert_int_equal(machine_attach(run->machine, *device, &slot, err), 0);
}

static void attach_disk(struct run *run, enum blk_engine engine, struct error *err)
{
	struct blk_options disk = { .queues = 2, .engine = engine, .confine = true };
	struct virtio_device *device;

	disk.fd = memfd_create("disk", MFD_CLOEXEC);
	assert_int_equal(ftruncate(disk.fd, 1 << 20), 0);
	attach(run, virtio_blk_new(machine_memory(run->machine), &disk, &device, err), &device,
		err);
}

/* A file system that holds little, since the guest fills it. */
static void attach_share(struct run *run, struct error *err)
{
	const struct fuse_server_options limits = { .nodes_max = NODES_MAX, .proc_self_fd = -1 };
	const struct fs_options options = {
		.tag = "share", .threads = 2, .queues = 2, .confine = true
	};
	const struct fuse_export_options export = { 0 };
	_cleanup_close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	struct virtio_device *device;
	int r;

	assert_true(fs >= 0);
	assert_int_equal(fsconfig(fs, FSCONFIG_SET_STRING, "size", "2m", 0), 0);
	assert_int_equal(fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
	_cleanup_close_ int root = fsmount(fs, FSMOUNT_CLOEXEC, 0);
	assert_true(root >= 0);
	assert_int_equal(fuse_server_new(&limits, &run->server, err), 0);
	r = fuse_server_add_export(run->server, "root", root, &export, err);
	if (r < 0)
		fail_msg("%s", err->message);
	take_fd(&root);
	r = virtio_fs_new(machine_memory(run->machine), run->server, &options, &device, err);
	attach(run, r, &device, err);
}

static void attach_card(struct run *run, struct error *err)
{
	int queues[2];
	const struct net_options options = { .fds = queues, .pairs = 2, .confine = true };
	struct virtio_device *device;

	/* In a network namespace of the test's own: any name will do. */
	if (tap_open("hostile", 2, queues, err) < 0)
		fail_msg("%s", err->message);
	attach(run, virtio_net_new(machine_memory(run->machine), &options, &device, err), &device,
		err);
}

static void attach_devices(struct run *run)
{
	const struct guest_memory *memory = machine_memory(run->machine);
	const struct vsock_options vsock = { .listen_fd = -1 };
	struct virtio_device *device;
	struct error err = ERROR_INIT;
	uint64_t spare;

	attach(run, virtio_console_new(run->loop, memory, swallow, run, &device, &err), &device,
		&err);
	attach_disk(run, BLK_ENGINE_AUTO, &err);
	attach_disk(run, BLK_ENGINE_THREAD, &err);
	attach(run, virtio_rng_new(run->loop, memory, &device, &err), &device, &err);
	attach(run, virtio_vsock_new(run->loop, memory, &vsock, &device, &err), &device, &err);
	attach(run, virtio_balloon_new(run->loop, memory, false, &device, &err), &device, &err);
	assert_int_equal(machine_open_spare(run->machine, &spare, &err), 0);
	attach(run, virtio_mem_new(run->loop, memory, spare, SPARE, &device, &err), &device, &err);
	virtio_mem_request(device, SPARE / 2);
	if (privileged) {
		attach_share(run, &err);
		attach_card(run, &err);
	}
	/* The last of its kind is left alone. */
	attach_disk(run, BLK_ENGINE_AUTO, &err);
	attach(run, virtio_rng_new(run->loop, memory, &device, &err), &device, &err);
}

static int hostile_kernel(void)
{
	size_t size = (uintptr_t)hostile_end - (uintptr_t)hostile_begin;
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, hostile_begin, size), (ssize_t)size);
	return fd;
}

static void judge(const struct run *run, uint64_t before)
{
	const struct hostile_report *report = report_of(run);

	print_message("rounds %lu, devices started %lu, chains %lu, others good %lu, failed %lu, "
		      "growth %ld KiB\n",
		report->rounds, report->started, report->offered, report->good, report->failed,
		((int64_t)run->resident - (int64_t)before) / 1024);
	if (run->ended)
		fail_msg("the machine ended: %s", run->message);
	assert_int_equal(report->magic, HOSTILE_MAGIC);
	assert_true(report->started > 10 && report->offered > 100);
	assert_true(report->good > 2);
	assert_int_equal(report->failed, 0);
	assert_true(run->resident < before + GROWTH_MAX);
}

static void run_hostile(unsigned int seed, int seconds)
{
	const struct machine_options options = {
		.kvm = accel_open_device(NULL),
		.memory = HOSTILE_MEMORY,
		.memory_spare = SPARE,
		.cpus = 1,
		.cpus_max = 1,
		.serial = -1,
		.confine = true,
	};
	struct run run = { .left = seconds * 10 };
	struct error err = ERROR_INIT;
	unsigned int files, threads;
	uint64_t before;
	char line[32];

	if (options.kvm < 0)
		skip();
	_cleanup_close_ int kvm = options.kvm;
	_cleanup_close_ int kernel = hostile_kernel();
	print_message("seed %u\n", seed);
	snprintf(line, sizeof(line), "seed=%u", seed);
	files = entries("/proc/self/fd");
	threads = entries("/proc/self/task");
	assert_int_equal(loop_new(&run.loop, &err), 0);
	assert_int_equal(machine_new(run.loop, &options, on_end, &run, &run.machine, &err), 0);
	attach_devices(&run);
	assert_int_equal(loop_add_timer(run.loop, on_timer, &run, &run.timer, &err), 0);
	loop_set_timer(run.timer, 100000000);
	before = resident(&run);
	if (machine_start(run.machine, kernel, -1, line, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(loop_run(run.loop, &err), 0);
	judge(&run, before);
	machine_free(run.machine);
	fuse_server_free(run.server);
	loop_free(run.loop);
	assert_int_equal(entries("/proc/self/fd"), files);
	assert_int_equal(entries("/proc/self/task"), threads);
}

static void hostile_requests_do_no_harm(void **state)
{
	const char *seconds = getenv("HOSTILE_SECONDS"), *seed = getenv("HOSTILE_SEED");

	(void)state;
	run_hostile(seed != NULL ? (unsigned int)atoi(seed) : (unsigned int)time(NULL) % 1000000,
		seconds != NULL ? atoi(seconds) : SECONDS);
}

static void nor_do_those_that_once_were_made(void **state)
{
	(void)state;
	run_hostile(1, SECONDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_requests_do_no_harm),
		cmocka_unit_test(nor_do_those_that_once_were_made),
	};

	privileged = unshare(CLONE_NEWNET | CLONE_NEWNS) == 0 &&
		access("/dev/net/tun", R_OK | W_OK) == 0;
	if (!privileged)
		fprintf(stderr, "not root: shares and network cards are not tried\n");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
