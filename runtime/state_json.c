/* SPDX-License-Identifier: Apache-2.0 */
/* state.json, and the state as the specification shows it to callers and hooks. */
#include "runtime/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/json.h"
#include "lib/json_write.h"

#define STATE_FILE "state.json"
#define STATE_MAX ((size_t)8 * 1024 * 1024) /* the annotations of the largest config.json fit */

static const char *const manager_names[] = {
	[CGROUP_MANAGER_CGROUPFS] = "cgroupfs",
	[CGROUP_MANAGER_SYSTEMD] = "systemd",
	[CGROUP_MANAGER_DISABLED] = "disabled",
};

static void write_identity(
	struct json_writer *writer, const char *key, const struct process_identity *process)
{
	json_write_object_member(writer, key);
	json_write_int_member(writer, "pid", process->pid);
	json_write_uint_member(writer, "startTime", process->start_time);
	json_write_end(writer);
}

static void write_annotations(struct json_writer *writer, const struct key_value_list *annotations)
{
	if (annotations == NULL || annotations->count == 0)
		return;
	json_write_object_member(writer, "annotations");
	for (size_t i = 0; i < annotations->count; i++)
		json_write_string_member(
			writer, annotations->items[i].key, annotations->items[i].value);
	json_write_end(writer);
}

static void write_cgroup(struct json_writer *writer, const struct cgroup_location *cgroup)
{
	json_write_object_member(writer, "cgroup");
	json_write_string_member(writer, "manager", manager_names[cgroup->manager]);
	json_write_string_member(writer, "path", cgroup->path);
	if (cgroup->unit != NULL)
		json_write_string_member(writer, "unit", cgroup->unit);
	if (cgroup->slice != NULL)
		json_write_string_member(writer, "slice", cgroup->slice);
	json_write_bool_member(writer, "userManager", cgroup->user_manager);
	json_write_end(writer);
}

int state_stage(int dir, const struct state *state, struct error *err)
{
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	const char *text;
	size_t length;
	int status = json_writer_open(&writer, false, err);

	if (status < 0)
		return status;
	json_write_object(&writer);
	json_write_string_member(&writer, "id", state->id);
	json_write_string_member(&writer, "bundle", state->bundle);
	json_write_string_member(&writer, "created", state->created);
	json_write_string_member(&writer, "isolation", state->isolation);
	json_write_uint_member(&writer, "owner", state->owner);
	write_identity(&writer, "init", &state->init);
	write_identity(&writer, "creator", &state->creator);
	write_cgroup(&writer, &state->cgroup);
	if (state->rdt_group != NULL)
		json_write_string_member(&writer, "rdtGroup", state->rdt_group);
	json_write_bool_member(&writer, "notify", state->notify);
	write_annotations(&writer, state->annotations);
	json_write_end(&writer);
	status = json_writer_text(&writer, &text, &length, err);
	if (status == 0 && length > STATE_MAX)
		status = error_say(err, E2BIG, "annotations: too large");
	if (status == 0)
		status = stage_file(dir, STATE_FILE, text, length, 0600, err);
	return status < 0 ? error_prefix(err, "remember container %s", state->id) : 0;
}

int state_commit(int dir, struct error *err)
{
	return commit_file(dir, STATE_FILE, err);
}

int state_write(int dir, const struct state *state, struct error *err)
{
	int status = state_stage(dir, state, err);

	return status < 0 ? status : state_commit(dir, err);
}

/* The document is our own: what is missing or of another type reads as empty. */
static char *read_string(const struct json_value *object, const char *key)
{
	return (char *)json_string(json_get(object, key));
}

static uint64_t read_number(const struct json_value *object, const char *key)
{
	uint64_t number = 0;

	return json_uint64(json_get(object, key), &number) == 0 ? number : 0;
}

static bool read_bool(const struct json_value *object, const char *key)
{
	const struct json_value *value = json_get(object, key);

	return value != NULL && value->type == JSON_BOOLEAN && value->boolean;
}

static struct process_identity read_identity(const struct json_value *object)
{
	return (struct process_identity){
		.pid = (pid_t)read_number(object, "pid"),
		.start_time = read_number(object, "startTime"),
	};
}

static enum cgroup_manager read_manager(const struct json_value *cgroup)
{
	const char *name = read_string(cgroup, "manager");

	for (size_t i = 0; name != NULL && i < sizeof(manager_names) / sizeof(*manager_names);
		i++) {
		if (strcmp(name, manager_names[i]) == 0)
			return (enum cgroup_manager)i;
	}
	return CGROUP_MANAGER_DISABLED;
}

static struct key_value_list *read_annotations(
	const struct json_value *annotations, struct arena *arena)
{
	if (annotations == NULL || annotations->type != JSON_OBJECT)
		return NULL;
	struct key_value_list *list = arena_alloc(arena, 1, sizeof(*list));
	if (list == NULL)
		return NULL;
	list->items = arena_alloc(arena, annotations->count, sizeof(*list->items));
	if (list->items == NULL)
		return NULL;
	for (size_t i = 0; i < annotations->count; i++) {
		const struct json_member *member = &annotations->members[i];
		const char *value = json_string(&member->value);

		list->items[list->count++] = (struct key_value){ .key = (char *)member->key,
			.value = (char *)(value != NULL ? value : "") };
	}
	return list;
}

int state_read_nothing(const char *id, struct state *ret, struct error *err)
{
	struct state state = { .cgroup.manager = CGROUP_MANAGER_DISABLED };

	state.id = arena_strndup(&state.arena, id, strlen(id));
	state.bundle = state.created = state.cgroup.path = arena_strndup(&state.arena, "", 0);
	state.isolation = "namespace";
	if (state.id == NULL || state.bundle == NULL) {
		state_free(&state);
		return error_set(err, ENOMEM, "read the state of container %s", id);
	}
	*ret = state;
	return 0;
}

/*
 * True for a directory as a killed creation or deletion may leave it: state.json is the first to be
 * written and the last to be removed.
 */
static bool is_untouched(int dir)
{
	int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *stream = own < 0 ? NULL : fdopendir(own);

	if (stream == NULL) {
		close_fd(own);
		return false;
	}
	for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			strncmp(entry->d_name, "." STATE_FILE, strlen("." STATE_FILE)) != 0)
			return false;
	}
	return true;
}

int state_read(int dir, const char *id, struct state *ret, struct error *err)
{
	_cleanup_(state_free) struct state state = { 0 };
	_cleanup_free_ char *text = NULL;
	struct json_value document;
	size_t length;
	int status = read_file(dir, STATE_FILE, STATE_MAX, &text, &length, err);

	if (status == -ENOENT && !is_untouched(dir))
		return error_say(err, ENOTEMPTY,
			"%s is no container: its directory has no " STATE_FILE
			" and holds something else; is --root right?",
			id);
	if (status == -ENOENT)
		return state_read_nothing(id, ret, err);
	if (status == 0)
		status = json_parse(text, length, &state.arena, &document, err);
	if (status < 0)
		return error_prefix(err, "read the state of container %s", id);

	const struct json_value *cgroup = json_get(&document, "cgroup");
	state.id = read_string(&document, "id");
	state.bundle = read_string(&document, "bundle");
	state.created = read_string(&document, "created");
	state.isolation = read_string(&document, "isolation");
	state.owner = (uid_t)read_number(&document, "owner");
	state.init = read_identity(json_get(&document, "init"));
	state.creator = read_identity(json_get(&document, "creator"));
	state.cgroup = (struct cgroup_location){
		.manager = read_manager(cgroup),
		.path = read_string(cgroup, "path"),
		.unit = read_string(cgroup, "unit"),
		.slice = read_string(cgroup, "slice"),
		.user_manager = read_bool(cgroup, "userManager"),
	};
	state.rdt_group = read_string(&document, "rdtGroup");
	state.notify = read_bool(&document, "notify");
	state.annotations = read_annotations(json_get(&document, "annotations"), &state.arena);
	if (state.id == NULL || strcmp(state.id, id) != 0 || state.bundle == NULL ||
		state.created == NULL || state.isolation == NULL || state.cgroup.path == NULL)
		return error_say(err, EBADMSG,
			"the state of container %s is damaged: %s/" STATE_FILE, id, id);
	*ret = state;
	state = (struct state){ 0 };
	return 0;
}

char *state_specification_json(const struct state *state, enum container_status status, pid_t pid)
{
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	char *text;

	if (json_writer_open(&writer, false, NULL) < 0)
		return NULL;
	json_write_object(&writer);
	json_write_string_member(&writer, "ociVersion", OCI_VERSION);
	json_write_string_member(&writer, "id", state->id);
	json_write_string_member(&writer, "status", container_status_name(status));
	json_write_int_member(&writer, "pid", pid > 0 ? pid : state->init.pid);
	json_write_string_member(&writer, "bundle", state->bundle);
	write_annotations(&writer, state->annotations);
	json_write_end(&writer);
	return json_writer_copy(&writer, &text, NULL) < 0 ? NULL : text;
}
