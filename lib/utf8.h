/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF.
 */
#pragma once

#include <stddef.h>

/* Returns the length of the longest prefix of the `length` bytes of `text` that is valid UTF-8. */
size_t utf8_valid_prefix(const char *text, size_t length);

/*
 * Returns the largest number of bytes, at most `limit`, after which a valid `text` of `length`
 * bytes can be cut without tearing a character.
 */
size_t utf8_cut(const char *text, size_t length, size_t limit);
