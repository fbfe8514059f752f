/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where lines go: text on stderr, and a log file (--log) as text or as JSON objects of level, msg
 * and time, which is what podman, CRI-O and containerd parse.
 */
#include "cmd/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "lib/utc.h"

static struct {
	int file; /* -EBADF: none */
	bool json;
	enum log_level most; /* of the file */
} output = { .file = -EBADF };

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

static void write_json(enum log_level level, const char *message, const char *when)
{
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	const char *text;
	size_t length;

	if (json_writer_open(&writer, false, NULL) < 0)
		return;
	json_write_object(&writer);
	json_write_string_member(&writer, "level", level_names[level]);
	json_write_string_member(&writer, "msg", message);
	json_write_string_member(&writer, "time", when);
	json_write_end(&writer);
	if (json_writer_text(&writer, &text, &length, NULL) == 0)
		dprintf(output.file, "%.*s\n", (int)length, text);
}

static void log_sink_cmd(enum log_level level, const char *message, void *data)
{
	char when[UTC_TEXT_SIZE];
	struct timespec now;

	(void)data;
	/*
	 * Errors are for the person at the terminal too; what is no error goes to one place: under
	 * engines, stderr is the container's own.
	 */
	if (output.file < 0 || level == LOG_LEVEL_ERROR)
		dprintf(STDERR_FILENO, "caisson: %s%s\n",
			level == LOG_LEVEL_WARNING ? "warning: " : "", message);
	if (output.file < 0 || level > output.most)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	utc_format(&now, false, when);
	if (output.json)
		write_json(level, message, when);
	else
		dprintf(output.file, "%s %s: %s\n", when, level_names[level], message);
}

static int parse_level(const char *name)
{
	for (size_t i = 0; i < CLI_COUNT(level_names); i++) {
		if (strcmp(name, level_names[i]) == 0)
			return (int)i;
	}
	return strcmp(name, "warn") == 0 ? LOG_LEVEL_WARNING : -EINVAL;
}

int cli_log_open(
	const char *path, const char *format, const char *level, bool debug, struct error *err)
{
	int most = level != NULL ? parse_level(level) : debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING;

	log_set_sink(log_sink_cmd, NULL, LOG_LEVEL_WARNING);
	if (most < 0)
		return error_say(err, EINVAL,
			"--log-level %s: must be error, warning, info or debug", level);
	if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
		return error_say(err, EINVAL, "--log-format %s: must be text or json", format);
	log_set_sink(log_sink_cmd, NULL, (enum log_level)most);
	if (path == NULL || path[0] == '\0')
		return 0;
	if (strncmp(path, "file:", 5) == 0)
		path += 5;
	output.file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	if (output.file < 0)
		return error_set(err, errno, "--log: open %s", path);
	output.json = strcmp(format, "json") == 0;
	/* podman reads a JSON log as one object: errors alone go there, unless more is asked for.
	 */
	output.most = output.json && level == NULL && !debug ? LOG_LEVEL_ERROR
							     : (enum log_level)most;
	return 0;
}

void cli_log_error(const char *message)
{
	log_line(LOG_LEVEL_ERROR, "%s", message);
}
