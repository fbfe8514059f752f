/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The accelerator: what runs guest instructions. One implementation today, KVM
 * (Documentation/virt/kvm/api.rst of Linux). It knows of memory slots, interrupts and processors,
 * never of devices: an access that it cannot serve comes back as an exit, and an interrupt is an
 * eventfd.
 *
 * Threads: what concerns one processor is called by that processor's thread alone, after
 * accel_vcpu_new(); accel_vcpu_kick() by any. The rest is the main thread's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct accel;
struct accel_vcpu;
struct accel_vcpu_state;
struct accel_vm_state;
struct error;
struct x86_cpuid;

/* What this accelerator offers beyond what is required. */
struct accel_features {
	bool tsc_deadline;  /* the local APIC's timer counts in TSC ticks */
	bool clock_control; /* a pause can be told to the guest's clock */
	unsigned int cpus_recommended;
	unsigned int cpus_max;
};

struct accel_options {
	unsigned int cpus_max; /* processors that may ever exist */
	bool pit;	       /* a guest without a TSC-deadline timer needs the 8254 */
};

/*
 * Opens /dev/kvm. Errors say what is missing: no such device, no permission (which group), and the
 * command that mends it.
 */
int accel_open_device(struct error *err);

/*
 * Makes a virtual machine on an fd of /dev/kvm (which is not needed afterwards). The interface's
 * version and every capability that the monitor needs are checked; each one that lacks is named in
 * the error's one line. The machine is bound to the calling process's address space.
 */
int accel_new(
	int device, const struct accel_options *options, struct accel **ret, struct error *err);
void accel_free(struct accel *accel);

/*
 * Makes the interrupt controllers. Behind the first memory and before any processor, interrupt or
 * eventfd: the other order costs a grace period of the kernel's (measured: 7 to 10 ms).
 */
int accel_create_controllers(struct accel *accel, struct error *err);

const struct accel_features *accel_features(const struct accel *accel);

/*
 * What the processor and the accelerator can show to a guest, before any filtering
 * (KVM_GET_SUPPORTED_CPUID). `device` is an fd of /dev/kvm.
 */
int accel_supported_cpuid(int device, struct x86_cpuid *ret, struct error *err);

/*
 * Puts `size` bytes of this process's memory at `host` to guest-physical address `gpa`; all three
 * multiples of the page size. `slot` numbers count from 0. A size of 0 takes the slot away.
 */
int accel_set_memory(struct accel *accel, unsigned int slot, uint64_t gpa, uint64_t size,
	void *host, struct error *err);

/*
 * The same for memory that the guest can read only: its writes there are exits, or signals of
 * eventfds, as where there is none. -EOPNOTSUPP where the accelerator has no such memory.
 */
int accel_set_read_only_memory(struct accel *accel, unsigned int slot, uint64_t gpa, uint64_t size,
	void *host, struct error *err);

/*
 * Raises interrupt line `gsi` (an edge), from any thread; of one line, one thread at a time. It
 * costs two system calls, and less than an eventfd: KVM hands an eventfd's edge of such a line to a
 * thread of the host's kernel.
 */
void accel_interrupt(struct accel *accel, unsigned int gsi);

/* A write to the eventfd raises (an edge) interrupt line `gsi`, or no longer does. */
int accel_irqfd(struct accel *accel, int eventfd, unsigned int gsi, bool add, struct error *err);

/*
 * A 4-byte guest write of `value` to `gpa` becomes a signal of the eventfd, without an exit, or no
 * longer does.
 */
int accel_ioeventfd(struct accel *accel, uint64_t gpa, uint32_t value, int eventfd, bool add,
	struct error *err);

/* Interrupt controllers, clock: all of the machine that is not a processor's. */
int accel_get_state(struct accel *accel, struct accel_vm_state *ret, struct error *err);
int accel_set_state(struct accel *accel, const struct accel_vm_state *state, struct error *err);

/* Makes processor `id`, below cpus_max. Processors other than 0 wait for the guest to start them.
 */
int accel_vcpu_new(struct accel *accel, unsigned int id, const struct x86_cpuid *cpuid,
	struct accel_vcpu **ret, struct error *err);
void accel_vcpu_free(struct accel_vcpu *vcpu);

/* Makes processor 0 start at the 64-bit entry point as x86/start.h says. */
int accel_vcpu_set_entry(struct accel_vcpu *vcpu, uint64_t entry, struct error *err);

enum accel_exit_reason {
	ACCEL_EXIT_KICK,     /* accel_vcpu_kick(), or a signal */
	ACCEL_EXIT_IO,	     /* port I/O */
	ACCEL_EXIT_MMIO,     /* access to an address without memory */
	ACCEL_EXIT_HALT,     /* halted with no interrupt controller to wake it */
	ACCEL_EXIT_SHUTDOWN, /* triple fault */
	ACCEL_EXIT_EVENT,    /* the guest asked for a reset or power-off through the accelerator */
	ACCEL_EXIT_FAILURE,  /* cannot go on: `message` says why */
	ACCEL_EXIT_REASONS
};

struct accel_exit {
	enum accel_exit_reason reason;
	bool write;
	uint16_t port;	/* IO */
	uint8_t size;	/* IO: 1, 2, 4; MMIO: 1 to 8 */
	uint32_t count; /* IO: repetitions (rep ins, rep outs); data holds size * count bytes */
	uint64_t gpa;	/* MMIO */
	uint8_t *data;	/* what is written, or where what is read goes; until the next run */
	const char *message; /* FAILURE; until the next run */
};

/*
 * Runs guest code until it needs the monitor. What a read exit asked for has been put to
 * exit->data by the caller before the next run. Returns 0 with *ret filled, negative only where
 * running itself failed for a reason that is no property of the guest.
 */
int accel_vcpu_run(struct accel_vcpu *vcpu, struct accel_exit *ret, struct error *err);

/*
 * From any thread or a signal handler: the processor's present or next run ends with
 * ACCEL_EXIT_KICK. The caller sends the signal that interrupts the thread itself.
 */
void accel_vcpu_kick(struct accel_vcpu *vcpu);

/* Finishes a half-done instruction (an exit's answer) without running further, before a save. */
int accel_vcpu_settle(struct accel_vcpu *vcpu, struct error *err);

int accel_vcpu_get_state(struct accel_vcpu *vcpu, struct accel_vcpu_state *ret, struct error *err);
int accel_vcpu_set_state(
	struct accel_vcpu *vcpu, const struct accel_vcpu_state *state, struct error *err);

/* Tells the guest that it did not run for a while, so that its watchdogs do not bark. */
void accel_vcpu_tell_pause(struct accel_vcpu *vcpu);

/*
 * Reports each of the accelerator's own counts for the processor that is not zero: exits that it
 * served itself are only seen there. Nothing where the kernel is too old (5.14).
 */
typedef void (*accel_counter_function)(const char *name, uint64_t value, void *data);
int accel_vcpu_counters(
	struct accel_vcpu *vcpu, accel_counter_function function, void *data, struct error *err);

/*
 * Recognises in a few milliseconds an accelerator that only emulates (a software KVM): it would
 * take minutes to boot a kernel, and fail in the end. Returns 1 where guest code runs on the
 * processor, 0 where it does not (`err` says how that was seen), negative when it could not be
 * tried.
 */
int accel_probe(int device, struct error *err);
