/* SPDX-License-Identifier: Apache-2.0 */
/* Names that are made and removed. */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "tests/posix/posix.h"

static void remove_directories(void)
{
	struct stat before = look(".");
	int fd;

	put_directory("full", 0755, 0, 0);
	put("full/f", "text");
	IS(before.st_nlink + 1, look(".").st_nlink);
	FAILS(ENOTEMPTY, rmdir("full"));
	FAILS(ENOTEMPTY, rmdir("full/.."));
	FAILS(EINVAL, rmdir("full/."));
	FAILS(ENOTDIR, rmdir("full/f"));
	FAILS(ENOTDIR, rmdir("to-d"));
	FAILS(ENOTDIR, rmdir("to-d/"));
	FAILS(ENOENT, rmdir("none"));
	FAILS(EBUSY, rmdir("/proc"));
	OK(unlink("full/f"));
	fd = (int)OK(open("full", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	OK(rmdir("full"));
	IS(before.st_nlink, look(".").st_nlink);
	IS(0, look_fd(fd).st_nlink);
	FAILS(ENOENT, openat(fd, "f", O_CREAT | O_WRONLY, 0600));
	FAILS(ENOENT, mkdirat(fd, "f", 0700));
	FAILS(ENOENT, faccessat(fd, "f", F_OK, 0));
	close(fd);
	TRUE(missing("full"));
}

void test_mkdir(void)
{
	long long before;

	put("f", "text");
	OK(mkdir("d", 0777));
	IS(0755, MODE("d"));
	IS(2, look("d").st_nlink);
	OK(symlink("d", "to-d"));
	OK(symlink("none", "dangling"));
	FAILS(EEXIST, mkdir("f", 0755));
	FAILS(EEXIST, mkdir("d", 0755));
	FAILS(EEXIST, mkdir("to-d", 0755));
	FAILS(EEXIST, mkdir("dangling", 0755));
	FAILS(EEXIST, mkdir(".", 0755));
	FAILS(EEXIST, mkdir("/", 0755));
	FAILS(ENOENT, mkdir("none/d", 0755));
	FAILS(ENOTDIR, mkdir("f/d", 0755));
	FAILS(ENOENT, mkdir("", 0755));
	OK(mkdir("slash/", 0755));
	umask(0);
	OK(mkdir("all", 01777));
	IS(01777, MODE("all"));
	umask(077);
	OK(mkdir("none-but-me", 0777));
	IS(0700, MODE("none-but-me"));
	umask(022);
	before = modified("d");
	tick();
	OK(mkdir("d/a", 0755));
	IS(3, look("d").st_nlink);
	TRUE(modified("d") > before);
	IS(modified("d"), changed("d"));
	remove_directories();
	put_directory("sticky", 01777, 0, 0);
	put_directory("sticky/root's", 0777, 0, 0);
	AS(user)
	{
		FAILS(EACCES, mkdir("d/mine", 0755));
		FAILS(EACCES, rmdir("d/a"));
		OK(mkdir("all/mine", 0755));
		IS(USER, look("all/mine").st_uid);
		OK(mkdir("sticky/mine", 0755));
		FAILS(EPERM, rmdir("sticky/root's"));
	}
	AS(stranger) FAILS(EPERM, rmdir("sticky/mine"));
	AS(member) OK(rmdir("sticky/mine"));
	OK(chown("sticky", USER, USER));
	AS(user) OK(rmdir("sticky/root's"));
}

/* What a program may do to a file that has no name any more. */
static void use_unnamed(void)
{
	struct timespec times[2] = { { 1, 2 }, { 3, 4 } };
	char text[16] = "", path[64];
	char *map;
	int fd;

	put("f", "still here");
	fd = (int)OK(open("f", O_RDWR | O_CLOEXEC));
	OK(unlink("f"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	TRUE(missing("f"));
	IS(0, look_fd(fd).st_nlink);
	IS(10, pread(fd, text, sizeof(text), 0));
	IS(0, strncmp(text, "still here", 10));
	IS(4, pwrite(fd, "more", 4, 10));
	IS(14, look_fd(fd).st_size);
	OK(ftruncate(fd, 5));
	IS(5, look_fd(fd).st_size);
	OK(fchmod(fd, 0604));
	IS(0604, look_fd(fd).st_mode & 07777);
	OK(fchown(fd, USER, TEAM));
	IS(TEAM, look_fd(fd).st_gid);
	OK(futimens(fd, times));
	IS(3, look_fd(fd).st_mtim.tv_sec);
	OK(fsetxattr(fd, "user.x", "1", 1, 0));
	IS(1, fgetxattr(fd, "user.x", text, sizeof(text)));
	OK(fsync(fd));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TRUE(map != MAP_FAILED);
	map[0] = 'S';
	OK(msync(map, 4096, MS_SYNC));
	IS(1, pread(fd, text, 1, 0));
	IS('S', text[0]);
	OK(try_open(path, O_RDWR));
	FAILS(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "again", AT_SYMLINK_FOLLOW));
	/* The name is another's. */
	put("f", "new");
	TRUE(look("f").st_ino != look_fd(fd).st_ino);
	IS(5, look_fd(fd).st_size);
	close(fd);
	CONTAINS("new", "f");
}

void test_unlink(void)
{
	long long before;

	put("f", "text");
	put_directory("d", 0755, 0, 0);
	put("d/f", "text");
	put_directory("sticky", 01777, 0, 0);
	put_mode("sticky/root's", 0666, 0, 0);
	put_mode("sticky/user's", 0666, USER, USER);
	OK(symlink("d", "to-d"));
	OK(symlink("loop", "loop"));
	OK(mkfifo("fifo", 0600));
	FAILS(EISDIR, unlink("d"));
	FAILS(ENOTDIR, unlink("f/"));
	FAILS(ENOTDIR, unlink("f/x"));
	FAILS(ENOENT, unlink("none"));
	FAILS(ENOENT, unlink(""));
	FAILS(ELOOP, unlink("loop/f"));
	OK(unlink("to-d"));
	OK(unlink("loop"));
	OK(unlink("fifo"));
	TRUE(!missing("d"));
	OK(link("f", "g"));
	before = changed("g");
	tick();
	OK(unlink("f"));
	TRUE(changed("g") > before);
	IS(1, look("g").st_nlink);
	CONTAINS("text", "g");
	use_unnamed();
	AS(user)
	{
		FAILS(EACCES, unlink("d/f"));
		FAILS(EPERM, unlink("sticky/root's"));
	}
	AS(stranger) FAILS(EPERM, unlink("sticky/user's"));
	AS(member) OK(unlink("sticky/user's"));
	OK(chown("sticky", 0, TEAM));
	AS(member) FAILS(EPERM, unlink("sticky/root's"));
	OK(chown("d", 0, TEAM));
	OK(chmod("d", 0775));
	AS(user) FAILS(EACCES, unlink("d/f"));
	AS(member) OK(unlink("d/f"));
}

void test_link(void)
{
	struct stat a, b;
	char away[4096];
	long long before;

	put("a", "one");
	put_directory("d", 0755, 0, 0);
	put_directory("open", 0777, 0, 0);
	put_mode("mine", 0644, USER, USER);
	OK(symlink("a", "to-a"));
	before = changed("a");
	tick();
	OK(link("a", "b"));
	a = look("a");
	b = look("b");
	IS(a.st_ino, b.st_ino);
	IS(a.st_dev, b.st_dev);
	IS(2, a.st_nlink);
	TRUE(changed("a") > before);
	put("b", "two");
	CONTAINS("two", "a");
	OK(chmod("b", 0600));
	IS(0600, MODE("a"));
	OK(link("b", "d/c"));
	IS(3, look("a").st_nlink);
	OK(unlink("a"));
	IS(2, look("d/c").st_nlink);
	CONTAINS("two", "d/c");
	OK(linkat(AT_FDCWD, "to-a", AT_FDCWD, "to-a-too", 0));
	IS(look("to-a").st_ino, look("to-a-too").st_ino);
	TRUE(S_ISLNK(look("to-a-too").st_mode));
	FAILS(ENOENT, linkat(AT_FDCWD, "to-a", AT_FDCWD, "x", AT_SYMLINK_FOLLOW));
	OK(link("b", "a"));
	OK(linkat(AT_FDCWD, "to-a", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
	IS(look("a").st_ino, look("followed").st_ino);
	FAILS(EEXIST, link("a", "b"));
	FAILS(EEXIST, link("a", "to-a"));
	FAILS(EEXIST, link("a", "d"));
	FAILS(EPERM, link("d", "e"));
	FAILS(ENOENT, link("none", "x"));
	FAILS(ENOENT, link("a", "none/x"));
	FAILS(ENOTDIR, link("a/x", "x"));
	snprintf(away, sizeof(away), "%s/link", other_directory);
	FAILS(EXDEV, link("a", away));
	OK(mkfifo("fifo", 0600));
	OK(link("fifo", "fifo-too"));
	IS(2, look("fifo").st_nlink);
	AS(user)
	{
		FAILS(EACCES, link("mine", "d/mine"));
		OK(link("mine", "open/mine"));
	}
	IS(2, look("mine").st_nlink);
}

void test_symlink(void)
{
	char target[64];
	char a[8], b[8];

	put("f", "text");
	put_directory("d", 0755, 0, 0);
	put("d/g", "deep");
	OK(symlink("f", "s"));
	IS(1, look("s").st_size);
	IS(0777, MODE("s"));
	TRUE(S_ISLNK(look("s").st_mode));
	CONTAINS("text", "s");
	OK(symlink("a target that is nowhere", "t"));
	IS(24, readlink("t", target, sizeof(target)));
	IS(5, readlink("t", target, 5));
	IS(0, strncmp(target, "a tar", 5));
	FAILS(EINVAL, readlink("f", target, sizeof(target)));
	FAILS(EINVAL, readlink("d", target, sizeof(target)));
	FAILS(ENOENT, readlink("none", target, sizeof(target)));
	FAILS(EEXIST, symlink("x", "f"));
	FAILS(EEXIST, symlink("x", "t"));
	FAILS(ENOENT, symlink("", "u"));
	FAILS(ENOENT, symlink("x", "none/u"));
	FAILS(ENOTDIR, symlink("x", "f/u"));
	OK(symlink("../f", "d/up"));
	CONTAINS("text", "d/up");
	OK(symlink("d", "to-d"));
	CONTAINS("deep", "to-d/g");
	CONTAINS("text", "to-d/../f");
	/* Forty may follow one another. */
	OK(symlink("f", "l0"));
	for (int i = 1; i < 41; i++) {
		snprintf(a, sizeof(a), "l%d", i - 1);
		snprintf(b, sizeof(b), "l%d", i);
		if (symlink(a, b) < 0)
			OK(-1);
	}
	OK(try_open("l39", O_RDONLY));
	FAILS(ELOOP, try_open("l40", O_RDONLY));
	OK(lchown("s", USER, TEAM));
	IS(USER, look("s").st_uid);
	IS(0, look("f").st_uid);
	OK(chmod("s", 0600));
	IS(0600, MODE("f"));
	IS(0777, MODE("s"));
	AS(user) FAILS(EACCES, symlink("x", "mine"));
}

/* Data goes through within the container, whoever serves the name. */
static void use_fifo_and_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int fd, other_end;
	char text[8];

	if (posix_start(&root) == 0) {
		fd = open("fifo", O_WRONLY);
		_exit(write(fd, "through", 7) != 7);
	}
	fd = (int)OK(open("fifo", O_RDONLY));
	IS(7, read(fd, text, sizeof(text)));
	IS(0, strncmp(text, "through", 7));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	OK(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	TRUE(S_ISSOCK(look("socket").st_mode));
	FAILS(EADDRINUSE,
		bind(socket(AF_UNIX, SOCK_DGRAM, 0), (struct sockaddr *)&address, sizeof(address)));
	other_end = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	OK(connect(other_end, (struct sockaddr *)&address, sizeof(address)));
	IS(7, send(other_end, "through", 7, 0));
	IS(7, read(fd, text, sizeof(text)));
	AS(user)
	{
		other_end = socket(AF_UNIX, SOCK_DGRAM, 0);
		FAILS(EACCES, connect(other_end, (struct sockaddr *)&address, sizeof(address)));
	}
	OK(chmod("socket", 0666));
	AS(user)
	{
		other_end = socket(AF_UNIX, SOCK_DGRAM, 0);
		OK(connect(other_end, (struct sockaddr *)&address, sizeof(address)));
	}
}

void test_mknod(void)
{
	put("f", "text");
	put_directory("open", 0777, 0, 0);
	OK(mknod("regular", S_IFREG | 0666, 0));
	IS(S_IFREG | 0644, look("regular").st_mode);
	OK(mknod("plain", 0600, 0));
	IS(S_IFREG | 0600, look("plain").st_mode);
	OK(mkfifo("fifo", 0666));
	IS(S_IFIFO | 0644, look("fifo").st_mode);
	OK(mknod("named", S_IFSOCK | 0755, 0));
	IS(S_IFSOCK | 0755, look("named").st_mode);
	FAILS(EEXIST, mkfifo("f", 0600));
	FAILS(EEXIST, mknod("fifo", S_IFREG | 0600, 0));
	FAILS(ENOENT, mkfifo("none/fifo", 0600));
	FAILS(ENOTDIR, mkfifo("f/fifo", 0600));
	FAILS(EPERM, mknod("dir", S_IFDIR | 0700, 0));
	FAILS(EINVAL, mknod("link", S_IFLNK | 0700, 0));
	/* A device's node on the host would be the host's device. */
	if (served) {
		FAILS(EPERM, mknod("null", S_IFCHR | 0666, makedev(1, 3)));
		FAILS(EPERM, mknod("disk", S_IFBLK | 0600, makedev(7, 0)));
		TRUE(missing("null"));
	} else {
		OK(mknod("null", S_IFCHR | 0666, makedev(1, 3)));
		IS(makedev(1, 3), look("null").st_rdev);
	}
	/* What an overlay uses to say that a name is gone. */
	OK(mknod("whiteout", S_IFCHR, makedev(0, 0)));
	IS(0, look("whiteout").st_rdev);
	AS(user)
	{
		FAILS(EPERM, mknod("open/null", S_IFCHR | 0666, makedev(1, 3)));
		OK(mkfifo("open/fifo", 0644));
		IS(USER, look("open/fifo").st_uid);
		OK(mknod("open/socket", S_IFSOCK | 0644, 0));
		FAILS(EACCES, mkfifo("mine", 0644));
	}
	use_fifo_and_socket();
}
