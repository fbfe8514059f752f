/* SPDX-License-Identifier: Apache-2.0 */
#include "config/decode.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/decode_scalar.h"
#include "lib/arena.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/utf8.h"

#define SHOWN_TEXT 64 /* bytes of a key or value that a message shows */

/* How every list lies in oci.h: a pointer with its count behind it. */
struct list {
	void *items;
	size_t count;
};

void decode_enter_key(struct decoder *decoder, const char *key)
{
	if (decoder->depth < DECODE_MAX_DEPTH)
		decoder->path[decoder->depth] = (struct decode_segment){ .key = key };
	decoder->depth++;
}

void decode_enter_index(struct decoder *decoder, size_t index)
{
	if (decoder->depth < DECODE_MAX_DEPTH)
		decoder->path[decoder->depth] = (struct decode_segment){ .index = index };
	decoder->depth++;
}

void decode_leave(struct decoder *decoder)
{
	decoder->depth--;
}

/* A key that would be mistaken for several is quoted: annotations["a.b"]. */
static bool is_plain(const char *key)
{
	return *key != '\0' &&
		strspn(key,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			"0123456789_-") == strlen(key);
}

static void describe_path(
	const struct decoder *decoder, const char *member, char *text, size_t size)
{
	size_t used = 0;
	size_t depth = decoder->depth < DECODE_MAX_DEPTH ? decoder->depth : DECODE_MAX_DEPTH;

	text[0] = '\0';
	for (size_t i = 0; i < depth && used < size; i++) {
		const struct decode_segment *segment = &decoder->path[i];
		int n;

		if (segment->key == NULL)
			n = snprintf(text + used, size - used, "[%zu]", segment->index);
		else {
			int shown = (int)utf8_cut(segment->key, strlen(segment->key), SHOWN_TEXT);

			if (is_plain(segment->key))
				n = snprintf(text + used, size - used, "%s%.*s",
					used > 0 ? "." : "", shown, segment->key);
			else
				n = snprintf(text + used, size - used, "[\"%.*s\"]", shown,
					segment->key);
		}
		used += (size_t)n;
	}
	if (member != NULL && used < size)
		snprintf(text + used, size - used, "%s%s", used > 0 && *member != '[' ? "." : "",
			member);
}

int decode_fail(struct decoder *decoder, const char *member, const char *format, ...)
{
	char path[384], message[512];
	va_list args;

	describe_path(decoder, member, path, sizeof(path));
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return error_say(
		decoder->err, EINVAL, "%s%s%s", path, path[0] != '\0' ? ": " : "", message);
}

int decode_fail_type(struct decoder *decoder, const char *expected, const struct json_value *found)
{
	return decode_fail(
		decoder, NULL, "expected %s, found %s", expected, json_type_name(found->type));
}

int decode_fail_value(struct decoder *decoder, const char *expected, const struct json_value *found)
{
	const char *quote = found->type == JSON_STRING ? "\"" : "";

	if (found->type != JSON_NUMBER && found->type != JSON_STRING)
		return decode_fail_type(decoder, expected, found);
	return decode_fail(decoder, NULL, "expected %s, found %s%.*s%s", expected, quote,
		(int)utf8_cut(found->text, found->count, SHOWN_TEXT), found->text, quote);
}

int decode_fail_memory(struct decoder *decoder)
{
	return error_set(decoder->err, ENOMEM, "decode a JSON document");
}

const struct name_value *name_value_find(const struct name_value *names, const char *name)
{
	for (; names->name != NULL; names++) {
		if (strcmp(names->name, name) == 0)
			return names;
	}
	return NULL;
}

/* The elements of a list of objects, all zeroes, as many as `value` has. */
static int make_list(struct decoder *decoder, const struct field *field,
	const struct json_value *value, struct list *ret)
{
	ret->count = value->count;
	ret->items = arena_alloc(decoder->arena, ret->count, field->object->size);
	return ret->items == NULL ? decode_fail_memory(decoder) : 0;
}

static int decode_objects(struct decoder *decoder, const struct field *field,
	const struct json_value *value, void *destination)
{
	if (value->type != JSON_ARRAY)
		return decode_fail_type(decoder, "an array", value);
	if (value->count == 0)
		return 0;

	struct list list;
	if (make_list(decoder, field, value, &list) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < list.count; i++) {
		decode_enter_index(decoder, i);
		int status = decode_object(decoder, field->object, &value->items[i],
			(char *)list.items + i * field->object->size);
		if (status != 0)
			return status;
		decode_leave(decoder);
	}
	memcpy(destination, &list, sizeof(list));
	return 0;
}

static int decode_object_map(struct decoder *decoder, const struct field *field,
	const struct json_value *value, void *destination)
{
	if (value->type != JSON_OBJECT)
		return decode_fail_type(decoder, "an object", value);
	if (value->count == 0)
		return 0;

	struct list list;
	if (make_list(decoder, field, value, &list) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < list.count; i++) {
		char *item = (char *)list.items + i * field->object->size;
		const char *key = value->members[i].key;
		const char *wrong = field->format != NULL ? field->format(key) : NULL;

		decode_enter_key(decoder, key);
		if (wrong != NULL)
			return decode_fail(decoder, NULL, "expected the key to be %s", wrong);
		int status = decode_object(decoder, field->object, &value->members[i].value, item);
		if (status != 0)
			return status;
		decode_leave(decoder);
		memcpy(item + field->object->key_offset, &key, sizeof(key));
	}
	memcpy(destination, &list, sizeof(list));
	return 0;
}

static int decode_field(struct decoder *decoder, const struct field *field,
	const struct json_value *value, void *object)
{
	void *destination = (char *)object + field->offset;

	switch (field->kind) {
	case FIELD_OBJECT:
		return decode_object(decoder, field->object, value, destination);
	case FIELD_OBJECTS:
		return decode_objects(decoder, field, value, destination);
	case FIELD_OBJECT_MAP:
		return decode_object_map(decoder, field, value, destination);
	case FIELD_CUSTOM:
		return field->custom(decoder, field, value, object);
	default:
		return decode_scalar(decoder, field, value, destination);
	}
}

/* Returns the field's index, or n_fields. */
static size_t find_field(const struct object_type *type, const struct json_member *member)
{
	size_t i;

	for (i = 0; i < type->n_fields; i++) {
		const char *name = type->fields[i].name;

		if (name[0] == member->key[0] && strcmp(name, member->key) == 0)
			break;
	}
	return i;
}

static int fail_unknown(struct decoder *decoder, const struct object_type *type, const char *key)
{
	decode_enter_key(decoder, key);
	return decode_fail(decoder, NULL, "%s", type->unknown);
}

int decode_object(struct decoder *decoder, const struct object_type *type,
	const struct json_value *value, void *destination)
{
	uint64_t seen = 0;

	if (value->type != JSON_OBJECT)
		return decode_fail_type(decoder, "an object", value);
	for (uint32_t i = 0; i < value->count; i++) {
		const struct json_member *member = &value->members[i];
		size_t index = find_field(type, member);

		if (index == type->n_fields) {
			if (type->unknown != NULL)
				return fail_unknown(decoder, type, member->key);
			continue;
		}
		if (member->value.type == JSON_NULL)
			continue;

		const struct field *field = &type->fields[index];
		seen |= UINT64_C(1) << index;
		decode_enter_key(decoder, field->name);
		int status = decode_field(decoder, field, &member->value, destination);
		if (status != 0)
			return status;
		decode_leave(decoder);
	}
	for (size_t i = 0; i < type->n_fields; i++) {
		if (type->fields[i].required && !(seen & (UINT64_C(1) << i)))
			return decode_fail(decoder, type->fields[i].name,
				"required, but missing from the document");
	}
	if (type->has_set)
		*(bool *)((char *)destination + type->set_offset) = true;
	if (type->check == NULL)
		return 0;
	decoder->seen = seen;
	return type->check(decoder, destination);
}

int decode_document(struct decoder *decoder, const struct object_type *type, const char *text,
	size_t length, void *destination)
{
	struct json_value root;
	int status = json_parse(text, length, decoder->arena, &root, decoder->err);

	if (status != 0)
		return status;
	decoder->depth = 0;
	return decode_object(decoder, type, &root, destination);
}
