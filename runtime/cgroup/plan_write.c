/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/error.h"
#include "runtime/cgroup/controllers.h"
#include "runtime/cgroup/resources.h"

void cgroup_plan_free(struct cgroup_plan *plan)
{
	free(plan->writes);
	arena_free(&plan->arena);
	*plan = (struct cgroup_plan){ 0 };
}

struct cgroup_write *cgroup_plan_append(
	struct cgroup_plan *plan, unsigned int controllers, const char *field, struct error *err)
{
	if (plan->count == plan->room) {
		size_t room = plan->room > 0 ? 2 * plan->room : 16;
		struct cgroup_write *more = reallocarray(plan->writes, room, sizeof(*more));

		if (more == NULL) {
			error_set(err, ENOMEM, "%s%s", CGROUP_FIELD, field);
			return NULL;
		}
		plan->writes = more;
		plan->room = room;
	}
	plan->controllers |= controllers;
	plan->writes[plan->count] = (struct cgroup_write){ .field = field };
	return &plan->writes[plan->count++];
}

struct cgroup_write *cgroup_plan_add(struct cgroup_plan *plan, unsigned int controllers,
	const char *field, const char *file, struct error *err, const char *format, ...)
{
	struct cgroup_write *write = cgroup_plan_append(plan, controllers, field, err);
	char text[512];
	va_list args;

	if (write == NULL)
		return NULL;
	va_start(args, format);
	int length = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (length < 0 || (size_t)length >= sizeof(text)) {
		error_say(err, EINVAL, "%s%s: too long for a control file", CGROUP_FIELD, field);
		return NULL;
	}
	write->file = file;
	write->value = arena_strndup(&plan->arena, text, (size_t)length);
	if (write->value == NULL) {
		error_set(err, ENOMEM, "%s%s", CGROUP_FIELD, field);
		return NULL;
	}
	return write;
}

struct cgroup_write *cgroup_plan_add_bytes(struct cgroup_plan *plan, const char *field,
	const char *file, int64_t bytes, struct error *err)
{
	if (bytes < -1) {
		error_say(err, EINVAL,
			"%s%s: %" PRId64 " is out of range: expected bytes, or -1 for no limit",
			CGROUP_FIELD, field, bytes);
		return NULL;
	}
	return bytes == -1
		? cgroup_plan_add(plan, CGROUP_MEMORY, field, file, err, "max")
		: cgroup_plan_add(plan, CGROUP_MEMORY, field, file, err, "%" PRId64, bytes);
}

int cgroup_plan_refuse(struct error *err, const char *field, const char *reason)
{
	return error_say(err, ENOTSUP, "%s%s: cgroup v2 %s", CGROUP_FIELD, field, reason);
}
