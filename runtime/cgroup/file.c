/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"

ssize_t cgroup_file_read(int dir, const char *name, char *buffer, size_t size)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t used = 0;

	if (fd < 0)
		return -errno;
	while (used < size - 1) {
		ssize_t n = read(fd, buffer + used, size - 1 - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		used += (size_t)n;
		/* seq_file hands out whole lines up to a page: less than half of one is all there
		 * is.
		 */
		if (n == 0 || used < CGROUP_FILE_SMALL / 2)
			break;
	}
	buffer[used] = '\0';
	return (ssize_t)used;
}

ssize_t cgroup_file_read_all(int dir, const char *name, size_t most, char **ret)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	_cleanup_free_ char *text = NULL;
	size_t used = 0, room = 0;

	if (fd < 0)
		return -errno;
	for (;;) {
		if (room - used < CGROUP_FILE_SMALL) {
			room = room == 0 ? (size_t)2 * CGROUP_FILE_SMALL : 2 * room;

			char *more = realloc(text, room);

			if (more == NULL)
				return -ENOMEM;
			text = more;
		}

		ssize_t n = read(fd, text + used, room - used - 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > most)
			return -EFBIG;
	}
	text[used] = '\0';
	*ret = take_ptr(&text);
	return (ssize_t)used;
}

int cgroup_file_write(int dir, const char *name, const char *value)
{
	_cleanup_close_ int fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t length = strlen(value);
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		/* A write of nothing never reaches the kernel's handler: a line feed is an empty
		 * value.
		 */
		n = length > 0 ? write(fd, value, length) : write(fd, "\n", 1);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

const char *cgroup_text_number(const char *text, uint64_t *ret)
{
	uint64_t value = 0;
	const char *p = text;

	if (strncmp(p, "max", 3) == 0) {
		value = UINT64_MAX;
		p += 3;
	} else {
		for (; *p >= '0' && *p <= '9'; p++) {
			if (__builtin_mul_overflow(value, 10, &value) ||
				__builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
				return NULL;
		}
		if (p == text)
			return NULL;
	}
	if (*p != '\0' && *p != ' ' && *p != '\n' && *p != '\t')
		return NULL;
	*ret = value;
	return p;
}

int cgroup_text_find(const char *text, const char *key, uint64_t *ret)
{
	size_t length = strlen(key);

	while (*text != '\0') {
		if (strncmp(text, key, length) == 0 && text[length] == ' ')
			return cgroup_text_number(text + length + 1, ret) != NULL ? 0 : -EINVAL;
		text = strchrnul(text, '\n');
		if (*text == '\n')
			text++;
	}
	return -ENOENT;
}

int cgroup_file_find(int dir, const char *name, const char *key, uint64_t *ret)
{
	char text[CGROUP_FILE_SMALL];
	ssize_t n = cgroup_file_read(dir, name, text, sizeof(text));

	return n < 0 ? (int)n : cgroup_text_find(text, key, ret);
}

int cgroup_file_read_number(int dir, const char *name, uint64_t *ret)
{
	char text[64] = "";
	ssize_t n = cgroup_file_read(dir, name, text, sizeof(text));

	if (n < 0)
		return (int)n;
	return cgroup_text_number(text, ret) != NULL ? 0 : -EINVAL;
}
