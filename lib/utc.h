/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points in time as text. The C library's gmtime_r(3) reads /etc/localtime first, which is of no
 * use to UTC, costs a start as much as mounting two file systems, and may be a container's.
 */
#pragma once

#include <stdbool.h>
#include <time.h>

/* Enough for every time that utc_format() writes. */
#define UTC_TEXT_SIZE 80 /* also for what no date has, or compilers warn */

/*
 * Writes the time (since 1970) as RFC 3339 has it, "2026-11-20T21:34:27Z", with nanoseconds where
 * `nanoseconds`. Times before 1970 and after 9999 are cut to those years. Returns `ret`.
 */
char *utc_format(const struct timespec *time, bool nanoseconds, char ret[static UTC_TEXT_SIZE]);
