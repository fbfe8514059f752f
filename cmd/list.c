/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/state_json.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/container.h"

struct id_list {
	char **items;
	size_t count;
};

static void id_list_free(struct id_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int collect_ids(const struct runtime *runtime, struct id_list *list, struct error *err)
{
	int root = runtime->root < 0 ? -EBADF : dup(runtime->root);
	if (root < 0)
		return 0;
	_cleanup_closedir_ DIR *stream = fdopendir(root);
	if (stream == NULL) {
		close_fd(root);
		return error_set(err, errno, "read %s", runtime->root_path);
	}
	rewinddir(stream);
	for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		if (entry->d_name[0] == '.' || state_check_id(entry->d_name, NULL) < 0)
			continue;
		char **larger = realloc(list->items, (list->count + 1) * sizeof(*larger));
		if (larger == NULL)
			return error_set(err, ENOMEM, "list containers");
		list->items = larger;
		list->items[list->count] = strdup(entry->d_name);
		if (list->items[list->count] == NULL)
			return error_set(err, ENOMEM, "list containers");
		list->count++;
	}
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(*list->items), compare_ids);
	return 0;
}

static void print_row(struct container *container)
{
	const struct state *state = &container->state;
	enum container_status status = container_status(container);
	bool alive = status != CONTAINER_STOPPED && status != CONTAINER_CREATING;

	printf("%-30s %-8d %-9s %-40s %-30s %s\n", state->id, alive ? state->init.pid : 0,
		container_status_name(status), state->bundle, state->created,
		user_name(state->owner));
}

/* One container: a deletion meanwhile is no error, a damaged state is told and passed over. */
static void show(
	const struct runtime *runtime, const char *id, bool quiet, struct json_writer *writer)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	struct error err = ERROR_INIT;

	if (quiet) {
		puts(id);
		return;
	}
	int status = container_open(runtime, id, &container, &err);
	if (status == -ENOENT)
		return;
	if (status < 0) {
		log_warning("%s", err.message);
		return;
	}
	if (writer == NULL) {
		print_row(&container);
		return;
	}
	json_write_object(writer);
	write_state_members(writer, &container);
	json_write_end(writer);
}

static int list(struct cli *cli, const char *format, bool quiet, struct error *err)
{
	_cleanup_(id_list_free) struct id_list ids = { 0 };
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	bool json = strcmp(format, "json") == 0;
	const char *text;
	size_t length;
	int status = cli_open_runtime(cli, false, err);

	if (status == 0)
		status = collect_ids(&cli->runtime, &ids, err);
	if (status == 0 && json)
		status = json_writer_open(&writer, false, err);
	if (status < 0)
		return status;
	if (json)
		json_write_array(&writer);
	else if (!quiet)
		printf("%-30s %-8s %-9s %-40s %-30s %s\n", "ID", "PID", "STATUS", "BUNDLE",
			"CREATED", "OWNER");
	for (size_t i = 0; i < ids.count; i++)
		show(&cli->runtime, ids.items[i], quiet && !json, json ? &writer : NULL);
	if (json) {
		json_write_end(&writer);
		status = json_writer_text(&writer, &text, &length, err);
		if (status == 0)
			printf("%s\n", text);
	}
	if (status == 0 && fflush(stdout) != 0)
		status = error_set(err, errno, "write to stdout");
	return status;
}

static int run_list(struct cli *cli, int argc, char **argv)
{
	const char *format = "table";
	bool quiet = false;
	const struct cli_option options[] = {
		{ "format", 'f', "table|json", "form of the list", CLI_STRING, &format },
		{ "quiet", 'q', NULL, "ids only", CLI_FLAG, &quiet },
	};
	struct error err = ERROR_INIT;
	int status;

	if (cli_parse(&command_list, options, CLI_COUNT(options), argc, argv, 0, 0, &status) < 0)
		return status;
	if (strcmp(format, "table") != 0 && strcmp(format, "json") != 0)
		return cli_usage(&command_list, "--format %s: must be table or json", format);
	return list(cli, format, quiet, &err) < 0 ? cli_fail(&err) : EXIT_SUCCESS;
}

const struct command command_list = {
	.name = "list",
	.arguments = "[options]",
	.summary = "list the containers below --root",
	.run = run_list,
};
