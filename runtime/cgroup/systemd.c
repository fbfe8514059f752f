/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/cgroup/systemd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/log.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/cgroupfs.h"
#include "runtime/cgroup/file.h"
#include "runtime/cgroup/location.h"
#include "runtime/cgroup/resources.h"
#include "runtime/cgroup/tree.h"

#define HELPER "caisson-systemd"

#ifndef CAISSON_LIBEXECDIR
#define CAISSON_LIBEXECDIR "/usr/libexec/caisson"
#endif

#define ANSWER_MAX 2047
#define KILL_MILLISECONDS 10000

/* ---- the helper program ---------------------------------------------------------------------- */

/* Sets `path` to the helper's, which goes with the program `program`. True when it is there. */
static bool try_beside(const char *program, char path[PATH_MAX])
{
	static const char *const places[] = { HELPER, "../libexec/caisson/" HELPER };
	const char *slash = strrchr(program, '/');

	for (size_t i = 0; slash != NULL && i < sizeof(places) / sizeof(places[0]); i++) {
		if ((size_t)snprintf(path, PATH_MAX, "%.*s%s", (int)(slash + 1 - program), program,
			    places[i]) < PATH_MAX &&
			access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/*
 * Beside this program (a build tree), or where both are installed. This process may run from a
 * detached mount or a copy of the program (runtime/ns/exe.h), which has no directory: then the name
 * that it was called by tells, where that is the same file. A copy is only made where the caller
 * has no privileges to be misled about.
 */
static int find_helper(char path[PATH_MAX], struct error *err)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct stat exe, named;
	const char *names[2] = { self, program_invocation_name };

	self[n > 0 ? n : 0] = '\0';
	for (int i = 0; i < 2; i++) {
		bool same = stat("/proc/self/exe", &exe) == 0 && stat(names[i], &named) == 0 &&
			exe.st_dev == named.st_dev && exe.st_ino == named.st_ino;

		if ((same || (i == 1 && strncmp(self, "/memfd:", 7) == 0)) &&
			try_beside(names[i], path))
			return 0;
	}
	snprintf(path, PATH_MAX, "%s/%s", CAISSON_LIBEXECDIR, HELPER);
	if (access(path, X_OK) == 0)
		return 0;
	return error_set(err, errno,
		"the systemd cgroup driver needs the program %s: install it there, or use "
		"--cgroup-manager cgroupfs",
		path);
}

/* "ok TEXT" or "error ERRNO TEXT". */
static int read_answer(char *text, char **ret_answer, struct error *err)
{
	long errnum;
	char *end;

	text[strcspn(text, "\n")] = '\0';
	if (strncmp(text, "ok ", 3) == 0) {
		if (ret_answer != NULL) {
			*ret_answer = strdup(text + 3);
			if (*ret_answer == NULL)
				return error_set(err, ENOMEM, "%s", HELPER);
		}
		return 0;
	}
	if (strncmp(text, "error ", 6) != 0)
		return error_say(
			err, EIO, "%s ended without an answer: can it be executed (ldd)?", HELPER);
	errnum = strtol(text + 6, &end, 10);
	return error_say(
		err, errnum > 0 && errnum < 4096 ? (int)errnum : EIO, "%s", end + (*end == ' '));
}

/*
 * Executes the helper with up to four words and the properties (may be NULL). The text of its
 * answer goes to *ret_answer (may be NULL), to be freed.
 */
static int run_helper(bool user, const char *const words[4],
	const struct cgroup_properties *properties, char **ret_answer, struct error *err)
{
	size_t count = properties != NULL ? properties->count : 0, n = 0;
	_cleanup_free_ char **args = NULL, *text = NULL;
	_cleanup_close_ int from = -EBADF, to = -EBADF;
	posix_spawn_file_actions_t actions;
	char path[PATH_MAX];
	int pipes[2], status = find_helper(path, err);
	pid_t pid;

	if (status < 0)
		return status;
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return error_set(err, errno, "%s: pipe", HELPER);
	from = pipes[0];
	to = pipes[1];
	args = calloc(count + 8, sizeof(*args));
	if (args == NULL)
		return error_set(err, ENOMEM, "%s", HELPER);
	args[n++] = (char *)HELPER;
	if (user)
		args[n++] = (char *)"--user";
	for (int i = 0; i < 4 && words[i] != NULL; i++)
		args[n++] = (char *)words[i];
	for (size_t i = 0; i < count; i++)
		args[n++] = properties->items[i];

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, to, STDOUT_FILENO);
	status = posix_spawn(&pid, path, &actions, NULL, args, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(take_fd(&to));
	if (status != 0)
		return error_set(err, status, "execute %s", path);

	status = read_fd(from, HELPER, ANSWER_MAX, &text, NULL, err);
	from = close_fd(from);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return status < 0 ? status : read_answer(text, ret_answer, err);
}

/* ---- the holder: a scope without a process would be gone at once --------------------------------
 */

/* What the holder does in the end, prepared before it is cloned. */
struct holder_plan {
	char pids_file[PATH_MAX]; /* "": nothing */
	char pids_max[24];
};

static void __attribute__((noreturn)) hold(const struct holder_plan *plan, pid_t parent)
{
	sigset_t all;
	int signal;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, "caisson-holder");
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	/* Whatever the parent has open, somebody may wait for its end. */
	close_range(0, UINT_MAX, 0);
	if (sigwait(&all, &signal) == 0 && plan->pids_file[0] != '\0') {
		int fd = open(plan->pids_file, O_WRONLY | O_CLOEXEC);

		if (fd >= 0 && write(fd, plan->pids_max, strlen(plan->pids_max)) < 0)
			_exit(1);
	}
	_exit(0);
}

static int start_holder(const struct holder_plan *plan, pid_t *ret_pid, struct error *err)
{
	pid_t parent = getpid();
	int pidfd = -EBADF;
	struct clone_args args = { .flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		return error_set(err, errno, "systemd: hold the scope");
	if (pid == 0)
		hold(plan, parent);
	*ret_pid = (pid_t)pid;
	return pidfd;
}

void cgroup_systemd_release(int holder)
{
	siginfo_t info;

	if (holder < 0)
		return;
	syscall(SYS_pidfd_send_signal, holder, SIGTERM, NULL, 0);
	while (waitid(P_PIDFD, (id_t)holder, &info, WEXITED) < 0 && errno == EINTR)
		;
	close(holder);
}

/* The number of pids.max in the plan, 0 when there is no limit. */
static uint64_t pids_limit(const struct cgroup_plan *plan)
{
	uint64_t limit = 0;

	for (size_t i = 0; i < plan->count; i++) {
		if (strcmp(plan->writes[i].file, "pids.max") == 0 &&
			(cgroup_text_number(plan->writes[i].value, &limit) == NULL ||
				limit > INT32_MAX))
			limit = 0;
	}
	return limit;
}

/* ---- the driver --------------------------------------------------------------------------------
 */

int cgroup_systemd_locate(
	const struct cgroup_request *request, struct cgroup_location *location, struct error *err)
{
	_cleanup_free_ char *root = NULL, *slice = NULL;
	static const char *const words[4] = { "root" };
	int status;

	location->user_manager = request->rootless;
	status = cgroup_path_systemd(request->cgroups_path, request->id, location, err);
	if (status < 0)
		return status;
	slice = cgroup_slice_path(location->slice, err);
	if (slice == NULL)
		return err != NULL && err->errnum > 0 ? -err->errnum : -EINVAL;
	/* The system's manager is at the root; a user's is somewhere below. */
	if (location->user_manager) {
		status = run_helper(true, words, NULL, &root, err);
		if (status < 0)
			return status;
	}
	if (asprintf(&location->path, "%s%s/%s", root != NULL && strcmp(root, "/") != 0 ? root : "",
		    strcmp(slice, "/") != 0 ? slice : "", location->unit) < 0) {
		location->path = NULL;
		return error_set(err, ENOMEM, "linux.cgroupsPath");
	}
	if (strlen(location->path) > PATH_MAX - 512)
		return error_set(err, ENAMETOOLONG, "linux.cgroupsPath: '%.40s…'", location->path);
	return 0;
}

static int make_properties(const struct cgroup_location *location,
	const struct cgroup_request *request, const struct cgroup_plan *plan,
	struct cgroup_properties *properties, struct error *err)
{
	int status = cgroup_properties_add(
		properties, err, "Description=s caisson container %s", request->id);

	if (status == 0)
		status = cgroup_properties_add(properties, err, "Slice=s %s", location->slice);
	/* A container is no part of the shutdown order; who wants that says so by annotation. */
	if (status == 0)
		status = cgroup_properties_add(properties, err, "DefaultDependencies=b false");
	if (status == 0)
		status = cgroup_properties_add(properties, err, "Delegate=b true");
	/* So that a scope whose process was killed does not stay as failed. */
	if (status == 0)
		status = cgroup_properties_add(properties, err, "CollectMode=s inactive-or-failed");
	for (int i = 0; status == 0 && i < 4; i++) {
		static const char *const kinds[] = { "CPU", "Memory", "IO", "Tasks" };

		status = cgroup_properties_add(properties, err, "%sAccounting=b true", kinds[i]);
	}
	if (status == 0)
		status = cgroup_properties_add_plan(properties, plan, err);
	/* A user's manager may not load device filters. */
	if (status == 0 && !location->user_manager)
		status = cgroup_properties_add_devices(properties, request->resources, false, err);
	if (status == 0)
		status = cgroup_properties_add_annotations(properties, request->annotations, err);
	return status;
}

static int stop(const struct cgroup_location *location, struct error *err)
{
	const char *const words[4] = { "stop", location->unit };

	return run_helper(location->user_manager, words, NULL, NULL, err);
}

/* The scope is there: opens its cgroup and does what systemd does not. */
static int set_up(const struct cgroup_location *location, const struct cgroup_request *request,
	const struct cgroup_plan *plan, int *ret_fd, struct error *err)
{
	_cleanup_close_ int root = open(CGROUP_MOUNT, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = cgroup_open(location, err);
	uint64_t limit = pids_limit(plan);
	char text[24];
	int status;

	if (root < 0)
		return error_set(err, errno, "%s", CGROUP_MOUNT);
	if (fd < 0)
		return fd;
	status = cgroupfs_set_up(root, location->path, fd, request, plan, err);
	if (status < 0)
		return status;
	/* Room for the holder, until it leaves and takes it back. */
	snprintf(text, sizeof(text), "%" PRIu64, limit + 1);
	if (limit > 0)
		status = cgroup_file_write(fd, "pids.max", text);
	if (status < 0)
		return error_set(err, -status, "pids.max: cannot set %s", text);
	*ret_fd = take_fd(&fd);
	return 0;
}

int cgroup_systemd_create(const struct cgroup_location *location,
	const struct cgroup_request *request, const struct cgroup_plan *plan, int *ret_fd,
	int *ret_holder, struct error *err)
{
	_cleanup_(cgroup_properties_free) struct cgroup_properties properties = { 0 };
	_cleanup_free_ struct holder_plan *holding = NULL;
	_cleanup_free_ char *path = NULL;
	uint64_t limit = pids_limit(plan);
	char pid_text[16];
	const char *const words[4] = { "start", location->unit, pid_text };
	pid_t pid = 0;
	int holder, status;

	status = make_properties(location, request, plan, &properties, err);
	if (status < 0)
		return status;
	holding = calloc(1, sizeof(*holding));
	if (holding == NULL)
		return error_set(err, ENOMEM, "systemd: hold the scope");
	if (limit > 0) {
		snprintf(holding->pids_file, sizeof(holding->pids_file), "%s%s/pids.max",
			CGROUP_MOUNT, location->path);
		snprintf(holding->pids_max, sizeof(holding->pids_max), "%" PRIu64, limit);
	}
	holder = start_holder(holding, &pid, err);
	if (holder < 0)
		return holder;
	snprintf(pid_text, sizeof(pid_text), "%d", (int)pid);
	status = run_helper(location->user_manager, words, &properties, &path, err);
	if (status < 0) {
		cgroup_systemd_release(holder);
		return status;
	}
	if (strcmp(path, location->path) != 0)
		status = error_say(err, EINVAL, "systemd put %s at %s, expected it at %s",
			location->unit, path, location->path);
	if (status == 0)
		status = set_up(location, request, plan, ret_fd, err);
	if (status < 0) {
		cgroup_systemd_release(holder);
		stop(location, NULL);
		return status;
	}
	*ret_holder = holder;
	return 0;
}

int cgroup_systemd_update(const struct cgroup_location *location, const struct cgroup_plan *plan,
	const struct oci_resources *resources, struct error *err)
{
	_cleanup_(cgroup_properties_free) struct cgroup_properties properties = { 0 };
	const char *const words[4] = { "set", location->unit };
	int status = cgroup_properties_add_plan(&properties, plan, err);

	if (status == 0 && !location->user_manager && resources != NULL && resources->n_devices > 0)
		status = cgroup_properties_add_devices(&properties, resources, true, err);
	if (status < 0 || properties.count == 0)
		return status;
	return run_helper(location->user_manager, words, &properties, NULL, err);
}

int cgroup_systemd_destroy(const struct cgroup_location *location, struct error *err)
{
	_cleanup_close_ int fd = cgroup_open(location, NULL);
	struct error why = ERROR_INIT;

	/* Before systemd is asked: it would send SIGTERM, and wait for 90 s. */
	if (fd >= 0 && cgroup_populated(fd) == 1) {
		cgroup_signal(fd, SIGKILL, NULL);
		cgroup_wait_event(fd, "populated", 0, cgroup_now() + KILL_MILLISECONDS);
	}
	if (stop(location, &why) < 0)
		log_warning("%s: cannot be stopped: %s", location->unit, why.message);
	return cgroupfs_destroy(location->path, err);
}
