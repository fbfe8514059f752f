/* SPDX-License-Identifier: Apache-2.0 */
/* What is in files: sizes, holes, copies, mappings. */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "tests/posix/posix.h"

static bool all_zero(int fd, off_t from, size_t length)
{
	bool good = true;

	for (size_t done = 0; done < length && good;) {
		char buffer[65536];
		size_t piece = length - done < sizeof(buffer) ? length - done : sizeof(buffer);
		ssize_t n = pread(fd, buffer, piece, from + (off_t)done);

		for (ssize_t i = 0; i < n; i++)
			good &= buffer[i] == 0;
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return good;
}

static void truncate_errors(void)
{
	const off_t most = 4 << 20;
	struct rlimit limit = { (rlim_t)most, (rlim_t)most };
	int fd;

	put_directory("d", 0755, 0, 0);
	put_mode("readable", 0644, 0, TEAM);
	FAILS(EISDIR, truncate("d", 0));
	FAILS(ENOENT, truncate("none", 0));
	FAILS(ENOTDIR, truncate("f/x", 0));
	FAILS(EINVAL, truncate("f", -1));
	FAILS(EFBIG, truncate("f", INT64_MAX));
	fd = (int)OK(open("f", O_RDONLY));
	FAILS(EINVAL, ftruncate(fd, 0));
	close(fd);
	AS(member) FAILS(EACCES, truncate("readable", 0));
	OK(chmod("readable", 0664));
	AS(user) FAILS(EACCES, truncate("readable", 0));
	AS(member) OK(truncate("readable", 0));
	PROCESS
	{
		signal(SIGXFSZ, SIG_IGN);
		fd = (int)OK(open("f", O_RDWR));
		OK(setrlimit(RLIMIT_FSIZE, &limit));
		OK(truncate("f", most));
		FAILS(EFBIG, truncate("f", most + 1));
		FAILS(EFBIG, ftruncate(fd, most + 1));
		FAILS(EFBIG, pwrite(fd, "x", 1, most));
		IS(1, pwrite(fd, "xy", 2, most - 1));
	}
}

void test_truncate(void)
{
	long long before;
	int fd;

	put("f", "some text");
	before = modified("f");
	tick();
	OK(truncate("f", 4));
	TRUE(modified("f") > before);
	IS(modified("f"), changed("f"));
	CONTAINS("some", "f");
	OK(truncate("f", 1 << 20));
	IS(1 << 20, look("f").st_size);
	fd = (int)OK(open("f", O_RDWR));
	TRUE(all_zero(fd, 4, (1 << 20) - 4));
	TRUE(look("f").st_blocks <= 16);
	before = modified("f");
	tick();
	OK(ftruncate(fd, 2));
	TRUE(modified("f") > before);
	IS(2, look_fd(fd).st_size);
	/* What was cut off does not come back. */
	OK(ftruncate(fd, 4096));
	TRUE(all_zero(fd, 2, 4094));
	/* A hole in front of what is written. */
	IS(3, pwrite(fd, "end", 3, 1 << 24));
	IS((1 << 24) + 3, look_fd(fd).st_size);
	TRUE(all_zero(fd, 4096, (1 << 20) - 4096));
	TRUE(look("f").st_blocks < 1 << 10);
	OK(ftruncate(fd, 0));
	IS(0, look("f").st_size);
	IS(0, look("f").st_blocks);
	IS(0, lseek(fd, 0, SEEK_END));
	close(fd);
	OK(truncate("f", (off_t)1 << 40));
	IS((off_t)1 << 40, look("f").st_size);
	truncate_errors();
}

#define PIECE 65536

static int patterned(const char *name, size_t pieces)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0644);
	static char piece[PIECE];

	for (size_t i = 0; i < pieces; i++) {
		memset(piece, 'a' + (int)i, PIECE);
		IS(PIECE, write(fd, piece, PIECE));
	}
	return fd;
}

static bool is_filled(int fd, off_t from, size_t length, char with)
{
	bool good = true;
	static char buffer[PIECE];

	if (pread(fd, buffer, length, from) != (ssize_t)length)
		return false;
	for (size_t i = 0; i < length; i++)
		good &= buffer[i] == with;
	return good;
}

void test_fallocate(void)
{
	int fd = patterned("f", 4), pipes[2];
	blkcnt_t blocks;

	OK(fsync(fd));
	blocks = look_fd(fd).st_blocks;
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PIECE, PIECE));
	TRUE(all_zero(fd, PIECE, PIECE));
	TRUE(is_filled(fd, 0, PIECE, 'a'));
	TRUE(is_filled(fd, 2 * PIECE, PIECE, 'c'));
	TRUE(look_fd(fd).st_blocks < blocks);
	IS(4 * PIECE, look_fd(fd).st_size);
	/* Not at the borders of pages. */
	OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2 * PIECE + 10, 100));
	TRUE(is_filled(fd, 2 * PIECE, 10, 'c'));
	TRUE(all_zero(fd, 2 * PIECE + 10, 100));
	TRUE(is_filled(fd, 2 * PIECE + 110, 1000, 'c'));
	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 3 * PIECE, PIECE));
	TRUE(all_zero(fd, 3 * PIECE, PIECE));
	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 3 * PIECE, 2 * PIECE));
	IS(4 * PIECE, look_fd(fd).st_size);
	OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 4 * PIECE, PIECE));
	IS(5 * PIECE, look_fd(fd).st_size);
	OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 8 * PIECE));
	IS(5 * PIECE, look_fd(fd).st_size);
	OK(fallocate(fd, 0, 0, 6 * PIECE));
	IS(6 * PIECE, look_fd(fd).st_size);
	TRUE(all_zero(fd, 5 * PIECE, PIECE));
	TRUE(is_filled(fd, 0, PIECE, 'a'));
	FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, PIECE));
	/* Linux's client of such servers knows no other kinds. */
	if (served)
		FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PIECE));
	else
		OK(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, PIECE));
	FAILS(EINVAL, fallocate(fd, 0, -1, PIECE));
	FAILS(EINVAL, fallocate(fd, 0, 0, 0));
	FAILS(EFBIG, fallocate(fd, 0, INT64_MAX - 1, 100));
	close(fd);
	fd = (int)OK(open("f", O_RDONLY));
	FAILS(EBADF, fallocate(fd, 0, 0, PIECE));
	close(fd);
	OK(pipe2(pipes, O_CLOEXEC));
	FAILS(ESPIPE, fallocate(pipes[1], 0, 0, PIECE));
	IS(0, posix_fallocate((int)OK(open("g", O_CREAT | O_WRONLY, 0600)), 100, 900));
	IS(1000, look("g").st_size);
}

void test_seek(void)
{
	int fd = (int)OK(open("f", O_CREAT | O_RDWR, 0600));

	/* data 0-1, hole 1-3, data 3-4, hole 4-8, of PIECE each */
	IS(4, pwrite(fd, "text", 4, PIECE - 4));
	IS(4, pwrite(fd, "text", 4, 3 * PIECE));
	IS(4, pwrite(fd, "text", 4, 4 * PIECE - 4));
	OK(ftruncate(fd, 8 * PIECE));
	IS(4 * PIECE - 4096, lseek(fd, 4 * PIECE - 100, SEEK_DATA) / 4096 * 4096);
	IS(PIECE - 4096, lseek(fd, 0, SEEK_DATA));
	IS(PIECE, lseek(fd, PIECE - 1, SEEK_HOLE));
	IS(PIECE + 10, lseek(fd, PIECE + 10, SEEK_HOLE));
	IS(3 * PIECE, lseek(fd, PIECE, SEEK_DATA));
	IS(3 * PIECE + 4096, lseek(fd, 3 * PIECE, SEEK_HOLE));
	FAILS(ENXIO, lseek(fd, 4 * PIECE, SEEK_DATA));
	IS(4 * PIECE, lseek(fd, 4 * PIECE, SEEK_HOLE));
	FAILS(ENXIO, lseek(fd, 8 * PIECE, SEEK_HOLE));
	FAILS(ENXIO, lseek(fd, 9 * PIECE, SEEK_DATA));
	IS(8 * PIECE, lseek(fd, 0, SEEK_END));
	IS(9 * PIECE, lseek(fd, PIECE, SEEK_END));
	FAILS(EINVAL, lseek(fd, -1, SEEK_SET));
	FAILS(EINVAL, lseek(fd, 0, 99));
	IS(9 * PIECE, lseek(fd, 0, SEEK_CUR));
	IS(0, lseek(fd, 0, SEEK_SET));
	OK(ftruncate(fd, 0));
	FAILS(ENXIO, lseek(fd, 0, SEEK_DATA));
}

void test_copy(void)
{
	int from = patterned("from", 3), to = (int)OK(open("to", O_CREAT | O_RDWR, 0600)), fd;
	loff_t in = PIECE, out = 10;
	long long before = modified("to");

	tick();
	IS(PIECE, copy_file_range(from, &in, to, &out, PIECE, 0));
	IS(2 * PIECE, in);
	IS(PIECE + 10, out);
	IS(PIECE + 10, look("to").st_size);
	TRUE(modified("to") > before);
	TRUE(all_zero(to, 0, 10));
	TRUE(is_filled(to, 10, PIECE, 'b'));
	/* The descriptors' own positions. */
	IS(0, lseek(from, 0, SEEK_SET));
	IS(0, lseek(to, 0, SEEK_SET));
	IS(100, copy_file_range(from, NULL, to, NULL, 100, 0));
	IS(100, lseek(from, 0, SEEK_CUR));
	IS(100, lseek(to, 0, SEEK_CUR));
	TRUE(is_filled(to, 0, 100, 'a'));
	/* Within one file. */
	in = 0;
	out = 2 * PIECE;
	IS(PIECE, copy_file_range(from, &in, from, &out, PIECE, 0));
	TRUE(is_filled(from, 2 * PIECE, PIECE, 'a'));
	in = 0;
	out = 100;
	FAILS(EINVAL, copy_file_range(from, &in, from, &out, PIECE, 0));
	/* No further than the end. */
	in = 3 * PIECE - 10;
	out = 0;
	IS(10, copy_file_range(from, &in, to, &out, PIECE, 0));
	IS(0, copy_file_range(from, &in, to, &out, PIECE, 0));
	FAILS(EINVAL, copy_file_range(from, &in, to, &out, 1, 1));
	fd = (int)OK(open("to", O_RDONLY));
	FAILS(EBADF, copy_file_range(from, NULL, fd, NULL, 1, 0));
	close(fd);
	fd = (int)OK(open("to", O_WRONLY | O_APPEND));
	FAILS(EBADF, copy_file_range(from, NULL, fd, NULL, 1, 0));
	FAILS(EBADF, copy_file_range(fd, NULL, to, NULL, 1, 0));
	close(fd);
	fd = (int)OK(open(".", O_RDONLY));
	FAILS(EISDIR, copy_file_range(fd, NULL, to, NULL, 1, 0));
}

static sigjmp_buf back;

static void on_bus_error(int signal)
{
	(void)signal;
	siglongjmp(back, 1);
}

static bool reading_ends_badly(const volatile char *at)
{
	signal(SIGBUS, on_bus_error);
	if (sigsetjmp(back, 1) != 0)
		return true;
	(void)*at;
	return false;
}

void test_mmap(void)
{
	char text[16] = "";
	char *map, *own;
	int fd = patterned("f", 1), other_fd;

	map = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TRUE(map != MAP_FAILED);
	own = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	TRUE(own != MAP_FAILED);
	memcpy(map + 4090, "across pages", 12);
	memcpy(own + 100, "mine", 4);
	IS(12, pread(fd, text, 12, 4090));
	IS(0, strncmp(text, "across pages", 12));
	TRUE(is_filled(fd, 100, 4, 'a'));
	IS(0, strncmp(own + 4090, "across", 6));
	IS(5, pwrite(fd, "later", 5, 200));
	IS(0, strncmp(map + 200, "later", 5));
	/* Another opening, another process. */
	PROCESS
	{
		other_fd = (int)OK(open("f", O_RDWR));
		IS(6, pread(other_fd, text, 6, 4090));
		IS(0, strncmp(text, "across", 6));
		map[300] = 'X';
		IS(1, pwrite(other_fd, "Y", 1, 301));
	}
	IS('X', map[300]);
	IS('Y', map[301]);
	OK(msync(map, PIECE, MS_SYNC));
	OK(ftruncate(fd, 4096));
	TRUE(reading_ends_badly(map + 8192));
	IS('Y', map[301]);
	OK(ftruncate(fd, PIECE));
	IS(0, map[8192]);
	OK(unlink("f"));
	memcpy(map, "unnamed", 7);
	IS(7, pread(fd, text, 7, 0));
	IS(0, strncmp(text, "unnamed", 7));
	OK(munmap(map, PIECE));
	close(fd);
	put("g", "text");
	fd = (int)OK(open("g", O_RDONLY));
	FAILS(EACCES,
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	IS(0, strcmp(map, "text")); /* zeroes behind the end */
	put("g", "TEXT");
	IS(0, strcmp(map, "TEXT"));
	close(fd);
	fd = (int)OK(open("g", O_WRONLY));
	FAILS(EACCES, mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
}

void test_sync(void)
{
	int fd = (int)OK(open("f", O_CREAT | O_RDWR | O_SYNC, 0600)), directory, ends[2];

	IS(4, write(fd, "text", 4));
	OK(fsync(fd));
	OK(fdatasync(fd));
	OK(syncfs(fd));
	OK(sync_file_range(fd, 0, 4, SYNC_FILE_RANGE_WRITE));
	close(fd);
	fd = (int)OK(open("f", O_WRONLY | O_DSYNC | O_APPEND));
	IS(1, write(fd, "!", 1));
	close(fd);
	CONTAINS("text!", "f");
	fd = (int)OK(open("f", O_RDONLY));
	OK(fsync(fd));
	OK(syncfs(fd));
	directory = (int)OK(open(".", O_RDONLY | O_DIRECTORY));
	OK(fsync(directory));
	OK(fdatasync(directory));
	OK(syncfs(directory));
	OK(pipe2(ends, O_CLOEXEC));
	FAILS(EINVAL, fsync(ends[0]));
	OK(close(fd));
	FAILS(EBADF, fsync(fd));
	/* Nothing is lost by an order of these. */
	fd = (int)OK(open("g", O_CREAT | O_RDWR, 0600));
	for (int i = 0; i < 10; i++) {
		IS(1, write(fd, "x", 1));
		OK(fdatasync(fd));
	}
	IS(10, look("g").st_size);
}

void test_statfs(void)
{
	struct statvfs before, after;
	int fd;

	OK(statvfs(".", &before));
	IS(255, before.f_namemax);
	IS(4096, before.f_bsize);
	TRUE(before.f_blocks >= before.f_bfree);
	TRUE(before.f_bfree >= before.f_bavail);
	TRUE(before.f_files > before.f_ffree);
	fd = patterned("f", 16);
	OK(fsync(fd));
	OK(fstatvfs(fd, &after));
	TRUE(before.f_bfree - after.f_bfree >= 256);
	IS(before.f_blocks, after.f_blocks);
	TRUE(before.f_ffree > after.f_ffree);
	FAILS(ENOENT, statvfs("none", &after));
	FAILS(ENOTDIR, statvfs("f/x", &after));
}
