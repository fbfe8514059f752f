/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zero page: what the kernel learns from who loaded it (Linux
 * Documentation/arch/x86/zero-page.rst, boot.rst). Pure: works on a buffer.
 */
#pragma once

#include <asm/bootparam.h>
#include <stdint.h>

struct error;

struct x86_boot_options {
	uint64_t memory;	    /* bytes of guest memory below and above the hole together */
	uint64_t initrd;	    /* its guest-physical address */
	uint64_t initrd_size;	    /* 0: none */
	uint32_t command_line_size; /* without its NUL; at X86_COMMAND_LINE */
	uint64_t acpi_rsdp;	    /* 0: no ACPI */
	const struct setup_header *header; /* a bzImage's own, or NULL */
};

/* How much of `memory` bytes lies below the hole; the rest begins at 4 GiB. */
uint64_t x86_memory_below_hole(uint64_t memory);

/* Fills a zero page. -EINVAL for memory that is no multiple of a page, or less than 2 MiB. */
int x86_boot_params_fill(
	struct boot_params *ret, const struct x86_boot_options *options, struct error *err);
