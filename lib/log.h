/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way for code below cmd/ to say something that is not an error: a line at a level, handed to
 * the sink that the program installed (cmd/ writes text or JSON; the agent sends it to the host; a
 * container's first process sends it to its creator). Without a sink the line is dropped.
 */
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

typedef void (*log_sink)(enum log_level level, const char *message, void *data);

/* Installs the sink, and the most talkative level it gets. One per process; not thread-safe. */
void log_set_sink(log_sink sink, void *data, enum log_level most);

/* True when a line of this level would reach the sink: to save the work of making it. */
bool log_enabled(enum log_level level);

/* Formats one line (cut at 1024 bytes) and hands it to the sink. Keeps errno. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)                                          \
	do {                                                    \
		if (log_enabled(LOG_LEVEL_DEBUG))               \
			log_line(LOG_LEVEL_DEBUG, __VA_ARGS__); \
	} while (0)
