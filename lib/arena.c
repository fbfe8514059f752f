/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif

/*
 * Large enough that an ordinary config.json takes a handful of them. AddressSanitizer sees the
 * borders of blocks only, so there each object gets one.
 */
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define BLOCK_SIZE 0
#else
#define BLOCK_SIZE (16 * 1024)
#endif

/* Objects fill a block from its beginning, strings, which need no alignment, from its end. */

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

/* Returns a block with room for so many bytes, or NULL. */
static struct arena_block *find_room(struct arena *arena, size_t bytes)
{
	struct arena_block *block = arena->blocks;
	size_t capacity = bytes > BLOCK_SIZE ? bytes : BLOCK_SIZE;
	size_t whole;

	if (block != NULL && block->size - block->used >= bytes)
		return block;
	if (__builtin_add_overflow(capacity, sizeof(*block), &whole))
		return NULL;
	block = calloc(1, whole);
	if (block == NULL)
		return NULL;
	block->size = capacity;
	block->next = arena->blocks;
	arena->blocks = block;
	return block;
}

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) ||
		__builtin_add_overflow(bytes, alignof(max_align_t) - 1, &bytes))
		return NULL;
	bytes &= ~(alignof(max_align_t) - 1);

	struct arena_block *block = find_room(arena, bytes);
	if (block == NULL)
		return NULL;

	void *memory = block->bytes + block->used;
	block->used += bytes;
	arena->total += bytes;
	return memory;
}

char *arena_strndup(struct arena *arena, const char *text, size_t length)
{
	size_t size;

	if (__builtin_add_overflow(length, (size_t)1, &size))
		return NULL;

	struct arena_block *block = find_room(arena, size);
	if (block == NULL)
		return NULL;
	block->size -= size;
	arena->total += size;

	char *copy = (char *)block->bytes + block->size;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (length < 0)
		return NULL;

	char *text = arena_alloc(arena, (size_t)length + 1, 1);
	if (text != NULL) {
		va_start(args, format);
		vsnprintf(text, (size_t)length + 1, format, args);
		va_end(args);
	}
	return text;
}

void arena_free(struct arena *arena)
{
	struct arena_block *block = arena->blocks;

	while (block != NULL) {
		struct arena_block *next = block->next;

		free(block);
		block = next;
	}
	*arena = (struct arena){ 0 };
}
