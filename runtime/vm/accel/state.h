/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All state of a virtual machine that the accelerator holds, in structs that can be written to a
 * file and read back by the same build: no pointers, fixed sizes, the kernel's own layouts.
 */
#pragma once

#include <linux/kvm.h>
#include <stdint.h>

#define ACCEL_MSRS_MAX 512
#define ACCEL_XSAVE_BYTES 4096

struct accel_vcpu_state {
	struct kvm_mp_state mp_state;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_xcrs xcrs;
	struct kvm_vcpu_events events;
	struct kvm_debugregs debugregs;
	struct kvm_lapic_state lapic;
	uint32_t tsc_khz;
	uint32_t msr_count;
	struct kvm_msr_entry msrs[ACCEL_MSRS_MAX];
	uint8_t xsave[ACCEL_XSAVE_BYTES];
};

struct accel_vm_state {
	struct kvm_irqchip pic[2];
	struct kvm_irqchip ioapic;
	struct kvm_clock_data clock;
	struct kvm_pit_state2 pit;
	uint32_t has_pit;
};
