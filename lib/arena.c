/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Large enough that an ordinary config.json takes a handful of them. */
#define BLOCK_SIZE (16 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	alignas(max_align_t) unsigned char bytes[];
};

void *arena_alloc(struct arena *arena, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes) ||
		__builtin_add_overflow(bytes, alignof(max_align_t) - 1, &bytes))
		return NULL;
	bytes &= ~(alignof(max_align_t) - 1);

	struct arena_block *block = arena->blocks;
	if (block == NULL || block->size - block->used < bytes) {
		size_t capacity = bytes > BLOCK_SIZE ? bytes : BLOCK_SIZE;
		size_t whole;

		if (__builtin_add_overflow(capacity, sizeof(*block), &whole))
			return NULL;
		block = calloc(1, whole);
		if (block == NULL)
			return NULL;
		block->size = capacity;
		block->next = arena->blocks;
		arena->blocks = block;
	}
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
	char *copy = arena_alloc(arena, size, 1);
	if (copy != NULL)
		memcpy(copy, text, length);
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
