/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a Linux kernel rewrites its own text while it boots. A page that shows the kernel's file is
 * touched twice more then, an exit each time: who knows it beforehand makes a copy beforehand.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* One place: `size` bytes (at most 255) at guest-physical `gpa`. */
typedef void (*kernel_patched_function)(uint64_t gpa, size_t size, void *data);

/*
 * Calls `function` for each place that the ELF file's table of alternative instructions (section
 * .altinstructions, Linux 6.3 or newer) names. The file may hold anything: a table that is not
 * understood in full is none. Returns the number of places.
 */
size_t kernel_patched_places(
	const uint8_t *file, size_t size, kernel_patched_function function, void *data);
