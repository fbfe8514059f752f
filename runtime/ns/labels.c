/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/ns/path.h"

/*
 * Reads an attribute of the process; false when the kernel has none of that name or no active
 * module answers for it.
 */
static bool attribute_readable(int procfs, const char *name)
{
	char text[256];
	_cleanup_close_ int fd = openat(procfs, name, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, text, sizeof(text)) > 0;
}

bool label_apparmor_available(int procfs)
{
	return attribute_readable(procfs, "self/attr/apparmor/current");
}

bool label_selinux_available(int procfs)
{
	char text[4096];
	_cleanup_close_ int fd = openat(procfs, "filesystems", O_RDONLY | O_CLOEXEC);
	size_t used = 0;

	if (fd < 0)
		return false;
	for (ssize_t n; used < sizeof(text) - 1; used += (size_t)n) {
		n = read(fd, text + used, sizeof(text) - 1 - used);
		if (n <= 0)
			break;
	}
	text[used] = '\0';
	if (strstr(text, "selinuxfs") == NULL)
		return false;

	/* Without a loaded policy every task is "kernel", and no label means anything. */
	char current[256];
	_cleanup_close_ int attribute = openat(procfs, "self/attr/current", O_RDONLY | O_CLOEXEC);
	ssize_t length = attribute < 0 ? -1 : read(attribute, current, sizeof(current) - 1);
	if (length <= 0)
		return false;
	current[length] = '\0';
	return strchr(current, ':') != NULL;
}

int label_set_apparmor(int procfs, const char *profile, struct error *err)
{
	struct error failure = ERROR_INIT;
	char value[512];

	if (profile == NULL || *profile == '\0')
		return 0;
	if (!label_apparmor_available(procfs))
		return error_say(err, EOPNOTSUPP,
			"process.apparmorProfile: \"%s\" is asked for, but AppArmor is not enabled "
			"in this kernel: remove it, or boot with AppArmor",
			profile);
	if ((size_t)snprintf(value, sizeof(value), "exec %s", profile) >= sizeof(value))
		return error_say(
			err, ENAMETOOLONG, "process.apparmorProfile: the name is too long");
	if (path_write_procfs(procfs, "self/attr/apparmor/exec", value, &failure) == 0)
		return 0;
	return error_say(err, failure.errnum,
		"process.apparmorProfile: take on profile \"%s\" (is it loaded? aa-status lists "
		"them): %s",
		profile, failure.message);
}

int label_set_selinux(int procfs, const char *label, struct error *err)
{
	if (label == NULL || *label == '\0')
		return 0;
	if (!label_selinux_available(procfs))
		return error_say(err, EOPNOTSUPP,
			"process.selinuxLabel: \"%s\" is asked for, but SELinux is not enabled in "
			"this kernel: remove it, or load a policy",
			label);
	if (path_write_procfs(procfs, "self/attr/exec", label, err) < 0)
		return error_prefix(err, "process.selinuxLabel: take on \"%s\"", label);
	return 0;
}
