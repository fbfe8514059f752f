/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is given back all at once: what is decoded from one document lives in one arena.
 */
#pragma once

#include <stddef.h>

struct arena {
	struct arena_block *blocks;
	size_t total; /* bytes handed out */
};

/*
 * Returns `count` * `size` zeroed bytes, aligned for any object, that live until arena_free(); NULL
 * when memory is short or the product overflows.
 */
void *arena_alloc(struct arena *arena, size_t count, size_t size);

/* Returns a NUL-terminated copy of `length` bytes of `text`, or NULL. */
char *arena_strndup(struct arena *arena, const char *text, size_t length);

/* Returns a formatted string, or NULL. */
char *arena_printf(struct arena *arena, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Gives everything back; the arena is empty and usable again. */
void arena_free(struct arena *arena);
