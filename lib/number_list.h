/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of small numbers as the kernel writes them for CPUs and memory nodes: "0-3,7"
 * (cpuset(7), "List format").
 */
#pragma once

#include <stddef.h>

#define NUMBER_LIST_WORD_BITS (8 * sizeof(unsigned long))

/*
 * Sets in `bits`, a cleared bitmap of `n_bits` bits (a multiple of the word's), the bits that
 * `text` lists. Returns how many words are used up to the highest bit. -EINVAL: the text is no
 * list; -ERANGE: it names a number of `n_bits` or above. Sets no error: the caller knows what the
 * list is for.
 */
int number_list_parse(const char *text, unsigned long *bits, size_t n_bits);
