/* SPDX-License-Identifier: Apache-2.0 */
/* Which descriptors a process holds. */
#pragma once

#include <stddef.h>

/*
 * Closes every descriptor from `first` up but those in `keep` (negative ones are passed over; the
 * array is sorted on return).
 */
void fds_close_except(unsigned int first, int *keep, size_t count);

/* Makes three descriptors the process's standard input, output and error. NULL changes nothing. */
void fds_take_stdio(const int *stdio);
