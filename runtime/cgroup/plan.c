/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources -> writes (resources.h, plan.h): nothing here touches the host. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/oci.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/cgroup/controllers.h"
#include "runtime/cgroup/plan.h"
#include "runtime/cgroup/resources.h"

/* cpu.max takes 1 ms to 1 s (kernel/sched/core.c: min_cfs_quota_period, max_cfs_quota_period). */
#define PERIOD_LEAST 1000
#define PERIOD_MOST 1000000

/* What cgroup v2 has no counterpart for, and no container can be running on. */
static int check_memory_v1(const struct oci_memory *memory, struct error *err)
{
	if (memory->disable_oom_killer.set && memory->disable_oom_killer.value)
		return cgroup_plan_refuse(err, "memory.disableOOMKiller",
			"cannot disable the OOM killer: remove it, or set a higher limit");
	if (memory->swappiness.set && memory->swappiness.value > 100)
		return error_say(err, EINVAL,
			"%smemory.swappiness: %" PRIu64 " is out of range: expected 0 to 100",
			CGROUP_FIELD, memory->swappiness.value);
	if (memory->swappiness.set)
		return cgroup_plan_refuse(err, "memory.swappiness",
			"has no swappiness per cgroup: remove it, or limit memory.swap");
	if (memory->kernel.set && memory->kernel.value > 0)
		log_warning("%smemory.kernel is ignored: cgroup v2 counts kernel memory in "
			    "memory.limit",
			CGROUP_FIELD);
	if (memory->kernel_tcp.set && memory->kernel_tcp.value > 0)
		log_warning("%smemory.kernelTCP is ignored: cgroup v2 counts TCP buffers in "
			    "memory.limit",
			CGROUP_FIELD);
	if (memory->use_hierarchy.set && !memory->use_hierarchy.value)
		log_warning("%smemory.useHierarchy false is ignored: cgroup v2 is always "
			    "hierarchical",
			CGROUP_FIELD);
	return 0;
}

/* As in runc, a limit of 0 means "not set": callers fill in zeros. */
static int plan_swap(struct cgroup_plan *plan, const struct oci_memory *memory,
	const struct cgroup_present *present, struct error *err)
{
	int64_t limit = memory->limit.set ? memory->limit.value : 0;
	int64_t swap = memory->swap.set ? memory->swap.value : 0, swap_max;
	struct cgroup_write *write;
	int status;

	if (swap < -1)
		return error_say(err, EINVAL,
			"%smemory.swap: %" PRId64 " is out of range: expected bytes, or -1 for no "
			"limit",
			CGROUP_FIELD, swap);
	/* cgroup v1: memory without a limit takes swap along, where none is asked for. */
	if (swap == 0 && limit != -1)
		return 0;
	if (swap == 0)
		swap = -1;
	if (swap > 0 && limit == 0 && present != NULL && present->memory_max <= INT64_MAX)
		limit = (int64_t)present->memory_max;
	status = cgroup_swap_max(swap, limit, &swap_max, err);
	if (status < 0)
		return status;
	write = cgroup_plan_add_bytes(plan, "memory.swap", "memory.swap.max", swap_max, err);
	if (write == NULL)
		return -EINVAL;
	/* A kernel without swap accounting has no swap to give, or to take. */
	write->optional = swap_max <= 0;
	return 0;
}

static int plan_memory(struct cgroup_plan *plan, const struct oci_memory *memory,
	const struct cgroup_present *present, struct error *err)
{
	int status = check_memory_v1(memory, err);

	if (status < 0)
		return status;
	status = plan_swap(plan, memory, present, err);
	if (status < 0)
		return status;
	if (memory->limit.set && memory->limit.value != 0) {
		if (cgroup_plan_add_bytes(
			    plan, "memory.limit", "memory.max", memory->limit.value, err) == NULL)
			return -EINVAL;
		if (memory->check_before_update.set && memory->check_before_update.value &&
			memory->limit.value > 0) {
			plan->check_memory = true;
			plan->memory_limit = (uint64_t)memory->limit.value;
		}
	}
	if (memory->reservation.set && memory->reservation.value != 0 &&
		cgroup_plan_add_bytes(plan, "memory.reservation", "memory.low",
			memory->reservation.value, err) == NULL)
		return -EINVAL;
	return 0;
}

/* The quota and period share one file; a period that comes alone keeps the quota there is. */
static int plan_cpu_max(struct cgroup_plan *plan, const struct oci_cpu *cpu,
	const struct cgroup_present *present, struct error *err)
{
	int64_t quota = cpu->quota.set ? cpu->quota.value : 0;
	uint64_t period = cpu->period.set ? cpu->period.value : 0;
	const char *now = present != NULL && present->cpu_quota[0] != '\0' ? present->cpu_quota
									   : "max";
	struct cgroup_write *write = NULL;
	char text[24];

	if (quota > 0 && quota < PERIOD_LEAST)
		return error_say(err, EINVAL,
			"%scpu.quota: %" PRId64 " is out of range: expected at least %d "
			"microseconds",
			CGROUP_FIELD, quota, PERIOD_LEAST);
	if (period != 0 && (period < PERIOD_LEAST || period > PERIOD_MOST))
		return error_say(err, EINVAL,
			"%scpu.period: %" PRIu64 " is out of range: expected %d to %d microseconds",
			CGROUP_FIELD, period, PERIOD_LEAST, PERIOD_MOST);
	if (cpu->burst.set) {
		if (quota > 0 && cpu->burst.value > (uint64_t)quota)
			return error_say(err, EINVAL,
				"%scpu.burst: %" PRIu64
				" is out of range: expected at most the quota "
				"%" PRId64,
				CGROUP_FIELD, cpu->burst.value, quota);
		write = cgroup_plan_add(plan, CGROUP_CPU, "cpu.burst", "cpu.max.burst", err,
			"%" PRIu64, cpu->burst.value);
		if (write == NULL)
			return -ENOMEM;
		/* Which of burst and quota goes first depends on what was there. */
		write->may_retry = quota != 0 || period != 0;
	}
	if (quota == 0 && period == 0)
		return 0;
	snprintf(text, sizeof(text), "%" PRId64, quota);
	if (period == 0)
		write = cgroup_plan_add(plan, CGROUP_CPU, "cpu.quota", "cpu.max", err, "%s",
			quota < 0 ? "max" : text);
	else
		write = cgroup_plan_add(plan, CGROUP_CPU, quota != 0 ? "cpu.quota" : "cpu.period",
			"cpu.max", err, "%s %" PRIu64,
			quota < 0	     ? "max"
				: quota == 0 ? now
					     : text,
			period);
	if (write == NULL)
		return -ENOMEM;
	write->may_retry = cpu->burst.set;
	return 0;
}

static int plan_cpuset(struct cgroup_plan *plan, const char *list, const char *field,
	const char *file, struct error *err)
{
	struct cgroup_write *write;

	if (list == NULL || *list == '\0')
		return 0;
	if (!cgroup_list_is_valid(list))
		return error_say(err, EINVAL, "%s%s: '%.256s' is not a list such as \"0-3,7\"",
			CGROUP_FIELD, field, list);
	write = cgroup_plan_append(plan, CGROUP_CPUSET, field, err);
	if (write == NULL)
		return -ENOMEM;
	write->file = file;
	write->value = arena_strndup(&plan->arena, list, strlen(list));
	return write->value != NULL ? 0 : error_set(err, ENOMEM, "%s%s", CGROUP_FIELD, field);
}

static int plan_cpu(struct cgroup_plan *plan, const struct oci_cpu *cpu,
	const struct cgroup_present *present, struct error *err)
{
	bool idle = cpu->idle.set && cpu->idle.value == 1;
	int status;

	if ((cpu->realtime_runtime.set && cpu->realtime_runtime.value != 0) ||
		(cpu->realtime_period.set && cpu->realtime_period.value != 0))
		return cgroup_plan_refuse(err, "cpu.realtimeRuntime",
			"has no realtime limits: remove realtimeRuntime and realtimePeriod");
	if (cpu->idle.set && cpu->idle.value != 0 && cpu->idle.value != 1)
		return error_say(err, EINVAL,
			"%scpu.idle: %" PRId64 " is out of range: expected 0 or 1", CGROUP_FIELD,
			cpu->idle.value);
	if (cpu->idle.set &&
		cgroup_plan_add(plan, CGROUP_CPU, "cpu.idle", "cpu.idle", err, "%" PRId64,
			cpu->idle.value) == NULL)
		return -ENOMEM;
	/* An idle cgroup has no weight, and the kernel refuses one. */
	if (cpu->shares.set && cpu->shares.value != 0 && !idle &&
		cgroup_plan_add(plan, CGROUP_CPU, "cpu.shares", "cpu.weight", err, "%" PRIu64,
			cgroup_cpu_weight(cpu->shares.value)) == NULL)
		return -ENOMEM;
	status = plan_cpu_max(plan, cpu, present, err);
	if (status < 0)
		return status;
	/* Nodes first: a cgroup without memory nodes takes no process. */
	status = plan_cpuset(plan, cpu->mems, "cpu.mems", "cpuset.mems", err);
	if (status < 0)
		return status;
	return plan_cpuset(plan, cpu->cpus, "cpu.cpus", "cpuset.cpus", err);
}

/* "64KB", "2MB", "1GB": what hugetlb's files are named after (config-linux.md). */
static bool page_size_is_valid(const char *size)
{
	size_t n = strspn(size, "0123456789");

	return n > 0 && n < 8 && *size != '0' &&
		(strcmp(size + n, "KB") == 0 || strcmp(size + n, "MB") == 0 ||
			strcmp(size + n, "GB") == 0);
}

static int plan_hugetlb(
	struct cgroup_plan *plan, const struct oci_resources *resources, struct error *err)
{
	for (size_t i = 0; i < resources->n_hugepage_limits; i++) {
		const struct oci_hugepage_limit *limit = &resources->hugepage_limits[i];

		if (limit->page_size == NULL || !page_size_is_valid(limit->page_size))
			return error_say(err, EINVAL,
				"%shugepageLimits: '%.64s' is not a page size such as 2MB",
				CGROUP_FIELD, limit->page_size != NULL ? limit->page_size : "");
		/* With rsvd, a mapping beyond the limit fails at mmap(), not with SIGBUS later. */
		for (int rsvd = 0; rsvd <= 1; rsvd++) {
			const char *file = arena_printf(&plan->arena, "hugetlb.%s.%smax",
				limit->page_size, rsvd ? "rsvd." : "");
			struct cgroup_write *write;

			if (file == NULL)
				return error_set(err, ENOMEM, "%shugepageLimits", CGROUP_FIELD);
			write = cgroup_plan_add(plan, CGROUP_HUGETLB, "hugepageLimits", file, err,
				"%" PRIu64, limit->limit);
			if (write == NULL)
				return -ENOMEM;
			write->optional = rsvd;
		}
	}
	return 0;
}

static int plan_rdma(
	struct cgroup_plan *plan, const struct oci_resources *resources, struct error *err)
{
	for (size_t i = 0; i < resources->n_rdma; i++) {
		const struct oci_rdma *rdma = &resources->rdma[i];
		char handles[40] = "", objects[40] = "";
		struct cgroup_write *write;

		if (rdma->name == NULL || *rdma->name == '\0' || strlen(rdma->name) > 64 ||
			strpbrk(rdma->name, " \n\t") != NULL)
			return error_say(err, EINVAL, "%srdma: '%.64s' is not the name of a device",
				CGROUP_FIELD, rdma->name != NULL ? rdma->name : "");
		if (!rdma->hca_handles.set && !rdma->hca_objects.set)
			return error_say(err, EINVAL,
				"%srdma.%s: expected hcaHandles or hcaObjects", CGROUP_FIELD,
				rdma->name);
		/* The kernel keeps them in an int. */
		if ((rdma->hca_handles.set && rdma->hca_handles.value > INT32_MAX) ||
			(rdma->hca_objects.set && rdma->hca_objects.value > INT32_MAX))
			return error_say(err, EINVAL,
				"%srdma.%s: out of range: expected at most %d", CGROUP_FIELD,
				rdma->name, INT32_MAX);
		if (rdma->hca_handles.set)
			snprintf(handles, sizeof(handles), " hca_handle=%" PRIu32,
				rdma->hca_handles.value);
		if (rdma->hca_objects.set)
			snprintf(objects, sizeof(objects), " hca_object=%" PRIu32,
				rdma->hca_objects.value);
		write = cgroup_plan_add(plan, CGROUP_RDMA, "rdma", "rdma.max", err, "%s%s%s",
			rdma->name, handles, objects);
		if (write == NULL)
			return -ENOMEM;
		write->key = rdma->name;
		write->key_default = "hca_handle=max hca_object=max";
	}
	return 0;
}

static int plan_pids(struct cgroup_plan *plan, const struct optional_i64 *limit, struct error *err)
{
	struct cgroup_write *write;

	if (!limit->set)
		return 0;
	if (limit->value < -1 || limit->value > 1 << 22)
		return error_say(err, EINVAL,
			"%spids.limit: %" PRId64
			" is out of range: expected at most %d tasks, or -1 "
			"for no limit",
			CGROUP_FIELD, limit->value, 1 << 22);
	/* As runc: 0 becomes 1, which lets exactly the container's own process in, with any driver.
	 */
	write = limit->value == -1
		? cgroup_plan_add(plan, CGROUP_PIDS, "pids.limit", "pids.max", err, "max")
		: cgroup_plan_add(plan, CGROUP_PIDS, "pids.limit", "pids.max", err, "%" PRId64,
			  limit->value == 0 ? 1 : limit->value);
	return write != NULL ? 0 : -ENOMEM;
}

int cgroup_plan_make(const struct oci_resources *resources, const struct cgroup_present *present,
	struct cgroup_plan *ret, struct error *err)
{
	struct cgroup_plan plan = { .memory_limit = UINT64_MAX };
	int status = 0;

	if (resources != NULL && resources->set) {
		if ((resources->network.class_id.set && resources->network.class_id.value != 0) ||
			resources->network.n_priorities > 0)
			return cgroup_plan_refuse(err, "network",
				"has no net_cls and net_prio: remove it, and mark or shape the "
				"traffic with nftables or tc in the network namespace");
		status = plan_pids(&plan, &resources->pids_limit, err);
		if (status == 0)
			status = plan_memory(&plan, &resources->memory, present, err);
		if (status == 0)
			status = plan_cpu(&plan, &resources->cpu, present, err);
		if (status == 0)
			status = cgroup_plan_block_io(&plan, &resources->block_io, err);
		if (status == 0)
			status = plan_hugetlb(&plan, resources, err);
		if (status == 0)
			status = plan_rdma(&plan, resources, err);
		/* Last, so that it has the last word (config-linux.md, "Unified"). */
		if (status == 0)
			status = cgroup_plan_unified(&plan, &resources->unified, err);
	}
	if (status < 0) {
		/* What made no write has set which: out of range, or out of memory. */
		if (err != NULL && err->errnum > 0)
			status = -err->errnum;
		cgroup_plan_free(&plan);
		return status;
	}
	*ret = plan;
	return 0;
}
