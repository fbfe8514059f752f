/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/kernel/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/log.h"
#include "runtime/runtime.h"
#include "runtime/vm/boot/cpio.h"
#include "runtime/vm/kernel/initramfs.h"
#include "runtime/vm/kernel/modules.h"

#define FORMAT 1 /* of what is in it: another one makes new files */
#define PREFIX "initramfs-"
#define NEW ".new-"
#define STALE_SECONDS 3600

void cache_directory(char ret[PATH_MAX])
{
	const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int n;

	if (!runtime_is_rootless())
		n = snprintf(ret, PATH_MAX, CACHE_SYSTEM_DIRECTORY);
	else if (cache != NULL && cache[0] == '/')
		n = snprintf(ret, PATH_MAX, "%s/caisson", cache);
	else if (home != NULL && home[0] == '/')
		n = snprintf(ret, PATH_MAX, "%s/.cache/caisson", home);
	else
		n = 0;
	if (n <= 0 || n >= PATH_MAX)
		ret[0] = '\0';
}

/* ---- names ---------------------------------------------------------------------------------- */

/* FNV-1a: it tells files of one owner apart, and need not withstand anybody. */
static void mix(uint64_t *hash, uint64_t value)
{
	for (int i = 0; i < 8; i++) {
		*hash ^= value >> 8 * i & 0xff;
		*hash *= UINT64_C(0x100000001b3);
	}
}

static void mix_file(uint64_t *hash, const struct stat *st)
{
	mix(hash, (uint64_t)st->st_size);
	mix(hash, (uint64_t)st->st_mtim.tv_sec);
	mix(hash, (uint64_t)st->st_mtim.tv_nsec);
	mix(hash, (uint64_t)st->st_ctim.tv_sec);
	mix(hash, (uint64_t)st->st_ctim.tv_nsec);
}

/* depmod(8) writes modules.dep anew whenever a module comes or goes. */
static int make_name(
	const char *root, const char *version, int agent, char ret[NAME_MAX + 1], struct error *err)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/lib/modules/%s/modules.dep", root, version);
	mix(&hash, FORMAT);
	if (stat(path, &st) < 0)
		return error_set(err, errno, "look at %s", path);
	mix_file(&hash, &st);
	if (fstat(agent, &st) < 0)
		return error_set(err, errno, "look at the guest's agent");
	mix_file(&hash, &st);
	snprintf(ret, NAME_MAX + 1, PREFIX "%s-%016" PRIx64 ".cpio", version, hash);
	return 0;
}

/* ---- what is there -------------------------------------------------------------------------- */

static bool is_ours(const struct stat *st)
{
	return st->st_uid == geteuid() && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static int open_directory(const char *path, bool make, struct error *err)
{
	struct stat st;

	if (path[0] == '\0')
		return error_say(err, ENOENT, "neither XDG_CACHE_HOME nor HOME is set");
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && make) {
		int status = make_directories(path, 0700, err);
		if (status < 0)
			return status;
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, errno, "open %s", path);
	if (!is_ours(&st))
		return error_say(err, EPERM, "%s is another's, or others may write there", path);
	return take_fd(&fd);
}

/* -ENOENT: not there; -EPERM and -EUCLEAN: not as this program left it. */
static int open_kept(int directory, const char *name)
{
	struct stat st;
	_cleanup_close_ int fd = openat(
		directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return errno == ENOENT ? -ENOENT : -EPERM;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !is_ours(&st))
		return -EPERM;
	return cpio_is_whole(fd) ? take_fd(&fd) : -EUCLEAN;
}

/* A kept file's name without its hash: that of a kernel which is there no more. */
static bool kernel_is_gone(const char *root, const char *name)
{
	char path[PATH_MAX];
	size_t length = strlen(name), tail = strlen("-0123456789abcdef.cpio");

	if (strncmp(name, PREFIX, strlen(PREFIX)) != 0 || length <= strlen(PREFIX) + tail)
		return false;
	snprintf(path, sizeof(path), "%s/lib/modules/%.*s", root,
		(int)(length - tail - strlen(PREFIX)), name + strlen(PREFIX));
	return access(path, F_OK) < 0 && errno == ENOENT;
}

/*
 * Older ones of the same kernel, which some guests may still have mapped, those of kernels that
 * were removed, and what somebody who was killed left half written.
 */
static void remove_old(int directory, const char *root, const char *version, const char *name)
{
	char prefix[NAME_MAX + 1];
	int again = fcntl(directory, F_DUPFD_CLOEXEC, 3);
	DIR *all = again < 0 ? NULL : fdopendir(again);
	struct dirent *entry;
	struct stat st;

	if (all == NULL) {
		close_fd(again);
		return;
	}
	int length = snprintf(prefix, sizeof(prefix), PREFIX "%s-", version);
	while ((entry = readdir(all)) != NULL) {
		bool older = strncmp(entry->d_name, prefix, (size_t)length) == 0 &&
			strlen(entry->d_name) == strlen(name) && strcmp(entry->d_name, name) != 0;
		bool stale = strncmp(entry->d_name, NEW, strlen(NEW)) == 0 &&
			fstatat(directory, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			st.st_mtim.tv_sec < time(NULL) - STALE_SECONDS;

		if (older || stale || kernel_is_gone(root, entry->d_name))
			unlinkat(directory, entry->d_name, 0);
	}
	closedir(all);
}

/* ---- making it ------------------------------------------------------------------------------ */

/* In memory first: where it cannot be kept it serves one start. Sealed, since guests show it. */
static int make(const char *root, const char *version, int agent, struct error *err)
{
	_cleanup_close_ int fd = memfd_create("initramfs", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return error_set(err, errno, "make an initramfs");
	int status = initramfs_write(fd, root, version, agent, err);
	if (status < 0)
		return status;
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return error_set(err, errno, "seal an initramfs");
	return take_fd(&fd);
}

static int copy(int to, int from)
{
	struct stat st;
	off_t at = 0;

	if (fstat(from, &st) < 0)
		return -errno;
	while (at < st.st_size) {
		ssize_t n = sendfile(to, from, &at, (size_t)(st.st_size - at));

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
	}
	return 0;
}

/* Two who do this at once put the same there. */
static int keep(int directory, const char *name, int made, struct error *err)
{
	char new[64];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(new, sizeof(new), NEW "%d-%09ld", getpid(), now.tv_nsec);
	_cleanup_close_ int fd = openat(
		directory, new, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int status = fd < 0 ? -errno : copy(fd, made);
	/* After a crash of the machine it is there as a whole or not at all. */
	if (status == 0 && (fdatasync(fd) < 0 || renameat(directory, new, directory, name) < 0))
		status = -errno;
	if (status == 0)
		return 0;
	if (fd >= 0)
		unlinkat(directory, new, 0);
	return error_set(err, -status, "write %s", name);
}

/* ---- both ----------------------------------------------------------------------------------- */

int cache_open_initramfs(
	const char *path, const char *root, const char *version, int agent, struct error *err)
{
	struct error problem = ERROR_INIT;
	char name[NAME_MAX + 1];
	int status = make_name(root, version, agent, name, err);

	if (status < 0)
		return status;
	_cleanup_close_ int directory = open_directory(path, true, &problem);
	int kept = directory < 0 ? directory : open_kept(directory, name);
	if (kept >= 0)
		return kept;
	if (kept == -EUCLEAN || (directory >= 0 && kept == -EPERM))
		log_warning("%s/%s is %s: it is made anew", path, name,
			kept == -EUCLEAN ? "damaged"
					 : "no file of this user's that nobody else may write");
	_cleanup_close_ int made = make(root, version, agent, err);
	if (made < 0)
		return made;
	if (directory >= 0 && keep(directory, name, made, &problem) == 0) {
		remove_old(directory, root, version, name);
		kept = open_kept(directory, name);
		if (kept >= 0)
			return kept;
	}
	log_warning("the initramfs of kernel %s cannot be kept in %s, and is made anew for each "
		    "start: %s",
		version, path, problem.message);
	return take_fd(&made);
}

bool cache_has_initramfs(
	const char *path, const char *root, const char *version, int agent, char ret[PATH_MAX])
{
	char name[NAME_MAX + 1];

	ret[0] = '\0';
	if (make_name(root, version, agent, name, NULL) < 0 ||
		snprintf(ret, PATH_MAX, "%s/%s", path, name) >= PATH_MAX)
		return false;
	_cleanup_close_ int directory = open_directory(path, false, NULL);
	_cleanup_close_ int kept = directory < 0 ? directory : open_kept(directory, name);
	return kept >= 0;
}
