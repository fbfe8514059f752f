/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yajl/yajl_parse.h>

#include "lib/arena.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/utf8.h"

#define SHOWN_KEY 48 /* bytes of a key that a message shows */
#define KEY_CACHE 32

/* An array or object that is not closed yet. */
struct frame {
	enum json_type type;
	size_t first; /* of its values in `pending` */
	const char *key;
	uint32_t key_length;
};

struct builder {
	struct arena *arena;
	struct error *err;
	struct frame frames[JSON_MAX_DEPTH];
	size_t depth;
	struct json_member *pending; /* values whose array or object is still open */
	size_t count, capacity;
	struct json_value root;
	/* Keys seen before: most of a document's are the same few. */
	struct {
		const char *text;
		uint32_t length;
	} keys[KEY_CACHE];
};

const char *json_type_name(enum json_type type)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",
		[JSON_BOOLEAN] = "a boolean",
		[JSON_NUMBER] = "a number",
		[JSON_STRING] = "a string",
		[JSON_ARRAY] = "an array",
		[JSON_OBJECT] = "an object",
	};

	return names[type];
}

/* Writes the path of the value that comes next, with ": " behind it; "" at the top. */
static const char *describe_path(
	const struct builder *builder, size_t depth, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < depth && used < size; i++) {
		const struct frame *frame = &builder->frames[i];
		size_t end = i + 1 < builder->depth ? builder->frames[i + 1].first : builder->count;
		int n = 0;

		if (frame->type == JSON_ARRAY)
			n = snprintf(text + used, size - used, "[%zu]", end - frame->first);
		else if (frame->key != NULL)
			n = snprintf(text + used, size - used, "%s%.*s", used > 0 ? "." : "",
				(int)utf8_cut(frame->key, frame->key_length, SHOWN_KEY),
				frame->key);
		used += (size_t)n;
	}
	if (used > 0 && used < size)
		snprintf(text + used, size - used, ": ");
	return text;
}

static int fail_here(struct builder *builder, const char *what)
{
	char path[256];

	error_say(builder->err, EINVAL, "%s%s",
		describe_path(builder, builder->depth, path, sizeof(path)), what);
	return 0;
}

static int fail_memory(struct builder *builder)
{
	error_set(builder->err, ENOMEM, "read a JSON document");
	return 0;
}

static int add_value(struct builder *builder, struct json_value value)
{
	if (builder->depth == 0) {
		builder->root = value;
		return 1;
	}
	if (builder->count == builder->capacity) {
		size_t capacity = builder->capacity > 0 ? builder->capacity * 2 : 256;
		struct json_member *grown = reallocarray(
			builder->pending, capacity, sizeof(*grown));

		if (grown == NULL)
			return fail_memory(builder);
		builder->pending = grown;
		builder->capacity = capacity;
	}

	struct frame *frame = &builder->frames[builder->depth - 1];
	builder->pending[builder->count++] = (struct json_member){
		.key = frame->key, .key_length = frame->key_length, .value = value
	};
	frame->key = NULL;
	return 1;
}

static int on_null(void *data)
{
	return add_value(data, (struct json_value){ .type = JSON_NULL });
}

static int on_boolean(void *data, int boolean)
{
	return add_value(
		data, (struct json_value){ .type = JSON_BOOLEAN, .boolean = boolean != 0 });
}

/* Copies a string or number; the document's size, and so every length, fits 32 bits. */
static const char *keep_text(struct builder *builder, const char *text, size_t length)
{
	const char *copy = arena_strndup(builder->arena, text, length);

	if (copy == NULL)
		fail_memory(builder);
	return copy;
}

static int on_number(void *data, const char *text, size_t length)
{
	const char *copy = keep_text(data, text, length);

	if (copy == NULL)
		return 0;
	return add_value(data,
		(struct json_value){
			.type = JSON_NUMBER, .count = (uint32_t)length, .text = copy });
}

static const char *check_text(const char *text, size_t length)
{
	if (length > 0 && memchr(text, '\0', length) != NULL)
		return "the string contains a NUL character (\\u0000)";
	if (utf8_valid_prefix(text, length) != length)
		return "the string is not valid UTF-8";
	return NULL;
}

static int on_string(void *data, const unsigned char *bytes, size_t length)
{
	const char *text = (const char *)bytes;
	const char *wrong = check_text(text, length);

	if (wrong != NULL)
		return fail_here(data, wrong);

	const char *copy = keep_text(data, text, length);
	if (copy == NULL)
		return 0;
	return add_value(data,
		(struct json_value){
			.type = JSON_STRING, .count = (uint32_t)length, .text = copy });
}

static const char *keep_key(struct builder *builder, const char *text, size_t length)
{
	size_t slot = length > 0
		? (length * 7 + (unsigned char)text[0] * 3 + (unsigned char)text[length - 1]) %
			KEY_CACHE
		: 0;
	const char *known = builder->keys[slot].text;

	if (known != NULL && builder->keys[slot].length == length &&
		memcmp(known, text, length) == 0)
		return known;

	const char *copy = keep_text(builder, text, length);
	builder->keys[slot].text = copy;
	builder->keys[slot].length = (uint32_t)length;
	return copy;
}

static int on_key(void *data, const unsigned char *bytes, size_t length)
{
	struct builder *builder = data;
	struct frame *frame = &builder->frames[builder->depth - 1];
	const char *text = (const char *)bytes;

	if (check_text(text, length) != NULL)
		return fail_here(builder, "a key contains a NUL character or is not valid UTF-8");
	frame->key = keep_key(builder, text, length);
	frame->key_length = (uint32_t)length;
	return frame->key != NULL;
}

static int open_frame(struct builder *builder, enum json_type type)
{
	if (builder->depth == JSON_MAX_DEPTH) {
		char path[256];

		error_say(builder->err, E2BIG,
			"%sarrays and objects are nested deeper than %d levels",
			describe_path(builder, 8, path, sizeof(path)), JSON_MAX_DEPTH);
		return 0;
	}
	builder->frames[builder->depth++] = (struct frame){ .type = type, .first = builder->count };
	return 1;
}

static int on_array(void *data)
{
	return open_frame(data, JSON_ARRAY);
}

static int on_object(void *data)
{
	return open_frame(data, JSON_OBJECT);
}

static int on_array_end(void *data)
{
	struct builder *builder = data;
	size_t first = builder->frames[builder->depth - 1].first;
	size_t count = builder->count - first;
	struct json_value *items = arena_alloc(builder->arena, count, sizeof(*items));

	if (items == NULL)
		return fail_memory(builder);
	for (size_t i = 0; i < count; i++)
		items[i] = builder->pending[first + i].value;
	builder->count = first;
	builder->depth--;
	return add_value(builder,
		(struct json_value){
			.type = JSON_ARRAY, .count = (uint32_t)count, .items = items });
}

/* Any total order will do. */
static int compare_keys(const void *a, const void *b)
{
	const struct json_member *const *left = a, *const *right = b;

	if ((*left)->key_length != (*right)->key_length)
		return (*left)->key_length < (*right)->key_length ? -1 : 1;
	return memcmp((*left)->key, (*right)->key, (*left)->key_length);
}

/* Finds a key given twice, in n log n: the number of keys is the document's choice. */
static int find_duplicate(struct builder *builder, const struct json_member *members, size_t count,
	const struct json_member **ret)
{
	const struct json_member *few[32];
	_cleanup_free_ const struct json_member **many = NULL;
	const struct json_member **order = few;

	if (count > sizeof(few) / sizeof(few[0])) {
		many = calloc(count, sizeof(const struct json_member *));
		if (many == NULL)
			return fail_memory(builder);
		order = many;
	}
	for (size_t i = 0; i < count; i++) {
		size_t at = i;

		/* A short list is sorted as it is filled. */
		for (; order == few && at > 0; at--) {
			const struct json_member *member = &members[i];
			if (compare_keys(&order[at - 1], &member) <= 0)
				break;
			order[at] = order[at - 1];
		}
		order[at] = &members[i];
	}
	if (order != few)
		qsort(order, count, sizeof(const struct json_member *), compare_keys);
	for (size_t i = 1; i < count; i++) {
		if (compare_keys(&order[i - 1], &order[i]) == 0)
			*ret = order[i];
	}
	return 1;
}

static int on_object_end(void *data)
{
	struct builder *builder = data;
	size_t first = builder->frames[builder->depth - 1].first;
	size_t count = builder->count - first;
	const struct json_member *duplicate = NULL;

	/* Where the document is {} alone, there are no pending values at all. */
	if (count > 1 && !find_duplicate(builder, builder->pending + first, count, &duplicate))
		return 0;
	if (duplicate != NULL) {
		builder->frames[builder->depth - 1].key = duplicate->key;
		builder->frames[builder->depth - 1].key_length = duplicate->key_length;
		return fail_here(builder, "the key is given twice; remove one of them");
	}

	struct json_member *members = arena_alloc(builder->arena, count, sizeof(*members));
	if (members == NULL)
		return fail_memory(builder);
	if (count > 0)
		memcpy(members, builder->pending + first, count * sizeof(*members));
	builder->count = first;
	builder->depth--;
	return add_value(builder,
		(struct json_value){
			.type = JSON_OBJECT, .count = (uint32_t)count, .members = members });
}

/* Puts line and column of the offset into `text`. */
static void describe_position(const char *document, size_t offset, char *text, size_t size)
{
	size_t line = 1, start = 0;

	for (size_t i = 0; i < offset; i++) {
		if (document[i] == '\n') {
			line++;
			start = i + 1;
		}
	}
	snprintf(text, size, "line %zu, column %zu", line, offset - start + 1);
}

static int hex4(const char *text, unsigned int *ret)
{
	*ret = 0;
	for (int i = 0; i < 4; i++) {
		char c = text[i];

		if (c >= '0' && c <= '9')
			*ret = *ret << 4 | (unsigned int)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*ret = *ret << 4 | (unsigned int)((c | 0x20) - 'a' + 10);
		else
			return -EINVAL;
	}
	return 0;
}

/* Half a surrogate pair, escaped, would reach us as '?' (yajl): it is looked for before. */
static int check_surrogates(const char *text, size_t length, struct error *err)
{
	const char *end = text + length;
	const char *p = text;

	while ((p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		unsigned int high, low;

		if (end - p < 6)
			return 0;
		if (p[1] != 'u' || hex4(p + 2, &high) != 0 || high < 0xd800 || high > 0xdfff) {
			p += 2;
			continue;
		}
		if (high >= 0xdc00 || end - p < 12 || p[6] != '\\' || p[7] != 'u' ||
			hex4(p + 8, &low) != 0 || low < 0xdc00 || low > 0xdfff) {
			char position[64];

			describe_position(text, (size_t)(p - text), position, sizeof(position));
			return error_say(err, EINVAL,
				"%s: \\u%.4s is half of a surrogate pair, which is not valid UTF-8",
				position, p + 2);
		}
		p += 12;
	}
	return 0;
}

/* `at_end`: the whole text was read, and more was expected. */
static int describe_failure(yajl_handle parser, struct builder *builder, const char *text,
	size_t length, bool at_end, struct error *err)
{
	char position[64], path[256];
	size_t consumed = yajl_get_bytes_consumed(parser);
	unsigned char *message;

	/* The last byte that yajl took is the one that it did not like. */
	if (at_end || consumed > length)
		consumed = length;
	else if (consumed > 0)
		consumed--;
	describe_position(text, consumed, position, sizeof(position));
	/* A callback that refused has said why. */
	if (builder->err->errnum != 0) {
		struct error own = *builder->err;

		return error_say(err, own.errnum, "%s (%s)", own.message, position);
	}
	message = yajl_get_error(parser, 0, (const unsigned char *)text, length);
	error_say(err, EINVAL, "%snot valid JSON at %s: %.*s",
		describe_path(builder, builder->depth, path, sizeof(path)), position,
		message != NULL ? (int)strcspn((const char *)message, "\n") : 7,
		message != NULL ? (const char *)message : "unknown");
	if (message != NULL)
		yajl_free_error(parser, message);
	return -EINVAL;
}

int json_parse(const char *text, size_t length, struct arena *arena, struct json_value *ret,
	struct error *err)
{
	static const yajl_callbacks callbacks = {
		.yajl_null = on_null,
		.yajl_boolean = on_boolean,
		.yajl_number = on_number,
		.yajl_string = on_string,
		.yajl_start_map = on_object,
		.yajl_map_key = on_key,
		.yajl_end_map = on_object_end,
		.yajl_start_array = on_array,
		.yajl_end_array = on_array_end,
	};
	struct error own = ERROR_INIT;
	struct builder builder = { .arena = arena, .err = &own };
	int status;

	if (length > JSON_MAX_SIZE)
		return error_say(err, E2BIG, "the document has %zu bytes, more than %zu", length,
			JSON_MAX_SIZE);
	/* What was read from an empty file may be NULL. */
	if (length == 0)
		return error_say(err, EINVAL, "not valid JSON: the document is empty");
	status = check_surrogates(text, length, err);
	if (status != 0)
		return status;

	yajl_handle parser = yajl_alloc(&callbacks, NULL, &builder);
	if (parser == NULL)
		return error_set(err, ENOMEM, "read a JSON document");
	/* Ours is stricter. */
	yajl_config(parser, yajl_dont_validate_strings, 1);

	yajl_status parsed = yajl_parse(parser, (const unsigned char *)text, length);
	bool at_end = parsed == yajl_status_ok;
	if (at_end)
		parsed = yajl_complete_parse(parser);
	if (parsed == yajl_status_ok)
		*ret = builder.root;
	else
		status = describe_failure(parser, &builder, text, length, at_end, err);
	yajl_free(parser);
	free(builder.pending);
	return status;
}

const struct json_value *json_get(const struct json_value *object, const char *key)
{
	if (object == NULL || object->type != JSON_OBJECT)
		return NULL;
	for (uint32_t i = 0; i < object->count; i++) {
		if (strcmp(object->members[i].key, key) == 0)
			return &object->members[i].value;
	}
	return NULL;
}

const char *json_string(const struct json_value *value)
{
	return value != NULL && value->type == JSON_STRING ? value->text : NULL;
}
