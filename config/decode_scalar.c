/* SPDX-License-Identifier: Apache-2.0 */
#include "config/decode_scalar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "config/decode.h"
#include "config/oci.h"
#include "lib/arena.h"
#include "lib/json.h"

/* 2^32 - 1 is (uid_t)-1, "no id", to every system call that takes one. */
#define MAX_ID (UINT32_MAX - 1)

struct range {
	int64_t min;
	uint64_t max;
};

static int fail_integer(struct decoder *decoder, const struct json_value *value, struct range range)
{
	char expected[96];

	if (value->type != JSON_NUMBER)
		return decode_fail_type(decoder, "an integer", value);
	snprintf(expected, sizeof(expected), "an integer from %" PRId64 " to %" PRIu64, range.min,
		range.max);
	return decode_fail_value(decoder, expected, value);
}

static int decode_unsigned(
	struct decoder *decoder, const struct json_value *value, struct range range, uint64_t *ret)
{
	uint64_t number;

	if (json_uint64(value, &number) != 0 || number > range.max ||
		(range.min > 0 && number < (uint64_t)range.min))
		return fail_integer(decoder, value, range);
	*ret = number;
	return 0;
}

static int decode_signed(
	struct decoder *decoder, const struct json_value *value, struct range range, int64_t *ret)
{
	int64_t number;

	if (json_int64(value, &number) != 0 || number < range.min ||
		(number > 0 && (uint64_t)number > range.max))
		return fail_integer(decoder, value, range);
	*ret = number;
	return 0;
}

static struct range range_of(const struct field *field, int64_t min, uint64_t max)
{
	if (field->max != 0)
		return (struct range){ field->min, field->max };
	return (struct range){ min, max };
}

static int decode_bool(struct decoder *decoder, const struct json_value *value, bool *ret)
{
	if (value->type != JSON_BOOLEAN)
		return decode_fail_type(decoder, "true or false", value);
	*ret = value->boolean;
	return 0;
}

static int store_unsigned(struct decoder *decoder, const struct field *field,
	const struct json_value *value, uint64_t max, void *destination)
{
	uint64_t number = 0;
	int status = decode_unsigned(decoder, value, range_of(field, 0, max), &number);

	if (status != 0)
		return status;
	switch (field->kind) {
	case FIELD_U16:
		*(uint16_t *)destination = (uint16_t)number;
		break;
	case FIELD_U32:
	case FIELD_ID:
		*(uint32_t *)destination = (uint32_t)number;
		break;
	case FIELD_OPTIONAL_U32:
	case FIELD_OPTIONAL_ID:
		*(struct optional_u32 *)destination = (struct optional_u32){ true,
			(uint32_t)number };
		break;
	case FIELD_OPTIONAL_U64:
		*(struct optional_u64 *)destination = (struct optional_u64){ true, number };
		break;
	default:
		*(uint64_t *)destination = number;
		break;
	}
	return 0;
}

static int store_signed(struct decoder *decoder, const struct field *field,
	const struct json_value *value, int64_t min, void *destination)
{
	/* Two's complement: the largest is the smallest's inverse. */
	struct range range = range_of(field, min, (uint64_t)~min);
	int64_t number = 0;
	int status = decode_signed(decoder, value, range, &number);

	if (status != 0)
		return status;
	switch (field->kind) {
	case FIELD_I32:
		*(int32_t *)destination = (int32_t)number;
		break;
	case FIELD_OPTIONAL_I32:
		*(struct optional_i32 *)destination = (struct optional_i32){ true,
			(int32_t)number };
		break;
	case FIELD_OPTIONAL_I64:
		*(struct optional_i64 *)destination = (struct optional_i64){ true, number };
		break;
	default:
		*(int64_t *)destination = number;
		break;
	}
	return 0;
}

static int fail_name(
	struct decoder *decoder, const struct name_value *names, const struct json_value *value)
{
	char expected[400] = "";
	size_t used = 0;

	for (; names->name != NULL && used < sizeof(expected); names++)
		used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%s%s",
			used > 0 ? ", " : "one of ", names->name);
	/* A list that is too long to be shown is cut where it can be seen to be cut. */
	if (used >= sizeof(expected))
		memcpy(expected + sizeof(expected) - 5, " ...", 5);
	return decode_fail_value(decoder, expected, value);
}

static int decode_name(struct decoder *decoder, const struct name_value *names,
	const struct json_value *value, uint64_t *ret)
{
	if (value->type != JSON_STRING)
		return decode_fail_type(decoder, "a string", value);

	const struct name_value *found = name_value_find(names, value->text);
	if (found == NULL)
		return fail_name(decoder, names, value);
	*ret = found->value;
	return 0;
}

static int decode_flags(struct decoder *decoder, const struct field *field,
	const struct json_value *value, void *destination)
{
	uint64_t flags = 0;

	if (value->type != JSON_ARRAY)
		return decode_fail_type(decoder, "an array", value);
	for (uint32_t i = 0; i < value->count; i++) {
		uint64_t flag = 0;

		decode_enter_index(decoder, i);
		int status = decode_name(decoder, field->names, &value->items[i], &flag);
		if (status != 0)
			return status;
		decode_leave(decoder);
		flags |= flag;
	}
	if (field->kind == FIELD_FLAGS)
		*(uint64_t *)destination = flags;
	else
		*(unsigned int *)destination = (unsigned int)flags;
	return 0;
}

static int decode_string(struct decoder *decoder, const struct field *field,
	const struct json_value *value, char **ret)
{
	if (value->type != JSON_STRING)
		return decode_fail_type(decoder, "a string", value);
	if (field->empty_is_absent && value->count == 0)
		return 0;
	if (field->names != NULL && name_value_find(field->names, value->text) == NULL)
		return fail_name(decoder, field->names, value);

	const char *wrong = field->format != NULL ? field->format(value->text) : NULL;
	if (wrong != NULL)
		return decode_fail_value(decoder, wrong, value);
	/* The tree lives in the arena that the structs live in. */
	*ret = (char *)value->text;
	return 0;
}

static int decode_strings(struct decoder *decoder, const struct field *field,
	const struct json_value *value, struct string_list *ret)
{
	if (value->type != JSON_ARRAY)
		return decode_fail_type(decoder, "an array of strings", value);

	char **items = arena_alloc(decoder->arena, (size_t)value->count + 1, sizeof(*items));
	if (items == NULL)
		return decode_fail_memory(decoder);
	for (uint32_t i = 0; i < value->count; i++) {
		decode_enter_index(decoder, i);
		int status = decode_string(decoder, field, &value->items[i], &items[i]);
		if (status != 0)
			return status;
		decode_leave(decoder);
	}
	*ret = (struct string_list){ items, value->count };
	return 0;
}

static int decode_map(struct decoder *decoder, const struct field *field,
	const struct json_value *value, struct key_value_list *ret)
{
	if (value->type != JSON_OBJECT)
		return decode_fail_type(decoder, "an object", value);
	if (value->count == 0)
		return 0;

	struct key_value *items = arena_alloc(decoder->arena, value->count, sizeof(*items));
	if (items == NULL)
		return decode_fail_memory(decoder);
	for (uint32_t i = 0; i < value->count; i++) {
		const struct json_member *member = &value->members[i];
		const char *wrong = field->format != NULL ? field->format(member->key) : NULL;

		decode_enter_key(decoder, member->key);
		if (wrong != NULL)
			return decode_fail(decoder, NULL, "expected the key to be %s", wrong);
		if (member->value.type != JSON_STRING)
			return decode_fail_type(decoder, "a string", &member->value);
		decode_leave(decoder);
		items[i] = (struct key_value){ (char *)member->key, (char *)member->value.text };
	}
	*ret = (struct key_value_list){ items, value->count };
	return 0;
}

static int decode_u32_list(
	struct decoder *decoder, const struct json_value *value, uint64_t max, void *destination)
{
	struct {
		uint32_t *items;
		size_t count;
	} list = { .count = value->count };

	if (value->type != JSON_ARRAY)
		return decode_fail_type(decoder, "an array of integers", value);
	if (list.count == 0)
		return 0;
	list.items = arena_alloc(decoder->arena, list.count, sizeof(*list.items));
	if (list.items == NULL)
		return decode_fail_memory(decoder);
	for (size_t i = 0; i < list.count; i++) {
		uint64_t number = 0;

		decode_enter_index(decoder, i);
		int status = decode_unsigned(
			decoder, &value->items[i], (struct range){ 0, max }, &number);
		if (status != 0)
			return status;
		decode_leave(decoder);
		list.items[i] = (uint32_t)number;
	}
	memcpy(destination, &list, sizeof(list));
	return 0;
}

static int decode_enum(struct decoder *decoder, const struct field *field,
	const struct json_value *value, void *destination)
{
	uint64_t number = 0;
	int status = decode_name(decoder, field->names, value, &number);

	if (status != 0)
		return status;
	switch (field->kind) {
	case FIELD_ENUM_CHAR:
		*(char *)destination = (char)number;
		break;
	case FIELD_ENUM_LONG:
		*(unsigned long *)destination = (unsigned long)number;
		break;
	default:
		*(int *)destination = (int)number;
		break;
	}
	return 0;
}

static int decode_optional_bool(
	struct decoder *decoder, const struct json_value *value, struct optional_bool *ret)
{
	int status = decode_bool(decoder, value, &ret->value);

	ret->set = status == 0;
	return status;
}

int decode_scalar(struct decoder *decoder, const struct field *field,
	const struct json_value *value, void *destination)
{
	switch (field->kind) {
	case FIELD_BOOL:
		return decode_bool(decoder, value, destination);
	case FIELD_OPTIONAL_BOOL:
		return decode_optional_bool(decoder, value, destination);
	case FIELD_U16:
		return store_unsigned(decoder, field, value, UINT16_MAX, destination);
	case FIELD_U32:
	case FIELD_OPTIONAL_U32:
		return store_unsigned(decoder, field, value, UINT32_MAX, destination);
	case FIELD_ID:
	case FIELD_OPTIONAL_ID:
		return store_unsigned(decoder, field, value, MAX_ID, destination);
	case FIELD_U64:
	case FIELD_OPTIONAL_U64:
		return store_unsigned(decoder, field, value, UINT64_MAX, destination);
	case FIELD_I32:
	case FIELD_OPTIONAL_I32:
		return store_signed(decoder, field, value, INT32_MIN, destination);
	case FIELD_I64:
	case FIELD_OPTIONAL_I64:
		return store_signed(decoder, field, value, INT64_MIN, destination);
	case FIELD_ID_LIST:
		return decode_u32_list(decoder, value, MAX_ID, destination);
	case FIELD_U32_LIST:
		return decode_u32_list(decoder, value, UINT32_MAX, destination);
	case FIELD_STRING:
		return decode_string(decoder, field, value, destination);
	case FIELD_STRINGS:
		return decode_strings(decoder, field, value, destination);
	case FIELD_MAP:
		return decode_map(decoder, field, value, destination);
	case FIELD_ENUM:
	case FIELD_ENUM_CHAR:
	case FIELD_ENUM_LONG:
		return decode_enum(decoder, field, value, destination);
	case FIELD_FLAGS:
	case FIELD_FLAGS_INT:
		return decode_flags(decoder, field, value, destination);
	default:
		return decode_fail(decoder, NULL, "the decoder has no such kind of field");
	}
}
