/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All of a machine but the content of its memory, in one struct without pointers: what a snapshot
 * writes to a file, and reads back by the same build. What a device has beyond its registers and
 * rings is the device's own (virtio/device.h): streams of vsock end with the process, and a file
 * server knows nothing of what another one had open.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "runtime/vm/accel/state.h"
#include "runtime/vm/virtio/mmio.h"
#include "runtime/vm/x86/layout.h"

struct error;
struct machine;

struct machine_serial_state {
	uint8_t divisor_low, divisor_high;
	uint8_t interrupt_enable, line_control, modem_control, scratch;
	uint8_t transmitter_empty_pending, fifo;
};

struct machine_state {
	uint32_t cpu_count;
	uint32_t slots_used;
	struct machine_serial_state serial;
	struct accel_vm_state vm;
	struct virtio_mmio_state slots[X86_VIRTIO_SLOTS];
	struct accel_vcpu_state cpus[]; /* cpu_count of them */
};

/* In bytes. */
static inline size_t machine_state_size(const struct machine_state *state)
{
	return sizeof(*state) + state->cpu_count * sizeof(state->cpus[0]);
}

/*
 * Saves a machine that is paused (machine_pause()); no device has I/O in flight afterwards, and its
 * memory does not change. *ret is the caller's, for free(3). machine_continue() lets the devices of
 * this machine go on, before machine_resume().
 */
int machine_save(struct machine *machine, struct machine_state **ret, struct error *err);
int machine_continue(struct machine *machine, struct error *err);

/*
 * Instead of machine_start(): makes a machine of the same options, to which the same devices in the
 * same order were attached and whose memory has the saved one's content, what the saved one was. It
 * is paused. A state of another shape, or one that the devices or the accelerator refuse, is an
 * error.
 */
int machine_restore(struct machine *machine, const struct machine_state *state, struct error *err);
