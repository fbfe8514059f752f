/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/number_list.h"

#include <errno.h>
#include <stdbool.h>

/* Digits only: strtoul() would take signs and blanks. */
static bool parse_number(const char **text, unsigned long *ret)
{
	unsigned long number = 0;
	const char *start = *text;

	for (; **text >= '0' && **text <= '9'; (*text)++) {
		if (__builtin_mul_overflow(number, 10UL, &number) ||
			__builtin_add_overflow(number, (unsigned long)(**text - '0'), &number))
			return false;
	}
	*ret = number;
	return *text != start;
}

int number_list_parse(const char *text, unsigned long *bits, size_t n_bits)
{
	size_t highest = 0;

	for (;;) {
		unsigned long first, last;

		if (!parse_number(&text, &first))
			return -EINVAL;
		last = first;
		if (*text == '-') {
			text++;
			if (!parse_number(&text, &last) || last < first)
				return -EINVAL;
		}
		if (last >= n_bits)
			return -ERANGE;
		for (unsigned long i = first; i <= last; i++)
			bits[i / NUMBER_LIST_WORD_BITS] |= 1UL << (i % NUMBER_LIST_WORD_BITS);
		if (last > highest)
			highest = last;
		if (*text == '\0')
			return (int)(highest / NUMBER_LIST_WORD_BITS + 1);
		if (*text++ != ',')
			return -EINVAL;
	}
}
