/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the first processor starts: in 64-bit mode with paging on, as the 64-bit boot protocol asks
 * (Linux Documentation/arch/x86/boot.rst, "64-bit boot protocol"): flat segments __BOOT_CS 0x10 and
 * __BOOT_DS 0x18, memory mapped one to one, RSI at the zero page, interrupts off.
 */
#pragma once

#include <linux/kvm.h>
#include <stdint.h>

struct error;
struct guest_memory;

/* Writes the descriptor table and page tables (the first 4 GiB one to one) to low memory. */
int x86_start_write_tables(const struct guest_memory *memory, struct error *err);

/* General registers of a processor that starts at the (guest-physical, 64-bit) entry point. */
void x86_start_registers(uint64_t entry, struct kvm_regs *ret);

/*
 * Segments, control registers, descriptor table: changes what must differ from `sregs` after reset.
 */
void x86_start_segments(struct kvm_sregs *sregs);

#define X86_START_MSRS 2

/* Model-specific registers that firmware would have set. */
void x86_start_msrs(struct kvm_msr_entry ret[static X86_START_MSRS]);
