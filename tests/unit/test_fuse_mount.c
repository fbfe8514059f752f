/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FUSE server as a file system: mounted through /dev/fuse, tried by this host's own kernel with
 * what programs do. Skipped where it cannot be mounted.
 */
#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <cmocka.h>

#include "lib/error.h"
#include "tests/unit/fuse_mount.h"

static struct fuse_mount mounted;
static struct fuse_server *server;
static char below[64]; /* the directory that is exported */
static int was;	       /* the working directory before */
static enum fuse_cache cache;
static bool possible;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int set_up(void **state)
{
	struct fuse_server_options options = { .proc_self_fd = -1 };
	struct fuse_export_options export = { .cache = cache };
	struct error err = ERROR_INIT;
	char path[128];

	(void)state;
	strcpy(below, "/tmp/caisson-below-XXXXXX");
	assert_non_null(mkdtemp(below));
	assert_int_equal(chmod(below, 0777), 0);
	was = open(".", O_PATH | O_CLOEXEC);
	assert_int_equal(fuse_server_new(&options, &server, &err), 0);
	assert_int_equal(
		fuse_server_add_export(server, "e", open(below, O_PATH | O_CLOEXEC), &export, &err),
		0);
	possible = fuse_mount_start(&mounted, server) == 0;
	if (possible) {
		snprintf(path, sizeof(path), "%s/e", mounted.path);
		assert_int_equal(chdir(path), 0);
	}
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(fchdir(was), 0);
	close(was);
	if (possible)
		fuse_mount_stop(&mounted);
	fuse_server_free(server);
	nftw(below, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return 0;
}

#define NEEDS_MOUNT()           \
	do {                    \
		(void)state;    \
		if (!possible)  \
			skip(); \
	} while (0)

static void put(const char *name, const char *text)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(close(fd), 0);
}

static void expect(const char *name, const char *text)
{
	char buffer[256];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buffer, sizeof(buffer));

	assert_int_equal(n, strlen(text));
	assert_memory_equal(buffer, text, strlen(text));
	close(fd);
}

static void expect_error(int result, int error)
{
	assert_int_equal(result, -1);
	assert_int_equal(errno, error);
}

static struct stat look(const char *name)
{
	struct stat st;

	assert_int_equal(lstat(name, &st), 0);
	return st;
}

static void test_errors_are_those_of_the_standard(void **state)
{
	char longest[300];

	NEEDS_MOUNT();
	put("f", "x");
	assert_int_equal(mkdir("d", 0755), 0);
	put("d/g", "x");
	expect_error(mkdir("f", 0755), EEXIST);
	expect_error(mkdir("none/x", 0755), ENOENT);
	expect_error(mkdir("f/x", 0755), ENOTDIR);
	expect_error(rmdir("d"), ENOTEMPTY);
	expect_error(rmdir("f"), ENOTDIR);
	expect_error(unlink("none"), ENOENT);
	expect_error(unlink("d"), EISDIR);
	expect_error(open("d", O_WRONLY), EISDIR);
	expect_error(open("f", O_CREAT | O_EXCL, 0600), EEXIST);
	expect_error(rename("d", "d/sub"), EINVAL);
	expect_error(rename("f", "d"), EISDIR);
	expect_error(rename("d", "f"), ENOTDIR);
	expect_error(link("d", "e"), EPERM);
	expect_error(symlink("x", "f"), EEXIST);
	expect_error(truncate("d", 0), EISDIR);
	assert_int_equal(symlink("loop", "loop"), 0);
	expect_error(open("loop", O_RDONLY), ELOOP);
	memset(longest, 'n', sizeof(longest));
	longest[256] = '\0';
	expect_error(mkdir(longest, 0755), ENAMETOOLONG);
	longest[255] = '\0';
	assert_int_equal(mkdir(longest, 0755), 0);
	assert_int_equal(rmdir(longest), 0);
}

static void test_links_keep_number_and_count(void **state)
{
	struct stat a, b;

	NEEDS_MOUNT();
	put("a", "one");
	assert_int_equal(link("a", "b"), 0);
	a = look("a");
	b = look("b");
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_nlink, 2);
	put("b", "two");
	expect("a", "two");
	assert_int_equal(unlink("a"), 0);
	expect("b", "two");
	assert_int_equal(look("b").st_nlink, 1);
	assert_int_equal(symlink("b", "s"), 0);
	assert_int_equal(linkat(AT_FDCWD, "s", AT_FDCWD, "s2", 0), 0);
	assert_int_equal(look("s2").st_ino, look("s").st_ino);
	expect("s2", "two");
}

static void test_open_files_outlive_their_names(void **state)
{
	char buffer[16];
	struct stat st;
	int fd, dir;

	NEEDS_MOUNT();
	put("f", "still here");
	fd = open("f", O_RDWR | O_CLOEXEC);
	assert_int_equal(unlink("f"), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	assert_int_equal(pread(fd, buffer, 10, 0), 10);
	assert_memory_equal(buffer, "still here", 10);
	assert_int_equal(ftruncate(fd, 5), 0);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(fchown(fd, 1, 2), 0);
	assert_int_equal(futimens(fd, NULL), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(st.st_uid, 1);
	close(fd);
	/* Replaced by a rename. */
	put("old", "old");
	put("new", "new");
	fd = open("old", O_RDONLY | O_CLOEXEC);
	assert_int_equal(rename("new", "old"), 0);
	assert_int_equal(read(fd, buffer, 16), 3);
	assert_memory_equal(buffer, "old", 3);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_nlink, 0);
	close(fd);
	/* A working directory. */
	assert_int_equal(mkdir("d", 0755), 0);
	dir = open("d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(rmdir("d"), 0);
	assert_int_equal(fstat(dir, &st), 0);
	expect_error(openat(dir, "x", O_CREAT | O_WRONLY, 0600), ENOENT);
	close(dir);
}

static void test_renames(void **state)
{
	uint64_t before;

	NEEDS_MOUNT();
	assert_int_equal(mkdir("a", 0755), 0);
	assert_int_equal(mkdir("a/b", 0755), 0);
	put("a/b/c", "deep");
	before = look("a/b/c").st_ino;
	assert_int_equal(rename("a", "z"), 0);
	expect("z/b/c", "deep");
	assert_int_equal(look("z/b/c").st_ino, before);
	assert_int_equal(mkdir("y", 0755), 0);
	assert_int_equal(rename("z/b", "y/b"), 0);
	expect("y/b/c", "deep");
	assert_int_equal(renameat2(AT_FDCWD, "y", AT_FDCWD, "z", RENAME_EXCHANGE), 0);
	expect("z/b/c", "deep");
	expect_error(renameat2(AT_FDCWD, "y", AT_FDCWD, "z", RENAME_NOREPLACE), EEXIST);
	assert_int_equal(renameat2(AT_FDCWD, "y", AT_FDCWD, "x", RENAME_NOREPLACE), 0);
	/* A directory moved beneath another one that was beneath it. */
	assert_int_equal(mkdir("p", 0755), 0);
	assert_int_equal(mkdir("p/q", 0755), 0);
	assert_int_equal(rename("p/q", "q"), 0);
	assert_int_equal(rename("p", "q/p"), 0);
	put("q/p/f", "turned");
	expect("q/p/f", "turned");
}

static void test_permissions_are_the_caller_s(void **state)
{
	pid_t child;
	int status;

	NEEDS_MOUNT();
	put("secret", "x");
	assert_int_equal(chmod("secret", 0600), 0);
	assert_int_equal(mkdir("sticky", 0777), 0);
	assert_int_equal(chmod("sticky", 01777), 0);
	put("sticky/root", "x");
	child = fork();
	if (child == 0) {
		if (setgid(1000) < 0 || setuid(1000) < 0)
			_exit(1);
		if (open("secret", O_RDONLY) >= 0 || errno != EACCES)
			_exit(2);
		if (unlink("sticky/root") == 0)
			_exit(3);
		if (chmod("secret", 0666) == 0 || errno != EPERM)
			_exit(4);
		umask(027);
		if (open("sticky/mine", O_CREAT | O_WRONLY, 0777) < 0)
			_exit(5);
		if (mkdir("sticky/dir", 0777) < 0 || symlink("x", "sticky/link") < 0)
			_exit(6);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(look("sticky/mine").st_uid, 1000);
	assert_int_equal(look("sticky/mine").st_gid, 1000);
	assert_int_equal(look("sticky/mine").st_mode & 07777, 0750);
	assert_int_equal(look("sticky/dir").st_mode & 07777, 0750);
	assert_int_equal(look("sticky/link").st_uid, 1000);
}

static bool write_to(const char *name)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, "y", 1) == 1;
}

static bool allocate(const char *name)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && fallocate(fd, 0, 0, 8192) == 0;
}

static bool copy_into(const char *name)
{
	int from = open("source", O_RDONLY | O_CLOEXEC), to = open(name, O_WRONLY | O_CLOEXEC);

	return from >= 0 && to >= 0 && copy_file_range(from, NULL, to, NULL, 1, 0) == 1;
}

static mode_t left_by(bool (*change)(const char *name), uid_t uid, mode_t mode)
{
	pid_t child;
	int status;

	put("s", "x");
	assert_int_equal(chmod("s", mode), 0);
	child = fork();
	if (child == 0) {
		if (uid != 0 && (setgid(uid) < 0 || setuid(uid) < 0))
			_exit(1);
		_exit(change("s") ? 0 : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	mode = look("s").st_mode & 07777;
	assert_int_equal(unlink("s"), 0);
	return mode;
}

/* As a user's change does on any file system; root's does not. */
static void test_set_id_bits_go_with_a_change(void **state)
{
	static bool (*const changes[])(const char *name) = { write_to, allocate, copy_into };

	NEEDS_MOUNT();
	put("source", "x");
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		assert_int_equal(left_by(changes[i], 1000, 06777), 0777);
		assert_int_equal(left_by(changes[i], 0, 06777), 06777);
		/* What a thread did for the one before does not matter. */
		assert_int_equal(left_by(changes[i], 1000, 06777), 0777);
	}
}

static void test_default_acl_is_inherited(void **state)
{
	/* user::rwx user:1000:rwx group::r-x mask::rwx other::--- */
	static const unsigned char acl[] = { 2, 0, 0, 0, 1, 0, 7, 0, 255, 255, 255, 255, 2, 0, 7, 0,
		232, 3, 0, 0, 4, 0, 5, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32,
		0, 0, 0, 255, 255, 255, 255 };
	char value[128];

	NEEDS_MOUNT();
	assert_int_equal(mkdir("d", 0755), 0);
	if (setxattr("d", "system.posix_acl_default", acl, sizeof(acl), 0) < 0) {
		assert_int_equal(errno, EOPNOTSUPP);
		skip();
	}
	umask(077);
	put("d/f", "x");
	umask(022);
	/* The list counts, not the umask. */
	assert_int_equal(look("d/f").st_mode & 0777, 0640);
	assert_true(getxattr("d/f", "system.posix_acl_access", value, sizeof(value)) > 0);
}

static void test_times_sizes_and_holes(void **state)
{
	struct timespec times[2] = { { 1000000000, 123456789 }, { -5, 999999999 } };
	struct statvfs vfs;
	int fd;

	NEEDS_MOUNT();
	put("f", "x");
	assert_int_equal(utimensat(AT_FDCWD, "f", times, 0), 0);
	assert_int_equal(look("f").st_atim.tv_sec, 1000000000);
	assert_int_equal(look("f").st_atim.tv_nsec, 123456789);
	assert_int_equal(look("f").st_mtim.tv_sec, -5);
	fd = open("f", O_RDWR | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(pwrite(fd, "end", 3, (1 << 20) - 3), 3);
	assert_int_equal(lseek(fd, 4096, SEEK_DATA), (1 << 20) - 4096);
	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
	assert_int_equal(fallocate(fd, 0, 0, 2 << 20), 0);
	assert_int_equal(look("f").st_size, 2 << 20);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(syncfs(fd), 0);
	close(fd);
	assert_int_equal(statvfs(".", &vfs), 0);
	assert_true(vfs.f_blocks > 0);
}

static void test_append_and_mmap(void **state)
{
	int fd, other, status;
	pid_t child;

	NEEDS_MOUNT();
	fd = open("f", O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0644);
	other = open("f", O_WRONLY | O_APPEND | O_CLOEXEC);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(write(fd, "a", 1), 1);
		assert_int_equal(write(other, "b", 1), 1);
	}
	close(other);
	expect("f", "abababababababababab");
	/* In a process that does not serve itself: a fault waits with the address space locked. */
	child = fork();
	if (child == 0) {
		char *map = mmap(NULL, 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (map == MAP_FAILED)
			_exit(1);
		map[0] = 'X';
		_exit(msync(map, 20, MS_SYNC) != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(fd);
	expect("f", "Xbababababababababab");
	assert_int_equal(access("f", R_OK | W_OK), 0);
}

static void test_locks(void **state)
{
	struct flock lock = { .l_type = F_WRLCK };
	int a, b;

	NEEDS_MOUNT();
	put("f", "x");
	a = open("f", O_RDWR | O_CLOEXEC);
	b = open("f", O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(a, LOCK_EX), 0);
	expect_error(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	assert_int_equal(fcntl(a, F_SETLK, &lock), 0);
	close(a);
	close(b);
}

static void test_unnamed_file_gets_a_name(void **state)
{
	char path[64];
	int fd;

	NEEDS_MOUNT();
	fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);
	if (fd < 0) {
		/* Before Linux 6.1, FUSE had none. */
		assert_int_equal(errno, EOPNOTSUPP);
		skip();
	}
	assert_int_equal(write(fd, "text", 4), 4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), 0);
	close(fd);
	expect("named", "text");
	assert_int_equal(look("named").st_nlink, 1);
}

static void test_large_directory(void **state)
{
	struct dirent *entry;
	unsigned int n = 0;
	char name[32];
	DIR *d;

	NEEDS_MOUNT();
	assert_int_equal(mkdir("d", 0755), 0);
	for (unsigned int i = 0; i < 3000; i++) {
		snprintf(name, sizeof(name), "d/file-%u", i);
		assert_int_equal(mknod(name, S_IFREG | 0600, 0), 0);
	}
	d = opendir("d");
	while ((entry = readdir(d)) != NULL)
		n += strncmp(entry->d_name, "file-", 5) == 0;
	assert_int_equal(n, 3000);
	rewinddir(d);
	/* Removal while reading. */
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] == 'f')
			assert_int_equal(unlinkat(dirfd(d), entry->d_name, 0), 0);
	closedir(d);
	assert_int_equal(rmdir("d"), 0);
}

static void test_devices_are_refused(void **state)
{
	NEEDS_MOUNT();
	expect_error(mknod("null", S_IFCHR | 0666, 0x103), EPERM);
	assert_int_equal(mknod("fifo", S_IFIFO | 0666, 0), 0);
	assert_true(S_ISFIFO(look("fifo").st_mode));
	assert_int_equal(mknod("whiteout", S_IFCHR, 0), 0);
}

/* What others do below is seen at once, unless the export is nobody else's. */
static void test_changes_from_outside(void **state)
{
	char path[128];
	int fd;

	NEEDS_MOUNT();
	if (cache != FUSE_CACHE_NEVER)
		skip();
	put("f", "first");
	expect("f", "first");
	snprintf(path, sizeof(path), "%s/f", below);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_int_equal(write(fd, "second time", 11), 11);
	close(fd);
	expect("f", "second time");
	assert_int_equal(look("f").st_size, 11);
	assert_int_equal(unlink(path), 0);
	expect_error(open("f", O_RDONLY), ENOENT);
}

/* A build: many small files, a compiler, an archive, a program that runs. */
static void test_a_build(void **state)
{
	NEEDS_MOUNT();
	put("Makefile", "prog: a.o b.o\n\tcc -o $@ a.o b.o\n%.o: %.c\n\tcc -c -o $@ $<\n");
	put("a.c", "int b(void); int main(void) { return b() - 42; }\n");
	put("b.c", "int b(void) { return 42; }\n");
	if (system("make -s >log 2>&1") != 0)
		fail_msg("make failed");
	assert_int_equal(system("./prog"), 0);
	assert_int_equal(system("tar cf t.tar a.c b.c Makefile && mkdir x && tar -C x -xf t.tar && "
				"cmp a.c x/a.c && make -s -C x >log 2>&1 && ./x/prog"),
		0);
	assert_int_equal(system("rm -r x && cp -a . /tmp/caisson-copy-$$ && rm -r "
				"/tmp/caisson-copy-$$"),
		0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_errors_are_those_of_the_standard),
		TEST(test_links_keep_number_and_count),
		TEST(test_open_files_outlive_their_names),
		TEST(test_renames),
		TEST(test_permissions_are_the_caller_s),
		TEST(test_set_id_bits_go_with_a_change),
		TEST(test_default_acl_is_inherited),
		TEST(test_times_sizes_and_holes),
		TEST(test_append_and_mmap),
		TEST(test_locks),
		TEST(test_unnamed_file_gets_a_name),
		TEST(test_large_directory),
		TEST(test_devices_are_refused),
		TEST(test_changes_from_outside),
		TEST(test_a_build),
	};
	static const char *const names[] = { "cache never", "cache auto", "cache always" };
	int failed = 0;

	umask(022);
	for (cache = FUSE_CACHE_NEVER; cache <= FUSE_CACHE_ALWAYS; cache++)
		failed += cmocka_run_group_tests_name(names[cache], tests, NULL, NULL);
	return failed;
}
