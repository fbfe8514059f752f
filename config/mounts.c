/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.md, "Mounts" and "POSIX-platform Hooks".
 */
#include "config/format.h"
#include "config/tables.h"

#define MOUNT(member) offsetof(struct oci_mount, member)

static const struct field mount_fields[] = {
	ROW("destination", FIELD_STRING, MOUNT(destination), .required = true,
		.format = format_not_empty),
	ROW("type", FIELD_STRING, MOUNT(type), .empty_is_absent = true),
	ROW("source", FIELD_STRING, MOUNT(source), .empty_is_absent = true),
	ROW("options", FIELD_STRINGS, MOUNT(options), .format = format_not_empty),
	ROW("uidMappings", FIELD_OBJECTS, MOUNT(uid_mappings), .object = &id_mapping_type),
	ROW("gidMappings", FIELD_OBJECTS, MOUNT(gid_mappings), .object = &id_mapping_type),
};

static int check_mount(struct decoder *decoder, void *object)
{
	const struct oci_mount *mount = object;

	if ((mount->uid_mappings.count > 0) != (mount->gid_mappings.count > 0))
		return decode_fail(decoder,
			mount->uid_mappings.count > 0 ? "gidMappings" : "uidMappings",
			"required, because uidMappings and gidMappings go together");
	int status = check_id_mappings(decoder, "uidMappings", &mount->uid_mappings);
	return status != 0 ? status
			   : check_id_mappings(decoder, "gidMappings", &mount->gid_mappings);
}

const struct object_type mount_type = {
	OBJECT_FIELDS(mount_fields, struct oci_mount),
	.check = check_mount,
};

static const struct field hook_fields[] = {
	ROW("path", FIELD_STRING, offsetof(struct oci_hook, path), .required = true,
		.format = format_absolute_path),
	ROW("args", FIELD_STRINGS, offsetof(struct oci_hook, args)),
	ROW("env", FIELD_STRINGS, offsetof(struct oci_hook, env), .format = format_environment),
	ROW("timeout", FIELD_OPTIONAL_I32, offsetof(struct oci_hook, timeout), .min = 1,
		.max = INT32_MAX),
};

static const struct object_type hook_type = { OBJECT_FIELDS(hook_fields, struct oci_hook) };

#define HOOKS(name, member) \
	ROW(name, FIELD_OBJECTS, offsetof(struct oci_hooks, member), .object = &hook_type)

static const struct field hooks_fields[] = {
	HOOKS("prestart", prestart),
	HOOKS("createRuntime", create_runtime),
	HOOKS("createContainer", create_container),
	HOOKS("startContainer", start_container),
	HOOKS("poststart", poststart),
	HOOKS("poststop", poststop),
};

const struct object_type hooks_type = { OBJECT_FIELDS(hooks_fields, struct oci_hooks) };
