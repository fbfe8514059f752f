/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing JSON: a thin layer over yajl_gen that remembers the first failure, so that callers write
 * a whole document and look once, at its end. Strings that are not valid UTF-8 (a host's path may
 *be anything) have their bad bytes replaced by U+FFFD: what comes out is always JSON.
 *
 *	struct json_writer writer;
 *	int status = json_writer_open(&writer, true, err);
 *	json_write_object(&writer);
 *	json_write_string_member(&writer, "id", id);
 *	json_write_end(&writer);
 *	status = json_writer_text(&writer, &text, &length, err);
 *	json_writer_close(&writer);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct json_writer {
	void *generator;
	int depth;
	uint64_t arrays[2]; /* bit per level: an array is open there */
	int status;	    /* first failure, negative */
};

/* Makes a writer; `pretty` is for people (lines, indent of two). Errors: -ENOMEM. */
int json_writer_open(struct json_writer *writer, bool pretty, struct error *err);

/*
 * The document so far, NUL-terminated, the writer's until json_writer_close(). Errors: -ENOMEM, or
 * -EINVAL where the calls did not make a document.
 */
int json_writer_text(
	struct json_writer *writer, const char **ret_text, size_t *ret_length, struct error *err);

/* The same as a copy, the caller's to free(). */
int json_writer_copy(struct json_writer *writer, char **ret_text, struct error *err);

/* Gives the writer's memory back. A writer of zeroes may be closed. */
void json_writer_close(struct json_writer *writer);

/* Opens an object or array as the next value; json_write_end() closes the innermost one. */
void json_write_object(struct json_writer *writer);
void json_write_array(struct json_writer *writer);
void json_write_end(struct json_writer *writer);

/* The next member's key; the next value. A NULL string is written as null. */
void json_write_key(struct json_writer *writer, const char *key);
void json_write_string(struct json_writer *writer, const char *text);
void json_write_int(struct json_writer *writer, int64_t number);
void json_write_uint(struct json_writer *writer, uint64_t number);
/* A number as a document had it (json.h): never rounded. */
void json_write_number(struct json_writer *writer, const char *text);
void json_write_bool(struct json_writer *writer, bool boolean);
void json_write_null(struct json_writer *writer);

/* A number with two decimals: 150 is written as 1.50. */
void json_write_hundredths(struct json_writer *writer, uint64_t hundredths);

/* Key and value in one call. */
void json_write_object_member(struct json_writer *writer, const char *key);
void json_write_array_member(struct json_writer *writer, const char *key);
void json_write_string_member(struct json_writer *writer, const char *key, const char *text);
void json_write_int_member(struct json_writer *writer, const char *key, int64_t number);
void json_write_uint_member(struct json_writer *writer, const char *key, uint64_t number);
void json_write_bool_member(struct json_writer *writer, const char *key, bool boolean);
