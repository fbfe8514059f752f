/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources.unified as writes. */
#include "runtime/cgroup/plan.h"

#include <errno.h>
#include <string.h>

#include "config/oci.h"
#include "lib/error.h"
#include "runtime/cgroup/controllers.h"
#include "runtime/cgroup/resources.h"

/*
 * `unified` is for limits. A cgroup's core files move processes, stop them, or change what the
 * cgroup is; those are the runtime's.
 */
static int check_unified_key(const char *key, struct error *err)
{
	static const char *const allowed[] = { "cgroup.max.depth", "cgroup.max.descendants",
		"cgroup.pressure", "cgroup.type" };

	if (*key == '\0' || strlen(key) > 255 || strchr(key, '/') != NULL || *key == '.')
		return error_say(err, EINVAL,
			"%sunified: '%.256s' must be the name of a control file, without '/'",
			CGROUP_FIELD, key);
	if (strchr(key, '.') == NULL)
		return error_say(err, EINVAL,
			"%sunified: '%s' must be of the form CONTROLLER.PARAMETER", CGROUP_FIELD,
			key);
	if (strncmp(key, "cgroup.", 7) != 0)
		return 0;
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (strcmp(key, allowed[i]) == 0)
			return 0;
	}
	return error_say(err, EINVAL,
		"%sunified: '%s' is not a limit, and is the runtime's to write", CGROUP_FIELD, key);
}

/* A value of several lines is several writes: a control file takes one line at a time. */
static int add_unified(
	struct cgroup_plan *plan, const char *key, const char *value, struct error *err)
{
	unsigned int controllers = cgroup_controller_find(key, (int)strcspn(key, "."));

	do {
		size_t n = strcspn(value, "\n");
		struct cgroup_write *write = cgroup_plan_append(plan, controllers, "unified", err);

		if (write == NULL)
			return -ENOMEM;
		write->file = key;
		write->value = arena_strndup(&plan->arena, value, n);
		write->verbatim = true;
		if (write->value == NULL)
			return error_set(err, ENOMEM, "%sunified", CGROUP_FIELD);
		/* The undo of a file with a line per device needs to know which device. */
		size_t word = strcspn(write->value, " ");
		if (write->value[word] == ' ' && memchr(write->value, ':', word) != NULL) {
			write->key = arena_strndup(&plan->arena, write->value, word);
			write->key_default = strcmp(key, "io.max") == 0
				? "rbps=max wbps=max riops=max wiops=max"
				: "default";
			if (write->key == NULL)
				return error_set(err, ENOMEM, "%sunified", CGROUP_FIELD);
		}
		value += n;
		value += strspn(value, "\n");
	} while (*value != '\0');
	return 0;
}

int cgroup_plan_unified(
	struct cgroup_plan *plan, const struct key_value_list *unified, struct error *err)
{
	for (size_t i = 0; i < unified->count; i++) {
		int status = check_unified_key(unified->items[i].key, err);

		if (status == 0)
			status = add_unified(
				plan, unified->items[i].key, unified->items[i].value, err);
		if (status < 0)
			return status;
	}
	return 0;
}
