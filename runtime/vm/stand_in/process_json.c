/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/stand_in/process_json.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/names.h"
#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"

static const char *name_of(const struct name_value *names, uint64_t value)
{
	for (; names->name != NULL; names++) {
		if (names->value == value)
			return names->name;
	}
	return NULL;
}

static void write_list(struct json_writer *writer, const char *key, const struct string_list *list)
{
	json_write_array_member(writer, key);
	for (size_t i = 0; i < list->count; i++)
		json_write_string(writer, list->items[i]);
	json_write_end(writer);
}

static void write_user(struct json_writer *writer, const struct oci_user *user)
{
	json_write_object_member(writer, "user");
	json_write_uint_member(writer, "uid", user->uid);
	json_write_uint_member(writer, "gid", user->gid);
	if (user->umask.set)
		json_write_uint_member(writer, "umask", user->umask.value);
	json_write_array_member(writer, "additionalGids");
	for (size_t i = 0; i < user->n_additional_gids; i++)
		json_write_uint(writer, user->additional_gids[i]);
	json_write_end(writer);
	json_write_end(writer);
}

static void write_set(struct json_writer *writer, const char *key, uint64_t set)
{
	json_write_array_member(writer, key);
	for (const struct name_value *name = capability_names; name->name != NULL; name++) {
		if (set & (UINT64_C(1) << name->value))
			json_write_string(writer, name->name);
	}
	json_write_end(writer);
}

static void write_capabilities(
	struct json_writer *writer, const struct oci_capabilities *capabilities)
{
	if (!capabilities->set)
		return;
	json_write_object_member(writer, "capabilities");
	write_set(writer, "bounding", capabilities->bounding);
	write_set(writer, "effective", capabilities->effective);
	write_set(writer, "inheritable", capabilities->inheritable);
	write_set(writer, "permitted", capabilities->permitted);
	write_set(writer, "ambient", capabilities->ambient);
	json_write_end(writer);
}

static void write_rlimits(struct json_writer *writer, const struct oci_process *process)
{
	json_write_array_member(writer, "rlimits");
	for (size_t i = 0; i < process->n_rlimits; i++) {
		json_write_object(writer);
		json_write_string_member(
			writer, "type", name_of(rlimit_names, (uint64_t)process->rlimits[i].type));
		json_write_uint_member(writer, "soft", process->rlimits[i].soft);
		json_write_uint_member(writer, "hard", process->rlimits[i].hard);
		json_write_end(writer);
	}
	json_write_end(writer);
}

static void write_scheduler(struct json_writer *writer, const struct oci_scheduler *scheduler)
{
	if (!scheduler->set)
		return;
	json_write_object_member(writer, "scheduler");
	json_write_string_member(
		writer, "policy", name_of(scheduler_policy_names, (uint64_t)scheduler->policy));
	json_write_int_member(writer, "nice", scheduler->nice);
	json_write_int_member(writer, "priority", scheduler->priority);
	json_write_array_member(writer, "flags");
	for (const struct name_value *flag = scheduler_flag_names; flag->name != NULL; flag++) {
		if (scheduler->flags & (uint64_t)flag->value)
			json_write_string(writer, flag->name);
	}
	json_write_end(writer);
	json_write_uint_member(writer, "runtime", scheduler->runtime);
	json_write_uint_member(writer, "deadline", scheduler->deadline);
	json_write_uint_member(writer, "period", scheduler->period);
	json_write_end(writer);
}

static void write_rest(struct json_writer *writer, const struct oci_process *process)
{
	json_write_string_member(writer, "cwd", process->cwd);
	json_write_bool_member(writer, "noNewPrivileges", process->no_new_privileges);
	if (process->oom_score_adj.set)
		json_write_int_member(writer, "oomScoreAdj", process->oom_score_adj.value);
	if (process->console_size.set) {
		json_write_object_member(writer, "consoleSize");
		json_write_uint_member(writer, "height", process->console_size.height);
		json_write_uint_member(writer, "width", process->console_size.width);
		json_write_end(writer);
	}
	if (process->io_priority.set) {
		json_write_object_member(writer, "ioPriority");
		json_write_string_member(writer, "class",
			name_of(io_priority_class_names, (uint64_t)process->io_priority.class));
		json_write_int_member(writer, "priority", process->io_priority.priority);
		json_write_end(writer);
	}
}

int process_json(const struct oci_process *process, char **ret_text, struct error *err)
{
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	int status = json_writer_open(&writer, false, err);

	if (status < 0)
		return status;
	json_write_object(&writer);
	json_write_bool_member(&writer, "terminal", process->terminal);
	write_user(&writer, &process->user);
	write_list(&writer, "args", &process->args);
	write_list(&writer, "env", &process->env);
	write_capabilities(&writer, &process->capabilities);
	write_rlimits(&writer, process);
	write_scheduler(&writer, &process->scheduler);
	write_rest(&writer, process);
	json_write_end(&writer);
	status = json_writer_copy(&writer, ret_text, err);
	return status < 0 ? error_prefix(err, "write the process for the guest") : 0;
}
