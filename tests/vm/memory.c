/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory KERNEL INITRD: what a guest's memory costs this host, from the outside: pages that the
 * guest frees come back by themselves; a balloon takes memory, answers questions, and is let go of
 * when the guest runs out of it; virtio-mem gives memory and takes it back. Prints what it sees;
 * the status is 0 when it was as it must be.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/error.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/monitor/machine.h"
#include "runtime/vm/virtio/balloon.h"
#include "runtime/vm/virtio/console.h"
#include "runtime/vm/virtio/mem.h"
#include "tests/vm/hearing.h"

#define MIB (UINT64_C(1) << 20)
#define PATIENCE 60 /* seconds */

static struct loop *loop;
static struct machine *machine;
static struct virtio_device *console, *balloon, *memory;

/* Runs the machine until `done` says so; at its end, or after a minute, it is wrong. */
static void wait_for(bool (*done)(uint64_t number), uint64_t number, const char *what)
{
	time_t end = time(NULL) + PATIENCE;

	while (!done(number)) {
		if (ended || time(NULL) > end)
			die(what);
		if (!loop_turn(loop))
			usleep(2000);
	}
}

/* What this process holds: the guest's memory, and a little of its own. */
static uint64_t held(void)
{
	unsigned long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL || fscanf(file, "%lu %lu", &size, &resident) != 2)
		die("/proc/self/statm");
	fclose(file);
	return (uint64_t)resident * 4096;
}

static bool has_said(uint64_t number)
{
	char text[64];

	snprintf(text, sizeof(text), "guest: done %" PRIu64 ".", number);
	return strstr(said, text) != NULL;
}

/* Has the guest do something with so many mebibytes, and waits until it has. */
static void tell(const char *command, unsigned int mebibytes)
{
	static unsigned int number;
	char line[64];

	snprintf(line, sizeof(line), "%s %u %u\n", command, mebibytes, ++number);
	virtio_console_input(console, line, strlen(line));
	wait_for(has_said, number, command);
}

static bool holds_at_most(uint64_t bytes)
{
	return held() <= bytes;
}

static bool balloon_is(uint64_t bytes)
{
	return virtio_balloon_actual(balloon) == bytes;
}

static bool plugged_is(uint64_t bytes)
{
	return virtio_mem_plugged(memory) == bytes;
}

static struct balloon_statistics statistics;
static bool answered;

static void on_statistics(const struct balloon_statistics *given, void *data)
{
	(void)data;
	statistics = *given;
	answered = true;
}

static bool has_answered(uint64_t number)
{
	(void)number;
	return answered;
}

static void ask(void)
{
	answered = false;
	if (!virtio_balloon_ask(balloon, on_statistics, NULL))
		die("the balloon takes no question");
	wait_for(has_answered, 0, "the guest says nothing of its memory");
}

static void freed_pages_come_back(void)
{
	uint64_t before = held(), full;

	tell("touch", 96);
	full = held();
	if (full < before + 90 * MIB)
		die("the guest's use of memory does not show");
	wait_for(holds_at_most, full - 80 * MIB, "freed pages did not come back");
	printf("free pages: %" PRIu64 " MiB, %" PRIu64 " MiB in use, back to %" PRIu64 " MiB\n",
		before / MIB, full / MIB, held() / MIB);
}

static void balloon_takes_and_lets_go(void)
{
	uint64_t before;

	ask();
	printf("statistics: total %" PRIu64 ", free %" PRIu64 ", available %" PRIu64 "\n",
		statistics.total, statistics.free, statistics.available);
	if (statistics.total < 150 * MIB || statistics.total > 192 * MIB ||
		statistics.free > statistics.total || statistics.available > statistics.total)
		die("the statistics are not a guest's of 192 MiB");
	before = statistics.free;
	virtio_balloon_set_target(balloon, 80 * MIB);
	wait_for(balloon_is, 80 * MIB, "the balloon did not fill");
	ask();
	if (statistics.free > before - 60 * MIB)
		die("a full balloon leaves the guest its memory");
	printf("balloon: %" PRIu64 " MiB free before, %" PRIu64 " MiB with 80 MiB taken\n",
		before / MIB, statistics.free / MIB);
	/* More than is left: it is let go of before anything is killed. */
	tell("touch", 110);
	if (virtio_balloon_actual(balloon) >= 80 * MIB)
		die("the balloon held on while the guest was out of memory");
	printf("balloon: let go of to %" PRIu64 " MiB\n", virtio_balloon_actual(balloon) / MIB);
	virtio_balloon_set_target(balloon, 0);
	wait_for(balloon_is, 0, "the balloon did not empty");
}

static void memory_comes_and_goes(void)
{
	virtio_mem_request(memory, 256 * MIB);
	wait_for(plugged_is, 256 * MIB, "memory was not plugged");
	tell("touch", 300);
	virtio_mem_request(memory, 64 * MIB);
	wait_for(plugged_is, 64 * MIB, "memory was not given back");
	wait_for(holds_at_most, (192 + 64 + 8) * MIB, "what was given back is still held");
	printf("virtio-mem: 256 MiB came, 192 MiB went, %" PRIu64 " MiB held\n", held() / MIB);
}

static void start(const char *kernel_path, const char *initrd_path)
{
	struct machine_options options = {
		.memory = 192 << 20,
		.cpus = 1,
		.cpus_max = 1,
		.memory_spare = 256 << 20,
		.serial = -1,
		.confine = true,
	};
	struct error err = ERROR_INIT;
	unsigned int slot;
	uint64_t spare;
	int kernel = open(kernel_path, O_RDONLY | O_CLOEXEC);
	int initrd = open(initrd_path, O_RDONLY | O_CLOEXEC);

	options.kvm = accel_open_device(&err);
	if (options.kvm < 0 || kernel < 0 || initrd < 0 || loop_new(&loop, &err) < 0 ||
		machine_new(loop, &options, on_end, NULL, &machine, &err) < 0 ||
		virtio_console_new(loop, machine_memory(machine), on_output, NULL, &console, &err) <
			0 ||
		machine_attach(machine, console, &slot, &err) < 0 ||
		virtio_balloon_new(loop, machine_memory(machine), false, &balloon, &err) < 0 ||
		machine_attach(machine, balloon, &slot, &err) < 0 ||
		machine_open_spare(machine, &spare, &err) < 0 ||
		virtio_mem_new(loop, machine_memory(machine), spare, 256 << 20, &memory, &err) <
			0 ||
		machine_attach(machine, memory, &slot, &err) < 0 ||
		machine_start(machine, kernel, initrd,
			"console=hvc0 quiet panic=-1 reboot=k,f tsc=reliable no_timer_check "
			"memhp_default_state=online_movable do=memory",
			&err) < 0)
		die(err.message);
}

/* What comes earlier at its console, nobody takes. */
static bool has_begun(uint64_t number)
{
	(void)number;
	return strstr(said, "guest: processors") != NULL;
}

static bool has_ended(uint64_t number)
{
	(void)number;
	return strstr(said, "guest: end") != NULL;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: memory KERNEL INITRD\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IONBF, 0);
	start(argv[1], argv[2]);
	wait_for(has_begun, 0, "the guest did not begin");
	tell("touch", 1);
	freed_pages_come_back();
	balloon_takes_and_lets_go();
	memory_comes_and_goes();
	virtio_console_input(console, "end 0 0\n", 8);
	wait_for(has_ended, 0, "the guest did not end");
	machine_free(machine);
	loop_free(loop);
	printf("all as it must be\n");
	return 0;
}
