/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that does nothing but write random values to random registers of its devices, and fill
 * the memory that their rings may be in with random bytes. The monitor goes on, does not grow, and
 * can be paused and taken down at any moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/monitor/machine.h"
#include "runtime/vm/virtio/balloon.h"
#include "runtime/vm/virtio/blk.h"
#include "runtime/vm/virtio/console.h"
#include "runtime/vm/virtio/rng.h"
#include "runtime/vm/virtio/vsock.h"
#include "tests/unit/tiny_guest.h"

#define MEMORY (32ULL << 20)
#define SECONDS 3
#define GROWTH_MAX (16ULL << 20)

/*
 * A linear congruential generator (Numerical Recipes' constants) in %eax, which starts at the seed
 * in the first four bytes of the guest's free memory. %ebx: the first of eight slots. Half of the
 * values are small, so that states and numbers are met; a store to the rings follows each write.
 */
__asm__(".pushsection .rodata\n"
	".globl hostile_begin, hostile_end\n"
	"hostile_begin:\n"
	"	mov $0xd0000000, %ebx\n"
	"	mov $0x1008000, %edi\n"
	"	mov (%rdi), %eax\n"
	"again:	imul $1664525, %eax, %eax\n"
	"	add $1013904223, %eax\n"
	"	mov %eax, %ecx\n"
	"	shr $9, %ecx\n"
	"	and $0x71fc, %ecx\n"
	"	imul $1664525, %eax, %eax\n"
	"	add $1013904223, %eax\n"
	"	mov %eax, %edx\n"
	"	test $0x10000, %eax\n"
	"	jz wide\n"
	"	shr $20, %edx\n"
	"	and $0x1f, %edx\n"
	"wide:	mov %edx, (%rbx,%rcx)\n"
	"	mov (%rbx,%rcx), %esi\n"
	"	mov %eax, %ecx\n"
	"	shr $8, %ecx\n"
	"	and $0x7ffc, %ecx\n"
	"	mov %edx, (%rdi,%rcx)\n"
	"	incl 0x1007000\n"
	"	jmp again\n"
	"hostile_end:\n"
	".popsection\n");

extern const uint8_t hostile_begin[], hostile_end[];

struct run {
	struct loop *loop;
	struct machine *machine;
	struct loop_source *timer;
	int left;
	bool ended;
	char message[256];
};

static uint64_t resident(void)
{
	unsigned long long pages = 0;
	_cleanup_fclose_ FILE *file = fopen("/proc/self/statm", "re");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%*u %llu", &pages), 1);
	return pages * 4096;
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

/* Pauses and goes on ten times a second. */
static void on_timer(void *data)
{
	struct run *run = data;

	machine_pause(run->machine);
	machine_resume(run->machine);
	if (--run->left == 0)
		loop_stop(run->loop);
	else
		loop_set_timer(run->timer, 100000000);
}

static void attach(struct run *run, int r, struct virtio_device **device)
{
	unsigned int slot;

	assert_int_equal(r, 0);
	assert_int_equal(machine_attach(run->machine, *device, &slot, NULL), 0);
}

static void attach_devices(struct run *run)
{
	const struct guest_memory *memory = machine_memory(run->machine);
	struct blk_options disk = { .queues = 2, .confine = true };
	const struct vsock_options vsock = { .listen_fd = -1 };
	struct virtio_device *device;
	struct error err = ERROR_INIT;

	attach(run, virtio_console_new(run->loop, memory, swallow, run, &device, &err), &device);
	disk.fd = memfd_create("disk", MFD_CLOEXEC);
	assert_int_equal(ftruncate(disk.fd, 1 << 20), 0);
	attach(run, virtio_blk_new(memory, &disk, &device, &err), &device);
	attach(run, virtio_rng_new(run->loop, memory, &device, &err), &device);
	attach(run, virtio_vsock_new(run->loop, memory, &vsock, &device, &err), &device);
	attach(run, virtio_balloon_new(run->loop, memory, false, &device, &err), &device);
}

static void run_hostile(uint32_t seed)
{
	const struct machine_options options = {
		.kvm = accel_open_device(NULL),
		.memory = MEMORY,
		.cpus = 1,
		.cpus_max = 1,
		.serial = -1,
		.confine = true,
	};
	struct run run = { .left = SECONDS * 10 };
	struct error err = ERROR_INIT;
	uint64_t before, after;
	uint32_t *count;

	if (options.kvm < 0)
		skip();
	_cleanup_close_ int kvm = options.kvm;
	_cleanup_close_ int kernel = tiny_guest_kernel(
		hostile_begin, (uintptr_t)hostile_end - (uintptr_t)hostile_begin);
	assert_int_equal(loop_new(&run.loop, &err), 0);
	assert_int_equal(machine_new(run.loop, &options, on_end, &run, &run.machine, &err), 0);
	attach_devices(&run);
	assert_int_equal(loop_add_timer(run.loop, on_timer, &run, &run.timer, &err), 0);
	loop_set_timer(run.timer, 100000000);
	before = resident();
	/* The seed is there before the kernel, whose zeros begin behind its text. */
	count = guest_memory_at(machine_memory(run.machine), TINY_GUEST_ENTRY + 0x7000, 4);
	if (machine_start(run.machine, kernel, -1, "", &err) < 0)
		fail_msg("%s", err.message);
	*(uint32_t *)guest_memory_at(
		machine_memory(run.machine), TINY_GUEST_ENTRY + 0x8000, 4) = seed;
	assert_int_equal(loop_run(run.loop, &err), 0);
	after = resident();
	if (run.ended)
		fail_msg("the machine ended: %s", run.message);
	assert_true(__atomic_load_n(count, __ATOMIC_RELAXED) > 1000);
	assert_true(after < before + GROWTH_MAX);
	machine_free(run.machine);
	loop_free(run.loop);
}

static void random_registers_and_rings_do_no_harm(void **state)
{
	(void)state;
	run_hostile((uint32_t)time(NULL));
}

static void nor_do_those_that_once_ran(void **state)
{
	(void)state;
	run_hostile(1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_registers_and_rings_do_no_harm),
		cmocka_unit_test(nor_do_those_that_once_ran),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
