/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/host_access.h"

#include <fcntl.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"

/* The host's id of the container's 0, or -1. */
static unsigned int root_id(const struct oci_id_mappings *mappings)
{
	for (size_t i = 0; i < mappings->count; i++) {
		if (mappings->items[i].container_id == 0 && mappings->items[i].size > 0)
			return mappings->items[i].host_id;
	}
	return (unsigned int)-1;
}

bool host_access_as_container_root(const struct oci_linux *linux, const char *path)
{
	const unsigned int uid = root_id(&linux->uid_mappings), gid = root_id(&linux->gid_mappings);
	/* A change of the file system's ids makes the process non-dumpable, without need here. */
	const int dumpable = prctl(PR_GET_DUMPABLE);
	_cleanup_close_ int fd = -EBADF;
	int old_uid, old_gid;

	if (uid == (unsigned int)-1 || gid == (unsigned int)-1)
		return false;
	old_gid = setfsgid(gid);
	old_uid = setfsuid(uid);
	fd = open(path, O_PATH | O_CLOEXEC);
	setfsuid((uid_t)old_uid);
	setfsgid((gid_t)old_gid);
	if (dumpable == 1)
		prctl(PR_SET_DUMPABLE, 1);
	return fd >= 0;
}
