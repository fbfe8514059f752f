/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/x86/firmware.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/error.h"
#include "runtime/vm/boot/load.h"
#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/x86/acpi.h"
#include "runtime/vm/x86/boot_params.h"
#include "runtime/vm/x86/layout.h"
#include "runtime/vm/x86/mptable.h"
#include "runtime/vm/x86/start.h"

struct text {
	char *at;
	size_t left;
	bool full;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	va_list arguments;
	int n;

	va_start(arguments, format);
	n = vsnprintf(text->at, text->left, format, arguments);
	va_end(arguments);
	if (n < 0 || (size_t)n >= text->left) {
		text->full = true;
		return;
	}
	text->at += n;
	text->left -= (size_t)n;
}

static unsigned int slots(const struct x86_firmware *firmware)
{
	return firmware->slots < X86_VIRTIO_SLOTS ? firmware->slots : X86_VIRTIO_SLOTS;
}

/*
 * The caller's part comes last: a later parameter wins, and what is behind "--" is init's. With
 * ACPI the tables say it all; a slot named twice would be two devices.
 */
int x86_firmware_command_line(
	const struct x86_firmware *firmware, char *buffer, size_t size, struct error *err)
{
	struct text text = { .at = buffer, .left = size };

	if (!firmware->acpi)
		for (unsigned int i = 0; i < slots(firmware); i++)
			put(&text, "virtio_mmio.device=4K@0x%" PRIx64 ":%u ",
				x86_virtio_slot_address(i), x86_virtio_slot_irq(i));
	if (firmware->cpus < firmware->cpus_max)
		put(&text, "maxcpus=%u ", firmware->cpus);
	if (!firmware->serial)
		put(&text, "8250.nr_uarts=0 ");
	put(&text, "%s", firmware->command_line);
	if (text.full)
		return error_say(err, E2BIG,
			"the kernel's command line is longer than %zu bytes: shorten it", size - 1);
	return (int)(text.at - buffer);
}

/* The interrupt lines that anything of the machine may use. */
static uint32_t used_lines(const struct x86_firmware *firmware)
{
	uint32_t lines = firmware->serial ? 1U << X86_SERIAL_IRQ : 0;

	for (unsigned int i = 0; i < slots(firmware); i++)
		lines |= 1U << x86_virtio_slot_irq(i);
	return lines;
}

static int write_mptable(
	const struct guest_memory *memory, const struct x86_firmware *firmware, struct error *err)
{
	uint8_t *buffer = guest_memory_at(memory, X86_MP_TABLE, X86_MP_TABLE_MAX);

	if (buffer == NULL)
		return error_say(err, EINVAL, "the guest's memory has no room for an MP table");
	return x86_mptable_write(buffer, X86_MP_TABLE_MAX, X86_MP_TABLE, firmware->cpus_max,
		used_lines(firmware), err);
}

static int write_acpi(
	const struct guest_memory *memory, const struct x86_firmware *firmware, struct error *err)
{
	uint8_t *buffer = guest_memory_at(memory, X86_ACPI_TABLES, X86_ACPI_TABLES_MAX);
	struct x86_acpi_options options = {
		.cpus = firmware->cpus_max,
		.slots = slots(firmware),
		.serial = firmware->serial,
	};

	if (buffer == NULL)
		return error_say(err, EINVAL, "the guest's memory has no room for ACPI tables");
	return x86_acpi_write(buffer, X86_ACPI_TABLES_MAX, X86_ACPI_TABLES, &options, err);
}

int x86_firmware_write(
	const struct guest_memory *memory, const struct x86_firmware *firmware, struct error *err)
{
	const struct boot_loaded *loaded = firmware->loaded;
	struct x86_boot_options options = {
		.memory = firmware->memory,
		.initrd = loaded->initrd,
		.initrd_size = loaded->initrd_size,
		.acpi_rsdp = firmware->acpi ? X86_ACPI_TABLES : 0,
		.header = loaded->has_header ? &loaded->header : NULL,
	};
	char *command_line = guest_memory_at(memory, X86_COMMAND_LINE, X86_COMMAND_LINE_MAX);
	void *zero_page = guest_memory_at(memory, X86_ZERO_PAGE, sizeof(struct boot_params));
	struct boot_params params;
	int r;

	if (command_line == NULL || zero_page == NULL)
		return error_say(err, EINVAL, "the guest's memory has no room for a command line");
	r = x86_firmware_command_line(firmware, command_line, X86_COMMAND_LINE_MAX, err);
	if (r < 0)
		return r;
	options.command_line_size = (uint32_t)r;
	r = x86_boot_params_fill(&params, &options, err);
	if (r < 0)
		return r;
	memcpy(zero_page, &params, sizeof(params));
	r = firmware->acpi ? write_acpi(memory, firmware, err)
			   : write_mptable(memory, firmware, err);
	if (r < 0)
		return r;
	return x86_start_write_tables(memory, err);
}
