/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/limits.h"

#include <errno.h>
#include <linux/ioprio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/error.h"

int io_priority_set(const struct oci_io_priority *priority, struct error *err)
{
	if (!priority->set)
		return 0;
	/* A level in a class without levels is EINVAL (ioprio_set(2)). */
	int level = priority->class == IOPRIO_CLASS_IDLE ? 0 : priority->priority;
	int value = IOPRIO_PRIO_VALUE(priority->class, level);

	if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, value) == 0)
		return 0;
	return error_set(err, errno, "process.ioPriority: set class %d, priority %d%s",
		priority->class, priority->priority,
		errno == EPERM ? " (the real-time class needs CAP_SYS_NICE)" : "");
}
