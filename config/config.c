/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.md's top, and the module's front door (config/oci.h).
 */
#include <string.h>

#include "config/check.h"
#include "config/format.h"
#include "config/tables.h"
#include "lib/arena.h"

#define AT(member) offsetof(struct oci_config, member)

static const struct field root_fields[] = {
	ROW("path", FIELD_STRING, AT(root.path), .required = true, .format = format_not_empty),
	ROW("readonly", FIELD_BOOL, AT(root.readonly)),
};

static const struct object_type root_type = {
	OBJECT_FIELDS(root_fields, struct oci_config),
	.has_set = true,
	.set_offset = AT(root.set),
};

static const struct field config_fields[] = {
	ROW("ociVersion", FIELD_STRING, AT(oci_version), .required = true,
		.format = format_semantic_version),
	ROW("hostname", FIELD_STRING, AT(hostname), .empty_is_absent = true,
		.format = format_host_name),
	ROW("domainname", FIELD_STRING, AT(domainname), .empty_is_absent = true,
		.format = format_host_name),
	ROW("root", FIELD_OBJECT, 0, .required = true, .object = &root_type),
	ROW("process", FIELD_OBJECT, AT(process), .object = &process_type),
	ROW("mounts", FIELD_OBJECTS, AT(mounts), .object = &mount_type),
	ROW("hooks", FIELD_OBJECT, AT(hooks), .object = &hooks_type),
	ROW("annotations", FIELD_MAP, AT(annotations), .format = format_not_empty),
	ROW("linux", FIELD_OBJECT, AT(linux), .object = &linux_type),
	ROW("vm", FIELD_OBJECT, AT(vm), .object = &vm_type),
};

const struct object_type config_type = { OBJECT_FIELDS(config_fields, struct oci_config) };

int oci_config_decode(const char *text, size_t length, struct oci_config *ret, struct error *err)
{
	struct arena arena = { 0 };
	struct oci_config config = { 0 };
	struct decoder decoder = { .arena = &arena, .err = err };
	int status = decode_document(&decoder, &config_type, text, length, &config);

	if (status == 0)
		status = check_config(&decoder, &config);
	if (status != 0) {
		arena_free(&arena);
		*ret = (struct oci_config){ 0 };
		return status;
	}
	config.arena = arena;
	*ret = config;
	return 0;
}

int oci_process_decode(const char *text, size_t length, struct arena *arena,
	struct oci_process *ret, struct error *err)
{
	struct oci_process process = { 0 };
	struct decoder decoder = { .arena = arena, .err = err };
	int status = decode_document(&decoder, &process_type, text, length, &process);

	if (status == 0)
		*ret = process;
	return status;
}

int oci_resources_decode(const char *text, size_t length, struct arena *arena,
	struct oci_resources *ret, struct error *err)
{
	struct oci_resources resources = { 0 };
	struct decoder decoder = { .arena = arena, .err = err };
	int status = decode_document(&decoder, &resources_type, text, length, &resources);

	if (status == 0)
		*ret = resources;
	return status;
}

void oci_config_free(struct oci_config *config)
{
	struct arena arena = config->arena;

	*config = (struct oci_config){ 0 };
	arena_free(&arena);
}

const char *oci_config_annotation(const struct oci_config *config, const char *key)
{
	for (size_t i = 0; i < config->annotations.count; i++) {
		if (strcmp(config->annotations.items[i].key, key) == 0)
			return config->annotations.items[i].value;
	}
	return NULL;
}
