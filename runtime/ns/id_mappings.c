/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mappings of a new user namespace (user_namespaces(7)), written from outside: at once where
 * the caller may, else by the set-user-ID helpers of uidmap, which check /etc/subuid and
 * /etc/subgid.
 */
#include "runtime/ns/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/signals.h"

/* A line of a mapping: three 32-bit numbers, two spaces and a line feed. */
#define LINE_MAX_LENGTH 33

static int write_process_file(pid_t pid, const char *file, const char *text, struct error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "open %s", path);
	/* The kernel takes a mapping in one write only. */
	if (write(fd, text, strlen(text)) < 0)
		return error_set(err, errno, "write %s", path);
	return 0;
}

static char *mapping_text(const struct oci_id_mappings *mappings)
{
	char *text = malloc(mappings->count * LINE_MAX_LENGTH + 1);

	if (text == NULL)
		return NULL;
	text[0] = '\0';
	for (size_t i = 0, used = 0; i < mappings->count; i++)
		used += (size_t)sprintf(text + used, "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n",
			mappings->items[i].container_id, mappings->items[i].host_id,
			mappings->items[i].size);
	return text;
}

static int run_helper(char *const argv[], struct error *err)
{
	pid_t child = vfork();
	int status;

	if (child < 0)
		return error_set(err, errno, "run %s", argv[0]);
	if (child == 0) {
		signals_reset();
		execvp(argv[0], argv);
		_exit(errno == ENOENT ? 127 : 126);
	}
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return error_set(err, errno, "wait for %s", argv[0]);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return error_say(err, ENOENT,
			"%s not found: install the package uidmap to map more than your own id",
			argv[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_say(err, EPERM, "%s refused the mapping: see /etc/sub%cid", argv[0],
			argv[0][3]);
	return 0;
}

/* argv: the helper, the pid, then three numbers a mapping. */
static int map_by_helper(
	const char *helper, pid_t pid, const struct oci_id_mappings *mappings, struct error *err)
{
	size_t count = 2 + mappings->count * 3;
	_cleanup_free_ char **argv = calloc(count + 1, sizeof(*argv));
	_cleanup_free_ char *numbers = calloc(count, 12);

	if (argv == NULL || numbers == NULL)
		return error_set(err, ENOMEM, "run %s", helper);
	argv[0] = (char *)helper;
	for (size_t i = 1; i < count; i++)
		argv[i] = numbers + i * 12;
	snprintf(argv[1], 12, "%d", pid);
	for (size_t i = 0; i < mappings->count; i++) {
		snprintf(argv[2 + i * 3], 12, "%" PRIu32, mappings->items[i].container_id);
		snprintf(argv[3 + i * 3], 12, "%" PRIu32, mappings->items[i].host_id);
		snprintf(argv[4 + i * 3], 12, "%" PRIu32, mappings->items[i].size);
	}
	return run_helper(argv, err);
}

/* Only one's own id, once: the one mapping that the kernel grants without privilege. */
static bool is_own_id(const struct oci_id_mappings *mappings, uint32_t own)
{
	return mappings->count == 1 && mappings->items[0].size == 1 &&
		mappings->items[0].host_id == own;
}

static int write_mapping(
	const struct namespaces *namespaces, pid_t pid, bool groups, struct error *err)
{
	const struct oci_id_mappings *mappings = groups ? &namespaces->linux->gid_mappings
							: &namespaces->linux->uid_mappings;

	if (mappings->count == 0)
		return error_say(err, EINVAL,
			"linux.%s: a new user namespace needs at least one mapping",
			groups ? "gidMappings" : "uidMappings");
	if (geteuid() != 0 && !is_own_id(mappings, groups ? getegid() : geteuid()))
		return map_by_helper(groups ? "newgidmap" : "newuidmap", pid, mappings, err);

	if (groups && geteuid() != 0) {
		int status = write_process_file(pid, "setgroups", "deny", err);
		if (status < 0)
			return status;
	}
	_cleanup_free_ char *text = mapping_text(mappings);
	if (text == NULL)
		return error_set(err, ENOMEM, "map ids of process %d", pid);
	return write_process_file(pid, groups ? "gid_map" : "uid_map", text, err);
}

int namespaces_write_mappings(const struct namespaces *namespaces, pid_t pid, struct error *err)
{
	int status = write_mapping(namespaces, pid, true, err);

	if (status == 0)
		status = write_mapping(namespaces, pid, false, err);
	return status;
}
