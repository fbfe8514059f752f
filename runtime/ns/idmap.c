/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"

/* The kernel's limit on the lines of a uid_map or gid_map (user_namespaces(7)). */
#define MAPPINGS_MAX 340

/* One line of a map: three 32-bit numbers, two spaces, a line feed. */
#define LINE_MAX_LENGTH 33

static int write_map(
	pid_t pid, const char *file, const struct oci_id_mappings *mappings, struct error *err)
{
	char text[MAPPINGS_MAX * LINE_MAX_LENGTH + 1], path[64];
	_cleanup_close_ int fd = -EBADF;
	size_t used = 0;

	if (mappings->count == 0 || mappings->count > MAPPINGS_MAX)
		return error_say(err, EINVAL,
			"an idmapped mount needs 1 to %d mappings of each kind", MAPPINGS_MAX);
	for (size_t i = 0; i < mappings->count; i++) {
		const struct oci_id_mapping *m = &mappings->items[i];

		used += (size_t)snprintf(text + used, sizeof(text) - used,
			"%" PRIu32 " %" PRIu32 " %" PRIu32 "\n", m->container_id, m->host_id,
			m->size);
	}
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_set(err, errno, "open %s", path);
	if (write(fd, text, used) != (ssize_t)used)
		return error_set(err, errno != 0 ? errno : EIO, "write the mappings to %s", path);
	return 0;
}

static int open_namespace(pid_t pid, const struct oci_id_mappings *uids,
	const struct oci_id_mappings *gids, struct error *err)
{
	char path[64];
	int r = write_map(pid, "uid_map", uids, err);
	int fd;

	if (r >= 0)
		r = write_map(pid, "gid_map", gids, err);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_set(err, errno, "open %s", path) : fd;
}

int idmap_open(
	const struct oci_id_mappings *uids, const struct oci_id_mappings *gids, struct error *err)
{
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	int fd;

	if (pid < 0)
		return error_set(err, errno, "make a user namespace for an idmapped mount");
	if (pid == 0) {
		for (;;)
			pause();
	}
	fd = open_namespace(pid, uids, gids, err);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

static int parse_number(const char **text, uint32_t *ret, char end)
{
	unsigned long long value;
	char *after;

	if (**text < '0' || **text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(*text, &after, 10);
	if (errno != 0 || value > UINT32_MAX)
		return -ERANGE;
	if (end != '\0') {
		if (*after != end)
			return -EINVAL;
		after++;
	}
	*text = after;
	*ret = (uint32_t)value;
	return 0;
}

static int to_host(const struct oci_id_mappings *container, struct oci_id_mapping *mapping)
{
	for (size_t i = 0; i < container->count; i++) {
		const struct oci_id_mapping *m = &container->items[i];

		if (mapping->host_id >= m->container_id &&
			mapping->host_id - m->container_id < m->size &&
			mapping->size <= m->size - (mapping->host_id - m->container_id)) {
			mapping->host_id = m->host_id + (mapping->host_id - m->container_id);
			return 0;
		}
	}
	return -ENOENT;
}

/*
 * A list of mappings up to ';' or the end; *text is left there. `items` has room for MAPPINGS_MAX.
 * Returns how many there are.
 */
static int parse_list(
	const char **text, const struct oci_id_mappings *container, struct oci_id_mapping *items)
{
	int count = 0;

	for (;;) {
		struct oci_id_mapping *m = &items[count];
		bool relative = **text == '@';
		int r;

		if (count == MAPPINGS_MAX)
			return -E2BIG;
		if (relative)
			(*text)++;
		r = parse_number(text, &m->container_id, '-');
		if (r >= 0)
			r = parse_number(text, &m->host_id, '-');
		if (r >= 0)
			r = parse_number(text, &m->size, '\0');
		if (r >= 0 && relative)
			r = to_host(container, m);
		if (r < 0)
			return r;
		count++;
		if (**text == '\0' || **text == ';')
			return count;
		if (*(*text)++ != '#')
			return -EINVAL;
	}
}

/* One "uids=…" or "gids=…" of `text`, which may come only once. */
static int parse_kind(const char **text, const char *key, const struct oci_id_mappings *container,
	struct oci_id_mappings *mappings)
{
	int count;

	if (strncmp(*text, key, strlen(key)) != 0 || mappings->count > 0)
		return -EINVAL;
	*text += strlen(key);
	count = parse_list(text, container, mappings->items);
	if (count < 0)
		return count;
	mappings->count = (size_t)count;
	if (**text == ';')
		(*text)++;
	return 0;
}

static int parse_both(const char *text, const struct oci_id_mappings *container_uids,
	const struct oci_id_mappings *container_gids, struct oci_id_mappings *uids,
	struct oci_id_mappings *gids)
{
	if (uids->items == NULL || gids->items == NULL)
		return -ENOMEM;
	while (*text != '\0') {
		int r = *text == 'u' ? parse_kind(&text, "uids=", container_uids, uids)
				     : parse_kind(&text, "gids=", container_gids, gids);

		if (r < 0)
			return r;
	}
	return uids->count > 0 && gids->count > 0 ? 0 : -EINVAL;
}

int idmap_parse(const char *text, const struct oci_id_mappings *container_uids,
	const struct oci_id_mappings *container_gids, struct oci_id_mappings *ret_uids,
	struct oci_id_mappings *ret_gids, struct error *err)
{
	struct oci_id_mappings uids = { .items = calloc(MAPPINGS_MAX, sizeof(*uids.items)) };
	struct oci_id_mappings gids = { .items = calloc(MAPPINGS_MAX, sizeof(*gids.items)) };
	int r = parse_both(text, container_uids, container_gids, &uids, &gids);

	if (r < 0) {
		free(uids.items);
		free(gids.items);
		return error_say(err, -r,
			"idmap=%s: expected the form "
			"uids=CONTAINER-HOST-SIZE;gids=CONTAINER-HOST-SIZE "
			"('#' between mappings, '@' before one relative to the container)",
			text);
	}
	*ret_uids = uids;
	*ret_gids = gids;
	return 0;
}
