/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/state_json.h"

#include <stdio.h>
#include <pwd.h>

#include "lib/cleanup.h"

/* A static program has no name services: the file alone is read. */
const char *user_name(uid_t uid)
{
	static char name[64];
	_cleanup_fclose_ FILE *file = fopen("/etc/passwd", "re");

	for (struct passwd *entry; file != NULL && (entry = fgetpwent(file)) != NULL;) {
		if (entry->pw_uid == uid) {
			snprintf(name, sizeof(name), "%s", entry->pw_name);
			return name;
		}
	}
	snprintf(name, sizeof(name), "%u", uid);
	return name;
}
