/* SPDX-License-Identifier: Apache-2.0 */
/* A plan of limits is written, and undone when a write fails (resources.h). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/cgroup/controllers.h"
#include "runtime/cgroup/file.h"
#include "runtime/cgroup/resources.h"

/* A value worth repeating in a message. */
#define SHOWN 128

void cgroup_present_read(int fd, struct cgroup_present *ret)
{
	char text[64];

	*ret = (struct cgroup_present){ .memory_max = UINT64_MAX };
	cgroup_file_read_number(fd, "memory.max", &ret->memory_max);
	if (cgroup_file_read(fd, "cpu.max", text, sizeof(text)) > 0)
		snprintf(ret->cpu_quota, sizeof(ret->cpu_quota), "%.*s", (int)strcspn(text, " \n"),
			text);
}

/* What would mend a refused write, where the errno tells; "" where it does not. */
static const char *advice(const struct cgroup_write *write, int errnum)
{
	const char *file = write->file;

	if (errnum == EBUSY && strcmp(file, "memory.max") == 0)
		return " (memory in use is above the limit)";
	if (errnum == EINVAL && strncmp(file, "cpu.max", 7) == 0)
		return " (quota, period or burst out of the range of this kernel or of a parent)";
	if (errnum == EINVAL && strcmp(file, "cpu.weight") == 0)
		return " (an idle cgroup has no weight: set cpu.idle to 0)";
	if ((errnum == EINVAL || errnum == ERANGE || errnum == ENOSPC) &&
		strncmp(file, "cpuset.", 7) == 0)
		return " (a number in the list is not on this host)";
	if (errnum == ENODEV && strncmp(file, "io.", 3) == 0)
		return " (io limits take the number of a whole disk, not of a partition)";
	if (errnum == EOPNOTSUPP && strncmp(file, "io.", 3) == 0)
		return " (the device's I/O scheduler does not have it)";
	return "";
}

static int say(const struct cgroup_write *write, const char *file, const char *value, int errnum,
	struct error *err)
{
	if (errnum == ENOENT) {
		int length = (int)strcspn(file, ".");
		unsigned int known = cgroup_controller_find(file, length);

		return error_say(err, ENOTSUP,
			"%s: cannot set %.*s (linux.resources.%s): this kernel or cgroup has no "
			"such "
			"file%s%.*s%s",
			file, SHOWN, value, write->field, known != 0 ? "; is the " : "",
			known != 0 ? length : 0, file, known != 0 ? " controller enabled?" : "");
	}
	return error_say(err, errnum, "%s: cannot set %.*s (linux.resources.%s): %s%s", file, SHOWN,
		value, write->field, strerror(errnum), advice(write, errnum));
}

static int write_one(const struct cgroup_write *write, int fd, struct error *err)
{
	const char *file = write->file, *value = write->value;
	int status = cgroup_file_write(fd, file, value);

	if (status == -ENOENT && write->other_file != NULL) {
		file = write->other_file;
		value = write->other_value;
		status = cgroup_file_write(fd, file, value);
	}
	if (status == -ENOENT && write->optional)
		return 0;
	return status < 0 ? say(write, file, value, -status, err) : 0;
}

/* The old content of a file that is about to change. */
struct cgroup_saved {
	const char *file;
	char *text; /* NULL: cannot be read, so cannot be put back */
};

/* Keeps what of the file's text the undo writes: a line of its own where it has a key. */
static char *line_to_restore(const struct cgroup_write *write, const char *file, const char *text)
{
	char *line = NULL;

	/* An idle cgroup reads as weight 0, which cannot be written: cpu.idle brings it back. */
	if (strcmp(file, "cpu.weight") == 0 && *text == '0')
		return NULL;
	/* Nothing set is nothing to put back, but for a cpuset, where it means the parent's. */
	if (write->key == NULL && *text == '\0' && strncmp(file, "cpuset.", 7) != 0)
		return NULL;
	if (write->key == NULL)
		return strndup(text, strcspn(text, "\n"));

	size_t n = strlen(write->key);

	for (const char *p = text; *p != '\0';) {
		size_t length = strcspn(p, "\n");

		if (length > n && strncmp(p, write->key, n) == 0 && p[n] == ' ')
			return strndup(p, length);
		p += length;
		p += *p == '\n';
	}
	return asprintf(&line, "%s %s", write->key, write->key_default) < 0 ? NULL : line;
}

static struct cgroup_saved save_file(const struct cgroup_write *write, const char *file, int fd)
{
	struct cgroup_saved saved = { .file = file };
	_cleanup_free_ char *text = NULL;

	if (cgroup_file_read_all(fd, file, (size_t)1 << 20, &text) >= 0)
		saved.text = line_to_restore(write, file, text);
	return saved;
}

/* Adds what `write` is about to change: one or two files. */
static void save(const struct cgroup_write *write, int fd, struct cgroup_undo *undo)
{
	const char *file = write->file;

	/* Leaving idle resets the weight: it comes back after cpu.idle, so it is saved before. */
	if (strcmp(file, "cpu.idle") == 0)
		undo->items[undo->count++] = save_file(write, "cpu.weight", fd);
	if (write->other_file != NULL && faccessat(fd, file, F_OK, 0) < 0)
		file = write->other_file;
	undo->items[undo->count++] = save_file(write, file, fd);
}

/*
 * The kernel clears no cpuset that has processes in it. An empty one means the parent's, so what
 * the parent has is the same set.
 */
static int put_back(const struct cgroup_saved *saved, int fd)
{
	char file[64], parents[1024];
	int status = cgroup_file_write(fd, saved->file, saved->text);

	if (status != -ENOSPC || *saved->text != '\0')
		return status;
	snprintf(file, sizeof(file), "../%s.effective", saved->file);
	if (cgroup_file_read(fd, file, parents, sizeof(parents)) < 0)
		return status;
	parents[strcspn(parents, "\n")] = '\0';
	return cgroup_file_write(fd, saved->file, parents);
}

/* Backwards, so that a file that was written twice ends as it began. */
void cgroup_undo_run(struct cgroup_undo *undo, int fd)
{
	bool again = false;

	/* Twice where a value was refused: burst and quota depend on each other. */
	for (int pass = 0; pass == 0 || (pass == 1 && again); pass++) {
		for (size_t i = undo->count; i-- > 0;) {
			const struct cgroup_saved *saved = &undo->items[i];

			if (saved->text == NULL)
				continue;

			int status = put_back(saved, fd);

			if (status == -EINVAL && pass == 0)
				again = true;
			else if (status < 0)
				log_warning("%s: cannot put '%s' back: %s", saved->file,
					saved->text, strerror(-status));
		}
	}
}

int cgroup_undo_plan(const struct cgroup_undo *undo, struct cgroup_plan *ret)
{
	struct cgroup_plan plan = { .memory_limit = UINT64_MAX };

	plan.writes = calloc(undo->count + 1, sizeof(*plan.writes));
	if (plan.writes == NULL)
		return -ENOMEM;
	for (size_t i = undo->count; i-- > 0;) {
		if (undo->items[i].text != NULL)
			plan.writes[plan.count++] = (struct cgroup_write){ .field = "undo",
				.file = undo->items[i].file,
				.value = undo->items[i].text };
	}
	*ret = plan;
	return 0;
}

static void drop(struct cgroup_undo *undo, size_t count)
{
	while (undo->count > count)
		free(undo->items[--undo->count].text);
}

void cgroup_undo_free(struct cgroup_undo *undo)
{
	drop(undo, 0);
	free(undo->items);
	*undo = (struct cgroup_undo){ 0 };
}

/* memory.checkBeforeUpdate: a limit below what is in use would call the OOM killer. */
static int check_usage(const struct cgroup_plan *plan, int fd, struct error *err)
{
	uint64_t current;

	if (!plan->check_memory || cgroup_file_read_number(fd, "memory.current", &current) < 0 ||
		plan->memory_limit >= current)
		return 0;
	return error_say(err, EBUSY,
		"memory.max: cannot set %" PRIu64 " (linux.resources.memory.limit): %" PRIu64
		" bytes are in use, and checkBeforeUpdate forbids to go below",
		plan->memory_limit, current);
}

static int write_all(
	const struct cgroup_plan *plan, int fd, struct cgroup_undo *undo, struct error *err)
{
	bool again = false;

	for (size_t i = 0; i < plan->count; i++) {
		const struct cgroup_write *write = &plan->writes[i];
		size_t before = undo != NULL ? undo->count : 0;
		struct error first = ERROR_INIT;
		int status;

		if (undo != NULL)
			save(write, fd, undo);
		status = write_one(write, fd, &first);
		if (status == -EINVAL && write->may_retry) {
			again = true;
		} else if (status < 0) {
			/* A write that was refused has changed nothing. */
			if (undo != NULL)
				drop(undo, before);
			if (err != NULL)
				*err = first;
			return status;
		}
	}
	/* Writing both once more is harmless, and saves remembering which it was. */
	for (size_t i = 0; again && i < plan->count; i++) {
		int status = plan->writes[i].may_retry ? write_one(&plan->writes[i], fd, err) : 0;

		if (status < 0)
			return status;
	}
	return 0;
}

int cgroup_plan_apply(
	const struct cgroup_plan *plan, int fd, struct cgroup_undo *undo, struct error *err)
{
	int status;

	if (plan->count == 0)
		return 0;
	status = check_usage(plan, fd, err);
	if (status < 0)
		return status;
	if (undo != NULL) {
		undo->items = calloc(2 * plan->count, sizeof(*undo->items));
		if (undo->items == NULL)
			return error_set(err, ENOMEM, "cgroup: set limits");
	}
	status = write_all(plan, fd, undo, err);
	if (status < 0 && undo != NULL) {
		cgroup_undo_run(undo, fd);
		cgroup_undo_free(undo);
	}
	return status;
}
