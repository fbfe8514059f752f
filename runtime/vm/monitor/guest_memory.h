/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's memory as a device sees it: a few regions of guest-physical addresses, each mapped
 * somewhere in the monitor. This is the only way from an address that the guest chose to a pointer.
 *
 * Concurrency: vCPUs, device threads and the main thread all translate while memory may be added.
 * Regions are only ever appended and never move or vanish while the machine lives: readers need no
 * lock. What is behind a pointer is changed by the guest at any time, so that a value is read once
 * into a local variable and checked there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* Below and above the 32-bit hole, and one for virtio-mem. */
#define GUEST_MEMORY_REGIONS_MAX 4

struct guest_memory_region {
	uint64_t gpa;  /* guest-physical address of the first byte */
	uint64_t size; /* bytes; gpa + size does not overflow */
	uint8_t *host; /* the same byte in this process */
};

struct guest_memory {
	uint32_t count; /* stored with release order after the region is complete */
	struct guest_memory_region regions[GUEST_MEMORY_REGIONS_MAX];
};

/*
 * Returns where `length` bytes of guest memory at `gpa` are in this process, or NULL when not all
 * of them are inside one region. A length of 0 is never inside.
 */
static inline void *guest_memory_at(
	const struct guest_memory *memory, uint64_t gpa, uint64_t length)
{
	uint32_t count = __atomic_load_n(&memory->count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < count; i++) {
		const struct guest_memory_region *region = &memory->regions[i];

		if (gpa >= region->gpa && length != 0 && length <= region->size &&
			gpa - region->gpa <= region->size - length)
			return region->host + (gpa - region->gpa);
	}
	return NULL;
}

/*
 * Appends a region; overlap with another, an overflow and a full table are -EINVAL. The mapping
 * stays the caller's and outlives `memory`.
 */
int guest_memory_add(
	struct guest_memory *memory, uint64_t gpa, uint64_t size, void *host, struct error *err);
