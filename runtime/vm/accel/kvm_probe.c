/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does KVM run guest code on the processor, or emulate it? A guest of some bytes tells: kernels
 * need an instruction (CMPXCHG16B) that KVM's emulator never had, and a loop of a million
 * instructions takes an emulator about a second and a processor less than a millisecond.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/accel/kvm.h"
#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/x86/cpuid.h"
#include "runtime/vm/x86/layout.h"
#include "runtime/vm/x86/start.h"

#define MEMORY_SIZE (64 << 10)
#define CODE 0x8000 /* above the zero page, below the boot stack's top */
#define DONE_PORT 0x80

/*
 *	mov  $0x7000, %ebx
 *	xor  %eax, %eax; xor %edx, %edx; xor %ecx, %ecx
 *	lock cmpxchg16b (%rbx)
 *	out  %al, $0x80
 */
static const uint8_t code[] = { 0xbb, 0x00, 0x70, 0x00, 0x00, 0x31, 0xc0, 0x31, 0xd2, 0x31, 0xc9,
	0xf0, 0x48, 0x0f, 0xc7, 0x0b, 0xe6, DONE_PORT };

struct probe {
	struct accel *accel;
	struct accel_vcpu *vcpu;
	struct x86_cpuid cpuid;
	uint8_t *memory;
};

static int set_up(struct probe *probe, int device, struct error *err)
{
	const struct accel_options options = { .cpus_max = 1 };
	struct guest_memory guest = { 0 };
	int r;

	probe->memory = mmap(
		NULL, MEMORY_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (probe->memory == MAP_FAILED) {
		probe->memory = NULL;
		return error_set(err, errno, "memory to probe KVM with");
	}
	memcpy(probe->memory + CODE, code, sizeof(code));
	r = guest_memory_add(&guest, 0, MEMORY_SIZE, probe->memory, err);
	if (r >= 0)
		r = x86_start_write_tables(&guest, err);
	if (r >= 0)
		r = accel_new(device, &options, &probe->accel, err);
	if (r >= 0)
		r = accel_set_memory(probe->accel, 0, 0, MEMORY_SIZE, probe->memory, err);
	if (r >= 0)
		r = accel_create_controllers(probe->accel, err);
	if (r >= 0)
		r = accel_supported_cpuid(device, &probe->cpuid, err);
	if (r >= 0)
		r = accel_vcpu_new(probe->accel, 0, &probe->cpuid, &probe->vcpu, err);
	if (r >= 0)
		r = accel_vcpu_set_entry(probe->vcpu, CODE, err);
	return r;
}

/* Interrupted by a signal of the caller's process, the guest goes on. */
static int run(struct probe *probe, struct error *err)
{
	struct accel_exit exit = { 0 };
	int r;

	do
		r = accel_vcpu_run(probe->vcpu, &exit, err);
	while (r >= 0 && exit.reason == ACCEL_EXIT_KICK);
	if (r < 0)
		return r;
	if (exit.reason == ACCEL_EXIT_IO && exit.write && exit.port == DONE_PORT)
		return 1;
	error_say(err, ENODEV,
		"/dev/kvm only emulates processors in software here: guests need hardware "
		"virtualization, or nested virtualization turned on in the hypervisor");
	return 0;
}

int accel_probe(int device, struct error *err)
{
	struct probe probe = { 0 };
	int r = set_up(&probe, device, err);

	if (r >= 0)
		r = run(&probe, err);
	accel_vcpu_free(probe.vcpu);
	accel_free(probe.accel);
	if (probe.memory != NULL)
		munmap(probe.memory, MEMORY_SIZE);
	return r;
}
