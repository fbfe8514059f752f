/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/ns/path.h"

/* A passwd of a container is the attacker's file: this much of it is read. */
#define PASSWD_MAX (1024 * 1024)

static bool same_name(const char *one, const char *other)
{
	size_t length = strcspn(one, "=");

	return strncmp(one, other, length) == 0 && (other[length] == '=' || other[length] == '\0');
}

const char *environment_get(char *const *environment, const char *name)
{
	for (; *environment != NULL; environment++) {
		const char *value = strchr(*environment, '=');

		if (value != NULL && same_name(*environment, name) &&
			(size_t)(value - *environment) == strlen(name))
			return value + 1;
	}
	return NULL;
}

/*
 * Looks for the entry of `uid` in one line without its line feed: name:password:uid:gid:gecos:home.
 * True when it is this user's; the home directory goes to `ret`.
 */
static bool parse_entry(const char *line, size_t length, uid_t uid, char *ret, size_t size)
{
	const char *fields[7], *end = line + length;
	size_t n = 0;

	for (const char *at = line; n < 7; n++) {
		fields[n] = at;
		const char *colon = memchr(at, ':', (size_t)(end - at));
		if (colon == NULL) {
			n++;
			break;
		}
		at = colon + 1;
	}
	if (n < 6)
		return false;

	unsigned long number = 0;
	const char *digit = fields[2];
	for (; *digit >= '0' && *digit <= '9' && number <= UINT32_MAX; digit++)
		number = number * 10 + (unsigned long)(*digit - '0');
	if (digit == fields[2] || *digit != ':' || number != uid)
		return false;

	const char *home = fields[5], *home_end = n == 7 ? fields[6] - 1 : end;
	size_t home_length = (size_t)(home_end - home);
	if (home_length == 0 || home_length >= size || *home != '/' ||
		memchr(home, '\0', home_length) != NULL)
		return false;
	memcpy(ret, home, home_length);
	ret[home_length] = '\0';
	return true;
}

/* Opens the file only once it is known to be a regular one: opening a device has effects. */
static int open_regular(int root, int procfs, const char *path)
{
	char link[32];
	struct stat st;
	_cleanup_close_ int file = path_open(root, path, O_PATH, NULL);

	if (file < 0 || fstat(file, &st) < 0 || !S_ISREG(st.st_mode))
		return -EBADF;
	snprintf(link, sizeof(link), "self/fd/%d", file);
	return openat(procfs, link, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
}

bool environment_find_home(int root, int procfs, uid_t uid, char *ret, size_t size)
{
	char buffer[4096];
	size_t used = 0, total = 0;
	bool skip = false; /* inside a line that is too long to be one of passwd(5) */

	_cleanup_close_ int fd = open_regular(root, procfs, "/etc/passwd");
	if (fd < 0)
		return false;
	for (;;) {
		ssize_t n = total < PASSWD_MAX ? read(fd, buffer + used, sizeof(buffer) - used) : 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		total += (size_t)n;
		used += (size_t)n;

		char *line = buffer, *feed;
		while ((feed = memchr(line, '\n', used - (size_t)(line - buffer))) != NULL) {
			if (!skip && parse_entry(line, (size_t)(feed - line), uid, ret, size))
				return true;
			skip = false;
			line = feed + 1;
		}
		used -= (size_t)(line - buffer);
		memmove(buffer, line, used);
		if (used == sizeof(buffer)) {
			skip = true;
			used = 0;
		}
	}
	return !skip && used > 0 && parse_entry(buffer, used, uid, ret, size);
}

/*
 * Of several entries with one name the last counts, as with runc and crun: getenv(3) would find the
 * first. A name that is new to the filter needs no comparison with all that come later.
 */
static size_t drop_repeated(char **list, size_t count)
{
	uint64_t filter[64] = { 0 };
	size_t first = count;

	for (size_t i = count; i-- > 0;) {
		size_t length = strcspn(list[i], "=");
		uint32_t hash = 5381;

		for (size_t k = 0; k < length; k++)
			hash = hash * 33 + (unsigned char)list[i][k];
		hash ^= hash >> 12;
		uint64_t *word = &filter[hash / 64 % 64], bit = UINT64_C(1) << hash % 64;
		bool repeated = false;

		for (size_t k = first; (*word & bit) != 0 && !repeated && k < count; k++)
			repeated = same_name(list[i], list[k]);
		*word |= bit;
		if (!repeated)
			list[--first] = list[i];
	}
	memmove(list, list + first, (count - first) * sizeof(*list));
	for (size_t i = count - first; i < count; i++)
		list[i] = NULL;
	return count - first;
}

/* Engines say "HOME=" for a home that is still to be found (runc and crun do). */
static size_t drop_empty_home(char **list, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (strcmp(list[i], "HOME=") != 0)
			list[kept++] = list[i];
	}
	for (size_t i = kept; i < count; i++)
		list[i] = NULL;
	return kept;
}

static bool is_replaced(const char *entry, const char *const *extra)
{
	for (; extra != NULL && *extra != NULL; extra++) {
		if (same_name(*extra, entry))
			return true;
	}
	return false;
}

int environment_make(const struct oci_process *process, const char *const *extra, int root,
	int procfs, char ***ret, struct error *err)
{
	static const char home_name[] = "HOME=";
	char home[sizeof(home_name) - 1 + PATH_MAX];
	size_t n_extra = 0, n = 0;

	while (extra != NULL && extra[n_extra] != NULL)
		n_extra++;

	/* The strings stay where they are; HOME's lies behind the pointers. */
	size_t pointers = process->env.count + n_extra + 2;
	char **list = calloc(1, pointers * sizeof(*list) + sizeof(home));
	if (list == NULL)
		return error_set(err, ENOMEM, "make the environment");
	for (size_t i = 0; i < process->env.count; i++) {
		if (!is_replaced(process->env.items[i], extra))
			list[n++] = process->env.items[i];
	}
	n = drop_repeated(list, n);
	n = drop_empty_home(list, n);
	for (size_t i = 0; i < n_extra; i++)
		list[n++] = (char *)extra[i];
	if (environment_get(list, "HOME") == NULL) {
		char *entry = (char *)(list + pointers);

		strcpy(entry, home_name);
		if (!environment_find_home(root, procfs, process->user.uid,
			    entry + sizeof(home_name) - 1, PATH_MAX))
			strcpy(entry + sizeof(home_name) - 1, "/");
		list[n] = entry;
	}
	*ret = list;
	return 0;
}
