/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.md, "Process".
 */
#include <linux/ioprio.h>
#include <linux/sched.h>
#include <string.h>

#include "config/format.h"
#include "config/names.h"
#include "config/tables.h"
#include "lib/arena.h"
#include "lib/json.h"

#define AT(member) offsetof(struct oci_process, member)

/* ---- user ------------------------------------------------------------------------------------ */

static const struct field user_fields[] = {
	ROW("uid", FIELD_ID, offsetof(struct oci_user, uid), .required = true),
	ROW("gid", FIELD_ID, offsetof(struct oci_user, gid), .required = true),
	ROW("umask", FIELD_OPTIONAL_U32, offsetof(struct oci_user, umask), .max = 0777),
	ROW("additionalGids", FIELD_ID_LIST, offsetof(struct oci_user, additional_gids)),
};

static const struct object_type user_type = { OBJECT_FIELDS(user_fields, struct oci_user) };

/* ---- capabilities ---------------------------------------------------------------------------- */

/* Room doubles whenever the count reaches a power of two: a document may hold very many. */
static int add_unknown(struct decoder *decoder, struct string_list *list, const char *name)
{
	for (size_t i = 0; i < list->count && list->count < 64; i++) {
		if (strcmp(list->items[i], name) == 0)
			return 0;
	}
	if ((list->count & (list->count - 1)) == 0) {
		char **grown = arena_alloc(decoder->arena, list->count * 2 + 2, sizeof(*grown));

		if (grown == NULL)
			return decode_fail_memory(decoder);
		if (list->count > 0)
			memcpy(grown, list->items, list->count * sizeof(*grown));
		list->items = grown;
	}
	list->items[list->count++] = (char *)name;
	list->items[list->count] = NULL;
	return 0;
}

/* A name that is no capability is not an error, but a warning (config.md, "Linux Process"). */
static int decode_capability_set(struct decoder *decoder, const struct field *field,
	const struct json_value *value, void *object)
{
	struct oci_capabilities *capabilities = object;
	uint64_t mask = 0;

	if (value->type != JSON_ARRAY)
		return decode_fail_type(decoder, "an array of strings", value);
	for (uint32_t i = 0; i < value->count; i++) {
		const struct json_value *item = &value->items[i];

		if (item->type != JSON_STRING) {
			decode_enter_index(decoder, i);
			return decode_fail_type(decoder, "a string", item);
		}

		const struct name_value *name = name_value_find(capability_names, item->text);
		if (name != NULL) {
			mask |= UINT64_C(1) << name->value;
			continue;
		}
		int status = add_unknown(decoder, &capabilities->unknown, item->text);
		if (status != 0)
			return status;
	}
	memcpy((char *)object + field->offset, &mask, sizeof(mask));
	return 0;
}

#define CAPABILITIES(name, member)                                         \
	ROW(name, FIELD_CUSTOM, offsetof(struct oci_capabilities, member), \
		.custom = decode_capability_set)

static const struct field capability_fields[] = {
	CAPABILITIES("bounding", bounding),
	CAPABILITIES("effective", effective),
	CAPABILITIES("inheritable", inheritable),
	CAPABILITIES("permitted", permitted),
	CAPABILITIES("ambient", ambient),
};

static const struct object_type capabilities_type = {
	OBJECT_FIELDS(capability_fields, struct oci_capabilities),
	.has_set = true,
	.set_offset = offsetof(struct oci_capabilities, set),
};

/* ---- rlimits --------------------------------------------------------------------------------- */

static const struct field rlimit_fields[] = {
	ROW("type", FIELD_ENUM, offsetof(struct oci_rlimit, type), .required = true,
		.names = rlimit_names),
	ROW("soft", FIELD_U64, offsetof(struct oci_rlimit, soft), .required = true),
	ROW("hard", FIELD_U64, offsetof(struct oci_rlimit, hard), .required = true),
};

static int check_rlimit(struct decoder *decoder, void *object)
{
	const struct oci_rlimit *limit = object;

	if (limit->soft > limit->hard)
		return decode_fail(decoder, "soft",
			"%llu is above the hard limit, %llu; lower it or raise `hard`",
			(unsigned long long)limit->soft, (unsigned long long)limit->hard);
	return 0;
}

static const struct object_type rlimit_type = {
	OBJECT_FIELDS(rlimit_fields, struct oci_rlimit),
	.check = check_rlimit,
};

/* ---- scheduler (sched(7), sched_setattr(2)) ---------------------------------------------------
 */

#define SCHEDULER(member) offsetof(struct oci_scheduler, member)

static const struct field scheduler_fields[] = {
	ROW("policy", FIELD_ENUM, SCHEDULER(policy), .required = true,
		.names = scheduler_policy_names),
	ROW("nice", FIELD_I32, SCHEDULER(nice), .min = -20, .max = 19),
	ROW("priority", FIELD_I32, SCHEDULER(priority), .min = 0, .max = 99),
	ROW("flags", FIELD_FLAGS, SCHEDULER(flags), .names = scheduler_flag_names),
	ROW("runtime", FIELD_U64, SCHEDULER(runtime)),
	ROW("deadline", FIELD_U64, SCHEDULER(deadline)),
	ROW("period", FIELD_U64, SCHEDULER(period)),
};

/* The kernel's __checkparam_dl(): at least 1024 ns, below 2^63, runtime <= deadline <= period. */
static int check_deadline(struct decoder *decoder, const struct oci_scheduler *scheduler)
{
	uint64_t period = scheduler->period != 0 ? scheduler->period : scheduler->deadline;

	if (scheduler->runtime < 1024)
		return decode_fail(decoder, "runtime",
			"SCHED_DEADLINE needs a runtime of at least 1024 (nanoseconds)");
	if (scheduler->deadline == 0)
		return decode_fail(
			decoder, "deadline", "SCHED_DEADLINE needs a deadline (nanoseconds)");
	if (scheduler->runtime > scheduler->deadline || scheduler->deadline > period ||
		period > INT64_MAX)
		return decode_fail(decoder, NULL,
			"SCHED_DEADLINE needs runtime <= deadline <= period, all below 2^63");
	return 0;
}

static int check_scheduler(struct decoder *decoder, void *object)
{
	const struct oci_scheduler *scheduler = object;
	bool realtime = scheduler->policy == SCHED_FIFO || scheduler->policy == SCHED_RR;

	if (scheduler->policy == SCHED_ISO_)
		return decode_fail(decoder, "policy",
			"SCHED_ISO is not implemented by Linux; use SCHED_OTHER or SCHED_RR");
	if (realtime && scheduler->priority == 0)
		return decode_fail(decoder, "priority",
			"SCHED_FIFO and SCHED_RR need a priority from 1 to 99");
	if (!realtime && scheduler->priority != 0)
		return decode_fail(decoder, "priority",
			"only SCHED_FIFO and SCHED_RR take a priority; remove it");
	/* A nice value beside another policy means nothing, to the kernel and to other runtimes. */
	if (scheduler->policy == SCHED_DEADLINE)
		return check_deadline(decoder, scheduler);
	if (scheduler->runtime != 0 || scheduler->deadline != 0 || scheduler->period != 0)
		return decode_fail(decoder, NULL,
			"only SCHED_DEADLINE takes runtime, deadline and period; remove them");
	return 0;
}

static const struct object_type scheduler_type = {
	OBJECT_FIELDS(scheduler_fields, struct oci_scheduler),
	.has_set = true,
	.set_offset = SCHEDULER(set),
	.check = check_scheduler,
};

/* ---- the rest -------------------------------------------------------------------------------- */

static const struct field io_priority_fields[] = {
	ROW("class", FIELD_ENUM, offsetof(struct oci_io_priority, class), .required = true,
		.names = io_priority_class_names),
	ROW("priority", FIELD_I32, offsetof(struct oci_io_priority, priority), .min = 0, .max = 7),
};

/* The idle class has no levels: runc's and crun's users write it without one. */
static int check_io_priority(struct decoder *decoder, void *object)
{
	const struct oci_io_priority *priority = object;
	const uint64_t priority_seen = UINT64_C(1) << 1;

	if (priority->class != IOPRIO_CLASS_IDLE && !(decoder->seen & priority_seen))
		return decode_fail(decoder, "priority", "required, but missing from the document");
	return 0;
}

static const struct object_type io_priority_type = {
	OBJECT_FIELDS(io_priority_fields, struct oci_io_priority),
	.has_set = true,
	.set_offset = offsetof(struct oci_io_priority, set),
	.check = check_io_priority,
};

/* These two are parts of struct oci_process itself. */
static const struct field console_size_fields[] = {
	ROW("height", FIELD_U16, AT(console_size.height), .required = true),
	ROW("width", FIELD_U16, AT(console_size.width), .required = true),
};

static const struct object_type console_size_type = {
	OBJECT_FIELDS(console_size_fields, struct oci_process),
	.has_set = true,
	.set_offset = AT(console_size.set),
};

static const struct field affinity_fields[] = {
	ROW("initial", FIELD_STRING, AT(exec_cpu_affinity.initial), .empty_is_absent = true,
		.format = format_number_list),
	ROW("final", FIELD_STRING, AT(exec_cpu_affinity.final), .empty_is_absent = true,
		.format = format_number_list),
};

static const struct object_type affinity_type = {
	OBJECT_FIELDS(affinity_fields, struct oci_process),
};

static const struct field process_fields[] = {
	ROW("terminal", FIELD_BOOL, AT(terminal)),
	ROW("consoleSize", FIELD_OBJECT, 0, .object = &console_size_type),
	ROW("user", FIELD_OBJECT, AT(user), .object = &user_type),
	ROW("args", FIELD_STRINGS, AT(args), .required = true),
	ROW("env", FIELD_STRINGS, AT(env), .format = format_environment),
	ROW("cwd", FIELD_STRING, AT(cwd), .required = true, .format = format_absolute_path),
	ROW("capabilities", FIELD_OBJECT, AT(capabilities), .object = &capabilities_type),
	ROW("rlimits", FIELD_OBJECTS, AT(rlimits), .object = &rlimit_type),
	ROW("noNewPrivileges", FIELD_BOOL, AT(no_new_privileges)),
	ROW("apparmorProfile", FIELD_STRING, AT(apparmor_profile), .empty_is_absent = true),
	ROW("oomScoreAdj", FIELD_OPTIONAL_I32, AT(oom_score_adj), .min = -1000, .max = 1000),
	ROW("selinuxLabel", FIELD_STRING, AT(selinux_label), .empty_is_absent = true),
	ROW("scheduler", FIELD_OBJECT, AT(scheduler), .object = &scheduler_type),
	ROW("ioPriority", FIELD_OBJECT, AT(io_priority), .object = &io_priority_type),
	ROW("execCPUAffinity", FIELD_OBJECT, 0, .object = &affinity_type),
};

static const char *rlimit_name(int type)
{
	const struct name_value *name = rlimit_names;

	while (name->name != NULL && name->value != (uint64_t)type)
		name++;
	return name->name != NULL ? name->name : "an rlimit";
}

static int check_process(struct decoder *decoder, void *object)
{
	const struct oci_process *process = object;
	uint64_t seen = 0;

	if (process->args.count == 0)
		return decode_fail(
			decoder, "args", "needs at least one entry, the program to execute");
	if (process->args.items[0][0] == '\0')
		return decode_fail(decoder, "args[0]", "names no program; it is empty");
	for (size_t i = 0; i < process->n_rlimits; i++) {
		uint64_t bit = UINT64_C(1) << process->rlimits[i].type;

		if (seen & bit) {
			decode_enter_key(decoder, "rlimits");
			decode_enter_index(decoder, i);
			return decode_fail(decoder, "type", "%s is given twice; remove one of them",
				rlimit_name(process->rlimits[i].type));
		}
		seen |= bit;
	}
	return 0;
}

const struct object_type process_type = {
	OBJECT_FIELDS(process_fields, struct oci_process),
	.has_set = true,
	.set_offset = AT(set),
	.check = check_process,
};
