/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-linux.md, "Control groups".
 */
#include <string.h>

#include "config/format.h"
#include "config/tables.h"
#include "lib/json.h"

/* Numbers of a device: 12 and 20 bits in the kernel, 32 each in the cgroup's device filter. */
#define MAJOR_MAX 4095
#define MINOR_MAX 1048575

#define BYTES .min = -1, .max = INT64_MAX /* -1 is unlimited */

/* ---- devices --------------------------------------------------------------------------------- */

static int decode_access(struct decoder *decoder, const struct field *field,
	const struct json_value *value, void *object)
{
	struct oci_device_rule *rule = object;

	(void)field;
	if (value->type != JSON_STRING)
		return decode_fail_type(decoder, "a string", value);
	for (const char *p = value->text; *p != '\0'; p++) {
		switch (*p) {
		case 'r':
			rule->read = true;
			break;
		case 'w':
			rule->write = true;
			break;
		case 'm':
			rule->mknod = true;
			break;
		default:
			return decode_fail_value(
				decoder, "a composition of 'r', 'w' and 'm'", value);
		}
	}
	return 0;
}

static const struct name_value rule_type_names[] = {
	{ "a", 'a' },
	{ "b", 'b' },
	{ "c", 'c' },
	{ NULL, 0 },
};

#define RULE(member) offsetof(struct oci_device_rule, member)

static const struct field device_rule_fields[] = {
	ROW("allow", FIELD_BOOL, RULE(allow), .required = true),
	ROW("type", FIELD_ENUM_CHAR, RULE(type), .names = rule_type_names),
	ROW("major", FIELD_OPTIONAL_I64, RULE(major), .min = -1, .max = UINT32_MAX),
	ROW("minor", FIELD_OPTIONAL_I64, RULE(minor), .min = -1, .max = UINT32_MAX),
	ROW("access", FIELD_CUSTOM, 0, .custom = decode_access),
};

/* What is left out means "all". */
static int check_device_rule(struct decoder *decoder, void *object)
{
	struct oci_device_rule *rule = object;

	(void)decoder;
	if (rule->type == '\0')
		rule->type = 'a';
	if (!rule->read && !rule->write && !rule->mknod)
		rule->read = rule->write = rule->mknod = true;
	return 0;
}

static const struct object_type device_rule_type = {
	OBJECT_FIELDS(device_rule_fields, struct oci_device_rule),
	.check = check_device_rule,
};

/* ---- memory, cpu, pids ----------------------------------------------------------------------- */

#define MEMORY(member) offsetof(struct oci_memory, member)

static const struct field memory_fields[] = {
	ROW("limit", FIELD_OPTIONAL_I64, MEMORY(limit), BYTES),
	ROW("reservation", FIELD_OPTIONAL_I64, MEMORY(reservation), BYTES),
	ROW("swap", FIELD_OPTIONAL_I64, MEMORY(swap), BYTES),
	ROW("kernel", FIELD_OPTIONAL_I64, MEMORY(kernel), BYTES),
	ROW("kernelTCP", FIELD_OPTIONAL_I64, MEMORY(kernel_tcp), BYTES),
	ROW("swappiness", FIELD_OPTIONAL_U64, MEMORY(swappiness), .max = 100),
	ROW("disableOOMKiller", FIELD_OPTIONAL_BOOL, MEMORY(disable_oom_killer)),
	ROW("useHierarchy", FIELD_OPTIONAL_BOOL, MEMORY(use_hierarchy)),
	ROW("checkBeforeUpdate", FIELD_OPTIONAL_BOOL, MEMORY(check_before_update)),
};

static const struct object_type memory_type = { OBJECT_FIELDS(memory_fields, struct oci_memory) };

#define CPU(member) offsetof(struct oci_cpu, member)

static const struct field cpu_fields[] = {
	ROW("shares", FIELD_OPTIONAL_U64, CPU(shares)),
	ROW("quota", FIELD_OPTIONAL_I64, CPU(quota)),
	ROW("burst", FIELD_OPTIONAL_U64, CPU(burst)),
	ROW("period", FIELD_OPTIONAL_U64, CPU(period)),
	ROW("realtimeRuntime", FIELD_OPTIONAL_I64, CPU(realtime_runtime)),
	ROW("realtimePeriod", FIELD_OPTIONAL_U64, CPU(realtime_period)),
	ROW("cpus", FIELD_STRING, CPU(cpus), .empty_is_absent = true, .format = format_number_list),
	ROW("mems", FIELD_STRING, CPU(mems), .empty_is_absent = true, .format = format_number_list),
	ROW("idle", FIELD_OPTIONAL_I64, CPU(idle), .min = 0, .max = 1),
};

static int check_cpu(struct decoder *decoder, void *object)
{
	const struct oci_cpu *cpu = object;

	if (cpu->burst.set && cpu->quota.set && cpu->quota.value > 0 &&
		cpu->burst.value > (uint64_t)cpu->quota.value)
		return decode_fail(decoder, "burst",
			"%llu is above the quota, %lld; lower it or raise `quota`",
			(unsigned long long)cpu->burst.value, (long long)cpu->quota.value);
	return 0;
}

static const struct object_type cpu_type = {
	OBJECT_FIELDS(cpu_fields, struct oci_cpu),
	.check = check_cpu,
};

static const struct field pids_fields[] = {
	ROW("limit", FIELD_OPTIONAL_I64, offsetof(struct oci_resources, pids_limit), BYTES),
};

static const struct object_type pids_type = { OBJECT_FIELDS(pids_fields, struct oci_resources) };

/* ---- blockIO --------------------------------------------------------------------------------- */

/* 0 is what older callers write for "no weight given". */
static int check_weight(struct decoder *decoder, const char *name, struct optional_u32 *weight)
{
	if (weight->set && weight->value == 0)
		weight->set = false;
	if (weight->set && (weight->value < 10 || weight->value > 1000))
		return decode_fail(decoder, name, "expected an integer from 10 to 1000, found %u",
			weight->value);
	return 0;
}

#define WEIGHT_DEVICE(member) offsetof(struct oci_weight_device, member)

static const struct field weight_device_fields[] = {
	ROW("major", FIELD_I64, WEIGHT_DEVICE(major), .required = true, .min = 0, .max = MAJOR_MAX),
	ROW("minor", FIELD_I64, WEIGHT_DEVICE(minor), .required = true, .min = 0, .max = MINOR_MAX),
	ROW("weight", FIELD_OPTIONAL_U32, WEIGHT_DEVICE(weight), .max = UINT16_MAX),
	ROW("leafWeight", FIELD_OPTIONAL_U32, WEIGHT_DEVICE(leaf_weight), .max = UINT16_MAX),
};

static int check_weight_device(struct decoder *decoder, void *object)
{
	struct oci_weight_device *device = object;

	if (!device->weight.set && !device->leaf_weight.set)
		return decode_fail(decoder, "weight", "required, unless there is a leafWeight");
	int status = check_weight(decoder, "weight", &device->weight);
	return status != 0 ? status : check_weight(decoder, "leafWeight", &device->leaf_weight);
}

static const struct object_type weight_device_type = {
	OBJECT_FIELDS(weight_device_fields, struct oci_weight_device),
	.check = check_weight_device,
};

#define THROTTLE_DEVICE(member) offsetof(struct oci_throttle_device, member)

static const struct field throttle_device_fields[] = {
	ROW("major", FIELD_I64, THROTTLE_DEVICE(major), .required = true, .min = 0,
		.max = MAJOR_MAX),
	ROW("minor", FIELD_I64, THROTTLE_DEVICE(minor), .required = true, .min = 0,
		.max = MINOR_MAX),
	ROW("rate", FIELD_U64, THROTTLE_DEVICE(rate), .required = true),
};

static const struct object_type throttle_device_type = {
	OBJECT_FIELDS(throttle_device_fields, struct oci_throttle_device),
};

#define BLOCK_IO(member) offsetof(struct oci_block_io, member)
#define THROTTLE(name, member) \
	ROW(name, FIELD_OBJECTS, BLOCK_IO(member), .object = &throttle_device_type)

static const struct field block_io_fields[] = {
	ROW("weight", FIELD_OPTIONAL_U32, BLOCK_IO(weight), .max = UINT16_MAX),
	ROW("leafWeight", FIELD_OPTIONAL_U32, BLOCK_IO(leaf_weight), .max = UINT16_MAX),
	ROW("weightDevice", FIELD_OBJECTS, BLOCK_IO(weight_devices), .object = &weight_device_type),
	THROTTLE("throttleReadBpsDevice", read_bps),
	THROTTLE("throttleWriteBpsDevice", write_bps),
	THROTTLE("throttleReadIOPSDevice", read_iops),
	THROTTLE("throttleWriteIOPSDevice", write_iops),
};

static int check_block_io(struct decoder *decoder, void *object)
{
	struct oci_block_io *block_io = object;
	int status = check_weight(decoder, "weight", &block_io->weight);

	return status != 0 ? status : check_weight(decoder, "leafWeight", &block_io->leaf_weight);
}

static const struct object_type block_io_type = {
	OBJECT_FIELDS(block_io_fields, struct oci_block_io),
	.check = check_block_io,
};

/* ---- hugepageLimits, network, rdma ----------------------------------------------------------- */

static const struct field hugepage_limit_fields[] = {
	ROW("pageSize", FIELD_STRING, offsetof(struct oci_hugepage_limit, page_size),
		.required = true, .format = format_page_size),
	ROW("limit", FIELD_U64, offsetof(struct oci_hugepage_limit, limit), .required = true),
};

static const struct object_type hugepage_limit_type = {
	OBJECT_FIELDS(hugepage_limit_fields, struct oci_hugepage_limit),
};

static const struct field priority_fields[] = {
	ROW("name", FIELD_STRING, offsetof(struct oci_interface_priority, name), .required = true,
		.format = format_interface),
	ROW("priority", FIELD_U32, offsetof(struct oci_interface_priority, priority),
		.required = true),
};

static const struct object_type priority_type = {
	OBJECT_FIELDS(priority_fields, struct oci_interface_priority),
};

static const struct field network_fields[] = {
	ROW("classID", FIELD_OPTIONAL_U32, offsetof(struct oci_network, class_id)),
	ROW("priorities", FIELD_OBJECTS, offsetof(struct oci_network, priorities),
		.object = &priority_type),
};

static const struct object_type network_type = {
	OBJECT_FIELDS(network_fields, struct oci_network),
};

static const struct field rdma_fields[] = {
	ROW("hcaHandles", FIELD_OPTIONAL_U32, offsetof(struct oci_rdma, hca_handles)),
	ROW("hcaObjects", FIELD_OPTIONAL_U32, offsetof(struct oci_rdma, hca_objects)),
};

static int check_rdma(struct decoder *decoder, void *object)
{
	const struct oci_rdma *rdma = object;

	if (!rdma->hca_handles.set && !rdma->hca_objects.set)
		return decode_fail(decoder, NULL, "needs hcaHandles, hcaObjects or both");
	return 0;
}

static const struct object_type rdma_type = {
	OBJECT_FIELDS(rdma_fields, struct oci_rdma),
	.key_offset = offsetof(struct oci_rdma, name),
	.check = check_rdma,
};

/* ---- the object ------------------------------------------------------------------------------ */

#define AT(member) offsetof(struct oci_resources, member)

static const struct field resources_fields[] = {
	ROW("devices", FIELD_OBJECTS, AT(devices), .object = &device_rule_type),
	ROW("memory", FIELD_OBJECT, AT(memory), .object = &memory_type),
	ROW("cpu", FIELD_OBJECT, AT(cpu), .object = &cpu_type),
	ROW("pids", FIELD_OBJECT, 0, .object = &pids_type),
	ROW("blockIO", FIELD_OBJECT, AT(block_io), .object = &block_io_type),
	ROW("hugepageLimits", FIELD_OBJECTS, AT(hugepage_limits), .object = &hugepage_limit_type),
	ROW("network", FIELD_OBJECT, AT(network), .object = &network_type),
	ROW("rdma", FIELD_OBJECT_MAP, AT(rdma), .object = &rdma_type, .format = format_not_empty),
	ROW("unified", FIELD_MAP, AT(unified), .format = format_cgroup_file),
};

const struct object_type resources_type = {
	OBJECT_FIELDS(resources_fields, struct oci_resources),
	.has_set = true,
	.set_offset = AT(set),
};
