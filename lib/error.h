/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as values. A function that can fail takes a `struct error *` last, returns a negative
 * errno and sets the error once, where it happened; its callers add context or pass it on. The
 * message is one line that a person can act on, because callers of OCI runtimes show only the last
 * line.
 *
 * Nothing here prints or exits: that is cmd/'s.
 */
#pragma once

#include <stddef.h>

#define ERROR_MESSAGE_MAX 1024

struct error {
	int errnum; /* a positive errno, 0 while nothing failed */
	char message[ERROR_MESSAGE_MAX];
};

#define ERROR_INIT ((struct error){ 0 })

/*
 * Sets `err` (which may be NULL) to the formatted message, with ": <strerror(errnum)>" behind it
 * when errnum is above 0. Line feeds and control characters of the arguments become '?', the
 * message is cut at ERROR_MESSAGE_MAX. Returns -errnum, or -EINVAL where errnum is 0, so that a
 * caller writes `return error_set(err, errno, "open %s", path)`.
 */
int error_set(struct error *err, int errnum, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Like error_set(), without the errno's text: for a message that already says what is wrong.
 */
int error_say(struct error *err, int errnum, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Makes control characters of a text '?': what comes from outside moves nobody's cursor. */
void make_one_line(char *text);

/*
 * Puts the formatted context and ": " before the message that is there. Returns -err->errnum, or
 * -EINVAL where err is NULL or empty.
 */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
