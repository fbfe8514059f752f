/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"

#define SYSTEM_ROOT "/run/caisson"
#define SECCOMP_CACHE "@seccomp" /* '@' is in no container's id */

/* True in a user namespace that does not map every id to itself (user_namespaces(7)). */
static bool in_user_namespace(void)
{
	unsigned long inside, outside, count;
	char text[128];
	struct stat st;

	if (stat("/proc/self/ns/user", &st) == 0 && st.st_ino == RUNTIME_INITIAL_USER_NAMESPACE)
		return false;
	_cleanup_close_ int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t length = read(fd, text, sizeof(text) - 1);
	if (length <= 0)
		return true;
	text[length] = '\0';
	return sscanf(text, "%lu %lu %lu", &inside, &outside, &count) != 3 || inside != 0 ||
		outside != 0 || count != UINT32_MAX;
}

bool runtime_is_rootless(void)
{
	return geteuid() != 0 || in_user_namespace();
}

static bool has_capability(unsigned int capability)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	return data[capability / 32].effective & (1U << (capability % 32));
}

static char *default_root(bool rootless)
{
	const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
	char *path;

	if (!rootless || runtime_dir == NULL || runtime_dir[0] != '/')
		return strdup(SYSTEM_ROOT);
	return asprintf(&path, "%s/caisson", runtime_dir) < 0 ? NULL : path;
}

/*
 * The directory's owner decides what delete and kill act on, so it has to be ours (root's counts
 * when we are root in a user namespace and it shows as the overflow id).
 */
static int check_owner(int fd, const char *path, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "stat %s", path);
	if (st.st_uid != geteuid())
		return error_say(err, EPERM,
			"%s belongs to user %u: choose a directory of your own with --root", path,
			st.st_uid);
	/* Sticky or not: others could make what looks like a container's directory. */
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return error_say(err, EPERM,
			"%s may be written by other users: chmod 0700 it, or choose another --root",
			path);
	return 0;
}

int runtime_open(
	const char *path, int rootless, bool create, struct runtime *ret, struct error *err)
{
	if (path != NULL && path[0] == '\0')
		return error_say(err, EINVAL, "--root: the path is empty");
	bool is_rootless = rootless >= 0 ? rootless > 0 : runtime_is_rootless();
	_cleanup_free_ char *root_path = path != NULL ? absolute_path(path)
						      : default_root(is_rootless);
	if (root_path == NULL)
		return error_set(err, errno, "cannot name the state root");

	_cleanup_close_ int root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0 && errno == ENOENT && create) {
		int status = make_directories(root_path, 0700, err);
		if (status < 0)
			return error_prefix(err, "cannot make the state root (--root)");
		root = open(root_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (root < 0 && (create || errno != ENOENT))
		return error_set(err, errno, "cannot open the state root %s (--root)", root_path);
	if (root >= 0) {
		int status = check_owner(root, root_path, err);
		if (status < 0)
			return status;
	}
	*ret = (struct runtime){
		.root = take_fd(&root),
		.root_path = take_ptr(&root_path),
		.rootless = is_rootless,
		.privileged = has_capability(CAP_SYS_ADMIN),
	};
	return 0;
}

void runtime_close(struct runtime *runtime)
{
	runtime->root = close_fd(runtime->root);
	free(runtime->root_path);
	runtime->root_path = NULL;
}

int runtime_open_seccomp_cache(const struct runtime *runtime)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	int fd = openat(runtime->root, SECCOMP_CACHE, flags);

	if (fd >= 0 || errno != ENOENT)
		return fd;
	if (mkdirat(runtime->root, SECCOMP_CACHE, 0700) < 0 && errno != EEXIST)
		return -errno;
	return openat(runtime->root, SECCOMP_CACHE, flags);
}
