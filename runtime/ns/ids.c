/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"

static bool setgroups_denied(int procfs)
{
	char text[8] = "";
	_cleanup_close_ int fd = openat(procfs, "self/setgroups", O_RDONLY | O_CLOEXEC);

	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strncmp(text, "deny", 4) == 0;
}

static int set_groups(int procfs, const struct oci_user *user, struct error *err)
{
	if (user->n_additional_gids == 0 && getgroups(0, NULL) == 0)
		return 0;
	if (setgroups(user->n_additional_gids, user->additional_gids) == 0)
		return 0;

	int failure = errno;
	if (failure == EPERM && setgroups_denied(procfs)) {
		if (user->n_additional_gids == 0)
			return 0;
		return error_say(err, EPERM,
			"process.user.additionalGids: this user namespace may not set groups (an "
			"unprivileged caller mapped only its own group): leave them out, or give "
			"the caller a range in /etc/subgid");
	}
	return error_set(err, failure,
		"process.user.additionalGids: set %zu supplementary groups%s",
		user->n_additional_gids,
		failure == EINVAL ? " (is each of them mapped by linux.gidMappings?)" : "");
}

/* Each change of credentials costs the kernel a copy of them, and many containers need none. */
static bool has_gid(gid_t gid)
{
	gid_t real, effective, saved;

	return getresgid(&real, &effective, &saved) == 0 && real == gid && effective == gid &&
		saved == gid;
}

static bool has_uid(uid_t uid)
{
	uid_t real, effective, saved;

	return getresuid(&real, &effective, &saved) == 0 && real == uid && effective == uid &&
		saved == uid;
}

static int set_uid(uid_t uid, struct error *err)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
		return error_set(err, errno, "keep capabilities across the change of user");
	if (setresuid(uid, uid, uid) < 0)
		return error_set(err, errno, "process.user.uid: become user %u%s", uid,
			errno == EINVAL ? " (linux.uidMappings does not map it)" : "");
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) < 0)
		return error_set(err, errno, "keep no capabilities across later changes of user");
	return 0;
}

bool ids_keep_groups(const struct oci_config *config, bool rootless)
{
	const char *value = oci_config_annotation(config, "run.oci.keep_original_groups");

	return rootless && value != NULL && strcmp(value, "1") == 0;
}

int ids_set(int procfs, const struct oci_user *user, bool keep_groups, struct error *err)
{
	bool keep = keep_groups && user->n_additional_gids == 0;
	int status = keep ? 0 : set_groups(procfs, user, err);

	if (status < 0)
		return status;
	if (!has_gid(user->gid) && setresgid(user->gid, user->gid, user->gid) < 0)
		return error_set(err, errno, "process.user.gid: become group %u%s", user->gid,
			errno == EINVAL ? " (linux.gidMappings does not map it)" : "");
	return has_uid(user->uid) ? 0 : set_uid(user->uid, err);
}
