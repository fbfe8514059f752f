/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/hooks.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/signals.h"
#include "runtime/ns/seccomp.h"

/* Where and as what a hook runs. */
struct surroundings {
	int directory;		  /* negative: the caller's */
	char *const *environment; /* of a hook that names none; NULL: empty */
	const struct seccomp_filter *filter;
};

/* One of a hook's outputs, cut into lines. */
struct output {
	int fd;
	size_t used;
	char line[512];
	char last[512]; /* the last line that is not empty */
};

struct running_hook {
	const char *name; /* "createRuntime[0] (/usr/bin/hook)" */
	pid_t pid;
	int pidfd;
	struct output out, error;
};

static void finish_line(struct running_hook *hook, struct output *output)
{
	output->line[output->used] = '\0';
	if (output->used > 0) {
		log_debug("hook %s: %s", hook->name, output->line);
		memcpy(output->last, output->line, output->used + 1);
	}
	output->used = 0;
}

/* Takes what is there now. False at the end of the stream. */
static bool read_output(struct running_hook *hook, struct output *output)
{
	char buffer[4096];
	ssize_t n = read(output->fd, buffer, sizeof(buffer));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	for (ssize_t i = 0; i < n; i++) {
		if (buffer[i] == '\n' || output->used == sizeof(output->line) - 1)
			finish_line(hook, output);
		if (buffer[i] != '\n')
			output->line[output->used++] = buffer[i];
	}
	return n > 0;
}

/*
 * What is in the pipe when the hook has ended, and no more: a daemon that it left behind may hold
 * the other end for ever.
 */
static void drain_output(struct running_hook *hook, struct output *output)
{
	for (int rounds = 0; output->fd >= 0 && rounds < 64; rounds++) {
		struct pollfd ready = { .fd = output->fd, .events = POLLIN };

		if (poll(&ready, 1, 0) <= 0 || !read_output(hook, output))
			break;
	}
	finish_line(hook, output);
	output->fd = close_fd(output->fd);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A file rather than a pipe: the hook may read it when it likes, or never. */
static int make_input(const char *state, struct error *err)
{
	size_t length = strlen(state);
	_cleanup_close_ int fd = memfd_create("state", MFD_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "make its standard input");
	ssize_t written = write(fd, state, length);
	if (written < 0 || (size_t)written != length)
		return error_set(err, written < 0 ? errno : EIO, "write its standard input");
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_set(err, errno, "rewind its standard input");
	return take_fd(&fd);
}

static int make_output(int *ret_write, struct output *output, struct error *err)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe for its output");
	output->fd = ends[0];
	*ret_write = ends[1];
	return 0;
}

/* The hook's fds are made by dup2() in order, so none of the sources may be 0, 1 or 2 itself. */
static int above_stdio(int *fd)
{
	if (*fd > 2)
		return 0;
	int moved = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
	if (moved < 0)
		return errno;
	close(*fd);
	*fd = moved;
	return 0;
}

/* What the new process, which shares the memory, is told and says. */
struct execution {
	const struct oci_hook *config;
	int stdio[3];
	const struct surroundings *surroundings;
	struct sock_fprog filter;
	pid_t parent;
	volatile int failure; /* an errno */
};

/* System calls alone: the memory and the stack are the waiting parent's (vfork(2)). */
static _Noreturn void execute(struct execution *execution)
{
	static char *const no_environment[] = { NULL };
	const struct oci_hook *config = execution->config;
	const struct surroundings *surroundings = execution->surroundings;
	char *own_name[] = { config->path, NULL };

	signals_reset();
	setpgid(0, 0);
	/* A hook whose runtime is killed would work on for nobody, with what is no longer there. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != execution->parent)
		_exit(127);
	for (int fd = 0; fd < 3; fd++) {
		if (dup2(execution->stdio[fd], fd) < 0)
			goto failed;
	}
	if (surroundings->directory >= 0 && fchdir(surroundings->directory) < 0)
		goto failed;
	close_range(3, UINT_MAX, 0);
	if (surroundings->filter != NULL &&
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, surroundings->filter->flags,
			&execution->filter) != 0)
		goto failed;
	execve(config->path, config->args.count > 0 ? config->args.items : own_name,
		config->env.count > 0			    ? config->env.items
			: surroundings->environment != NULL ? surroundings->environment
							    : no_environment);
failed:
	execution->failure = errno;
	_exit(127);
}

/* Not inlined: the child must not return from, or change, a frame that the parent goes on with. */
static __attribute__((noinline)) int spawn(struct execution *execution, pid_t *ret_pid)
{
	pid_t pid = vfork();

	if (pid == 0)
		execute(execution);
	if (pid < 0)
		return errno;
	if (execution->failure != 0)
		waitpid(pid, NULL, 0);
	*ret_pid = pid;
	return execution->failure;
}

static int start(const struct oci_hook *config, const char *state,
	const struct surroundings *surroundings, struct running_hook *hook, struct error *err)
{
	_cleanup_close_ int out = -EBADF;
	_cleanup_close_ int error = -EBADF;
	_cleanup_close_ int input = make_input(state, err);

	if (input < 0)
		return input;
	int status = make_output(&out, &hook->out, err);
	if (status < 0)
		return status;
	status = make_output(&error, &hook->error, err);
	if (status < 0)
		return status;

	int failure = above_stdio(&input);
	if (failure == 0)
		failure = above_stdio(&out);
	if (failure == 0)
		failure = above_stdio(&error);
	struct execution execution = { .config = config,
		.stdio = { input, out, error },
		.surroundings = surroundings,
		.parent = getpid() };
	if (surroundings->filter != NULL)
		execution.filter = (struct sock_fprog){ surroundings->filter->count,
			surroundings->filter->instructions };
	if (failure == 0)
		failure = spawn(&execution, &hook->pid);
	if (failure != 0)
		return error_set(err, failure, "execute it");
	hook->pidfd = (int)syscall(SYS_pidfd_open, hook->pid, 0);
	if (hook->pidfd < 0) {
		failure = errno;
		kill(-hook->pid, SIGKILL);
		waitpid(hook->pid, NULL, 0);
		return error_set(err, failure, "watch it");
	}
	return 0;
}

/* Follows the hook until it ends or `deadline` (0: none) passes; false for the latter. */
static bool follow(struct running_hook *hook, int64_t deadline)
{
	for (;;) {
		struct pollfd fds[] = {
			{ .fd = hook->pidfd, .events = POLLIN },
			{ .fd = hook->out.fd, .events = POLLIN },
			{ .fd = hook->error.fd, .events = POLLIN },
		};
		int64_t left = deadline == 0 ? -1 : deadline - now_ms();

		if (deadline != 0 && left <= 0)
			return false;
		if (poll(fds, 3, left > INT32_MAX ? INT32_MAX : (int)left) <= 0)
			continue;
		if (fds[1].revents != 0 && !read_output(hook, &hook->out))
			hook->out.fd = close_fd(hook->out.fd);
		if (fds[2].revents != 0 && !read_output(hook, &hook->error))
			hook->error.fd = close_fd(hook->error.fd);
		if (fds[0].revents != 0)
			return true;
	}
}

static int judge(const struct running_hook *hook, const siginfo_t *info, struct error *err)
{
	const char *colon = hook->error.last[0] != '\0' ? ": " : "";

	if (info->si_code == CLD_EXITED && info->si_status == 0)
		return 0;
	if (info->si_code == CLD_EXITED)
		return error_say(err, ECHILD, "exited with status %d%s%s", info->si_status, colon,
			hook->error.last);
	return error_say(
		err, ECHILD, "killed by signal %d%s%s", info->si_status, colon, hook->error.last);
}

static int wait_for(struct running_hook *hook, int seconds, struct error *err)
{
	siginfo_t info = { 0 };
	int64_t deadline = seconds > 0 ? now_ms() + (int64_t)seconds * 1000 : 0;
	bool ended = follow(hook, deadline);

	if (!ended)
		kill(-hook->pid, SIGKILL);
	while (waitid(P_PID, (id_t)hook->pid, &info, WEXITED) < 0) {
		if (errno != EINTR)
			return error_set(err, errno, "wait for it");
	}
	drain_output(hook, &hook->out);
	drain_output(hook, &hook->error);
	if (!ended)
		return error_say(err, ETIMEDOUT, "killed after its timeout of %d s", seconds);
	return judge(hook, &info, err);
}

static int run_one(const struct oci_hook *config, const char *name, const char *state,
	const struct surroundings *surroundings, struct error *err)
{
	struct running_hook hook = {
		.name = name, .pidfd = -EBADF, .out.fd = -EBADF, .error.fd = -EBADF
	};
	int status = start(config, state, surroundings, &hook, err);

	if (status == 0)
		status = wait_for(&hook, config->timeout.set ? config->timeout.value : 0, err);
	close_fd(hook.pidfd);
	close_fd(hook.out.fd);
	close_fd(hook.error.fd);
	return status;
}

static int run_all(const struct oci_hook_list *hooks, const char *list_name, const char *state,
	const struct surroundings *surroundings, bool all, struct error *err)
{
	int first = 0;

	for (size_t i = 0; i < hooks->count; i++) {
		struct error failure = ERROR_INIT;
		char name[256];

		snprintf(name, sizeof(name), "hooks.%s[%zu] (%s)", list_name, i,
			hooks->items[i].path);
		int status = run_one(&hooks->items[i], name, state, surroundings, &failure);
		if (status == 0)
			continue;
		error_prefix(&failure, "%s", name);
		if (all)
			log_warning("%s", failure.message);
		if (first == 0) {
			first = status;
			error_say(err, failure.errnum, "%s", failure.message);
		}
		if (!all)
			break;
	}
	return first;
}

int hooks_run(const struct oci_hook_list *hooks, const char *list_name, const char *state,
	int directory, bool all, struct error *err)
{
	const struct surroundings surroundings = { .directory = directory };

	return run_all(hooks, list_name, state, &surroundings, all, err);
}

int hooks_run_confined(const struct oci_hook_list *hooks, const char *list_name, const char *state,
	const struct seccomp_filter *filter, struct error *err)
{
	const struct surroundings surroundings = {
		.directory = -EBADF, .environment = environ, .filter = filter
	};

	return run_all(hooks, list_name, state, &surroundings, false, err);
}
