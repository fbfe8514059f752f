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

/* `fd` stays the caller's and outlives the log. */
int console_log_new(
	struct loop *loop, int fd, size_t capacity, struct console_log **ret, struct error *err);

/* A console_output; `data` is the log. */
void console_log_write(const char *text, size_t length, void *data);

/*
 * Writes what is left, for at most `milliseconds` in all, and frees the log. NULL is ignored.
 */
void console_log_free(struct console_log *log, int milliseconds);
