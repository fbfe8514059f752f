/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-linux.md, all but control groups and seccomp.
 */
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/stat.h>

#include "config/format.h"
#include "config/names.h"
#include "config/tables.h"
#include "lib/json.h"

#define AT(member) offsetof(struct oci_linux, member)

/* ---- namespaces ------------------------------------------------------------------------------ */

struct namespace_entry {
	int type; /* enum oci_namespace_type */
	char *path;
};

static const struct field namespace_fields[] = {
	ROW("type", FIELD_ENUM, offsetof(struct namespace_entry, type), .required = true,
		.names = namespace_names),
	ROW("path", FIELD_STRING, offsetof(struct namespace_entry, path), .empty_is_absent = true,
		.format = format_absolute_path),
};

static const struct object_type namespace_type = {
	OBJECT_FIELDS(namespace_fields, struct namespace_entry),
};

/* The list becomes an array by type. */
static int decode_namespaces(struct decoder *decoder, const struct field *field,
	const struct json_value *value, void *object)
{
	struct oci_linux *linux = object;

	(void)field;
	if (value->type != JSON_ARRAY)
		return decode_fail_type(decoder, "an array", value);
	for (uint32_t i = 0; i < value->count; i++) {
		struct namespace_entry entry = { 0 };

		decode_enter_index(decoder, i);
		int status = decode_object(decoder, &namespace_type, &value->items[i], &entry);
		if (status != 0)
			return status;
		if (linux->namespaces[entry.type].set)
			return decode_fail(decoder, "type",
				"this type of namespace is given twice; remove one of them");
		decode_leave(decoder);
		linux->namespaces[entry.type] = (struct oci_namespace){ true, entry.path };
	}
	return 0;
}

/* ---- timeOffsets ----------------------------------------------------------------------------- */

static const struct field time_offset_fields[] = {
	ROW("secs", FIELD_I64, offsetof(struct oci_time_offset, secs)),
	ROW("nanosecs", FIELD_U32, offsetof(struct oci_time_offset, nanosecs), .max = 999999999),
};

static const struct object_type time_offset_type = {
	OBJECT_FIELDS(time_offset_fields, struct oci_time_offset),
	.has_set = true,
	.set_offset = offsetof(struct oci_time_offset, set),
};

static const struct field time_offsets_fields[] = {
	ROW("monotonic", FIELD_OBJECT, AT(monotonic_offset), .object = &time_offset_type),
	ROW("boottime", FIELD_OBJECT, AT(boottime_offset), .object = &time_offset_type),
};

static const struct object_type time_offsets_type = {
	OBJECT_FIELDS(time_offsets_fields, struct oci_linux),
	.unknown = "no clock of a time namespace; use \"monotonic\" or \"boottime\"",
};

/* ---- devices --------------------------------------------------------------------------------- */

static const struct name_value device_type_names[] = {
	{ "c", 'c' },
	{ "b", 'b' },
	{ "u", 'u' },
	{ "p", 'p' },
	{ NULL, 0 },
};

#define DEVICE(member) offsetof(struct oci_device, member)

enum { DEVICE_MAJOR, DEVICE_MINOR };

static const struct field device_fields[] = {
	[DEVICE_MAJOR] = ROW("major", FIELD_I64, DEVICE(major), .min = 0, .max = 4095),
	[DEVICE_MINOR] = ROW("minor", FIELD_I64, DEVICE(minor), .min = 0, .max = 1048575),
	ROW("type", FIELD_ENUM_CHAR, DEVICE(type), .required = true, .names = device_type_names),
	ROW("path", FIELD_STRING, DEVICE(path), .required = true, .format = format_absolute_path),
	ROW("fileMode", FIELD_OPTIONAL_U32, DEVICE(file_mode), .max = 0177777),
	ROW("uid", FIELD_OPTIONAL_ID, DEVICE(uid)),
	ROW("gid", FIELD_OPTIONAL_ID, DEVICE(gid)),
};

/* Some callers pass st_mode as it is: then its type must be the device's. */
static int check_file_mode(struct decoder *decoder, struct oci_device *device)
{
	mode_t expected = device->type == 'b' ? S_IFBLK : device->type == 'p' ? S_IFIFO : S_IFCHR;
	mode_t type = device->file_mode.value & S_IFMT;

	if (type != 0 && type != expected)
		return decode_fail(decoder, "fileMode",
			"%u (octal %o) has the file type of something else than a device of type "
			"'%c'; give the permission bits alone",
			device->file_mode.value, device->file_mode.value, device->type);
	device->file_mode.value &= ~(uint32_t)S_IFMT;
	return 0;
}

static int check_device(struct decoder *decoder, void *object)
{
	struct oci_device *device = object;

	if (device->type != 'p' && !(decoder->seen & (1 << DEVICE_MAJOR)))
		return decode_fail(
			decoder, "major", "required for a device of type '%c'", device->type);
	if (device->type != 'p' && !(decoder->seen & (1 << DEVICE_MINOR)))
		return decode_fail(
			decoder, "minor", "required for a device of type '%c'", device->type);
	return check_file_mode(decoder, device);
}

static const struct object_type device_type = {
	OBJECT_FIELDS(device_fields, struct oci_device),
	.check = check_device,
};

/* ---- netDevices ------------------------------------------------------------------------------ */

static const struct field net_device_fields[] = {
	ROW("name", FIELD_STRING, offsetof(struct oci_net_device, name), .empty_is_absent = true,
		.format = format_interface_template),
};

static const struct object_type net_device_type = {
	OBJECT_FIELDS(net_device_fields, struct oci_net_device),
	.key_offset = offsetof(struct oci_net_device, host_name),
};

/* ---- intelRdt -------------------------------------------------------------------------------- */

#define RDT(member) offsetof(struct oci_intel_rdt, member)

static const struct field intel_rdt_fields[] = {
	ROW("closID", FIELD_STRING, RDT(clos_id), .empty_is_absent = true,
		.format = format_clos_id),
	ROW("schemata", FIELD_STRINGS, RDT(schemata), .format = format_line),
	ROW("l3CacheSchema", FIELD_STRING, RDT(l3_cache_schema), .empty_is_absent = true,
		.format = format_line),
	ROW("memBwSchema", FIELD_STRING, RDT(mem_bw_schema), .empty_is_absent = true,
		.format = format_memory_bandwidth),
	ROW("enableCMT", FIELD_BOOL, RDT(enable_cmt)),
	ROW("enableMBM", FIELD_BOOL, RDT(enable_mbm)),
	ROW("enableMonitoring", FIELD_BOOL, RDT(enable_monitoring)),
};

static const struct object_type intel_rdt_type = {
	OBJECT_FIELDS(intel_rdt_fields, struct oci_intel_rdt),
	.has_set = true,
	.set_offset = RDT(set),
};

/* ---- memoryPolicy (set_mempolicy(2)) --------------------------------------------------------- */

#define POLICY(member) offsetof(struct oci_memory_policy, member)

static const struct field memory_policy_fields[] = {
	ROW("mode", FIELD_ENUM, POLICY(mode), .required = true, .names = memory_policy_mode_names),
	ROW("nodes", FIELD_STRING, POLICY(nodes), .empty_is_absent = true,
		.format = format_number_list),
	ROW("flags", FIELD_FLAGS_INT, POLICY(flags), .names = memory_policy_flag_names),
};

static int check_memory_policy(struct decoder *decoder, void *object)
{
	const struct oci_memory_policy *policy = object;
	bool none = policy->mode == MPOL_DEFAULT || policy->mode == MPOL_LOCAL;

	if (none && policy->nodes != NULL)
		return decode_fail(
			decoder, "nodes", "MPOL_DEFAULT and MPOL_LOCAL take no nodes; remove them");
	if (none && policy->flags != 0)
		return decode_fail(
			decoder, "flags", "MPOL_DEFAULT and MPOL_LOCAL take no flags; remove them");
	if (!none && policy->mode != MPOL_PREFERRED && policy->nodes == NULL)
		return decode_fail(
			decoder, "nodes", "this mode needs at least one node, such as \"0\"");
	if ((policy->flags & MPOL_F_STATIC_NODES) && (policy->flags & MPOL_F_RELATIVE_NODES))
		return decode_fail(decoder, "flags",
			"MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other");
	if ((policy->flags & (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES)) &&
		policy->nodes == NULL)
		return decode_fail(decoder, "nodes",
			"MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES need nodes");
	if ((policy->flags & MPOL_F_NUMA_BALANCING) && policy->mode != MPOL_BIND &&
		policy->mode != MPOL_PREFERRED_MANY)
		return decode_fail(decoder, "flags",
			"MPOL_F_NUMA_BALANCING goes with MPOL_BIND and MPOL_PREFERRED_MANY only");
	return 0;
}

static const struct object_type memory_policy_type = {
	OBJECT_FIELDS(memory_policy_fields, struct oci_memory_policy),
	.has_set = true,
	.set_offset = POLICY(set),
	.check = check_memory_policy,
};

/* ---- personality ----------------------------------------------------------------------------- */

/* "Currently no flag values are supported" (config-linux.md, "Personality"). */
static int decode_personality_flags(struct decoder *decoder, const struct field *field,
	const struct json_value *value, void *object)
{
	(void)field;
	(void)object;
	if (value->type != JSON_ARRAY)
		return decode_fail_type(decoder, "an array", value);
	if (value->count > 0)
		return decode_fail(
			decoder, NULL, "the specification supports no flags yet; remove them");
	return 0;
}

static const struct field personality_fields[] = {
	ROW("domain", FIELD_ENUM_LONG, offsetof(struct oci_personality, domain), .required = true,
		.names = personality_names),
	ROW("flags", FIELD_CUSTOM, 0, .custom = decode_personality_flags),
};

static const struct object_type personality_type = {
	OBJECT_FIELDS(personality_fields, struct oci_personality),
	.has_set = true,
	.set_offset = offsetof(struct oci_personality, set),
};

/* ---- the object ------------------------------------------------------------------------------ */

static const struct field linux_fields[] = {
	ROW("namespaces", FIELD_CUSTOM, 0, .custom = decode_namespaces),
	ROW("uidMappings", FIELD_OBJECTS, AT(uid_mappings), .object = &id_mapping_type),
	ROW("gidMappings", FIELD_OBJECTS, AT(gid_mappings), .object = &id_mapping_type),
	ROW("timeOffsets", FIELD_OBJECT, 0, .object = &time_offsets_type),
	ROW("devices", FIELD_OBJECTS, AT(devices), .object = &device_type),
	ROW("netDevices", FIELD_OBJECT_MAP, AT(net_devices), .object = &net_device_type,
		.format = format_interface),
	ROW("cgroupsPath", FIELD_STRING, AT(cgroups_path), .empty_is_absent = true),
	ROW("resources", FIELD_OBJECT, AT(resources), .object = &resources_type),
	ROW("intelRdt", FIELD_OBJECT, AT(intel_rdt), .object = &intel_rdt_type),
	ROW("memoryPolicy", FIELD_OBJECT, AT(memory_policy), .object = &memory_policy_type),
	ROW("sysctl", FIELD_MAP, AT(sysctl), .format = format_sysctl),
	ROW("seccomp", FIELD_OBJECT, AT(seccomp), .object = &seccomp_type),
	ROW("rootfsPropagation", FIELD_STRING, AT(rootfs_propagation), .empty_is_absent = true,
		.names = propagation_names),
	ROW("maskedPaths", FIELD_STRINGS, AT(masked_paths), .format = format_absolute_path),
	ROW("readonlyPaths", FIELD_STRINGS, AT(readonly_paths), .format = format_absolute_path),
	ROW("mountLabel", FIELD_STRING, AT(mount_label), .empty_is_absent = true),
	ROW("personality", FIELD_OBJECT, AT(personality), .object = &personality_type),
};

static int check_linux(struct decoder *decoder, void *object)
{
	const struct oci_linux *linux = object;
	int status = check_id_mappings(decoder, "uidMappings", &linux->uid_mappings);

	return status != 0 ? status
			   : check_id_mappings(decoder, "gidMappings", &linux->gid_mappings);
}

const struct object_type linux_type = {
	OBJECT_FIELDS(linux_fields, struct oci_linux),
	.has_set = true,
	.set_offset = AT(set),
	.check = check_linux,
};
