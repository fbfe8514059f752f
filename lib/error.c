/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

void make_one_line(char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			*text = '?';
	}
}

static int set(struct error *err, int errnum, bool with_text, const char *format, va_list args)
{
	int status = errnum > 0 ? errnum : EINVAL;

	if (err == NULL)
		return -status;
	err->errnum = status;
	vsnprintf(err->message, sizeof(err->message), format, args);
	if (with_text && errnum > 0) {
		size_t used = strlen(err->message);

		snprintf(
			err->message + used, sizeof(err->message) - used, ": %s", strerror(errnum));
	}
	make_one_line(err->message);
	return -status;
}

int error_set(struct error *err, int errnum, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int status = set(err, errnum, true, format, args);
	va_end(args);
	return status;
}

int error_say(struct error *err, int errnum, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int status = set(err, errnum, false, format, args);
	va_end(args);
	return status;
}

int error_prefix(struct error *err, const char *format, ...)
{
	char context[ERROR_MESSAGE_MAX];
	va_list args;

	if (err == NULL || err->errnum == 0)
		return -EINVAL;
	va_start(args, format);
	vsnprintf(context, sizeof(context), format, args);
	va_end(args);
	make_one_line(context);

	size_t used = strlen(context);
	size_t room = sizeof(err->message) - 1;
	if (used + 2 < room) {
		size_t keep = strlen(err->message);

		if (keep > room - used - 2)
			keep = room - used - 2;
		memmove(err->message + used + 2, err->message, keep);
		memcpy(err->message, context, used);
		memcpy(err->message + used, ": ", 2);
		err->message[used + 2 + keep] = '\0';
	}
	return -err->errnum;
}
