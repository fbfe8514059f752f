/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/x86/boot_params.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/error.h"
#include "runtime/vm/x86/layout.h"

#define E820_RAM 1
#define E820_RESERVED 2

#define MEMORY_MIN (2ULL << 20)

#define BOOT_FLAG 0xaa55
#define HEADER_MAGIC 0x53726448 /* "HdrS" */
#define PROTOCOL_VERSION 0x020f
#define LOADER_UNDEFINED 0xff /* "no assigned type" */

uint64_t x86_memory_below_hole(uint64_t memory)
{
	return memory < X86_HOLE ? memory : X86_HOLE;
}

static void add_e820(struct boot_params *params, uint64_t start, uint64_t end, uint32_t type)
{
	if (start >= end)
		return;
	params->e820_table[params->e820_entries++] = (struct boot_e820_entry){
		.addr = start,
		.size = end - start,
		.type = type,
	};
}

int x86_boot_params_fill(
	struct boot_params *ret, const struct x86_boot_options *options, struct error *err)
{
	uint64_t low = x86_memory_below_hole(options->memory);
	uint64_t high = options->memory - low;

	if (options->memory < MEMORY_MIN || options->memory % X86_PAGE_SIZE != 0)
		return error_say(err, EINVAL,
			"%" PRIu64 " bytes of memory: at least %llu, in whole pages",
			options->memory, MEMORY_MIN);
	memset(ret, 0, sizeof(*ret));
	if (options->header != NULL)
		ret->hdr = *options->header;
	ret->hdr.boot_flag = BOOT_FLAG;
	ret->hdr.header = HEADER_MAGIC;
	if (ret->hdr.version == 0)
		ret->hdr.version = PROTOCOL_VERSION;
	ret->hdr.type_of_loader = LOADER_UNDEFINED;
	ret->hdr.loadflags |= LOADED_HIGH;
	ret->hdr.cmd_line_ptr = X86_COMMAND_LINE;
	ret->hdr.cmdline_size = options->command_line_size;
	ret->hdr.ramdisk_image = (uint32_t)options->initrd;
	ret->hdr.ramdisk_size = (uint32_t)options->initrd_size;
	ret->ext_ramdisk_image = (uint32_t)(options->initrd >> 32);
	ret->ext_ramdisk_size = (uint32_t)(options->initrd_size >> 32);
	ret->acpi_rsdp_addr = options->acpi_rsdp;

	add_e820(ret, 0, X86_BASE_MEMORY_END, E820_RAM);
	add_e820(ret, X86_BASE_MEMORY_END, X86_HIGH_MEMORY, E820_RESERVED);
	add_e820(ret, X86_HIGH_MEMORY, low, E820_RAM);
	add_e820(ret, X86_HOLE_END, X86_HOLE_END + high, E820_RAM);
	return 0;
}
