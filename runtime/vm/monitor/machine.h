/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtual machine: memory, processors, slots for virtio devices, a kernel to start. It knows
 * nothing of containers; who makes one decides what its devices show.
 *
 * All functions are the main thread's, which runs the event loop. The order is machine_new(),
 * machine_attach() for each device, machine_start(); devices, processors and memory may come later
 * too.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "runtime/vm/accel/accel.h"

struct error;
struct guest_memory;
struct loop;
struct machine;
struct virtio_device;

struct machine_options {
	int kvm;	       /* an fd of /dev/kvm (accel_open_device()); not needed afterwards */
	uint64_t memory;       /* bytes, a multiple of 2 MiB */
	uint64_t memory_spare; /* bytes of address space that a virtio-mem device may fill later */
	unsigned int cpus;
	unsigned int cpus_max;	  /* at least cpus: what the guest may bring up later */
	unsigned int spare_slots; /* empty slots that the guest is told of, to be filled later */
	bool large_pages;	  /* faster, or small pages and less memory held (memory.h) */
	bool acpi;    /* describe the machine by ACPI tables: for a distribution's kernel */
	int serial;   /* fd that gets what the guest writes to its serial port, or < 0 */
	bool confine; /* a seccomp filter for each processor's thread */
};

enum machine_end {
	MACHINE_RUNS,
	MACHINE_RESET,	   /* the guest asked for a reset: how one without ACPI switches off */
	MACHINE_POWER_OFF, /* the guest asked to be switched off */
	MACHINE_SHUTDOWN,  /* triple fault: a reset by force, or a crash */
	MACHINE_FAILED,	   /* `message` says why */
};

/* Called once, by the loop's thread, when the guest has ended. */
typedef void (*machine_end_function)(enum machine_end end, const char *message, void *data);

/*
 * Makes a machine without devices, whose processors do not run yet. `ret` is given back by
 * machine_free().
 */
int machine_new(struct loop *loop, const struct machine_options *options,
	machine_end_function on_end, void *data, struct machine **ret, struct error *err);

/* Ends its processors, frees its devices and memory. NULL is ignored. */
void machine_free(struct machine *machine);

/* The guest's memory, for devices: lives as long as the machine. */
const struct guest_memory *machine_memory(const struct machine *machine);

/*
 * Makes options.memory_spare, which costs nothing before, memory that a virtio-mem device can give
 * to the guest: *ret_gpa is where it lies, for virtio_mem_new(). Again is nothing.
 */
int machine_open_spare(struct machine *machine, uint64_t *ret_gpa, struct error *err);

/*
 * Puts a device, which the machine owns then, into the next free slot; on failure it stays the
 * caller's. In a machine that runs, the guest finds it when it binds its driver to the slot:
 * *ret_slot is the slot's number and the N of virtio-mmio.N in the guest. -ENOSPC when every slot
 * is taken.
 */
int machine_attach(struct machine *machine, struct virtio_device *device, unsigned int *ret_slot,
	struct error *err);

/*
 * Loads the kernel and starts the processors. `command_line` is what the guest's kernel gets
 * behind what the machine adds (its virtio-mmio slots, maxcpus). The fds may be closed afterwards;
 * the files must not change while the guest runs, for they are mapped. `initrd` may be negative.
 */
int machine_start(struct machine *machine, int kernel, int initrd, const char *command_line,
	struct error *err);

/* Brings `count` more processors, up to cpus_max, which the guest can set online then. */
int machine_add_cpus(struct machine *machine, unsigned int count, struct error *err);

/*
 * Stops every processor between two instructions and waits for that; lets them go on, and tells
 * the guest's clock.
 */
void machine_pause(struct machine *machine);
void machine_resume(struct machine *machine);

#define MACHINE_COUNTERS_MAX 48

/* One of the accelerator's own counts, of all processors together. */
struct machine_counter {
	char name[40];
	uint64_t value;
};

/* What the machine did so far: counts that do not depend on how fast a host is. */
struct machine_stats {
	uint64_t exits[ACCEL_EXIT_REASONS]; /* that the monitor served */
	struct machine_counter counters[MACHINE_COUNTERS_MAX];
	unsigned int counter_count;
	uint64_t touched_pages; /* 4 KiB pages of guest memory that are present */
	uint64_t monitor_bytes; /* resident memory of this process that is not the guest's */
	uint64_t first_run;	/* CLOCK_MONOTONIC, ns: just before the first processor ran */
};

/* KVM's counts of a processor that runs come when it leaves the guest next: waits for that. */
int machine_get_stats(struct machine *machine, struct machine_stats *ret, struct error *err);
