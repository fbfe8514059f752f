/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LZ4 block format (lz4_Block_format.md) and legacy frames (lz4_Frame_format.md, "Legacy frame").
 */
#include <errno.h>
#include <string.h>

#include "runtime/vm/boot/image.h"

#define LEGACY_MAGIC 0x184c2102U
#define BLOCK_UNPACKED_MAX (8U << 20)
#define MATCH_MIN 4
#define LENGTH_ESCAPE 15

struct unpacker {
	const uint8_t *in, *in_end;
	uint8_t *out_start, *out, *out_end;
};

static uint32_t load32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
		(uint32_t)bytes[3] << 24;
}

/* A length of 15 goes on with bytes that are added, up to one below 255. */
static int read_length(struct unpacker *u, size_t *length)
{
	uint8_t byte;

	if (*length != LENGTH_ESCAPE)
		return 0;
	do {
		if (u->in == u->in_end)
			return -ENOEXEC;
		byte = *u->in++;
		*length += byte;
	} while (byte == 255);
	return 0;
}

static int copy_literals(struct unpacker *u, size_t length)
{
	if (length > (size_t)(u->in_end - u->in))
		return -ENOEXEC;
	if (length > (size_t)(u->out_end - u->out))
		return -ENOSPC;
	memcpy(u->out, u->in, length);
	u->in += length;
	u->out += length;
	return 0;
}

static int copy_match(struct unpacker *u, size_t offset, size_t length)
{
	const uint8_t *from;

	if (offset == 0 || offset > (size_t)(u->out - u->out_start))
		return -ENOEXEC;
	if (length > (size_t)(u->out_end - u->out))
		return -ENOSPC;
	from = u->out - offset;
	/* Where they overlap, each copy doubles the distance: the pattern repeats. */
	while (length > offset) {
		memcpy(u->out, from, offset);
		u->out += offset;
		length -= offset;
		offset *= 2;
	}
	memcpy(u->out, from, length);
	u->out += length;
	return 0;
}

static int unpack_block(struct unpacker *u)
{
	while (u->in < u->in_end) {
		uint8_t token = *u->in++;
		size_t literals = token >> 4, match = token & 0x0f, offset;
		int r = read_length(u, &literals);

		if (r == 0)
			r = copy_literals(u, literals);
		if (r < 0)
			return r;
		if (u->in == u->in_end)
			return 0; /* the last sequence has no match */
		if (u->in_end - u->in < 2)
			return -ENOEXEC;
		offset = (size_t)u->in[0] | (size_t)u->in[1] << 8;
		u->in += 2;
		r = read_length(u, &match);
		if (r == 0)
			r = copy_match(u, offset, match + MATCH_MIN);
		if (r < 0)
			return r;
	}
	return 0;
}

int64_t lz4_legacy_unpack(const uint8_t *in, size_t size, uint8_t *out, size_t capacity)
{
	size_t at = 4, unpacked = 0;

	if (size < 4 || load32(in) != LEGACY_MAGIC)
		return -ENOEXEC;
	/* The kernel's build puts the unpacked size, 4 bytes, behind the last block. */
	while (size - at > 4) {
		size_t block = load32(in + at);
		size_t room = capacity - unpacked;
		struct unpacker u;
		int r;

		at += 4;
		if (block == 0 || block > size - at)
			return -ENOEXEC;
		u = (struct unpacker){
			.in = in + at,
			.in_end = in + at + block,
			.out_start = out + unpacked,
			.out = out + unpacked,
			.out_end = out + unpacked +
				(room < BLOCK_UNPACKED_MAX ? room : BLOCK_UNPACKED_MAX),
		};
		r = unpack_block(&u);
		if (r < 0)
			return r;
		at += block;
		unpacked += (size_t)(u.out - u.out_start);
	}
	return (int64_t)unpacked;
}
