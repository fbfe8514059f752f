/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/ns/path.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/*
 * Returns 0 when `path` can be executed by this user, else an errno. The process is inside the
 * container's root, so the kernel resolves the name here exactly as execve(2) will.
 */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode))
		return EACCES;
	/* faccessat2(2) with the effective ids; the wrapper may emulate it without. */
	if (syscall(SYS_faccessat2, AT_FDCWD, path, X_OK, AT_EACCESS) < 0)
		return errno;
	return 0;
}

/*
 * podman and docker tell 126 from 127 by the words "permission denied", "not found" and "no such
 * file or directory", in small letters.
 */
static int explain(const char *name, const char *path, int failure, struct error *err)
{
	if (failure == EISDIR)
		return error_say(err, EACCES,
			"process.args: exec %s: permission denied: it is a directory", path);
	if (failure == EACCES)
		return error_say(err, EACCES,
			"process.args: exec %s: permission denied (is it an executable file, "
			"and "
			"may this user search every directory above it?)",
			path);
	if (failure == ENOENT && strchr(name, '/') == NULL)
		return error_say(err, ENOENT,
			"process.args: exec %s: executable file not found in $PATH", name);
	if (failure == ENOENT)
		return error_say(
			err, ENOENT, "process.args: exec %s: no such file or directory", path);
	return error_set(err, failure, "process.args: exec %s", path);
}

static int take_copy(const char *path, char **ret_program, struct error *err)
{
	char *copy = strdup(path);

	if (copy == NULL)
		return error_set(err, ENOMEM, "process.args: exec %s", path);
	*ret_program = copy;
	return 0;
}

int program_find(const char *name, const char *path, char **ret_program, struct error *err)
{
	char candidate[PATH_MAX], refused[PATH_MAX];
	size_t name_length = strlen(name);
	int failure = ENOENT;

	if (strchr(name, '/') != NULL) {
		failure = executable(name);
		return failure == 0 ? take_copy(name, ret_program, err)
				    : explain(name, name, failure, err);
	}
	if (name_length == 0)
		return error_say(err, ENOENT, "process.args: the program's name is empty");

	/* What is found and refused is worth more to the reader than "not found". */
	for (const char *next = path != NULL ? path : DEFAULT_PATH; next != NULL;) {
		size_t length = strcspn(next, ":");

		/* An empty entry is the working directory (environ(7)). */
		if (length + 1 + name_length < sizeof(candidate)) {
			memcpy(candidate, next, length);
			if (length > 0)
				candidate[length++] = '/';
			memcpy(candidate + length, name, name_length + 1);

			int status = executable(candidate);
			if (status == 0)
				return take_copy(candidate, ret_program, err);
			if (status != ENOENT && status != ENOTDIR && failure == ENOENT) {
				failure = status;
				memcpy(refused, candidate, sizeof(refused));
			}
		}
		next = strchr(next, ':');
		if (next != NULL)
			next++;
	}
	return explain(name, failure == ENOENT ? name : refused, failure, err);
}

void working_directory_make(int root, const char *cwd)
{
	struct error failure = ERROR_INIT;
	_cleanup_close_ int found = path_open(root, cwd, O_PATH | O_DIRECTORY, &failure);

	if (found == -ENOENT)
		close_fd(path_make_directories(root, cwd, 0755, &failure));
}

int working_directory_enter(int root, const char *cwd, bool make, struct error *err)
{
	struct error failure = ERROR_INIT;
	char where[PATH_MAX + 16];

	_cleanup_close_ int fd = path_open(root, cwd, O_PATH | O_DIRECTORY, &failure);
	if (fd == -ENOENT && make)
		fd = path_make_directories(root, cwd, 0755, &failure);
	if (fd < 0)
		return error_say(err, failure.errnum, "process.cwd: enter %s: %s", cwd,
			strerror(failure.errnum));
	if (fchdir(fd) < 0)
		return error_set(err, errno, "process.cwd: enter %s", cwd);

	/* The raw call: the kernel says "(unreachable)" where a path leads out of the root. */
	long length = syscall(SYS_getcwd, where, sizeof(where));
	if (length < 0)
		return error_set(err, errno, "process.cwd: find out where %s is", cwd);
	if (where[0] != '/') {
		if (chdir("/") < 0)
			return error_set(err, errno, "process.cwd: leave %s", cwd);
		return error_say(err, EXDEV,
			"process.cwd: %s leads out of the container's root: refused", cwd);
	}
	return 0;
}
