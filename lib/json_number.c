/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integers out of JSON's one kind of number, without a detour through floating point: what has more
 * than 53 bits must arrive as it was written.
 */
#include "lib/json.h"

#include <errno.h>
#include <stdlib.h>

/* A number as its digits times a power of ten. */
struct decimal {
	bool negative;
	const char *digits; /* with at most one '.' among them */
	const char *end;    /* behind the last digit */
	long fraction;	    /* digits behind the '.' */
	long exponent;
};

static struct decimal split(const char *text)
{
	struct decimal number = { 0 };
	bool point = false;

	if (*text == '-') {
		number.negative = true;
		text++;
	}
	number.digits = text;
	for (; (*text >= '0' && *text <= '9') || *text == '.'; text++) {
		if (*text == '.')
			point = true;
		else if (point)
			number.fraction++;
	}
	number.end = text;
	/* strtol() stops at LONG_MAX, which is as good as any large exponent. */
	if (*text == 'e' || *text == 'E')
		number.exponent = strtol(text + 1, NULL, 10);
	return number;
}

/* 0, -EINVAL for a fraction, -ERANGE beyond 64 bits. */
static int to_integer(const struct decimal *number, uint64_t *ret)
{
	/* Digits from this place on are behind the decimal point. */
	long left = (long)(number->end - number->digits) - (number->fraction > 0 ? 1 : 0) -
		number->fraction;
	uint64_t value = 0;
	long whole;

	if (__builtin_add_overflow(left, number->exponent, &whole))
		whole = number->exponent;
	for (const char *p = number->digits; p < number->end; p++) {
		if (*p == '.')
			continue;
		if (whole <= 0) {
			if (*p != '0')
				return -EINVAL;
			continue;
		}
		whole--;
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
			__builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			return -ERANGE;
	}
	for (; whole > 0 && value != 0; whole--) {
		if (__builtin_mul_overflow(value, UINT64_C(10), &value))
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

static int read_integer(const struct json_value *value, bool *ret_negative, uint64_t *ret_magnitude)
{
	if (value == NULL || value->type != JSON_NUMBER)
		return -EINVAL;
	struct decimal number = split(value->text);
	*ret_negative = number.negative;
	return to_integer(&number, ret_magnitude);
}

int json_uint64(const struct json_value *value, uint64_t *ret)
{
	uint64_t magnitude;
	bool negative;
	int status = read_integer(value, &negative, &magnitude);

	if (status != 0)
		return status;
	if (negative && magnitude != 0)
		return -ERANGE;
	*ret = magnitude;
	return 0;
}

int json_int64(const struct json_value *value, int64_t *ret)
{
	uint64_t magnitude;
	bool negative;
	int status = read_integer(value, &negative, &magnitude);

	if (status != 0)
		return status;
	if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return -ERANGE;
	*ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return 0;
}
