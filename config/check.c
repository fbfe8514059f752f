/* SPDX-License-Identifier: Apache-2.0 */
#include "config/check.h"

#include <stdio.h>
#include <string.h>

#include "config/check_sysctl.h"
#include "config/decode.h"
#include "config/oci.h"

/*
 * Versions are compatible within a major one (config.md, "Specification version"). What came before
 * 1.0 is taken too: it has no field of another meaning, and the specification's own examples are
 * marked so.
 */
static int check_version(struct decoder *decoder, const char *version)
{
	if (strncmp(version, "1.", 2) == 0 || strncmp(version, "0.", 2) == 0)
		return 0;
	return decode_fail(
		decoder, "ociVersion", "expected a version 1.x, found \"%.32s\"", version);
}

/* Without a namespace of the container's own the host's name would change. */
static int check_host_names(struct decoder *decoder, const struct oci_config *config)
{
	const char *member = config->hostname != NULL ? "hostname"
		: config->domainname != NULL	      ? "domainname"
						      : NULL;

	if (member == NULL || config->linux.namespaces[OCI_NAMESPACE_UTS].set)
		return 0;
	return decode_fail(decoder, member,
		"needs a namespace of type \"uts\" in linux.namespaces, or it would name the host");
}

static int check_user_namespace(struct decoder *decoder, const struct oci_linux *linux)
{
	size_t uids = linux->uid_mappings.count, gids = linux->gid_mappings.count;

	if ((uids > 0) != (gids > 0))
		return decode_fail(decoder, uids > 0 ? "linux.gidMappings" : "linux.uidMappings",
			"required, because uidMappings and gidMappings go together");
	if (uids > 0 && !linux->namespaces[OCI_NAMESPACE_USER].set)
		return decode_fail(decoder, "linux.uidMappings",
			"needs a namespace of type \"user\" in linux.namespaces");
	return 0;
}

/* idmap and ridmap without mappings of their own take the container's (config.md, "Mounts"). */
static int check_mount_mappings(struct decoder *decoder, const struct oci_config *config)
{
	if (config->linux.namespaces[OCI_NAMESPACE_USER].set)
		return 0;
	for (size_t i = 0; i < config->n_mounts; i++) {
		const struct oci_mount *mount = &config->mounts[i];

		for (size_t k = 0; mount->uid_mappings.count == 0 && k < mount->options.count;
			k++) {
			const char *option = mount->options.items[k];
			char member[64];

			if (strcmp(option, "idmap") != 0 && strcmp(option, "ridmap") != 0)
				continue;
			snprintf(member, sizeof(member), "mounts[%zu].options[%zu]", i, k);
			return decode_fail(decoder, member,
				"%s needs uidMappings and gidMappings, or a namespace of type "
				"\"user\"",
				option);
		}
	}
	return 0;
}

/* A time namespace takes offsets only while nobody is in it (time_namespaces(7)). */
static int check_time_offsets(struct decoder *decoder, const struct oci_linux *linux)
{
	const struct oci_namespace *time = &linux->namespaces[OCI_NAMESPACE_TIME];

	if (!linux->monotonic_offset.set && !linux->boottime_offset.set)
		return 0;
	if (!time->set)
		return decode_fail(decoder, "linux.timeOffsets",
			"needs a namespace of type \"time\" in linux.namespaces");
	if (time->path != NULL)
		return decode_fail(decoder, "linux.timeOffsets",
			"cannot be set in a time namespace that is joined; remove them or its "
			"path");
	return 0;
}

static int compare_names(const char *a, const char *b)
{
	return a != NULL && b != NULL ? strcmp(a, b) : 1;
}

static const char *net_device_target(const struct oci_net_device *device)
{
	if (device->name == NULL)
		return device->host_name;
	/* The kernel makes the name of a template unique. */
	return strchr(device->name, '%') == NULL ? device->name : NULL;
}

/*
 * Network devices that two entries want to have the same name. There are few of them on any host,
 * but the document may hold many: more than a namespace is likely to hold are not compared here,
 * the kernel refuses the second one.
 */
static int check_net_devices(struct decoder *decoder, const struct oci_linux *linux)
{
	if (linux->n_net_devices == 0)
		return 0;
	if (!linux->namespaces[OCI_NAMESPACE_NETWORK].set)
		return decode_fail(decoder, "linux.netDevices",
			"needs a namespace of type \"network\" in linux.namespaces to move them "
			"to");
	if (linux->n_net_devices > 256)
		return 0;
	for (size_t i = 1; i < linux->n_net_devices; i++) {
		const char *target = net_device_target(&linux->net_devices[i]);

		for (size_t k = 0; k < i; k++) {
			if (compare_names(target, net_device_target(&linux->net_devices[k])) != 0)
				continue;
			decode_enter_key(decoder, "linux");
			decode_enter_key(decoder, "netDevices");
			decode_enter_key(decoder, linux->net_devices[i].host_name);
			return decode_fail(decoder, "name",
				"\"%s\" is the name of \"%s\" too; give each its own", target,
				linux->net_devices[k].host_name);
		}
	}
	return 0;
}

int check_config(struct decoder *decoder, const struct oci_config *config)
{
	const struct oci_linux *linux = &config->linux;
	int status = check_version(decoder, config->oci_version);

	if (status == 0)
		status = check_host_names(decoder, config);
	if (status == 0)
		status = check_user_namespace(decoder, linux);
	if (status == 0)
		status = check_mount_mappings(decoder, config);
	if (status == 0)
		status = check_time_offsets(decoder, linux);
	if (status == 0)
		status = check_net_devices(decoder, linux);
	if (status == 0)
		status = check_sysctls(decoder, config);
	return status;
}
