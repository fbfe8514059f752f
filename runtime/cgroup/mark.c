/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup/mark.h"

#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "lib/log.h"

#define NAME "user.caisson"
#define MARK_MAX 512

void cgroup_set_mark(int fd, const char *mark)
{
	if (fsetxattr(fd, NAME, mark, strlen(mark), 0) < 0)
		log_debug("cgroup: set %s: %s", NAME, strerror(errno));
}

int cgroup_has_mark(int fd, const char *mark)
{
	char text[MARK_MAX];
	ssize_t length = fgetxattr(fd, NAME, text, sizeof(text));

	if (length < 0)
		return errno == ENODATA || errno == ERANGE ? 0 : -errno;
	return (size_t)length == strlen(mark) && memcmp(text, mark, (size_t)length) == 0;
}
