/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixed table of virtio-mmio slots: which guest-physical page and interrupt line each one has,
 * and what ties a device in it to the accelerator.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/vm/virtio/mmio.h"
#include "runtime/vm/x86/layout.h"

struct accel;
struct error;

struct slot {
	struct virtio_mmio mmio;
	struct accel *accel; /* NULL while the slot is empty */
	unsigned int line;
	pthread_mutex_t line_lock; /* an edge that begins before another has ended is lost */
};

struct slots {
	unsigned int used; /* slots 0 to used - 1 have a device */
	void *pages;	   /* the slots' registers as the guest reads them, or NULL */
	int swallow;	   /* eventfd of what need not be looked at, or negative */
	struct slot slots[X86_VIRTIO_SLOTS];
};

void slots_init(struct slots *slots);

/*
 * Lets the guest read registers without an exit, through memory slot `memory_slot` of the
 * accelerator, where it can do that. Before the guest runs.
 */
void slots_show(struct slots *slots, struct accel *accel, unsigned int memory_slot);

/* Frees the devices. No processor runs any more. */
void slots_fini(struct slots *slots);

/* As machine_attach(). */
int slots_attach(struct slots *slots, struct accel *accel, struct virtio_device *device,
	unsigned int *ret_slot, struct error *err);

/* Memory was added to the guest's: tells the devices. In the main thread. */
void slots_memory_added(struct slots *slots);

/* A guest's access to an address without memory; from any vCPU's thread. */
void slots_read(struct slots *slots, uint64_t gpa, void *data, size_t size);
void slots_write(struct slots *slots, uint64_t gpa, const void *data, size_t size);
