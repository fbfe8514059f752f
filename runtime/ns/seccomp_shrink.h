/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a filter smaller without changing a decision. The kernel runs a new filter once for every
 * system call number to fill its cache of allowed ones, and compiles it: with libseccomp's program
 * for an ordinary profile (1,400 instructions) that is the most expensive system call of a
 * container's start. Neighbouring numbers mostly share their fate, so a search tree over ranges
 * needs a tenth of the instructions.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What the program decides for a system call when nothing is known of its arguments: true and the
 * SECCOMP_RET_… value, or false where it looks at them (or does what this module does not follow).
 */
bool seccomp_constant_decision(const struct sock_filter *program, unsigned short count,
	uint32_t arch, uint32_t number, uint32_t *ret);

/*
 * Replaces *program (malloc'd, `*count` instructions) by a smaller one that decides alike for every
 * architecture, number and argument. Leaves it as it is where it is of a kind that this module does
 * not follow, where nothing is won, or where memory is short.
 */
void seccomp_shrink(struct sock_filter **program, unsigned short *count);
