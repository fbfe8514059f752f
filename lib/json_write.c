/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/json_write.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/utf8.h"

#define LEVELS 128 /* yajl's own bound */

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

int json_writer_open(struct json_writer *writer, bool pretty, struct error *err)
{
	*writer = (struct json_writer){ .generator = yajl_gen_alloc(NULL) };
	if (writer->generator == NULL) {
		writer->status = -ENOMEM;
		return error_set(err, ENOMEM, "write a JSON document");
	}
	yajl_gen_config(writer->generator, yajl_gen_beautify, pretty ? 1 : 0);
	yajl_gen_config(writer->generator, yajl_gen_indent_string, "  ");
	return 0;
}

int json_writer_text(
	struct json_writer *writer, const char **ret_text, size_t *ret_length, struct error *err)
{
	const unsigned char *text;
	size_t length;

	if (writer->status != 0)
		return error_set(err, -writer->status, "write a JSON document");
	if (writer->depth != 0 || yajl_gen_get_buf(writer->generator, &text, &length) != 0 ||
		length == 0)
		return error_say(err, EINVAL, "a JSON document was not written to its end");
	*ret_text = (const char *)text;
	if (ret_length != NULL)
		*ret_length = length;
	return 0;
}

int json_writer_copy(struct json_writer *writer, char **ret_text, struct error *err)
{
	const char *text = "";
	int status = json_writer_text(writer, &text, NULL, err);

	if (status < 0)
		return status;
	char *copy = strdup(text);
	if (copy == NULL)
		return error_set(err, ENOMEM, "write a JSON document");
	*ret_text = copy;
	return 0;
}

void json_writer_close(struct json_writer *writer)
{
	if (writer->generator != NULL)
		yajl_gen_free(writer->generator);
	*writer = (struct json_writer){ 0 };
}

static bool usable(const struct json_writer *writer)
{
	return writer->status == 0 && writer->generator != NULL;
}

static void note(struct json_writer *writer, yajl_gen_status status)
{
	if (status != yajl_gen_status_ok && writer->status == 0)
		writer->status = -EINVAL;
}

static void open_level(struct json_writer *writer, bool array)
{
	if (!usable(writer))
		return;
	if (writer->depth == LEVELS) {
		writer->status = -E2BIG;
		return;
	}

	uint64_t bit = UINT64_C(1) << (writer->depth % 64);
	uint64_t *word = &writer->arrays[writer->depth / 64];
	*word = array ? *word | bit : *word & ~bit;
	writer->depth++;
	note(writer,
		array ? yajl_gen_array_open(writer->generator)
		      : yajl_gen_map_open(writer->generator));
}

void json_write_object(struct json_writer *writer)
{
	open_level(writer, false);
}

void json_write_array(struct json_writer *writer)
{
	open_level(writer, true);
}

void json_write_end(struct json_writer *writer)
{
	if (!usable(writer))
		return;
	if (writer->depth == 0) {
		writer->status = -EINVAL;
		return;
	}
	writer->depth--;

	bool array = (writer->arrays[writer->depth / 64] >> (writer->depth % 64)) & 1;
	note(writer,
		array ? yajl_gen_array_close(writer->generator)
		      : yajl_gen_map_close(writer->generator));
}

static void write_repaired(struct json_writer *writer, const char *text, size_t length)
{
	/* Every bad byte may become three. */
	_cleanup_free_ char *repaired = reallocarray(NULL, length, sizeof(replacement) - 1);
	size_t used = 0;

	if (repaired == NULL) {
		writer->status = -ENOMEM;
		return;
	}
	for (size_t at = 0; at < length; at++) {
		size_t good = utf8_valid_prefix(text + at, length - at);

		memcpy(repaired + used, text + at, good);
		used += good;
		at += good;
		if (at < length) {
			memcpy(repaired + used, replacement, sizeof(replacement) - 1);
			used += sizeof(replacement) - 1;
		}
	}
	note(writer, yajl_gen_string(writer->generator, (unsigned char *)repaired, used));
}

void json_write_string(struct json_writer *writer, const char *text)
{
	if (!usable(writer))
		return;
	if (text == NULL) {
		json_write_null(writer);
		return;
	}

	size_t length = strlen(text);
	if (utf8_valid_prefix(text, length) == length)
		note(writer,
			yajl_gen_string(writer->generator, (const unsigned char *)text, length));
	else
		write_repaired(writer, text, length);
}

void json_write_key(struct json_writer *writer, const char *key)
{
	json_write_string(writer, key);
}

void json_write_int(struct json_writer *writer, int64_t number)
{
	if (usable(writer))
		note(writer, yajl_gen_integer(writer->generator, number));
}

void json_write_number(struct json_writer *writer, const char *text)
{
	if (usable(writer))
		note(writer, yajl_gen_number(writer->generator, text, strlen(text)));
}

void json_write_uint(struct json_writer *writer, uint64_t number)
{
	char text[24];

	if (!usable(writer))
		return;
	int length = snprintf(text, sizeof(text), "%" PRIu64, number);
	note(writer, yajl_gen_number(writer->generator, text, (size_t)length));
}

void json_write_hundredths(struct json_writer *writer, uint64_t hundredths)
{
	char text[32];

	if (!usable(writer))
		return;
	int length = snprintf(text, sizeof(text), "%" PRIu64 ".%02u", hundredths / 100,
		(unsigned int)(hundredths % 100));
	note(writer, yajl_gen_number(writer->generator, text, (size_t)length));
}

void json_write_bool(struct json_writer *writer, bool boolean)
{
	if (usable(writer))
		note(writer, yajl_gen_bool(writer->generator, boolean));
}

void json_write_null(struct json_writer *writer)
{
	if (usable(writer))
		note(writer, yajl_gen_null(writer->generator));
}

void json_write_object_member(struct json_writer *writer, const char *key)
{
	json_write_key(writer, key);
	json_write_object(writer);
}

void json_write_array_member(struct json_writer *writer, const char *key)
{
	json_write_key(writer, key);
	json_write_array(writer);
}

void json_write_string_member(struct json_writer *writer, const char *key, const char *text)
{
	json_write_key(writer, key);
	json_write_string(writer, text);
}

void json_write_int_member(struct json_writer *writer, const char *key, int64_t number)
{
	json_write_key(writer, key);
	json_write_int(writer, number);
}

void json_write_uint_member(struct json_writer *writer, const char *key, uint64_t number)
{
	json_write_key(writer, key);
	json_write_uint(writer, number);
}

void json_write_bool_member(struct json_writer *writer, const char *key, bool boolean)
{
	json_write_key(writer, key);
	json_write_bool(writer, boolean);
}
