/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/credentials.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/log.h"
#include "runtime/ns/path.h"

int keyring_join_session(int procfs, const char *name, const char *selinux_label, struct error *err)
{
	/* Without it the keyring would carry the runtime's label, and be closed to the program. */
	if (selinux_label != NULL && *selinux_label != '\0' && label_selinux_available(procfs) &&
		path_write_procfs(procfs, "self/attr/keycreate", selinux_label, err) < 0)
		return error_prefix(err, "label the session keyring");

	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name) >= 0)
		return 0;
	if (errno == ENOSYS) {
		log_debug("this kernel has no keyrings: the container gets none");
		return 0;
	}
	return error_set(err, errno, "join session keyring %s%s", name,
		errno == EDQUOT ? " (the user's quota of keys is used up: raise "
				  "kernel.keys.maxkeys, or use --no-new-keyring)"
				: "");
}
