/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/json_copy.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/container.h"

static int ask(struct container *container, const char *op, struct protocol_message *ret,
	struct error *err)
{
	struct json_writer writer;
	int status = protocol_begin(&writer, "op", op, err);

	if (status < 0)
		return status;
	json_write_string_member(&writer, "id", container->state.id);
	return vm_request(container, &writer, NULL, 0, VM_AGENT_TIMEOUT_MS, ret, err);
}

static int64_t number_of(const struct json_value *row, const char *key)
{
	int64_t number;

	return json_int64(json_get(row, key), &number) < 0 ? 0 : number;
}

/* A command line is the guest's data: nothing of it reaches a terminal but printable characters. */
static char *printable(struct arena *arena, const char *text)
{
	char *copy = arena_strndup(arena, text, strlen(text));

	for (char *c = copy; c != NULL && *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	}
	return copy;
}

int vm_process_table(
	struct container *container, struct container_process_table *ret, struct error *err)
{
	_cleanup_(protocol_message_free) struct protocol_message answer = { 0 };
	struct container_process_table table = { 0 };

	if (container_status(container) != CONTAINER_RUNNING)
		return error_say(err, EINVAL, "cannot ask the guest of container %s: it is %s",
			container->state.id, container_status_name(container_status(container)));
	int status = ask(container, "processes", &answer, err);
	if (status < 0)
		return status;
	const struct json_value *list = json_get(&answer.json, "processes");
	if (list == NULL || list->type != JSON_ARRAY)
		return error_say(err, EPROTO, "the guest's agent listed no processes");
	table.rows = arena_alloc(&table.arena, list->count + 1, sizeof(*table.rows));
	for (uint32_t i = 0; table.rows != NULL && i < list->count; i++) {
		const struct json_value *row = &list->items[i];
		const char *command = json_string(json_get(row, "command"));

		table.rows[table.count++] = (struct container_process_row){
			.pid = (pid_t)number_of(row, "pid"),
			.ppid = (pid_t)number_of(row, "ppid"),
			.uid = (uint32_t)number_of(row, "uid"),
			.cpu = (uint64_t)number_of(row, "cpu"),
			.command = printable(&table.arena, command != NULL ? command : ""),
		};
		if (table.rows[i].command == NULL)
			table.rows = NULL;
	}
	if (table.rows == NULL) {
		arena_free(&table.arena);
		return error_set(err, ENOMEM, "list the guest's processes");
	}
	*ret = table;
	return 0;
}

int vm_write_guest_stats(struct container *container, const char *key, struct json_writer *writer)
{
	_cleanup_(protocol_message_free) struct protocol_message answer = { 0 };
	struct error err = ERROR_INIT;
	int status = ask(container, "stats", &answer, &err);
	const struct json_value *stats = json_get(&answer.json, "stats");

	if (status < 0) {
		log_debug("statistics of the guest: %s", err.message);
		return status;
	}
	if (stats == NULL || stats->type != JSON_OBJECT)
		return -EPROTO;
	json_write_key(writer, key);
	json_write_value(writer, stats);
	return 0;
}

int64_t vm_guest_oom_kills(struct container *container)
{
	_cleanup_(protocol_message_free) struct protocol_message answer = { 0 };
	int64_t kills;

	if (ask(container, "stats", &answer, NULL) < 0 ||
		json_int64(json_get(&answer.json, "oomKills"), &kills) < 0 || kills < 0)
		return -1;
	return kills;
}

bool vm_oom_killed(const struct container *container, uint64_t *ret_limit)
{
	_cleanup_free_ char *text = NULL;
	char *end;

	if (read_file(container->dir, VM_OOM, 32, &text, NULL, NULL) < 0 || *text == '\0')
		return false;
	*ret_limit = strtoull(text, &end, 10);
	return *end == '\n';
}
