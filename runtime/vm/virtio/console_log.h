/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded buffer between the guest's console and an fd that may be slow: a pipe, a terminal, a
 * file. The fd is never made non-blocking, since it is inherited and others have it too: it is
 * written when poll(2) says that it takes at least PIPE_BUF bytes. What comes while the buffer is
 * full is lost, and a line says how much it was.
 */
#pragma once

#include <stddef.h>

struct console_log;
struct error;
struct loop;

/*
 * `fd` stays the caller's and outlives the log. A regular file that the log has made longer than
 * `file_max` bytes (0: any length; else at least `capacity`) is begun anew with a line that says so
 * and the last half of `capacity`, so that a guest cannot fill the host's file system.
 */
int console_log_new(struct loop *loop, int fd, size_t capacity, size_t file_max,
	struct console_log **ret, struct error *err);

/* A console_output; `data` is the log. */
void console_log_write(const char *text, size_t length, void *data);

/*
 * Writes what is left, for at most `milliseconds` in all, and frees the log. NULL is ignored.
 */
void console_log_free(struct console_log *log, int milliseconds);
