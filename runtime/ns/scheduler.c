/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/limits.h"

#include <errno.h>
#include <linux/sched/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/error.h"

int scheduler_set(const struct oci_scheduler *scheduler, struct error *err)
{
	if (!scheduler->set)
		return 0;

	struct sched_attr attributes = {
		.size = sizeof(attributes),
		.sched_policy = (__u32)scheduler->policy,
		.sched_flags = scheduler->flags,
		.sched_nice = scheduler->nice,
		.sched_priority = (__u32)scheduler->priority,
		.sched_runtime = scheduler->runtime,
		.sched_deadline = scheduler->deadline,
		.sched_period = scheduler->period,
	};
	if (syscall(SYS_sched_setattr, 0, &attributes, 0) == 0)
		return 0;
	if (errno == EPERM)
		return error_set(err, EPERM,
			"process.scheduler: policy %d, nice %d, priority %d need CAP_SYS_NICE",
			scheduler->policy, scheduler->nice, scheduler->priority);
	return error_set(err, errno, "process.scheduler: set policy %d, nice %d, priority %d",
		scheduler->policy, scheduler->nice, scheduler->priority);
}
