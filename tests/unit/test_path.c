/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolution of a container's paths: nothing is opened or made outside of the root, whatever links
 * are in it and whoever renames them meanwhile.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/ns/path.h"

/* A directory that holds "root", the container's, and "host", which must never change. */
struct place {
	char top[64];
	int fd, root;
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	strcpy(place->top, "/tmp/test-path-XXXXXX");
	assert_non_null(mkdtemp(place->top));
	place->fd = open(place->top, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(mkdirat(place->fd, "root", 0755), 0);
	assert_int_equal(mkdirat(place->fd, "host", 0755), 0);
	place->root = openat(place->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(place->root >= 0);
	*state = place;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	struct place *place = *state;

	close_fd(place->fd);
	close_fd(place->root);
	nftw(place->top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(place);
	return 0;
}

/* True when `path` below the top is the thing that `fd` is. */
static bool is_same(const struct place *place, const char *path, int fd)
{
	struct stat a = { 0 }, b = { 0 };

	return fstatat(place->fd, path, &a, AT_SYMLINK_NOFOLLOW) == 0 && fstat(fd, &b) == 0 &&
		a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool is_empty(const struct place *place, const char *name)
{
	_cleanup_close_ int fd = openat(place->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st = { 0 };
	char buffer[1024];

	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	return st.st_nlink == 2 && syscall(SYS_getdents64, fd, buffer, sizeof(buffer)) == 48;
}

static void test_open_stays_below_root(void **state)
{
	static const char *const ways[] = { "/../host", "../../host", "/link", "link/.",
		"/a/up/../../../host", "/absolute" };
	struct place *place = *state;
	char host[128];

	snprintf(host, sizeof(host), "%s/host", place->top);
	assert_int_equal(symlinkat("../host", place->root, "link"), 0);
	assert_int_equal(symlinkat(host, place->root, "absolute"), 0);
	assert_int_equal(mkdirat(place->root, "a", 0755), 0);
	assert_int_equal(symlinkat("../../../..", place->root, "a/up"), 0);
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct error err = ERROR_INIT;

		assert_int_equal(path_open(place->root, ways[i], O_PATH, &err), -ENOENT);
		assert_int_equal(err.errnum, ENOENT);
		assert_non_null(strstr(err.message, ways[i]));
	}
	_cleanup_close_ int fd = path_open(place->root, "/a/up", O_PATH, NULL);

	assert_true(is_same(place, "root", fd));
}

static void test_open_follows_links_as_the_container_does(void **state)
{
	struct place *place = *state;

	assert_int_equal(mkdirat(place->root, "run", 0755), 0);
	assert_int_equal(mkdirat(place->root, "var", 0755), 0);
	assert_int_equal(symlinkat("/run", place->root, "var/run"), 0);
	_cleanup_close_ int fd = path_open(place->root, "/var/run", O_PATH | O_DIRECTORY, NULL);

	assert_true(is_same(place, "root/run", fd));
	assert_int_equal(path_open_no_symlinks(place->root, "/var/run", O_PATH, NULL), -ELOOP);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_no_magic_links(void **state)
{
	struct error err = ERROR_INIT;
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(path_open(root, "/proc/self/cwd", O_PATH, &err), -ELOOP);
	assert_int_equal(path_make_directories(root, "/proc/self/cwd/x", 0755, NULL), -ELOOP);
}

static void test_make_mount_point(void **state)
{
	struct place *place = *state;
	struct stat st;
	_cleanup_close_ int dir = path_make_mount_point(place->root, "/a/b//c/", true, NULL);
	_cleanup_close_ int file = path_make_mount_point(place->root, "a/./b/../f", false, NULL);
	_cleanup_close_ int again = path_make_mount_point(place->root, "a/b/c", true, NULL);

	assert_true(is_same(place, "root/a/b/c", dir));
	assert_true(is_same(place, "root/a/b/c", again));
	assert_true(is_same(place, "root/a/f", file));
	assert_int_equal(fstat(file, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(st.st_size, 0);
	assert_int_equal(fstat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void test_make_errors(void **state)
{
	struct place *place = *state;
	struct error err = ERROR_INIT;
	char *long_name = malloc(PATH_MAX + 10);

	close_fd(path_make_mount_point(place->root, "file", false, NULL));
	assert_int_equal(path_make_mount_point(place->root, "/file", true, &err), -ENOTDIR);
	assert_non_null(strstr(err.message, "/file"));
	err = ERROR_INIT;
	assert_int_equal(path_make_mount_point(place->root, "/file/x", false, &err), -ENOTDIR);
	assert_int_equal(symlinkat("file", place->root, "link"), 0);
	assert_int_equal(path_make_mount_point_nofollow(place->root, "link", false, NULL), -ELOOP);
	assert_int_equal(symlinkat("loop", place->root, "loop"), 0);
	assert_int_equal(path_make_mount_point(place->root, "loop/x", true, NULL), -ELOOP);
	memset(long_name, 'a', PATH_MAX + 9);
	long_name[PATH_MAX + 9] = '\0';
	assert_int_equal(path_make_mount_point(place->root, long_name, true, NULL), -ENAMETOOLONG);
	long_name[300] = '\0';
	assert_int_equal(path_make_mount_point(place->root, long_name, true, NULL), -ENAMETOOLONG);
	free(long_name);
}

/* A link whose target is missing: made where the container would see it, as crun and runc do. */
static void test_make_through_dangling_links(void **state)
{
	struct place *place = *state;
	char host[128];

	assert_int_equal(mkdirat(place->root, "etc", 0755), 0);
	assert_int_equal(symlinkat("../run/resolve/stub.conf", place->root, "etc/resolv.conf"), 0);
	_cleanup_close_ int fd = path_make_mount_point(
		place->root, "/etc/resolv.conf", false, NULL);

	assert_true(is_same(place, "root/run/resolve/stub.conf", fd));
	snprintf(host, sizeof(host), "../../../..%s/host/made", place->top);
	assert_int_equal(symlinkat(host, place->root, "etc/evil"), 0);
	_cleanup_close_ int evil = path_make_mount_point(place->root, "/etc/evil/x", true, NULL);

	assert_true(evil >= 0);
	assert_true(is_empty(place, "host"));
	snprintf(host, sizeof(host), "root%s/host/made/x", place->top);
	assert_true(is_same(place, host, evil));
}

static void test_make_parent(void **state)
{
	struct place *place = *state;
	const char *path = "/dev/net/tun", *name = NULL;
	_cleanup_close_ int fd = path_make_parent(place->root, path, &name, NULL);

	assert_true(is_same(place, "root/dev/net", fd));
	assert_string_equal(name, "tun");
	assert_int_equal(path_make_parent(place->root, "/dev/..", &name, NULL), -EINVAL);
	assert_int_equal(path_make_parent(place->root, "/dev/", &name, NULL), -EINVAL);
}

static void test_is_symlink(void **state)
{
	struct place *place = *state;

	assert_int_equal(symlinkat("x", place->root, "link"), 0);
	assert_int_equal(mkdirat(place->root, "dir", 0755), 0);
	assert_int_equal(path_is_symlink(place->root, "link"), 1);
	assert_int_equal(path_is_symlink(place->root, "dir"), 0);
	assert_int_equal(path_is_symlink(place->root, "missing"), 0);
}

static void test_clean(void **state)
{
	static const char *const cases[][2] = {
		{ "/", "/" },
		{ "", "/" },
		{ "a", "/a" },
		{ "//a///b/", "/a/b" },
		{ "/a/./b/../c", "/a/c" },
		{ "../../a", "/a" },
		{ "/a/../..", "/" },
		{ "/proc/../proc/./sys", "/proc/sys" },
		{ "/..a/...", "/..a/..." },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *clean = path_clean(cases[i][0]);

		assert_string_equal(clean, cases[i][1]);
	}
}

struct race {
	const struct place *place;
	const char *a, *b;
	atomic_bool stop;
};

static void *exchange(void *data)
{
	struct race *race = data;

	while (!atomic_load(&race->stop))
		syscall(SYS_renameat2, race->place->root, race->a, race->place->root, race->b, 2);
	return NULL;
}

/*
 * CVE-2021-30465, CVE-2024-45310: a directory on the way is exchanged with a link to the host all
 * the time. Whatever comes of it, nothing is made or opened there.
 */
static void test_exchanged_links(void **state)
{
	struct place *place = *state;
	struct race race = { .place = place, .a = "way", .b = "other" };
	char host[128], path[64];
	struct timespec start, now;
	unsigned int opened = 0, refused = 0;
	struct stat st;
	dev_t device;
	ino_t inode;
	pthread_t thread;

	snprintf(host, sizeof(host), "%s/host", place->top);
	assert_int_equal(fstatat(place->fd, "host", &st, 0), 0);
	device = st.st_dev;
	inode = st.st_ino;
	assert_int_equal(mkdirat(place->root, "way", 0755), 0);
	assert_int_equal(symlinkat("../../../../../../../../tmp", place->root, "up"), 0);
	assert_int_equal(symlinkat(host, place->root, "other"), 0);
	assert_int_equal(pthread_create(&thread, NULL, exchange, &race), 0);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned int i = 0; i < 100000; i++) {
		int fd;

		snprintf(path, sizeof(path), "way/d%u/../e%u", i % 50, i % 70);
		fd = path_make_mount_point(place->root, path, i % 2 == 0, NULL);
		fd >= 0 ? opened++ : refused++;
		close_fd(fd);
		fd = path_open(place->root, "way", O_PATH | O_DIRECTORY, NULL);
		if (fd >= 0) {
			assert_int_equal(fstat(fd, &st), 0);
			assert_false(st.st_dev == device && st.st_ino == inode);
			close_fd(fd);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec - start.tv_sec >= 3)
			break;
	}
	atomic_store(&race.stop, true);
	pthread_join(thread, NULL);
	assert_true(opened > 0);
	assert_true(is_empty(place, "host"));
}

static void test_procfs(void **state)
{
	struct error err = ERROR_INIT;
	_cleanup_close_ int procfs = path_open_procfs(&err);
	_cleanup_close_ int file = -EBADF;
	char buffer[32] = "";

	(void)state;
	assert_true(procfs >= 0);
	assert_int_equal(path_write_procfs(procfs, "self/comm", "written", &err), 0);
	file = path_open_in_procfs(procfs, "/self/comm", O_RDONLY, &err);
	assert_true(read(file, buffer, sizeof(buffer) - 1) > 0);
	assert_string_equal(buffer, "written\n");
	assert_int_equal(path_write_procfs(procfs, "self/missing", "1", &err), -ENOENT);
	assert_non_null(strstr(err.message, "/proc/self/missing"));
	assert_int_equal(path_open_in_procfs(procfs, "self/../../etc", O_PATH, NULL), -EXDEV);
	assert_int_equal(path_open_in_procfs(procfs, "self/root/etc", O_PATH, NULL), -ELOOP);
}

int main(void)
{
#define IN_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		IN_PLACE(test_open_stays_below_root),
		IN_PLACE(test_open_follows_links_as_the_container_does),
		cmocka_unit_test(test_no_magic_links),
		IN_PLACE(test_make_mount_point),
		IN_PLACE(test_make_errors),
		IN_PLACE(test_make_through_dangling_links),
		IN_PLACE(test_make_parent),
		IN_PLACE(test_is_symlink),
		cmocka_unit_test(test_clean),
		IN_PLACE(test_exchanged_links),
		cmocka_unit_test(test_procfs),
	};

	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
