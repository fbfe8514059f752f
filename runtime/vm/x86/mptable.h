/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MP table: processors, I/O APIC and interrupt lines for a kernel without ACPI (Intel
 * MultiProcessor Specification 1.4, chapter 4). Pure: writes to a buffer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;

/*
 * Writes the floating pointer and the table that follows it, for `cpus` processors of which number
 * 0 boots, and the interrupt lines in the mask `lines` (a line that nobody uses costs the guest a
 * dozen accesses to the I/O APIC, each an exit). `address` is where the buffer will be in guest
 * memory (a multiple of 16, below 4 GiB). Returns the number of bytes used; -ENOSPC when `size` is
 * too small.
 */
int x86_mptable_write(uint8_t *buffer, size_t size, uint32_t address, unsigned int cpus,
	uint32_t lines, struct error *err);
