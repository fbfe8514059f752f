/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/host_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"

int host_program_find(const char *name, char ret[PATH_MAX])
{
	static const char *const directories[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin" };

	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		int n = snprintf(ret, PATH_MAX, "%s/%s", directories[i], name);

		if (n > 0 && n < PATH_MAX && access(ret, X_OK) == 0)
			return 0;
	}
	return -ENOENT;
}

/* Ours are above 2: dup2() in order must not run over one that is still to be used. */
static int standard(int fd, int flags)
{
	return fd < 0 ? open("/dev/null", flags | O_CLOEXEC) : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int spawn(const char *const argv[], const int stdio[3], pid_t *ret)
{
	static char *const no_environment[] = { NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int status;

	sigemptyset(&none);
	sigfillset(&all);
	if (posix_spawnattr_init(&attributes) != 0)
		return ENOMEM;
	if (posix_spawn_file_actions_init(&actions) != 0) {
		posix_spawnattr_destroy(&attributes);
		return ENOMEM;
	}
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	status = 0;
	for (int fd = 0; status == 0 && fd < 3; fd++)
		status = posix_spawn_file_actions_adddup2(&actions, stdio[fd], fd);
	if (status == 0)
		status = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (status == 0)
		status = posix_spawn(
			ret, argv[0], &actions, &attributes, (char *const *)argv, no_environment);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return status;
}

int host_program_run(const char *const argv[], int in, int out, int said, struct error *err)
{
	_cleanup_close_ int input = standard(in, O_RDONLY);
	_cleanup_close_ int output = standard(out, O_WRONLY);
	_cleanup_close_ int error = standard(said, O_WRONLY);
	const int stdio[3] = { input, output, error };
	pid_t pid;
	int status;

	if (input < 0 || output < 0 || error < 0)
		return error_set(err, errno, "run %s", argv[0]);
	status = spawn(argv, stdio, &pid);
	if (status != 0)
		return error_set(err, status, "run %s", argv[0]);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return error_set(err, errno, "wait for %s", argv[0]);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
