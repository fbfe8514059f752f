/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON document (RFC 8259) as a tree in an arena. Made for hostile input: size and depth are
 * bounded, a key given twice, invalid UTF-8, a NUL inside a string and anything behind the document
 * are errors, numbers stay text until somebody asks for an integer, so that none is ever rounded.
 *
 * It must never be asked what a field means: that is config/'s.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct error;

#define JSON_MAX_SIZE ((size_t)8 * 1024 * 1024)
#define JSON_MAX_DEPTH 64

enum json_type { JSON_NULL, JSON_BOOLEAN, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_member;

struct json_value {
	enum json_type type;
	uint32_t count; /* bytes of a string or number, items of an array, members of an object */
	union {
		bool boolean;
		const char *text; /* string (unescaped) or number; NUL-terminated */
		const struct json_value *items;
		const struct json_member *members; /* in the document's order */
	};
};

struct json_member {
	const char *key; /* NUL-terminated */
	uint32_t key_length;
	struct json_value value;
};

/*
 * Parses the `length` bytes of `text`, which is not kept; what `ret` points to lives in `arena`.
 * Errors: -EINVAL with a line that names the JSON path of the place where it is known, and line and
 * column (in bytes, from 1); -E2BIG beyond JSON_MAX_SIZE or JSON_MAX_DEPTH; -ENOMEM.
 */
int json_parse(const char *text, size_t length, struct arena *arena, struct json_value *ret,
	struct error *err);

/* Returns the member's value; NULL where `object` is NULL, is no object or has no such member. */
const struct json_value *json_get(const struct json_value *object, const char *key);

/* Returns the text of a string; NULL where `value` is NULL or something else. */
const char *json_string(const struct json_value *value);

/*
 * The value of a number that is an integer, in whatever form (1, 1.0, 1e3), exactly. Returns 0,
 * -EINVAL where `value` is NULL, no number or has a fraction, -ERANGE where the type is too small.
 */
int json_int64(const struct json_value *value, int64_t *ret);
int json_uint64(const struct json_value *value, uint64_t *ret);

/* Returns what to call a type in a message: "a string", "an object", … */
const char *json_type_name(enum json_type type);
