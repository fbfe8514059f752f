/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grow KERNEL INITRD: a guest gets a processor, a disk and memory while it runs, and finds all.
 * Prints what the guest says; the status is 0 when it said what it must.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/error.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/monitor/machine.h"
#include "runtime/vm/virtio/blk.h"
#include "runtime/vm/virtio/console.h"
#include "runtime/vm/virtio/mem.h"

struct test {
	struct loop *loop;
	struct machine *machine;
	struct virtio_device *console, *memory;
	char said[8192];
	size_t length;
	bool grown;
	enum machine_end end;
};

static void die(const struct error *err)
{
	fprintf(stderr, "%s\n", err->message);
	exit(1);
}

static int make_disk(void)
{
	static const char first[512] = "that came later\n";
	int fd = memfd_create("disk", MFD_CLOEXEC);

	if (fd < 0 || write(fd, first, sizeof(first)) != sizeof(first) ||
		ftruncate(fd, 1 << 20) < 0) {
		perror("disk");
		exit(1);
	}
	return fd;
}

static void grow(void *data)
{
	struct test *test = data;
	const struct blk_options options = { .fd = make_disk(), .confine = true };
	struct virtio_device *disk;
	struct error err = ERROR_INIT;
	unsigned int slot = 0;
	char line[32];

	if (virtio_blk_new(machine_memory(test->machine), &options, &disk, &err) < 0 ||
		machine_attach(test->machine, disk, &slot, &err) < 0 ||
		machine_add_cpus(test->machine, 1, &err) < 0)
		die(&err);
	virtio_mem_request(test->memory, 256 << 20);
	snprintf(line, sizeof(line), "go %u\n", slot);
	virtio_console_input(test->console, line, strlen(line));
}

static void on_output(const char *text, size_t length, void *data)
{
	struct test *test = data;

	if (write(STDOUT_FILENO, text, length) < 0)
		exit(1);
	if (length > sizeof(test->said) - 1 - test->length)
		length = sizeof(test->said) - 1 - test->length;
	memcpy(test->said + test->length, text, length);
	test->length += length;
	if (!test->grown && strstr(test->said, "guest: ready") != NULL) {
		test->grown = true;
		loop_call(test->loop, grow, test);
	}
}

static void on_end(enum machine_end end, const char *message, void *data)
{
	struct test *test = data;

	printf("%s\n", message);
	test->end = end;
	loop_stop(test->loop);
}

int main(int argc, char **argv)
{
	struct machine_options options = {
		.memory = 128 << 20,
		.cpus = 1,
		.cpus_max = 2,
		.memory_spare = 256 << 20,
		.spare_slots = 2,
		.large_pages = true,
		.serial = -1,
		.confine = true,
	};
	struct test test = { 0 };
	struct error err = ERROR_INIT;
	unsigned int slot;
	uint64_t spare;
	int kernel, initrd;

	if (argc != 3) {
		fprintf(stderr, "usage: grow KERNEL INITRD\n");
		return 2;
	}
	kernel = open(argv[1], O_RDONLY | O_CLOEXEC);
	initrd = open(argv[2], O_RDONLY | O_CLOEXEC);
	options.kvm = accel_open_device(&err);
	if (options.kvm < 0 || kernel < 0 || initrd < 0 || loop_new(&test.loop, &err) < 0 ||
		machine_new(test.loop, &options, on_end, &test, &test.machine, &err) < 0 ||
		virtio_console_new(test.loop, machine_memory(test.machine), on_output, &test,
			&test.console, &err) < 0 ||
		machine_attach(test.machine, test.console, &slot, &err) < 0 ||
		machine_open_spare(test.machine, &spare, &err) < 0 ||
		virtio_mem_new(test.loop, machine_memory(test.machine), spare, 256 << 20,
			&test.memory, &err) < 0 ||
		machine_attach(test.machine, test.memory, &slot, &err) < 0 ||
		machine_start(test.machine, kernel, initrd,
			"console=hvc0 quiet panic=-1 reboot=k,f tsc=reliable no_timer_check "
			"memhp_default_state=online do=grow",
			&err) < 0 ||
		loop_run(test.loop, &err) < 0)
		die(&err);
	machine_free(test.machine);
	loop_free(test.loop);
	return test.end == MACHINE_RESET && strstr(test.said, "guest: processors 1 of 2") != NULL &&
			strstr(test.said, "guest: processors now 2") != NULL &&
			strstr(test.said, "guest: disk that came later") != NULL &&
			strstr(test.said, "guest: memory grew") != NULL
		? 0
		: 1;
}
