/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "lib/error.h"

static struct {
	log_sink sink;
	void *data;
	enum log_level most;
} current;

void log_set_sink(log_sink sink, void *data, enum log_level most)
{
	current.sink = sink;
	current.data = data;
	current.most = most;
}

bool log_enabled(enum log_level level)
{
	return current.sink != NULL && level <= current.most;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	int saved = errno;
	va_list args;

	/* Another thread may take the sink away meanwhile. */
	log_sink sink = __atomic_load_n(&current.sink, __ATOMIC_RELAXED);
	if (sink == NULL || !log_enabled(level))
		return;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	make_one_line(line);
	sink(level, line, current.data);
	errno = saved;
}
