/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs of the host's system that do one thing and end: found in the system's own directories,
 * never by PATH, started without a shell, with an empty environment and no descriptor of ours but
 * the standard ones. For containers' programs and hooks this is not.
 */
#pragma once

#include <limits.h>

struct error;

/*
 * Puts the path of the program `name` to `ret`: the first of /usr/sbin, /sbin, /usr/bin, /bin that
 * has it. -ENOENT without setting an error where none does.
 */
int host_program_find(const char *name, char ret[PATH_MAX]);

/*
 * Runs it to its end. `argv` ends with NULL, argv[0] is the path. Standard input is `in`, output
 * `out`, error `said`; a negative one is /dev/null. Returns the exit status, 128 and the signal's
 * number for one that a signal ended, or a negative errno where it could not be started.
 */
int host_program_run(const char *const argv[], int in, int out, int said, struct error *err);
