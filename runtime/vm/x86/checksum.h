/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum of MP and ACPI tables: the byte that makes the sum of all of a table's bytes zero.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

static inline uint8_t x86_checksum(const void *table, size_t size)
{
	const uint8_t *bytes = table;
	uint8_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}
