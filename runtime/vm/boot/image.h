/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel file says of itself: an ELF executable (vmlinux) or a bzImage. Pure functions on a
 * buffer that may hold anything: every offset, size and address is checked here, once, so that who
 * loads the image need not.
 */
#pragma once

#include <asm/bootparam.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define KERNEL_SEGMENTS_MAX 16

/* `file_size` bytes at `offset` of the file go to `gpa`; zeros follow up to `memory_size`. */
struct kernel_segment {
	uint64_t offset;
	uint64_t file_size;
	uint64_t gpa;
	uint64_t memory_size; /* at least file_size; gpa + memory_size does not overflow */
	bool writable;	      /* the kernel's data: a copy is what most of its pages become */
};

enum kernel_payload {
	KERNEL_PAYLOAD_NONE, /* the segments are what runs */
	KERNEL_PAYLOAD_LZ4,  /* an ELF file packed in the LZ4 legacy format */
};

struct kernel_image {
	uint64_t entry; /* guest-physical, 64-bit mode; inside a segment */
	unsigned int segment_count;
	struct kernel_segment segments[KERNEL_SEGMENTS_MAX];

	bool bzimage;
	struct setup_header header; /* a bzImage's; zero for ELF */
	/* A bzImage's compressed ELF file, where it is of a kind that can be unpacked here. */
	enum kernel_payload payload;
	uint64_t payload_offset, payload_size;
	uint64_t payload_unpacked; /* bytes that it says to unpack to: a hint to be bounded */
};

/* A kernel that wants more memory than this is not believed. */
#define KERNEL_MEMORY_MAX (512ULL << 20)

/*
 * Reads the headers. Segments do not overlap, lie inside the file, at or above 1 MiB, and end below
 * 1 MiB + KERNEL_MEMORY_MAX. Errors: -ENOEXEC with what is wrong with the file.
 */
int kernel_image_parse(
	const uint8_t *file, size_t size, struct kernel_image *ret, struct error *err);

/*
 * Unpacks LZ4's legacy frame format (magic 0x184c2102, blocks of 8 MiB each behind its size), as
 * `lz4 -l` and the kernel's build write it. Returns the number of bytes put to `out`, -ENOEXEC for
 * anything malformed, -ENOSPC when `capacity` is too small.
 */
int64_t lz4_legacy_unpack(const uint8_t *in, size_t size, uint8_t *out, size_t capacity);
