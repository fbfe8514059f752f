/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/arena.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/json_write.h"
#include "lib/utf8.h"

/* Parses a string's bytes, without its NUL. */
static int parse(const char *text, struct arena *arena, struct json_value *ret, struct error *err)
{
	return json_parse(text, strlen(text), arena, ret, err);
}

static void test_tree(void **state)
{
	struct arena arena = { 0 };
	struct error err = ERROR_INIT;
	struct json_value root;

	(void)state;
	assert_int_equal(
		parse(" {\"a\": [1, \"x\\n\\u00e9\", true, null, {}], \"b\": {\"c\": -2.5}} ",
			&arena, &root, &err),
		0);
	assert_int_equal(root.type, JSON_OBJECT);
	assert_int_equal(root.count, 2);

	const struct json_value *a = json_get(&root, "a");
	assert_int_equal(a->type, JSON_ARRAY);
	assert_int_equal(a->count, 5);
	assert_int_equal(a->items[0].type, JSON_NUMBER);
	assert_string_equal(a->items[0].text, "1");
	assert_string_equal(json_string(&a->items[1]), "x\n\xc3\xa9");
	assert_int_equal(a->items[1].count, 4);
	assert_true(a->items[2].boolean);
	assert_int_equal(a->items[3].type, JSON_NULL);
	assert_int_equal(a->items[4].type, JSON_OBJECT);
	assert_int_equal(a->items[4].count, 0);
	assert_string_equal(json_get(json_get(&root, "b"), "c")->text, "-2.5");
	assert_null(json_get(&root, "c"));
	assert_null(json_get(NULL, "c"));
	assert_null(json_get(a, "c"));
	assert_null(json_string(a));
	assert_null(json_string(NULL));
	arena_free(&arena);
}

static void test_scalars_at_the_top(void **state)
{
	static const char *const texts[] = { "1", "\"x\"", "true", "null", "[]", "{}", " 0 " };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct arena arena = { 0 };
		struct json_value root;

		assert_int_equal(parse(texts[i], &arena, &root, NULL), 0);
		arena_free(&arena);
	}
}

static const struct {
	const char *text;
	const char *message; /* a part of it */
} refused[] = {
	{ "", "not valid JSON: the document is empty" },
	{ "   ", "not valid JSON" },
	{ "{\n \"a\":", "a: not valid JSON at line 2, column 6" },
	{ "[1, 2", "[2]: not valid JSON" },
	{ "{\"a\": {\"b\": [1, {\"c\": tru}]}}", "a.b[1].c: not valid JSON at line 1, column " },
	{ "{\n  \"a\": 1,\n  \"b\": x\n}", "b: not valid JSON at line 3, column 8" },
	{ "{} {}", "trailing garbage" },
	{ "{} x", "trailing garbage" },
	{ "1 2", "trailing garbage" },
	{ "[1,]", "not valid JSON" },
	{ "{\"a\": 1,}", "not valid JSON" },
	{ "{a: 1}", "not valid JSON" },
	{ "[01]", "not valid JSON" },
	{ "[+1]", "not valid JSON" },
	{ "[1.]", "not valid JSON" },
	{ "[.5]", "not valid JSON" },
	{ "[1e]", "not valid JSON" },
	{ "[NaN]", "not valid JSON" },
	{ "[-]", "not valid JSON" },
	{ "['x']", "not valid JSON" },
	{ "[\"\\x\"]", "not valid JSON" },
	{ "[\"a\tb\"]", "not valid JSON" },
	{ "// c\n{}", "not valid JSON" },
	{ "\xef\xbb\xbf{}", "not valid JSON" },
	{ "{\"a\": 1, \"a\": 2}", "a: the key is given twice" },
	{ "{\"x\": [{\"k\": 1, \"l\": 2, \"k\": 3}]}", "x[0].k: the key is given twice" },
	{ "{\"a\\u0062\": 1, \"ab\": 2}", "ab: the key is given twice" },
	{ "{\"a\": \"x\\u0000y\"}", "a: the string contains a NUL character" },
	{ "{\"a\\u0000\": 1}", "a key contains a NUL character" },
	{ "{\"a\": [\"\xff\"]}", "a[0]: the string is not valid UTF-8 (line 1, column " },
	{ "{\"a\": \"\xc0\x80\"}", "a: the string is not valid UTF-8" },
	{ "{\"a\": \"\xed\xa0\x80\"}", "a: the string is not valid UTF-8" },
	{ "{\"a\": \"\xf4\x90\x80\x80\"}", "a: the string is not valid UTF-8" },
	{ "{\"a\": \"\xe2\x82\"}", "a: the string is not valid UTF-8" },
	{ "{\"\x80\": 1}", "a key contains a NUL character or is not valid UTF-8" },
	{ "{\"a\": \"\\ud800\"}", "line 1, column 8: \\ud800 is half of a surrogate pair" },
	{ "{\"a\": \"\\udc00\"}", "half of a surrogate pair" },
	{ "{\"a\": \"\\ud83d\\u0041\"}", "half of a surrogate pair" },
	{ "{\"a\": \"\\\\\\ud83d\"}", "half of a surrogate pair" },
};

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct arena arena = { 0 };
		struct error err = ERROR_INIT;
		struct json_value root = { .type = JSON_BOOLEAN };

		assert_int_equal(parse(refused[i].text, &arena, &root, &err), -EINVAL);
		if (strstr(err.message, refused[i].message) == NULL)
			fail_msg("%s: \"%s\" lacks \"%s\"", refused[i].text, err.message,
				refused[i].message);
		assert_null(strchr(err.message, '\n'));
		assert_int_equal(root.type, JSON_BOOLEAN);
		arena_free(&arena);
	}
}

static void test_nothing(void **state)
{
	struct arena arena = { 0 };
	struct error err = ERROR_INIT;
	struct json_value root;

	(void)state;
	assert_int_equal(json_parse(NULL, 0, &arena, &root, &err), -EINVAL);
	assert_string_equal(err.message, "not valid JSON: the document is empty");
	arena_free(&arena);
}

static void test_surrogate_pairs(void **state)
{
	struct arena arena = { 0 };
	struct json_value root;

	(void)state;
	assert_int_equal(parse("\"\\ud83d\\ude00 \\\\ud800\"", &arena, &root, NULL), 0);
	assert_string_equal(root.text, "\xf0\x9f\x98\x80 \\ud800");
	arena_free(&arena);
}

/* A document of `count` times `open`. */
static char *repeat(const char *text, size_t count, size_t *ret_length)
{
	size_t size = strlen(text);
	char *document = malloc(size * count + 1);

	assert_non_null(document);
	for (size_t i = 0; i < count; i++)
		memcpy(document + i * size, text, size + 1);
	*ret_length = size * count;
	return document;
}

static void test_depth(void **state)
{
	struct arena arena = { 0 };
	struct error err = ERROR_INIT;
	struct json_value root;
	char fits[2 * JSON_MAX_DEPTH];
	size_t length;
	char *deep = repeat("[", 100000, &length);

	(void)state;
	assert_int_equal(json_parse(deep, length, &arena, &root, &err), -E2BIG);
	assert_non_null(strstr(err.message, "nested deeper than 64 levels"));
	free(deep);
	deep = repeat("{\"a\":", JSON_MAX_DEPTH + 1, &length);
	assert_int_equal(json_parse(deep, length, &arena, &root, &err), -E2BIG);
	free(deep);

	memset(fits, '[', JSON_MAX_DEPTH);
	memset(fits + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
	assert_int_equal(json_parse(fits, sizeof(fits), &arena, &root, &err), 0);
	arena_free(&arena);
}

static void test_size(void **state)
{
	struct arena arena = { 0 };
	struct error err = ERROR_INIT;
	struct json_value root;
	size_t length;
	char *large = repeat(" ", JSON_MAX_SIZE + 1, &length);

	(void)state;
	large[0] = '0';
	assert_int_equal(json_parse(large, length, &arena, &root, &err), -E2BIG);
	assert_int_equal(json_parse(large, JSON_MAX_SIZE, &arena, &root, &err), 0);
	free(large);
	arena_free(&arena);
}

/* Many keys: found in any place, and without quadratic work. */
static void test_many_keys(void **state)
{
	enum { KEYS = 100000 };
	struct arena arena = { 0 };
	struct error err = ERROR_INIT;
	struct json_value root;
	char *text = malloc(KEYS * 16);
	size_t used;

	(void)state;
	assert_non_null(text);
	for (int twice = 0; twice < 2; twice++) {
		used = (size_t)sprintf(text, "{");
		for (int i = 0; i < KEYS; i++)
			used += (size_t)sprintf(text + used, "%s\"k%d\":%d", i > 0 ? "," : "",
				twice && i == KEYS - 1 ? KEYS / 3 : i, i % 10);
		used += (size_t)sprintf(text + used, "}");
		if (twice) {
			assert_int_equal(json_parse(text, used, &arena, &root, &err), -EINVAL);
			assert_non_null(strstr(err.message, "k33333: the key is given twice"));
		} else {
			assert_int_equal(json_parse(text, used, &arena, &root, &err), 0);
			assert_int_equal(root.count, KEYS);
		}
	}
	free(text);
	arena_free(&arena);
}

/* Few keys take another way than many. */
static void test_duplicates_at_every_place(void **state)
{
	(void)state;
	for (int keys = 2; keys < 40; keys++) {
		for (int copy = 1; copy < keys; copy++) {
			struct arena arena = { 0 };
			struct json_value root;
			char text[1024];
			size_t used = (size_t)sprintf(text, "{");

			for (int i = 0; i < keys; i++)
				used += (size_t)sprintf(text + used, "%s\"%d\":0", i > 0 ? "," : "",
					(i == copy ? copy - 1 : i) * 7 % 40);
			sprintf(text + used, "}");
			assert_int_equal(parse(text, &arena, &root, NULL), -EINVAL);
			arena_free(&arena);
		}
	}
}

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of a row */
static const struct {
	const char *text;
	int status_signed;
	int64_t as_signed;
	int status_unsigned;
	uint64_t as_unsigned;
} integers[] = {
	{ "0", 0, 0, 0, 0 },
	{ "-0", 0, 0, 0, 0 },
	{ "-0.0e5", 0, 0, 0, 0 },
	{ "42", 0, 42, 0, 42 },
	{ "-42", 0, -42, -ERANGE, 0 },
	{ "1.0", 0, 1, 0, 1 },
	{ "1.5", -EINVAL, 0, -EINVAL, 0 },
	{ "1e3", 0, 1000, 0, 1000 },
	{ "1E+3", 0, 1000, 0, 1000 },
	{ "1.5e1", 0, 15, 0, 15 },
	{ "12e-1", -EINVAL, 0, -EINVAL, 0 },
	{ "120e-1", 0, 12, 0, 12 },
	{ "1.20e1", 0, 12, 0, 12 },
	{ "1.25e1", -EINVAL, 0, -EINVAL, 0 },
	{ "0e99999999999999999999", 0, 0, 0, 0 },
	{ "1e99999999999999999999", -ERANGE, 0, -ERANGE, 0 },
	{ "1e-99999999999999999999", -EINVAL, 0, -EINVAL, 0 },
	{ "9223372036854775807", 0, INT64_MAX, 0, INT64_MAX },
	{ "9223372036854775808", -ERANGE, 0, 0, UINT64_C(9223372036854775808) },
	{ "-9223372036854775808", 0, INT64_MIN, -ERANGE, 0 },
	{ "-9223372036854775809", -ERANGE, 0, -ERANGE, 0 },
	{ "18446744073709551615", -ERANGE, 0, 0, UINT64_MAX },
	{ "18446744073709551616", -ERANGE, 0, -ERANGE, 0 },
	{ "184467440737095516150", -ERANGE, 0, -ERANGE, 0 },
	{ "1.8446744073709551615e19", -ERANGE, 0, 0, UINT64_MAX },
	{ "4294967296", 0, INT64_C(4294967296), 0, UINT64_C(4294967296) },
};

static void test_integers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
		struct arena arena = { 0 };
		struct json_value root;
		int64_t as_signed = 7;
		uint64_t as_unsigned = 7;

		assert_int_equal(parse(integers[i].text, &arena, &root, NULL), 0);
		assert_int_equal(json_int64(&root, &as_signed), integers[i].status_signed);
		assert_true(
			as_signed == (integers[i].status_signed == 0 ? integers[i].as_signed : 7));
		assert_int_equal(json_uint64(&root, &as_unsigned), integers[i].status_unsigned);
		assert_true(as_unsigned ==
			(integers[i].status_unsigned == 0 ? integers[i].as_unsigned : 7));
		arena_free(&arena);
	}
	assert_int_equal(json_int64(NULL, NULL), -EINVAL);
	assert_int_equal(json_uint64(&(struct json_value){ .type = JSON_STRING }, NULL), -EINVAL);
}

static void test_utf8(void **state)
{
	(void)state;
	assert_int_equal(utf8_valid_prefix("abcdefghijkl", 12), 12);
	assert_int_equal(utf8_valid_prefix("abcdefghij\xff", 11), 10);
	assert_int_equal(utf8_valid_prefix("\xf0\x9f\x98\x80", 4), 4);
	assert_int_equal(utf8_valid_prefix("\xf0\x9f\x98\x80", 3), 0);
	assert_int_equal(utf8_valid_prefix("\xe0\x9f\xbf", 3), 0);
	assert_int_equal(utf8_valid_prefix("\xef\xbf\xbf", 3), 3);
	assert_int_equal(utf8_cut("ab\xc3\xa9", 4, 3), 2);
	assert_int_equal(utf8_cut("ab\xc3\xa9", 4, 4), 4);
	assert_int_equal(utf8_cut("ab\xc3\xa9", 4, 9), 4);
}

static void test_write(void **state)
{
	struct json_writer writer;
	const char *text;
	size_t length;

	(void)state;
	assert_int_equal(json_writer_open(&writer, false, NULL), 0);
	json_write_object(&writer);
	json_write_string_member(&writer, "s", "a\"b\n\x01");
	json_write_string_member(&writer, "bad", "x\xffy\xc3");
	json_write_string_member(&writer, "none", NULL);
	json_write_int_member(&writer, "i", INT64_MIN);
	json_write_uint_member(&writer, "u", UINT64_MAX);
	json_write_bool_member(&writer, "b", true);
	json_write_array_member(&writer, "l");
	json_write_object(&writer);
	json_write_end(&writer);
	json_write_null(&writer);
	json_write_end(&writer);
	json_write_object_member(&writer, "o");
	json_write_end(&writer);
	assert_int_equal(json_writer_text(&writer, &text, &length, NULL), -EINVAL);
	json_write_end(&writer);
	assert_int_equal(json_writer_text(&writer, &text, &length, NULL), 0);
	assert_string_equal(text,
		"{\"s\":\"a\\\"b\\n\\u0001\",\"bad\":\"x\xef\xbf\xbdy\xef\xbf\xbd\","
		"\"none\":null,\"i\":-9223372036854775808,"
		"\"u\":18446744073709551615,\"b\":true,\"l\":[{},null],\"o\":{}}");
	assert_int_equal(length, strlen(text));
	json_writer_close(&writer);
	json_writer_close(&writer);
}

static void test_write_failures(void **state)
{
	struct json_writer writer;
	struct error err = ERROR_INIT;
	const char *text;
	size_t length;

	(void)state;
	/* A value where a key belongs. */
	assert_int_equal(json_writer_open(&writer, true, NULL), 0);
	json_write_object(&writer);
	json_write_int(&writer, 1);
	json_write_end(&writer);
	assert_int_equal(json_writer_text(&writer, &text, &length, &err), -EINVAL);
	assert_string_not_equal(err.message, "");
	json_writer_close(&writer);

	/* More ends than beginnings, nothing at all, too deep. */
	assert_int_equal(json_writer_open(&writer, true, NULL), 0);
	assert_int_equal(json_writer_text(&writer, &text, &length, &err), -EINVAL);
	json_write_end(&writer);
	assert_int_equal(json_writer_text(&writer, &text, &length, &err), -EINVAL);
	json_writer_close(&writer);

	assert_int_equal(json_writer_open(&writer, true, NULL), 0);
	for (int i = 0; i < 200; i++)
		json_write_array(&writer);
	for (int i = 0; i < 200; i++)
		json_write_end(&writer);
	assert_true(json_writer_text(&writer, &text, &length, &err) < 0);
	json_writer_close(&writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tree),
		cmocka_unit_test(test_scalars_at_the_top),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_surrogate_pairs),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_duplicates_at_every_place),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_write_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
