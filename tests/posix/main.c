/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posix DIRECTORY OTHER [GROUP...]: what programs may rely on in a file system, tried in
 * DIRECTORY. OTHER is a directory on another mount. Prints a line for each case, "ok GROUP
 * FILE:LINE WHAT" or "not ok …", and "end GROUP" after each group that came to its end.
 * $POSIX_SERVED is set where the files are another kernel's: to "submount" where DIRECTORY is not
 * on the first of its exports.
 */
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/posix/posix.h"

#define PATIENCE 120 /* seconds for one group */

bool served, served_submount;
const char *other_directory;
static const char *group;

const struct identity root = { "root", 0, 0, { 0 }, 0 };
const struct identity user = { "user", USER, USER, { 0 }, 0 };
const struct identity member = { "member", USER, USER, { TEAM, SECOND }, 2 };
const struct identity other = { "other", OTHER, OTHER, { 0 }, 0 };
const struct identity stranger = { "stranger", OTHER, OTHER, { TEAM }, 1 };

static const struct {
	const char *name;
	void (*run)(void);
} groups[] = {
	{ "open", test_open },
	{ "tmpfile", test_tmpfile },
	{ "exec", test_exec },
	{ "append", test_append },
	{ "limits", test_limits },
	{ "mkdir", test_mkdir },
	{ "unlink", test_unlink },
	{ "link", test_link },
	{ "symlink", test_symlink },
	{ "mknod", test_mknod },
	{ "rename", test_rename },
	{ "rename-sticky", test_rename_sticky },
	{ "rights", test_rights },
	{ "chmod", test_chmod },
	{ "chown", test_chown },
	{ "set-id", test_set_id },
	{ "inheritance", test_inheritance },
	{ "acl", test_acl },
	{ "acl-default", test_acl_default },
	{ "xattr", test_xattr },
	{ "xattr-rights", test_xattr_rights },
	{ "truncate", test_truncate },
	{ "times", test_times },
	{ "fallocate", test_fallocate },
	{ "seek", test_seek },
	{ "copy", test_copy },
	{ "mmap", test_mmap },
	{ "sync", test_sync },
	{ "statfs", test_statfs },
	{ "flock", test_flock },
	{ "record-locks", test_record_locks },
	{ "ofd-locks", test_ofd_locks },
	{ "readdir", test_readdir },
	{ "readdir-changes", test_readdir_changes },
	{ "inodes", test_inodes },
	{ "parent", test_parent },
};

/* One write(2) a line: several processes print. */
__attribute__((format(printf, 4, 5))) static void say(
	bool good, const char *file, int line, const char *format, ...)
{
	const char *base = strrchr(file, '/');
	char text[1024];
	va_list list;
	int length = snprintf(text, sizeof(text), "%s %s %s:%d ", good ? "ok" : "not ok", group,
		base != NULL ? base + 1 : file, line);

	va_start(list, format);
	length += vsnprintf(text + length, sizeof(text) - (size_t)length, format, list);
	va_end(list);
	if (length > (int)sizeof(text) - 2)
		length = sizeof(text) - 2;
	text[length++] = '\n';
	if (write(STDOUT_FILENO, text, (size_t)length) != length)
		_exit(1);
}

static const char *name_of(int error)
{
	const char *name = strerrorname_np(error);

	return error == 0 ? "success" : name != NULL ? name : "an unknown errno";
}

long posix_ok(long result, const char *what, const char *file, int line)
{
	int error = errno;

	if (result < 0)
		say(false, file, line, "%s: expected success, found %s", what, name_of(error));
	else
		say(true, file, line, "%s", what);
	return result;
}

void posix_fails(int error, long result, const char *what, const char *file, int line)
{
	int found = result < 0 ? errno : 0;

	if (found == error)
		say(true, file, line, "%s is %s", what, name_of(error));
	else
		say(false, file, line, "%s: expected %s, found %s", what, name_of(error),
			name_of(found));
}

void posix_is(long long expected, long long found, const char *what, const char *file, int line)
{
	if (found == expected)
		say(true, file, line, "%s", what);
	else
		say(false, file, line, "%s: expected %lld (0%llo), found %lld (0%llo)", what,
			expected, (unsigned long long)expected, found, (unsigned long long)found);
}

void posix_true(bool good, const char *what, const char *file, int line)
{
	say(good, file, line, "%s", what);
}

void posix_contains(const char *text, const char *name, const char *file, int line)
{
	char found[256];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, found, sizeof(found) - 1);

	if (n < 0)
		say(false, file, line, "%s: %s", name, name_of(errno));
	else if (found[n] = '\0', (size_t)n != strlen(text) || memcmp(found, text, (size_t)n) != 0)
		say(false, file, line, "%s: expected '%s', found '%s'", name, text, found);
	else
		say(true, file, line, "%s contains '%s'", name, text);
	if (fd >= 0)
		close(fd);
}

pid_t posix_start(const struct identity *who)
{
	pid_t pid = fork();

	if (pid < 0) {
		say(false, __FILE__, __LINE__, "fork: %s", name_of(errno));
		exit(1);
	}
	if (pid > 0 || who == &root)
		return pid;
	if (setgroups(who->count, who->groups) < 0 || setgid(who->gid) < 0 ||
		setuid(who->uid) < 0) {
		say(false, __FILE__, __LINE__, "become %s: %s", who->name, name_of(errno));
		_exit(1);
	}
	return 0;
}

bool posix_wait(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && status == 0;
}

pid_t posix_become(const struct identity *who)
{
	pid_t pid = posix_start(who);

	if (pid > 0 && !posix_wait(pid))
		say(false, __FILE__, __LINE__, "the process of %s did not end well", who->name);
	return pid;
}

pid_t posix_end(void)
{
	_exit(0);
}

void put(const char *name, const char *text)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || close(fd) < 0)
		say(false, __FILE__, __LINE__, "write '%s' to %s: %s", text, name, name_of(errno));
}

void put_mode(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	put(name, "text");
	if (chown(name, uid, gid) < 0 || chmod(name, mode) < 0)
		say(false, __FILE__, __LINE__, "set up %s: %s", name, name_of(errno));
}

void put_directory(const char *name, mode_t mode, uid_t uid, gid_t gid)
{
	if (mkdir(name, 0700) < 0 || chown(name, uid, gid) < 0 || chmod(name, mode) < 0)
		say(false, __FILE__, __LINE__, "set up %s: %s", name, name_of(errno));
}

struct stat look(const char *name)
{
	struct stat st = { 0 };

	if (lstat(name, &st) < 0)
		say(false, __FILE__, __LINE__, "lstat %s: %s", name, name_of(errno));
	return st;
}

struct stat look_fd(int fd)
{
	struct stat st = { 0 };

	if (fstat(fd, &st) < 0)
		say(false, __FILE__, __LINE__, "fstat: %s", name_of(errno));
	return st;
}

bool missing(const char *name)
{
	struct stat st;

	return lstat(name, &st) < 0 && errno == ENOENT;
}

int try_create(const char *name, int flags, mode_t mode)
{
	int fd = open(name, flags | O_CLOEXEC, mode);

	return fd < 0 ? -1 : close(fd);
}

int try_open(const char *name, int flags)
{
	return try_create(name, flags, 0);
}

static long long nanoseconds(struct timespec time)
{
	return (long long)time.tv_sec * 1000000000 + time.tv_nsec;
}

long long modified(const char *name)
{
	return nanoseconds(look(name).st_mtim);
}

long long changed(const char *name)
{
	return nanoseconds(look(name).st_ctim);
}

long long accessed(const char *name)
{
	return nanoseconds(look(name).st_atim);
}

void tick(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

/* In a process of its own, so that one that hangs or dies takes no other group with it. */
static bool run(size_t index, const char *directory)
{
	struct timespec begin, end;
	char path[4096];
	pid_t pid;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	group = groups[index].name;
	snprintf(path, sizeof(path), "%s/%s", directory, group);
	pid = fork();
	if (pid == 0) {
		alarm(PATIENCE);
		umask(022);
		if (mkdir(path, 0755) < 0 || chdir(path) < 0) {
			say(false, __FILE__, __LINE__, "make %s: %s", path, name_of(errno));
			_exit(1);
		}
		groups[index].run();
		_exit(0);
	}
	if (pid < 0 || !posix_wait(pid)) {
		say(false, __FILE__, __LINE__, "the group did not end well");
		return false;
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("took %lld ms: %s\nend %s\n", (nanoseconds(end) - nanoseconds(begin)) / 1000000,
		group, group);
	fflush(stdout);
	return true;
}

int main(int argc, char **argv)
{
	bool good = true;

	if (argc == 2 && strcmp(argv[1], "--exit") == 0) /* as a program of test_exec() */
		return 42;
	if (argc == 2 && strcmp(argv[1], "--wait") == 0) {
		char c;

		return write(STDOUT_FILENO, "", 1) < 0 || read(STDIN_FILENO, &c, 1) < 0;
	}
	if (argc < 3) {
		fprintf(stderr, "usage: posix DIRECTORY OTHER [GROUP...]\n");
		return 2;
	}
	const char *kind = getenv("POSIX_SERVED");
	served = kind != NULL;
	served_submount = served && strcmp(kind, "submount") == 0;
	other_directory = argv[2];
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		bool wanted = argc == 3;

		for (int k = 3; k < argc; k++)
			wanted |= strcmp(argv[k], groups[i].name) == 0;
		if (wanted)
			good &= run(i, argv[1]);
	}
	return good ? 0 : 1;
}
