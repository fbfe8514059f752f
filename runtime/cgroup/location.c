/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup/location.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/cgroup/cgroup.h"

/* What is left of PATH_MAX for the mount point in front and a control file behind. */
#define PATH_MOST (PATH_MAX - 512)

const char *cgroup_own_path(const char *text, size_t *ret_length)
{
	while (text != NULL && *text != '\0') {
		const char *end = strchrnul(text, '\n');

		if (strncmp(text, "0::/", 4) == 0) {
			*ret_length = (size_t)(end - text) - 3;
			return text + 3;
		}
		text = *end == '\n' ? end + 1 : end;
	}
	return NULL;
}

/*
 * Appends the components of `path` to `out` (which has room), each with a '/' before it. Empty ones
 * and "." vanish; ".." is refused: cleaning it away would put the container somewhere the caller
 * did not name.
 */
static int append_components(char *out, const char *path, size_t length, struct error *err)
{
	size_t used = strlen(out);
	const char *end = path + length;

	while (path < end) {
		const char *slash = memchr(path, '/', (size_t)(end - path));
		size_t n = (size_t)((slash != NULL ? slash : end) - path);

		if (n == 2 && memcmp(path, "..", 2) == 0)
			return error_say(err, EINVAL,
				"linux.cgroupsPath: '%.*s' leaves the hierarchy: remove the '..'",
				(int)(length < 256 ? length : 256), end - length);
		if (n > NAME_MAX)
			return error_set(
				err, ENAMETOOLONG, "linux.cgroupsPath: component '%.40s…'", path);
		if (memchr(path, '\n', n) != NULL)
			return error_say(err, EINVAL,
				"linux.cgroupsPath: a line feed cannot be in a cgroup's name");
		if (n > 0 && !(n == 1 && *path == '.')) {
			out[used++] = '/';
			memcpy(out + used, path, n);
			used += n;
			out[used] = '\0';
		}
		path += n + 1;
	}
	return 0;
}

int cgroup_path_cgroupfs(const char *cgroups_path, const char *id, const char *own,
	size_t own_length, char **ret, struct error *err)
{
	const char *path = cgroups_path != NULL && *cgroups_path != '\0' ? cgroups_path : id;
	size_t length = strlen(path);

	if (length > PATH_MOST)
		return error_set(err, ENAMETOOLONG, "linux.cgroupsPath: '%.40s…'", path);

	/* Components never grow, but for one '/' before the first of each part. */
	_cleanup_free_ char *out = calloc(1, own_length + length + 3);
	int status;

	if (out == NULL)
		return error_set(err, ENOMEM, "linux.cgroupsPath");
	if (*path != '/') {
		while (own_length > 0 && own[own_length - 1] != '/')
			own_length--;
		/*
		 * A caller outside its cgroup namespace's root sees "/../…": there is no telling
		 * where it is, so the root is the parent.
		 */
		if (own_length > PATH_MOST || memmem(own, own_length, "/..", 3) != NULL)
			own_length = 0;
		status = append_components(out, own, own_length, err);
		if (status < 0)
			return status;
	}
	size_t parent = strlen(out);

	status = append_components(out, path, length, err);
	if (status < 0)
		return status;
	if (strlen(out) == parent)
		return error_say(err, EINVAL,
			"linux.cgroupsPath: '%.256s' names no cgroup of its own: append a name",
			path);
	if (strlen(out) > PATH_MOST)
		return error_set(err, ENAMETOOLONG, "linux.cgroupsPath: '%.40s…'", out);
	*ret = take_ptr(&out);
	return 0;
}

/* Characters of a unit's name (systemd.unit(5)). */
static bool unit_name_is_valid(const char *name)
{
	size_t n = strspn(name,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
		":-_.\\@");

	return name[n] == '\0' && n > 0 && n < 256;
}

static bool ends_with(const char *text, const char *suffix)
{
	size_t n = strlen(text), m = strlen(suffix);

	return n > m && strcmp(text + n - m, suffix) == 0;
}

char *cgroup_slice_path(const char *slice, struct error *err)
{
	if (!unit_name_is_valid(slice) || !ends_with(slice, ".slice") ||
		(strcmp(slice, "-.slice") != 0 &&
			(*slice == '-' || strstr(slice, "--") != NULL ||
				strstr(slice, "-.slice") != NULL))) {
		error_say(err, EINVAL,
			"linux.cgroupsPath: '%s' is no slice: expected a name such as "
			"machine.slice",
			slice);
		return NULL;
	}
	if (strcmp(slice, "-.slice") == 0)
		return strdup("/");

	size_t stem = strlen(slice) - strlen(".slice"), room = 1;

	for (size_t i = 0; i <= stem; i++) {
		if (i == stem || slice[i] == '-')
			room += i + strlen("/.slice");
	}

	/* Each '-' repeats all that is before it: the path grows with the square of the name. */
	if (room > PATH_MOST) {
		error_set(err, ENAMETOOLONG, "linux.cgroupsPath: slice '%.40s…'", slice);
		return NULL;
	}

	char *path = calloc(1, room), *end = path;

	if (path == NULL) {
		error_set(err, ENOMEM, "linux.cgroupsPath");
		return NULL;
	}
	for (size_t i = 0; i <= stem; i++) {
		if (i == stem || slice[i] == '-')
			end += sprintf(end, "/%.*s.slice", (int)i, slice);
	}
	return path;
}

int cgroup_path_systemd(const char *cgroups_path, const char *id, struct cgroup_location *location,
	struct error *err)
{
	_cleanup_free_ char *copy = NULL;
	const char *slice = "", *prefix = "caisson", *name = id;

	if (cgroups_path != NULL && *cgroups_path != '\0') {
		char *rest = copy = strdup(cgroups_path);

		if (copy == NULL)
			return error_set(err, ENOMEM, "linux.cgroupsPath");
		slice = strsep(&rest, ":");
		prefix = strsep(&rest, ":");
		name = strsep(&rest, ":");
		if (prefix == NULL || name == NULL || rest != NULL || *name == '\0')
			return error_say(err, EINVAL,
				"linux.cgroupsPath: '%s' is not of the form slice:prefix:name that "
				"--systemd-cgroup needs",
				cgroups_path);
	}
	if (*slice == '\0')
		slice = location->user_manager ? "user.slice" : "system.slice";
	location->slice = strdup(slice);

	/* As runc: a name that is a slice itself is used as it is, else it becomes a scope. */
	const char *suffix = ends_with(name, ".slice") ? "" : ".scope";
	bool bare = *prefix == '\0' || *suffix == '\0';

	if (asprintf(&location->unit, "%s%s%s%s", bare ? "" : prefix, bare ? "" : "-", name,
		    suffix) < 0)
		location->unit = NULL;
	if (location->slice == NULL || location->unit == NULL)
		return error_set(err, ENOMEM, "linux.cgroupsPath");
	if (!unit_name_is_valid(location->unit) || *suffix == '\0')
		return error_say(err, EINVAL,
			"linux.cgroupsPath: '%s' cannot be the name of a systemd scope",
			location->unit);
	return 0;
}
