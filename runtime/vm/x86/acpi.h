/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables of a machine with reduced hardware, for a distribution's kernel, which finds
 * processors and virtio-mmio devices by them (ACPI 6.5; virtio-mmio's id LNRO0005 is Linux's).
 * Pure: writes to a buffer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct x86_acpi_options {
	unsigned int cpus;
	unsigned int slots;
	bool serial;
};

/*
 * Writes the root pointer at the buffer's start and the tables behind it. `address` is where the
 * buffer will be in guest memory, a multiple of 16. Returns the number of bytes used, -ENOSPC when
 * `size` is too small.
 */
int x86_acpi_write(uint8_t *buffer, size_t size, uint64_t address,
	const struct x86_acpi_options *options, struct error *err);
