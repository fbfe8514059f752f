/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/sysctl.h"

#include <errno.h>
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
