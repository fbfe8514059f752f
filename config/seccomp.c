/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-linux.md, "Seccomp". What this build's libseccomp and this kernel lack is found out when
 * the filter is compiled.
 */
#include <string.h>

#include "config/format.h"
#include "config/names.h"
#include "config/tables.h"

#define ERRNO_MAX 4095	 /* MAX_ERRNO, the most that SECCOMP_RET_ERRNO returns */
#define TRACE_MAX 0xffff /* SECCOMP_RET_DATA */

static bool is_notify(const char *action)
{
	return strcmp(action, "SCMP_ACT_NOTIFY") == 0;
}

static int check_errno(struct decoder *decoder, const char *name, const char *action,
	const struct optional_u32 *number)
{
	bool trace = strcmp(action, "SCMP_ACT_TRACE") == 0;
	uint32_t max = trace ? TRACE_MAX : ERRNO_MAX;

	if (!number->set)
		return 0;
	if (!trace && strcmp(action, "SCMP_ACT_ERRNO") != 0)
		return decode_fail(decoder, name,
			"only SCMP_ACT_ERRNO and SCMP_ACT_TRACE take it, not %s; remove it",
			action);
	if (number->value > max)
		return decode_fail(decoder, name, "expected an integer from 0 to %u, found %u", max,
			number->value);
	return 0;
}

#define ARG(member) offsetof(struct oci_seccomp_arg, member)

static const struct field arg_fields[] = {
	ROW("index", FIELD_U32, ARG(index), .required = true, .max = 5),
	ROW("value", FIELD_U64, ARG(value), .required = true),
	ROW("valueTwo", FIELD_U64, ARG(value_two)),
	ROW("op", FIELD_STRING, ARG(op), .required = true, .names = seccomp_operator_names),
};

static const struct object_type arg_type = { OBJECT_FIELDS(arg_fields, struct oci_seccomp_arg) };

#define RULE(member) offsetof(struct oci_seccomp_rule, member)

static const struct field rule_fields[] = {
	ROW("names", FIELD_STRINGS, RULE(names), .required = true, .format = format_not_empty),
	ROW("action", FIELD_STRING, RULE(action), .required = true, .names = seccomp_action_names),
	ROW("errnoRet", FIELD_OPTIONAL_U32, RULE(errno_ret)),
	ROW("args", FIELD_OBJECTS, RULE(args), .object = &arg_type),
};

static int check_rule(struct decoder *decoder, void *object)
{
	const struct oci_seccomp_rule *rule = object;

	if (rule->names.count == 0)
		return decode_fail(decoder, "names", "needs at least one system call's name");
	/* The runtime itself must still be able to hand the listener over. */
	for (size_t i = 0; is_notify(rule->action) && i < rule->names.count; i++) {
		if (strcmp(rule->names.items[i], "write") == 0)
			return decode_fail(decoder, "action",
				"SCMP_ACT_NOTIFY cannot be used for write: nobody would answer it "
				"while the container starts");
	}
	return check_errno(decoder, "errnoRet", rule->action, &rule->errno_ret);
}

static const struct object_type rule_type = {
	OBJECT_FIELDS(rule_fields, struct oci_seccomp_rule),
	.check = check_rule,
};

#define AT(member) offsetof(struct oci_seccomp, member)

static const struct field seccomp_fields[] = {
	ROW("defaultAction", FIELD_STRING, AT(default_action), .required = true,
		.names = seccomp_action_names),
	ROW("defaultErrnoRet", FIELD_OPTIONAL_U32, AT(default_errno_ret)),
	ROW("architectures", FIELD_STRINGS, AT(architectures), .names = seccomp_architecture_names),
	ROW("flags", FIELD_STRINGS, AT(flags), .names = seccomp_flag_names),
	ROW("listenerPath", FIELD_STRING, AT(listener_path), .empty_is_absent = true,
		.format = format_absolute_path),
	ROW("listenerMetadata", FIELD_STRING, AT(listener_metadata), .empty_is_absent = true),
	ROW("syscalls", FIELD_OBJECTS, AT(syscalls), .object = &rule_type),
};

static int check_seccomp(struct decoder *decoder, void *object)
{
	const struct oci_seccomp *seccomp = object;

	if (is_notify(seccomp->default_action))
		return decode_fail(decoder, "defaultAction",
			"SCMP_ACT_NOTIFY cannot be the default: nobody would answer while the "
			"container starts");
	if (seccomp->listener_metadata != NULL && seccomp->listener_path == NULL)
		return decode_fail(
			decoder, "listenerMetadata", "must not be set without listenerPath");
	for (size_t i = 0; seccomp->listener_path == NULL && i < seccomp->n_syscalls; i++) {
		if (is_notify(seccomp->syscalls[i].action))
			return decode_fail(decoder, "listenerPath",
				"required, because syscalls[%zu] has SCMP_ACT_NOTIFY", i);
	}
	return check_errno(
		decoder, "defaultErrnoRet", seccomp->default_action, &seccomp->default_errno_ret);
}

const struct object_type seccomp_type = {
	OBJECT_FIELDS(seccomp_fields, struct oci_seccomp),
	.has_set = true,
	.set_offset = AT(set),
	.check = check_seccomp,
};
