/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/monitor/guest_memory.h"

#include <errno.h>
#include <inttypes.h>

#include "lib/error.h"

int guest_memory_add(
	struct guest_memory *memory, uint64_t gpa, uint64_t size, void *host, struct error *err)
{
	uint32_t count = memory->count;
	uint64_t end;

	if (size == 0 || __builtin_add_overflow(gpa, size, &end))
		return error_say(err, EINVAL,
			"guest memory at 0x%" PRIx64 " of 0x%" PRIx64 " bytes: no such range", gpa,
			size);
	if (count == GUEST_MEMORY_REGIONS_MAX)
		return error_say(err, EINVAL, "guest memory: more than %d regions",
			GUEST_MEMORY_REGIONS_MAX);
	for (uint32_t i = 0; i < count; i++) {
		const struct guest_memory_region *other = &memory->regions[i];

		if (gpa < other->gpa + other->size && other->gpa < end)
			return error_say(err, EINVAL,
				"guest memory at 0x%" PRIx64 " overlaps what is at 0x%" PRIx64, gpa,
				other->gpa);
	}
	memory->regions[count] =
		(struct guest_memory_region){ .gpa = gpa, .size = size, .host = host };
	__atomic_store_n(&memory->count, count + 1, __ATOMIC_RELEASE);
	return 0;
}
