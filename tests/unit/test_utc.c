/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/utc.h"

static void formats_known_times(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ 951782399, "2000-02-28T23:59:59Z" },
		{ 951782400, "2000-02-29T00:00:00Z" },
		{ 951868800, "2000-03-01T00:00:00Z" },
		{ 1795210467, "2026-11-20T21:34:27Z" },
		{ 4107542400, "2100-03-01T00:00:00Z" },
		{ 253402300799, "9999-12-31T23:59:59Z" },
		{ -1, "1970-01-01T00:00:00Z" },
		{ INT64_MAX, "9999-12-31T23:59:59Z" },
	};
	char text[UTC_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct timespec time = { .tv_sec = cases[i].seconds };

		assert_string_equal(utc_format(&time, false, text), cases[i].text);
	}
}

static void formats_nanoseconds(void **state)
{
	struct timespec time = { .tv_sec = 1, .tv_nsec = 7 };
	char text[UTC_TEXT_SIZE];

	(void)state;
	assert_string_equal(utc_format(&time, true, text), "1970-01-01T00:00:01.000000007Z");
}

/* Every day of the years 1970 to 9999, against the C library. */
static void agrees_with_the_library(void **state)
{
	(void)state;
	for (int64_t seconds = 0; seconds < 253402300800; seconds += 86400 - 1) {
		struct timespec time = { .tv_sec = seconds };
		char text[UTC_TEXT_SIZE], expected[UTC_TEXT_SIZE];
		struct tm parts;

		gmtime_r(&time.tv_sec, &parts);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", &parts);
		assert_string_equal(utc_format(&time, false, text), expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_known_times),
		cmocka_unit_test(formats_nanoseconds),
		cmocka_unit_test(agrees_with_the_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
