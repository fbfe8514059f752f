/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"

/* Deeper trees than our own state directories ever get are not descended into. */
#define REMOVE_DEPTH_MAX 16

int read_fd(int fd, const char *name, size_t most, char **ret_text, size_t *ret_length,
	struct error *err)
{
	struct stat st;
	size_t capacity = 4096, length = 0;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		capacity = (size_t)st.st_size + 1;
	if (capacity > most + 1)
		capacity = most + 1;
	_cleanup_free_ char *text = malloc(capacity + 1);
	if (text == NULL)
		return error_set(err, ENOMEM, "read %s", name);
	for (;;) {
		ssize_t n = read(fd, text + length, capacity - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, errno, "read %s", name);
		if (n == 0)
			break;
		length += (size_t)n;
		if (length > most)
			return error_say(err, EFBIG, "%s is larger than %zu bytes", name, most);
		if (length == capacity) {
			capacity = capacity > most / 2 ? most + 1 : capacity * 2;
			char *larger = realloc(text, capacity + 1);
			if (larger == NULL)
				return error_set(err, ENOMEM, "read %s", name);
			text = larger;
		}
	}
	text[length] = '\0';
	*ret_text = take_ptr(&text);
	if (ret_length != NULL)
		*ret_length = length;
	return 0;
}

int read_file(int dir, const char *path, size_t most, char **ret_text, size_t *ret_length,
	struct error *err)
{
	_cleanup_close_ int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "open %s", path);
	return read_fd(fd, path, most, ret_text, ret_length, err);
}

int write_all(int fd, const void *bytes, size_t length)
{
	const char *from = bytes;

	while (length > 0) {
		ssize_t n = write(fd, from, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		from += n;
		length -= (size_t)n;
	}
	return 0;
}

/* Two writers of one process never meet here: whoever replaces holds the container's lock. */
static void name_temporary(char *temporary, size_t size, const char *name)
{
	snprintf(temporary, size, ".%.60s.%d", name, getpid());
}

int stage_file(
	int dir, const char *name, const char *text, size_t length, mode_t mode, struct error *err)
{
	char temporary[128];

	name_temporary(temporary, sizeof(temporary), name);
	_cleanup_close_ int fd = openat(
		dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return error_set(err, errno, "create %s", temporary);
	int status = write_all(fd, text, length);
	if (status < 0) {
		unlinkat(dir, temporary, 0);
		return error_set(err, -status, "write %s", name);
	}
	return 0;
}

int commit_file(int dir, const char *name, struct error *err)
{
	char temporary[128];

	name_temporary(temporary, sizeof(temporary), name);
	if (renameat(dir, temporary, dir, name) == 0)
		return 0;
	int failure = errno;
	unlinkat(dir, temporary, 0);
	return error_set(err, failure, "write %s", name);
}

int replace_file(
	int dir, const char *name, const char *text, size_t length, mode_t mode, struct error *err)
{
	int status = stage_file(dir, name, text, length, mode, err);

	return status < 0 ? status : commit_file(dir, name, err);
}

int make_directories(const char *path, mode_t mode, struct error *err)
{
	_cleanup_free_ char *copy = strdup(path);

	if (copy == NULL)
		return error_set(err, ENOMEM, "make directory %s", path);
	for (char *slash = strchr(copy + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash != NULL)
			*slash = '\0';
		if (mkdir(copy, slash != NULL && mode == 0700 ? 0711 : mode) < 0 && errno != EEXIST)
			return error_set(err, errno, "make directory %s", copy);
		if (slash == NULL)
			return 0;
		*slash = '/';
	}
}

static int remove_below(int dir, const char *name, int depth, struct error *err)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : error_set(err, errno, "open %s", name);
	_cleanup_closedir_ DIR *stream = fdopendir(fd);
	if (stream == NULL) {
		close_fd(fd);
		return error_set(err, ENOMEM, "open %s", name);
	}
	for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM)
			return error_set(err, errno, "remove %s/%s", name, entry->d_name);
		if (depth == 0)
			return error_set(err, ELOOP, "remove %s/%s", name, entry->d_name);
		int status = remove_below(fd, entry->d_name, depth - 1, err);
		if (status < 0)
			return status;
	}
	if (unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_set(err, errno, "remove %s", name);
	return 0;
}

int remove_tree(int dir, const char *name, struct error *err)
{
	return remove_below(dir, name, REMOVE_DEPTH_MAX, err);
}

char *absolute_path(const char *path)
{
	char *whole;

	if (path[0] == '/')
		return strdup(path);
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	if (cwd == NULL)
		return NULL;
	if (strcmp(path, ".") == 0 || path[0] == '\0')
		return take_ptr(&cwd);
	return asprintf(&whole, "%s/%s", cwd, path) < 0 ? NULL : whole;
}
