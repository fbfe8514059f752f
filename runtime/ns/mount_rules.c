/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/mount_rules.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/error.h"

/* What lxcfs and its like replace: numbers about the machine, which nothing trusts. */
static const char *const below_proc[] = {
	"/proc/cpuinfo",
	"/proc/diskstats",
	"/proc/loadavg",
	"/proc/meminfo",
	"/proc/net/dev",
	"/proc/slabinfo",
	"/proc/stat",
	"/proc/swaps",
	"/proc/sys/crypto/fips_enabled",
	"/proc/sys/kernel/ns_last_pid",
	"/proc/uptime",
};

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);

	return strncmp(path, directory, length) == 0 && path[length] == '/';
}

static int check_below_proc(const char *destination, bool bind, struct error *err)
{
	for (size_t i = 0; i < sizeof(below_proc) / sizeof(below_proc[0]); i++) {
		if (bind && strcmp(destination, below_proc[i]) == 0)
			return 0;
	}
	return error_say(err, EPERM,
		"nothing may be mounted below /proc but binds of files such as /proc/cpuinfo, "
		"/proc/meminfo and /proc/uptime");
}

int mount_rules_check(const char *destination, const char *type, bool bind, struct error *err)
{
	bool proc = type != NULL && strcmp(type, "proc") == 0;

	if (strcmp(destination, "/") == 0)
		return error_say(err, EPERM,
			"a mount over the root directory would hide the root file system: use "
			"root.path");
	if (strcmp(destination, "/proc") == 0 && !proc && !bind)
		return error_say(err, EPERM, "only type proc may be mounted on /proc");
	if (is_below(destination, "/proc"))
		return check_below_proc(destination, bind, err);
	return 0;
}

bool mount_rules_guarded(const char *destination)
{
	return strcmp(destination, "/dev") == 0 || strcmp(destination, "/sys") == 0 ||
		strcmp(destination, "/proc") == 0 || is_below(destination, "/proc");
}
