/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/kernel/distribution.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"

/* The header of a bzImage (Documentation/arch/x86/boot.rst). */
#define HEADER_SIZE 0x210
#define BOOT_FLAG_OFFSET 0x1fe
#define MAGIC_OFFSET 0x202
#define VERSION_OFFSET 0x20e /* where the version's text is, less 0x200 */

/* In what is asked first, for one version: %s. */
static const char *const places[] = {
	"/boot/vmlinuz-%s",
	"/usr/lib/modules/%s/vmlinuz",
	"/lib/modules/%s/vmlinuz",
};

#define PLACES (sizeof(places) / sizeof(*places))

static bool has_modules(const char *root, const char *version)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/lib/modules/%s/modules.dep", root, version);

	return n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0;
}

/* Of "6.1.0-56-cloud-amd64 (debian-kernel@...) #1 SMP ..." the first word; it becomes a path. */
static bool read_version(int fd, char ret[KERNEL_VERSION_MAX])
{
	uint8_t header[HEADER_SIZE];
	char text[KERNEL_VERSION_MAX] = "";
	uint16_t offset;

	if (pread(fd, header, sizeof(header), 0) != sizeof(header) ||
		header[BOOT_FLAG_OFFSET] != 0x55 || header[BOOT_FLAG_OFFSET + 1] != 0xaa ||
		memcmp(header + MAGIC_OFFSET, "HdrS", 4) != 0)
		return false;
	memcpy(&offset, header + VERSION_OFFSET, sizeof(offset));
	if (offset == 0 || pread(fd, text, sizeof(text) - 1, offset + 0x200) <= 0)
		return false;
	text[strcspn(text, " ")] = '\0';
	if (text[0] == '.' || text[0] == '\0' || strlen(text) == sizeof(text) - 1)
		return false;
	for (const char *c = text; *c != '\0'; c++) {
		if (*c <= ' ' || *c > '~' || *c == '/')
			return false;
	}
	memcpy(ret, text, sizeof(text));
	return true;
}

bool distribution_is(const char *root, int fd, char ret[KERNEL_VERSION_MAX])
{
	return read_version(fd, ret) && has_modules(root, ret);
}

/* One of `path`, or -EBADF. The first that exists and may not be read is kept for the error. */
static int try(const char *root, const char *path, char version[KERNEL_VERSION_MAX],
	char unreadable[PATH_MAX])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 && (errno == EACCES || errno == EPERM) && unreadable[0] == '\0')
		snprintf(unreadable, PATH_MAX, "%s", path);
	return fd >= 0 && distribution_is(root, fd, version) ? take_fd(&fd) : -EBADF;
}

static int open_running(const char *root, const char *running, struct distribution_kernel *ret,
	char unreadable[PATH_MAX])
{
	if (!has_modules(root, running))
		return -EBADF;
	for (size_t i = 0; i < PLACES; i++) {
		char path[PATH_MAX], name[PATH_MAX];

		snprintf(name, sizeof(name), places[i], running);
		if ((size_t)snprintf(path, sizeof(path), "%s%s", root, name) >= sizeof(path))
			continue;
		_cleanup_close_ int fd = try(root, path, ret->version, unreadable);
		if (fd < 0 || strcmp(ret->version, running) != 0)
			continue;
		memcpy(ret->path, path, sizeof(path));
		return take_fd(&fd);
	}
	return -EBADF;
}

static int open_newest(const char *root, struct distribution_kernel *ret, char unreadable[PATH_MAX])
{
	_cleanup_close_ int best = -EBADF;

	for (size_t i = 0; i < PLACES; i++) {
		char pattern[PATH_MAX], name[64];
		glob_t found;

		snprintf(name, sizeof(name), places[i], "*");
		if ((size_t)snprintf(pattern, sizeof(pattern), "%s%s", root, name) >=
				sizeof(pattern) ||
			glob(pattern, 0, NULL, &found) != 0)
			continue;
		for (size_t j = 0; j < found.gl_pathc; j++) {
			char version[KERNEL_VERSION_MAX];
			_cleanup_close_ int fd = try(root, found.gl_pathv[j], version, unreadable);

			if (fd < 0 || (best >= 0 && strverscmp(version, ret->version) <= 0))
				continue;
			close_fd(best);
			best = take_fd(&fd);
			memcpy(ret->version, version, sizeof(version));
			snprintf(ret->path, sizeof(ret->path), "%s", found.gl_pathv[j]);
		}
		globfree(&found);
	}
	return take_fd(&best);
}

int distribution_open(
	const char *root, const char *running, struct distribution_kernel *ret, struct error *err)
{
	char unreadable[PATH_MAX] = "";
	int fd = open_running(root, running, ret, unreadable);

	if (fd < 0)
		fd = open_newest(root, ret, unreadable);
	if (fd >= 0)
		return fd;
	if (unreadable[0] != '\0')
		return error_say(err, EACCES,
			"the distribution's kernel %s can be read by root alone: as root, chmod "
			"0644 %s, or name a kernel in the settings (vm.kernel)",
			unreadable, unreadable);
	return error_say(err, ENOENT,
		"%s/boot has no vmlinuz-VERSION whose modules are in %s/lib/modules", root, root);
}
