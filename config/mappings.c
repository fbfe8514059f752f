/* SPDX-License-Identifier: Apache-2.0 */
#include "config/tables.h"

#include <stdlib.h>

#define MAX_EXTENTS 340 /* UID_GID_MAP_MAX_EXTENTS, <linux/user_namespace.h> */

static const struct field id_mapping_fields[] = {
	ROW("containerID", FIELD_ID, offsetof(struct oci_id_mapping, container_id),
		.required = true),
	ROW("hostID", FIELD_ID, offsetof(struct oci_id_mapping, host_id), .required = true),
	ROW("size", FIELD_U32, offsetof(struct oci_id_mapping, size), .required = true, .min = 1,
		.max = UINT32_MAX),
};

/* 2^32 - 1 is no id, so a range ends before it. */
static int check_range(struct decoder *decoder, const char *member, uint32_t first, uint32_t size)
{
	if ((uint64_t)first + size > UINT32_MAX)
		return decode_fail(decoder, member,
			"%u plus size %u reaches beyond the last id, 4294967294", first, size);
	return 0;
}

static int check_id_mapping(struct decoder *decoder, void *object)
{
	const struct oci_id_mapping *mapping = object;
	int status = check_range(decoder, "containerID", mapping->container_id, mapping->size);

	return status != 0 ? status
			   : check_range(decoder, "hostID", mapping->host_id, mapping->size);
}

const struct object_type id_mapping_type = {
	OBJECT_FIELDS(id_mapping_fields, struct oci_id_mapping),
	.check = check_id_mapping,
};

struct extent {
	uint32_t first, size;
};

static int compare_extents(const void *a, const void *b)
{
	const struct extent *left = a, *right = b;

	return (left->first > right->first) - (left->first < right->first);
}

static int check_overlap(struct decoder *decoder, const char *name, struct extent *extents,
	size_t count, const char *side)
{
	qsort(extents, count, sizeof(*extents), compare_extents);
	for (size_t i = 1; i < count; i++) {
		if (extents[i].first < extents[i - 1].first + extents[i - 1].size)
			return decode_fail(decoder, name,
				"%s %u is in two entries; the kernel takes no overlapping ranges",
				side, extents[i].first);
	}
	return 0;
}

int check_id_mappings(
	struct decoder *decoder, const char *name, const struct oci_id_mappings *mappings)
{
	struct extent container[MAX_EXTENTS], host[MAX_EXTENTS];

	if (mappings->count > MAX_EXTENTS)
		return decode_fail(decoder, name, "%zu entries, but the kernel takes at most %d",
			mappings->count, MAX_EXTENTS);
	for (size_t i = 0; i < mappings->count; i++) {
		const struct oci_id_mapping *mapping = &mappings->items[i];

		container[i] = (struct extent){ mapping->container_id, mapping->size };
		host[i] = (struct extent){ mapping->host_id, mapping->size };
	}
	int status = check_overlap(decoder, name, container, mappings->count, "containerID");
	return status != 0 ? status : check_overlap(decoder, name, host, mappings->count, "hostID");
}
