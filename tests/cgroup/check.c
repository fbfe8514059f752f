/* SPDX-License-Identifier: Apache-2.0 */
/* check_cgroup core|full|systemd|user [PREFIX]: runs every check (whose name begins so) in a
 * process of its own.
 */
#include "tests/cgroup/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/error.h"
#include "lib/log.h"

void check_failed(const char *file, int line, const char *format, ...)
{
	va_list args;

	printf("    %s:%d: ", file, line);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	_exit(1);
}

bool has_text(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

const char *value_of(const char *cgroup, const char *file)
{
	static char buffer[65536];
	char path[512];

	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s", cgroup, file);

	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, buffer, sizeof(buffer) - 1) : -1;

	if (n < 0)
		check_failed(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
	close(fd);
	buffer[n] = '\0';
	if (n > 0 && buffer[n - 1] == '\n')
		buffer[n - 1] = '\0';
	return buffer;
}

struct made make(const char *name, const struct oci_resources *resources)
{
	struct made made = { .fd = -1 };
	struct error err = ERROR_INIT;
	char path[256];
	int holder;

	snprintf(path, sizeof(path), "/caisson-check/%s", name);

	struct cgroup_request request = {
		.cgroups_path = path, .id = name, .resources = resources
	};

	CHECK_OK(cgroup_locate(&request, &made.location, &err));
	CHECK_OK(cgroup_create(&made.location, &request, &made.fd, &holder, &err));
	CHECK(holder < 0);
	return made;
}

void destroy(struct made *made)
{
	struct error err = ERROR_INIT;
	char path[512];

	close(made->fd);
	CHECK_OK(cgroup_destroy(&made->location, &err));
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s", made->location.path);
	CHECK(access(path, F_OK) < 0 && errno == ENOENT);
	cgroup_location_free(&made->location);
}

pid_t spawn(int fd, int (*body)(void *), void *data)
{
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = (uint64_t)fd
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		check_failed(__FILE__, __LINE__, "clone3: %s", strerror(errno));
	if (pid == 0)
		_exit(body(data));
	return pid;
}

int wait_for(pid_t pid)
{
	int status;

	CHECK(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int sleep_forever(void *data)
{
	(void)data;
	for (;;)
		pause();
}

double milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void print_line(enum log_level level, const char *message, void *data)
{
	(void)level;
	(void)data;
	printf("    log: %s\n", message);
}

static int run_all(const struct check *checks, const char *prefix, int *ret_passed)
{
	int failed = 0;

	for (; checks->name != NULL; checks++) {
		double start = milliseconds();
		int status = -1;

		if (strncmp(checks->name, prefix, strlen(prefix)) != 0)
			continue;
		fflush(stdout);

		pid_t pid = fork();

		if (pid == 0) {
			alarm(120);
			checks->run();
			fflush(stdout);
			/* Not _exit(): a sanitizer looks for leaks now. */
			exit(0);
		}
		waitpid(pid, &status, 0);
		printf("%s %s (%.1f ms)\n", status == 0 ? "ok    " : "FAILED", checks->name,
			milliseconds() - start);
		if (status == 0)
			++*ret_passed;
		else
			failed++;
	}
	return failed;
}

static const struct {
	const char *mode;
	const struct check *checks[2];
} modes[] = {
	{ "core", { core_checks } },
	{ "full", { core_checks, full_checks } },
	{ "systemd", { systemd_checks } },
	{ "user", { user_checks } },
};

int main(int argc, char **argv)
{
	const char *prefix = argc > 2 ? argv[2] : "";
	int passed = 0, failed = 0;

	setlinebuf(stdout);
	log_set_sink(print_line, NULL, LOG_LEVEL_WARNING);
	for (size_t i = 0; argc > 1 && i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].mode) != 0)
			continue;
		for (int k = 0; k < 2 && modes[i].checks[k] != NULL; k++)
			failed += run_all(modes[i].checks[k], prefix, &passed);
		rmdir("/sys/fs/cgroup/caisson-check");
		printf("%d passed, %d failed\n", passed, failed);
		return failed != 0 || passed == 0;
	}
	fprintf(stderr, "usage: check_cgroup core|full|systemd|user [PREFIX]\n");
	return 2;
}
