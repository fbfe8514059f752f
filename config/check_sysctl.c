/* SPDX-License-Identifier: Apache-2.0 */
#include "config/check_sysctl.h"

#include <stdbool.h>
#include <string.h>

#include "config/decode.h"
#include "config/oci.h"

/* Which namespace a sysctl lives in; one that ends with '.' stands for all below it. */
static const struct {
	const char *name;
	enum oci_namespace_type type;
	const char *type_name;
} owners[] = {
	{ "net.", OCI_NAMESPACE_NETWORK, "network" },
	{ "fs.mqueue.", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.auto_msgmni", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.msg_next_id", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.msgmax", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.msgmnb", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.msgmni", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.sem", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.sem_next_id", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.shm_next_id", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.shm_rmid_forced", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.shmall", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.shmmax", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.shmmni", OCI_NAMESPACE_IPC, "ipc" },
	{ "kernel.hostname", OCI_NAMESPACE_UTS, "uts" },
	{ "kernel.domainname", OCI_NAMESPACE_UTS, "uts" },
	{ "user.", OCI_NAMESPACE_USER, "user" },
};

/*
 * Compares a sysctl with an owner's name. The first separator of the sysctl says whether its parts
 * are parted by '.' or by '/' (sysctl(8)).
 */
static bool matches(const char *sysctl, const char *owner)
{
	char separator = sysctl[strcspn(sysctl, "./")];

	for (; *owner != '\0'; owner++, sysctl++) {
		if (*sysctl != (*owner == '.' ? separator : *owner))
			return false;
		if (*owner == '.' && owner[1] == '\0')
			return true;
	}
	return *sysctl == '\0';
}

static int fail(struct decoder *decoder, const char *sysctl, const char *what, const char *detail)
{
	decode_enter_key(decoder, "linux");
	decode_enter_key(decoder, "sysctl");
	decode_enter_key(decoder, sysctl);
	return decode_fail(decoder, NULL, "%s%s", what, detail);
}

/* The same thing said twice is no conflict where both say the same. */
static bool conflicts(const char *owner, const char *name, const char *value, const char *other)
{
	return strcmp(owner, name) == 0 && other != NULL && strcmp(value, other) != 0;
}

static int check_sysctl(struct decoder *decoder, const struct oci_config *config,
	const char *sysctl, const char *value)
{
	size_t i = 0;

	while (i < sizeof(owners) / sizeof(owners[0]) && !matches(sysctl, owners[i].name))
		i++;
	if (i == sizeof(owners) / sizeof(owners[0]))
		return fail(decoder, sysctl,
			"belongs to no namespace, so it would be set for the host; remove it", "");
	if (!config->linux.namespaces[owners[i].type].set)
		return fail(decoder, sysctl,
			"would be set for the host: linux.namespaces has no entry of type ",
			owners[i].type_name);
	if (conflicts(owners[i].name, "kernel.hostname", value, config->hostname))
		return fail(decoder, sysctl, "conflicts with hostname; remove one of them", "");
	if (conflicts(owners[i].name, "kernel.domainname", value, config->domainname))
		return fail(decoder, sysctl, "conflicts with domainname; remove one of them", "");
	return 0;
}

int check_sysctls(struct decoder *decoder, const struct oci_config *config)
{
	for (size_t i = 0; i < config->linux.sysctl.count; i++) {
		const struct key_value *one = &config->linux.sysctl.items[i];
		int status = check_sysctl(decoder, config, one->key, one->value);

		if (status != 0)
			return status;
	}
	return 0;
}
