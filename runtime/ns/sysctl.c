/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/sysctl.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config/oci.h"
#include "lib/error.h"
#include "runtime/ns/path.h"

#define TREE "sys/"

int sysctl_path(const char *key, char *ret, size_t size)
{
	size_t length = strlen(key);
	char first = key[strcspn(key, "./")];

	if (length == 0 || length >= size)
		return length == 0 ? -EINVAL : -ENAMETOOLONG;
	for (size_t i = 0; i <= length; i++) {
		if (first == '.' && (key[i] == '.' || key[i] == '/'))
			ret[i] = key[i] == '.' ? '/' : '.';
		else
			ret[i] = key[i];
	}
	/* No empty part and none of dots only: the path stays below /proc/sys. */
	for (const char *part = ret;;) {
		size_t part_length = strcspn(part, "/");

		if (part_length == 0 || strspn(part, ".") >= part_length)
			return -EINVAL;
		if (part[part_length] == '\0')
			return 0;
		part += part_length + 1;
	}
}

/* The namespace that the parameter at `path` belongs to, or OCI_NAMESPACE_TYPES. */
static enum oci_namespace_type namespace_of(const char *path)
{
	static const struct {
		const char *path; /* whole, or a prefix where it ends in '/' */
		enum oci_namespace_type type;
	} known[] = {
		{ "fs/mqueue/", OCI_NAMESPACE_IPC },
		{ "kernel/auto_msgmni", OCI_NAMESPACE_IPC },
		{ "kernel/domainname", OCI_NAMESPACE_UTS },
		{ "kernel/hostname", OCI_NAMESPACE_UTS },
		{ "kernel/msg_next_id", OCI_NAMESPACE_IPC },
		{ "kernel/msgmax", OCI_NAMESPACE_IPC },
		{ "kernel/msgmnb", OCI_NAMESPACE_IPC },
		{ "kernel/msgmni", OCI_NAMESPACE_IPC },
		{ "kernel/sem", OCI_NAMESPACE_IPC },
		{ "kernel/sem_next_id", OCI_NAMESPACE_IPC },
		{ "kernel/shm_next_id", OCI_NAMESPACE_IPC },
		{ "kernel/shm_rmid_forced", OCI_NAMESPACE_IPC },
		{ "kernel/shmall", OCI_NAMESPACE_IPC },
		{ "kernel/shmmax", OCI_NAMESPACE_IPC },
		{ "kernel/shmmni", OCI_NAMESPACE_IPC },
		{ "net/", OCI_NAMESPACE_NETWORK },
		{ "user/", OCI_NAMESPACE_USER },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		size_t length = strlen(known[i].path);
		bool prefix = known[i].path[length - 1] == '/';

		if (prefix ? strncmp(path, known[i].path, length) == 0
			   : strcmp(path, known[i].path) == 0)
			return known[i].type;
	}
	return OCI_NAMESPACE_TYPES;
}

int sysctl_check(const struct oci_linux *linux, struct error *err)
{
	static const char *const names[OCI_NAMESPACE_TYPES] = {
		[OCI_NAMESPACE_IPC] = "ipc",
		[OCI_NAMESPACE_NETWORK] = "network",
		[OCI_NAMESPACE_USER] = "user",
		[OCI_NAMESPACE_UTS] = "uts",
	};

	for (size_t i = 0; i < linux->sysctl.count; i++) {
		const char *key = linux->sysctl.items[i].key;
		char path[256];
		int status = sysctl_path(key, path, sizeof(path));

		if (status < 0)
			return error_say(err, -status,
				"linux.sysctl: \"%s\" is no name of a kernel parameter", key);
		enum oci_namespace_type type = namespace_of(path);
		if (type == OCI_NAMESPACE_TYPES)
			return error_say(err, EINVAL,
				"linux.sysctl: \"%s\" belongs to no namespace, setting it would "
				"change the host: remove it",
				key);
		if (!linux->namespaces[type].set)
			return error_say(err, EINVAL,
				"linux.sysctl: \"%s\" would change the host: it needs a namespace "
				"of type \"%s\" in linux.namespaces",
				key, names[type]);
	}
	return 0;
}

int sysctl_apply(int procfs, const struct key_value_list *parameters, struct error *err)
{
	for (size_t i = 0; i < parameters->count; i++) {
		const struct key_value *parameter = &parameters->items[i];
		char file[256] = TREE;
		int status = sysctl_path(
			parameter->key, file + sizeof(TREE) - 1, sizeof(file) - (sizeof(TREE) - 1));

		if (status < 0)
			return error_say(err, -status,
				"linux.sysctl: \"%s\" is no name of a kernel parameter",
				parameter->key);
		if (path_write_procfs(procfs, file, parameter->value, err) < 0)
			return error_prefix(err, "linux.sysctl: set %s to \"%s\"", parameter->key,
				parameter->value);
	}
	return 0;
}
