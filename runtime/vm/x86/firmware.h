/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What firmware and boot loader would leave in memory: page tables, zero page, command line, MP or
 * ACPI tables.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_loaded;
struct error;
struct guest_memory;

struct x86_firmware {
	uint64_t memory; /* bytes */
	unsigned int cpus, cpus_max;
	unsigned int
		slots; /* virtio-mmio slots that the guest is told of; cut at X86_VIRTIO_SLOTS */
	bool acpi, serial;
	const char *command_line; /* the caller's part */
	const struct boot_loaded *loaded;
};

/*
 * Writes the whole command line into `buffer`. Returns its length; -E2BIG when the kernel would cut
 * it.
 */
int x86_firmware_command_line(
	const struct x86_firmware *firmware, char *buffer, size_t size, struct error *err);

int x86_firmware_write(
	const struct guest_memory *memory, const struct x86_firmware *firmware, struct error *err);
