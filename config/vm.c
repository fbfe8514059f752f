/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config-vm.md.
 */
#include "config/format.h"
#include "config/names.h"
#include "config/tables.h"

#define AT(member) offsetof(struct oci_vm, member)

static const struct field hypervisor_fields[] = {
	ROW("path", FIELD_STRING, AT(hypervisor_path), .required = true,
		.format = format_absolute_path),
	ROW("parameters", FIELD_STRINGS, AT(hypervisor_parameters)),
};

static const struct object_type hypervisor_type = {
	OBJECT_FIELDS(hypervisor_fields, struct oci_vm),
};

static const struct field kernel_fields[] = {
	ROW("path", FIELD_STRING, AT(kernel_path), .required = true,
		.format = format_absolute_path),
	ROW("parameters", FIELD_STRINGS, AT(kernel_parameters)),
	ROW("initrd", FIELD_STRING, AT(kernel_initrd), .empty_is_absent = true,
		.format = format_absolute_path),
};

static const struct object_type kernel_type = { OBJECT_FIELDS(kernel_fields, struct oci_vm) };

static const struct field image_fields[] = {
	ROW("path", FIELD_STRING, AT(image_path), .required = true, .format = format_not_empty),
	ROW("format", FIELD_STRING, AT(image_format), .required = true,
		.names = vm_image_format_names),
};

static const struct object_type image_type = { OBJECT_FIELDS(image_fields, struct oci_vm) };

enum { IOMEM_FIRST_GFN };

static const struct field iomem_fields[] = {
	[IOMEM_FIRST_GFN] = ROW("firstGFN", FIELD_U64, offsetof(struct oci_iomem, first_gfn)),
	ROW("firstMFN", FIELD_U64, offsetof(struct oci_iomem, first_mfn), .required = true),
	ROW("nrMFNs", FIELD_U64, offsetof(struct oci_iomem, count), .required = true),
};

static int check_iomem(struct decoder *decoder, void *object)
{
	struct oci_iomem *iomem = object;

	if (!(decoder->seen & (1 << IOMEM_FIRST_GFN)))
		iomem->first_gfn = iomem->first_mfn;
	return 0;
}

static const struct object_type iomem_type = {
	OBJECT_FIELDS(iomem_fields, struct oci_iomem),
	.check = check_iomem,
};

static const struct field hw_config_fields[] = {
	ROW("deviceTree", FIELD_STRING, AT(hw_config.device_tree), .empty_is_absent = true),
	ROW("vcpus", FIELD_OPTIONAL_U32, AT(hw_config.vcpus), .min = 1, .max = UINT32_MAX),
	ROW("memory", FIELD_OPTIONAL_U64, AT(hw_config.memory), .min = 1, .max = UINT64_MAX),
	ROW("dtdevs", FIELD_STRINGS, AT(hw_config.dtdevs)),
	ROW("iomems", FIELD_OBJECTS, AT(hw_config.iomems), .object = &iomem_type),
	ROW("irqs", FIELD_U32_LIST, AT(hw_config.irqs)),
};

static const struct object_type hw_config_type = {
	OBJECT_FIELDS(hw_config_fields, struct oci_vm),
	.has_set = true,
	.set_offset = AT(hw_config.set),
};

static const struct field vm_fields[] = {
	ROW("hypervisor", FIELD_OBJECT, 0, .object = &hypervisor_type),
	ROW("kernel", FIELD_OBJECT, 0, .required = true, .object = &kernel_type),
	ROW("image", FIELD_OBJECT, 0, .object = &image_type),
	ROW("hwConfig", FIELD_OBJECT, 0, .object = &hw_config_type),
};

const struct object_type vm_type = {
	OBJECT_FIELDS(vm_fields, struct oci_vm),
	.has_set = true,
	.set_offset = AT(set),
};
