/* SPDX-License-Identifier: Apache-2.0 */
/* Any file as a kernel: what the headers' reader accepts keeps the promises that loading relies on.
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/error.h"
#include "runtime/vm/boot/image.h"

#define UNPACKED_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int promise)
{
	if (!promise)
		abort();
}

static void check(const uint8_t *data, size_t size, const struct kernel_image *image)
{
	volatile uint8_t sink = 0;
	int entry = 0;

	require(image->segment_count <= KERNEL_SEGMENTS_MAX);
	for (unsigned int i = 0; i < image->segment_count; i++) {
		const struct kernel_segment *segment = &image->segments[i];

		require(segment->file_size <= segment->memory_size);
		require(segment->gpa >= 1 << 20);
		require(segment->gpa + segment->memory_size <= (1 << 20) + KERNEL_MEMORY_MAX);
		for (uint64_t at = 0; at < segment->file_size; at += 4096)
			sink = data[segment->offset + at];
		if (segment->file_size != 0)
			sink = data[segment->offset + segment->file_size - 1];
		entry |= image->entry >= segment->gpa &&
			image->entry < segment->gpa + segment->memory_size;
		for (unsigned int j = 0; j < i; j++)
			require(segment->gpa + segment->memory_size <= image->segments[j].gpa ||
				image->segments[j].gpa + image->segments[j].memory_size <=
					segment->gpa);
	}
	require(entry);
	if (image->payload != KERNEL_PAYLOAD_NONE)
		require(image->payload_offset + image->payload_size <= size);
	(void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error err = ERROR_INIT;
	struct kernel_image image;
	uint8_t *out = malloc(UNPACKED_MAX);
	const uint8_t *packed = data;
	size_t packed_size = size;
	int64_t unpacked;

	if (kernel_image_parse(data, size, &image, &err) < 0) {
		require(err.message[0] != '\0');
	} else {
		check(data, size, &image);
		if (image.payload != KERNEL_PAYLOAD_NONE) {
			packed = data + image.payload_offset;
			packed_size = image.payload_size;
		}
	}
	unpacked = lz4_legacy_unpack(packed, packed_size, out, UNPACKED_MAX);
	require(unpacked <= UNPACKED_MAX);
	if (unpacked > 0 && kernel_image_parse(out, (size_t)unpacked, &image, &err) == 0)
		check(out, (size_t)unpacked, &image);
	free(out);
	return 0;
}
