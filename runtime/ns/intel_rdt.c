/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/intel_rdt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"

#define RESCTRL "/sys/fs/resctrl"
#ifndef RDTGROUP_SUPER_MAGIC
#define RDTGROUP_SUPER_MAGIC 0x7655821
#endif
#define MONITORING_GROUPS "mon_groups"

static int open_resctrl(void)
{
	struct statfs fs;
	_cleanup_close_ int fd = open(RESCTRL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != RDTGROUP_SUPER_MAGIC)
		return -EBADF;
	return take_fd(&fd);
}

bool intel_rdt_available(void)
{
	_cleanup_close_ int fd = open_resctrl();

	return fd >= 0;
}

/* One directory below resctrl's, and none of its own. */
static bool is_group_name(const char *name)
{
	return *name != '\0' && strchr(name, '/') == NULL && strcmp(name, ".") != 0 &&
		strcmp(name, "..") != 0 && strcmp(name, "info") != 0 &&
		strcmp(name, MONITORING_GROUPS) != 0 && strcmp(name, "mon_data") != 0;
}

static bool has_schemata(const struct oci_intel_rdt *rdt)
{
	return rdt->schemata.count > 0 || rdt->l3_cache_schema != NULL ||
		rdt->mem_bw_schema != NULL;
}

static int write_line(int dir, const char *file, const char *line, struct error *err)
{
	char text[4096];
	int length = snprintf(text, sizeof(text), "%s\n", line);

	if (length < 0 || (size_t)length >= sizeof(text))
		return error_say(
			err, E2BIG, "linux.intelRdt: write %s: the value is too long", file);
	_cleanup_close_ int fd = openat(dir, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, (size_t)length) != length)
		return error_set(err, errno,
			"linux.intelRdt: write \"%s\" to %s (" RESCTRL
			"/info/last_cmd_status says more)",
			line, file);
	return 0;
}

/* The lines in the order that the specification wants them written. */
static int write_schemata(int dir, const struct oci_intel_rdt *rdt, struct error *err)
{
	const char *const first[] = { rdt->l3_cache_schema, rdt->mem_bw_schema };

	for (size_t i = 0; i < 2; i++) {
		if (first[i] != NULL && write_line(dir, "schemata", first[i], err) < 0)
			return -err->errnum;
	}
	for (size_t i = 0; i < rdt->schemata.count; i++) {
		if (write_line(dir, "schemata", rdt->schemata.items[i], err) < 0)
			return -err->errnum;
	}
	return 0;
}

/* The kernel indents lines and pads numbers. */
static const char *skip_padding(const char *at)
{
	at += strspn(at, " \t");
	while (*at == '0' && at[1] != ';' && at[1] != '\n' && at[1] != '\0')
		at++;
	return at;
}

static bool same_line(const char *wanted, const char *found)
{
	for (found = skip_padding(found); *wanted != '\0'; wanted++, found++) {
		if (*wanted != *found)
			return false;
		if (*wanted == '=') {
			wanted = skip_padding(wanted + 1) - 1;
			found = skip_padding(found + 1) - 1;
		}
	}
	return *found == '\n' || *found == '\0';
}

bool intel_rdt_schemata_hold(const char *text, const char *wanted)
{
	while (text != NULL && *text != '\0') {
		if (same_line(wanted, text))
			return true;
		text = strchr(text, '\n');
		if (text != NULL)
			text++;
	}
	return false;
}

static int compare_schemata(
	int dir, const struct oci_intel_rdt *rdt, const char *group, struct error *err)
{
	const char *const first[] = { rdt->l3_cache_schema, rdt->mem_bw_schema };
	char text[8192];
	_cleanup_close_ int fd = openat(dir, "schemata", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (length < 0)
		return error_set(err, errno, "linux.intelRdt: read schemata of %s", group);
	text[length] = '\0';
	for (size_t i = 0; i < 2 + rdt->schemata.count; i++) {
		const char *wanted = i < 2 ? first[i] : rdt->schemata.items[i - 2];

		if (wanted != NULL && !intel_rdt_schemata_hold(text, wanted))
			return error_say(err, EEXIST,
				"linux.intelRdt.closID: class %s exists with other schemata than "
				"\"%s\"",
				group, wanted);
	}
	return 0;
}

/* Opens the class of service, made where the specification says so. */
static int open_group(int resctrl, const struct oci_intel_rdt *rdt, const char *group,
	bool *ret_made, struct error *err)
{
	bool given = rdt->clos_id != NULL;
	const char *path = given && strcmp(group, "/") == 0 ? "." : group;

	*ret_made = false;
	if (strcmp(path, ".") != 0 && !is_group_name(path))
		return error_say(
			err, EINVAL, "linux.intelRdt.closID: \"%s\" is no name of a class", group);
	if (strcmp(path, ".") != 0 && (!given || has_schemata(rdt))) {
		*ret_made = mkdirat(resctrl, path, 0755) == 0;
		if (!*ret_made && errno != EEXIST)
			return error_set(err, errno, "linux.intelRdt: make class %s%s", group,
				errno == ENOSPC ? " (the processor has no more of them)" : "");
	}
	int fd = openat(resctrl, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return error_say(err, ENOENT,
			"linux.intelRdt.closID: there is no class %s in " RESCTRL
			", and no schemata to make it with",
			group);
	if (fd < 0)
		return error_set(err, errno, "linux.intelRdt: open class %s", group);
	return fd;
}

static int add_process(int dir, pid_t pid, struct error *err)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", pid);
	return write_line(dir, "tasks", number, err);
}

static int start_monitoring(int dir, const char *id, pid_t pid, struct error *err)
{
	char path[300];

	if (!is_group_name(id) ||
		(size_t)snprintf(path, sizeof(path), MONITORING_GROUPS "/%s", id) >= sizeof(path))
		return error_say(err, EINVAL, "linux.intelRdt: \"%s\" cannot name a group", id);
	if (mkdirat(dir, path, 0755) < 0 && errno != EEXIST)
		return error_set(err, errno, "linux.intelRdt.enableMonitoring: make group %s%s", id,
			errno == ENOSPC ? " (the processor has no more of them)" : "");
	_cleanup_close_ int group = openat(
		dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (group < 0)
		return error_set(err, errno, "linux.intelRdt: open monitoring group %s", id);
	return add_process(group, pid, err);
}

int intel_rdt_apply(const struct oci_intel_rdt *rdt, const char *group, const char *id, pid_t pid,
	struct error *err)
{
	struct error failure = ERROR_INIT;
	bool made;

	_cleanup_close_ int resctrl = open_resctrl();
	if (resctrl < 0)
		return error_say(err, EOPNOTSUPP,
			"linux.intelRdt: no resctrl file system at " RESCTRL
			": mount -t resctrl resctrl " RESCTRL
			" (needs a processor with RDT), or remove the object");
	_cleanup_close_ int dir = open_group(resctrl, rdt, group, &made, err);
	if (dir < 0)
		return dir;
	int status = 0;
	if (has_schemata(rdt))
		status = made		       ? write_schemata(dir, rdt, &failure)
			: rdt->clos_id != NULL ? compare_schemata(dir, rdt, group, &failure)
					       : write_schemata(dir, rdt, &failure);
	if (status == 0)
		status = add_process(dir, pid, &failure);
	/* enableCMT and enableMBM are what 1.1 and 1.2 of the specification called it. */
	if (status == 0 && (rdt->enable_monitoring || rdt->enable_cmt || rdt->enable_mbm))
		status = start_monitoring(dir, id, pid, &failure);
	if (status < 0) {
		if (made)
			unlinkat(resctrl, group, AT_REMOVEDIR);
		return error_say(err, failure.errnum, "%s", failure.message);
	}
	return 0;
}

int intel_rdt_remove(const char *group, const char *id, struct error *err)
{
	_cleanup_close_ int resctrl = open_resctrl();
	const char *name = strcmp(group, "/") == 0 ? "." : group;
	char path[600];

	if (resctrl < 0 || !is_group_name(id) || (strcmp(name, ".") != 0 && !is_group_name(name)))
		return 0;
	int length = snprintf(path, sizeof(path), "%s/" MONITORING_GROUPS "/%s", name, id);
	if (length < 0 || (size_t)length >= sizeof(path))
		return 0;
	if (unlinkat(resctrl, path, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_set(err, errno, "remove resctrl's monitoring group %s", id);
	if (strcmp(group, id) == 0 && unlinkat(resctrl, group, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_set(err, errno, "remove resctrl's class %s", group);
	return 0;
}
