/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, running, appending; and how long names may be. */
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/posix/posix.h"

static void open_and_make(void)
{
	struct stat st;
	int fd;

	FAILS(EEXIST, try_create("f", O_CREAT | O_EXCL | O_WRONLY, 0600));
	FAILS(EEXIST, try_create("d", O_CREAT | O_EXCL | O_RDONLY, 0600));
	FAILS(EEXIST, try_create("dangling", O_CREAT | O_EXCL | O_WRONLY, 0600));
	TRUE(missing("none"));
	OK(try_create("dangling", O_CREAT | O_WRONLY, 0600));
	IS(0600, MODE("none"));
	OK(unlink("none"));
	OK(try_create("new", O_CREAT | O_EXCL | O_WRONLY, 0646));
	st = look("new");
	IS(0644, st.st_mode & 07777); /* less the umask */
	IS(0, st.st_size);
	IS(1, st.st_nlink);
	IS(0, st.st_uid);
	/* The rights count for the next opening. */
	AS(user)
	{
		fd = (int)OK(open("open/mine", O_CREAT | O_EXCL | O_RDWR, 0));
		IS(3, write(fd, "abc", 3));
		FAILS(EACCES, try_open("open/mine", O_RDONLY));
		FAILS(EACCES, try_open("open/mine", O_WRONLY));
		IS(USER, look_fd(fd).st_uid);
		IS(USER, look_fd(fd).st_gid);
		FAILS(EACCES, try_create("d/mine", O_CREAT | O_WRONLY, 0600));
		FAILS(EACCES, try_create("closed/mine", O_CREAT | O_WRONLY, 0600));
		FAILS(EACCES, try_open("closed/f", O_RDONLY));
	}
	FAILS(EISDIR, try_create("none/", O_CREAT | O_WRONLY, 0600));
	FAILS(EISDIR, try_create("d", O_CREAT | O_RDONLY, 0600));
	FAILS(ENOENT, try_create("none/f", O_CREAT | O_WRONLY, 0600));
	FAILS(ENOTDIR, try_create("f/f", O_CREAT | O_WRONLY, 0600));
}

static void open_and_truncate(void)
{
	put("t", "text");
	put_mode("readable", 0644, 0, 0);
	OK(try_open("t", O_WRONLY | O_TRUNC));
	IS(0, look("t").st_size);
	put("t", "text");
	OK(try_create("t", O_RDWR | O_TRUNC | O_CREAT, 0600));
	IS(0, look("t").st_size);
	AS(user)
	{
		FAILS(EACCES, try_open("readable", O_RDONLY | O_TRUNC));
		FAILS(EACCES, try_open("readable", O_WRONLY));
	}
	CONTAINS("text", "readable");
}

static void open_special_files(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	char c;
	int fd;

	OK(mkfifo("fifo", 0666));
	FAILS(ENXIO, try_open("fifo", O_WRONLY | O_NONBLOCK));
	OK(try_open("fifo", O_RDONLY | O_NONBLOCK));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	OK(bind(fd, (struct sockaddr *)&address, sizeof(address)));
	FAILS(ENXIO, try_open("socket", O_RDWR));
	close(fd);
	fd = (int)OK(open("f", O_WRONLY));
	FAILS(EBADF, read(fd, &c, 1));
	close(fd);
	fd = (int)OK(open("f", O_RDONLY));
	FAILS(EBADF, write(fd, "x", 1));
	close(fd);
	fd = (int)OK(open("f", O_PATH));
	FAILS(EBADF, read(fd, &c, 1));
	FAILS(EBADF, fchmod(fd, 0600));
	IS(4, look_fd(fd).st_size);
	close(fd);
}

void test_open(void)
{
	char path[64];
	int fd;

	put("f", "text");
	put_directory("d", 0755, 0, 0);
	put_directory("open", 0777, 0, 0);
	put_directory("closed", 0700, 0, 0);
	put("closed/f", "text");
	OK(symlink("f", "to-f"));
	OK(symlink("d", "to-d"));
	OK(symlink("none", "dangling"));
	OK(symlink("loop", "loop"));
	open_and_make();
	open_and_truncate();
	FAILS(ELOOP, try_open("to-f", O_RDONLY | O_NOFOLLOW));
	OK(try_open("to-f", O_RDONLY));
	OK(try_open("to-f", O_PATH | O_NOFOLLOW));
	FAILS(ELOOP, try_open("loop", O_RDONLY));
	FAILS(ELOOP, try_open("loop/f", O_RDONLY));
	FAILS(ENOENT, try_open("dangling", O_RDONLY));
	FAILS(ENOTDIR, try_open("f", O_RDONLY | O_DIRECTORY));
	FAILS(ENOTDIR, try_open("to-f", O_RDONLY | O_DIRECTORY));
	OK(try_open("to-d", O_RDONLY | O_DIRECTORY));
	FAILS(ENOTDIR, try_open("to-d", O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
	FAILS(EISDIR, try_open("d", O_WRONLY));
	FAILS(EISDIR, try_open("d", O_RDWR));
	FAILS(ENOTDIR, try_open("f/", O_RDONLY));
	FAILS(ENOTDIR, try_open("f/x", O_RDONLY));
	FAILS(ENOENT, try_open("", O_RDONLY));
	FAILS(ENOENT, try_open("none", O_RDONLY));
	FAILS(ENOENT, try_open("none/x", O_RDONLY));
	open_special_files();
	/* What is open is opened again with other rights. */
	fd = (int)OK(open("f", O_RDONLY));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	OK(try_open(path, O_RDWR));
}

void test_tmpfile(void)
{
	char path[64];
	int fd;

	put_directory("open", 0777, 0, 0);
	put_directory("closed", 0755, 0, 0);
	fd = (int)OK(open("open", O_TMPFILE | O_RDWR | O_CLOEXEC, 0646));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	IS(0, look_fd(fd).st_nlink);
	IS(0644, look_fd(fd).st_mode & 07777);
	IS(4, write(fd, "text", 4));
	OK(linkat(AT_FDCWD, path, AT_FDCWD, "open/named", AT_SYMLINK_FOLLOW));
	IS(1, look_fd(fd).st_nlink);
	IS(look_fd(fd).st_ino, look("open/named").st_ino);
	CONTAINS("text", "open/named");
	FAILS(EEXIST, linkat(AT_FDCWD, path, AT_FDCWD, "open/named", AT_SYMLINK_FOLLOW));
	OK(linkat(AT_FDCWD, path, AT_FDCWD, "open/again", AT_SYMLINK_FOLLOW));
	IS(2, look("open/named").st_nlink);
	OK(close(fd));
	CONTAINS("text", "open/again");
	/* Never to have a name. */
	fd = (int)OK(open("open", O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	FAILS(ENOENT, linkat(AT_FDCWD, path, AT_FDCWD, "open/none", AT_SYMLINK_FOLLOW));
	close(fd);
	FAILS(EINVAL, open("open", O_TMPFILE | O_RDONLY, 0600));
	FAILS(ENOTDIR, open("open/named", O_TMPFILE | O_RDWR, 0600));
	FAILS(ENOENT, open("none", O_TMPFILE | O_RDWR, 0600));
	AS(user)
	{
		FAILS(EACCES, open("closed", O_TMPFILE | O_RDWR, 0600));
		fd = (int)OK(open("open", O_TMPFILE | O_WRONLY, 0600));
		IS(USER, look_fd(fd).st_uid);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		OK(linkat(AT_FDCWD, path, AT_FDCWD, "open/user's", AT_SYMLINK_FOLLOW));
	}
	IS(USER, look("open/user's").st_uid);
	IS(0600, MODE("open/user's"));
}

static void copy_program(const char *name)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int to = open(name, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0755);
	static char buffer[1 << 20];
	ssize_t n;

	while ((n = read(from, buffer, sizeof(buffer))) > 0)
		IS(n, write(to, buffer, (size_t)n));
	OK(close(to));
	close(from);
}

/* Runs a program: its status, or -1 with the errno of execve(2). */
static int run_program(const char *path)
{
	int ends[2], error = 0, status;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		execl(path, path, "--exit", NULL);
		error = errno;
		_exit(write(ends[1], &error, sizeof(error)) < 0);
	}
	close(ends[1]);
	if (read(ends[0], &error, sizeof(error)) < 0 || waitpid(pid, &status, 0) != pid)
		error = EIO;
	close(ends[0]);
	errno = error;
	return error != 0 ? -1 : WEXITSTATUS(status);
}

static void change_while_running(void)
{
	int in[2], out[2];
	pid_t pid;
	char c;

	OK(pipe2(in, O_CLOEXEC));
	OK(pipe2(out, O_CLOEXEC));
	pid = fork();
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl("./program", "program", "--wait", NULL);
		_exit(1);
	}
	IS(1, read(out[0], &c, 1));
	FAILS(ETXTBSY, try_open("program", O_WRONLY));
	FAILS(ETXTBSY, try_open("program", O_RDWR | O_TRUNC));
	FAILS(ETXTBSY, truncate("program", 0));
	FAILS(ETXTBSY, try_open("linked", O_WRONLY));
	OK(try_open("program", O_RDONLY));
	OK(rename("copy", "program"));
	OK(unlink("linked"));
	IS(1, write(in[1], "", 1));
	TRUE(posix_wait(pid));
	OK(try_open("program", O_WRONLY));
}

void test_exec(void)
{
	int fd;

	copy_program("program");
	copy_program("copy");
	OK(link("program", "linked"));
	IS(42, run_program("./program"));
	fd = (int)OK(open("linked", O_WRONLY | O_CLOEXEC));
	FAILS(ETXTBSY, run_program("./program"));
	close(fd);
	IS(42, run_program("./program"));
	OK(chmod("program", 0644));
	FAILS(EACCES, run_program("./program"));
	FAILS(EACCES, run_program("."));
	FAILS(ENOENT, run_program("./none"));
	put_mode("garbage", 0755, 0, 0);
	FAILS(ENOEXEC, run_program("./garbage"));
	/* To be run, not read. */
	OK(chmod("program", 0711));
	AS(user)
	{
		FAILS(EACCES, try_open("program", O_RDONLY));
		IS(42, run_program("./program"));
	}
	OK(chmod("program", 0744));
	AS(user) FAILS(EACCES, run_program("./program"));
	OK(chown("program", 0, TEAM));
	OK(chmod("program", 0710));
	AS(user) FAILS(EACCES, run_program("./program"));
	AS(member) IS(42, run_program("./program"));
	change_while_running();
}

#define LINES 300

static void append_lines(char letter)
{
	int fd = (int)OK(open("log", O_WRONLY | O_APPEND | O_CLOEXEC));
	char line[32];
	bool good = true;

	memset(line, letter, sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < LINES; i++)
		good &= write(fd, line, sizeof(line)) == sizeof(line);
	TRUE(good);
}

void test_append(void)
{
	char line[32];
	int fd, found[2] = { 0 };
	pid_t a, b;

	/* Each end of two processes is where the other left it. */
	put("log", "");
	if ((a = posix_start(&root)) == 0) {
		append_lines('a');
		_exit(0);
	}
	if ((b = posix_start(&root)) == 0) {
		append_lines('b');
		_exit(0);
	}
	TRUE(posix_wait(a));
	TRUE(posix_wait(b));
	IS(2 * LINES * sizeof(line), look("log").st_size);
	fd = (int)OK(open("log", O_RDONLY | O_CLOEXEC));
	while (read(fd, line, sizeof(line)) == sizeof(line)) {
		size_t same = 0;

		while (same < sizeof(line) - 1 && line[same] == line[0])
			same++;
		found[line[0] == 'b'] += same == sizeof(line) - 1 && line[same] == '\n';
	}
	IS(LINES, found[0]);
	IS(LINES, found[1]);
	close(fd);
	/* Where one is does not matter; where one is afterwards does. */
	put("f", "text");
	fd = (int)OK(open("f", O_RDWR | O_APPEND | O_CLOEXEC));
	IS(0, lseek(fd, 0, SEEK_CUR));
	IS(1, write(fd, "1", 1));
	IS(5, lseek(fd, 0, SEEK_CUR));
	IS(1, pwrite(fd, "2", 1, 0));
	CONTAINS("text12", "f");
	OK(truncate("f", 2));
	IS(1, write(fd, "3", 1));
	CONTAINS("te3", "f");
	OK(fcntl(fd, F_SETFL, 0));
	IS(1, pwrite(fd, "T", 1, 0));
	CONTAINS("Te3", "f");
	OK(fcntl(fd, F_SETFL, O_APPEND));
	IS(1, pwrite(fd, "4", 1, 0));
	CONTAINS("Te34", "f");
}

static void long_names(void)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	FAILS(ENAMETOOLONG, try_open(name, O_RDONLY));
	FAILS(ENAMETOOLONG, try_create(name, O_CREAT | O_WRONLY, 0600));
	FAILS(ENAMETOOLONG, mkdir(name, 0700));
	FAILS(ENAMETOOLONG, rmdir(name));
	FAILS(ENAMETOOLONG, unlink(name));
	FAILS(ENAMETOOLONG, mkfifo(name, 0600));
	FAILS(ENAMETOOLONG, symlink("x", name));
	FAILS(ENAMETOOLONG, link("f", name));
	FAILS(ENAMETOOLONG, rename("f", name));
	FAILS(ENAMETOOLONG, chmod(name, 0600));
	FAILS(ENAMETOOLONG, truncate(name, 0));
	name[255] = '\0';
	OK(mkdir(name, 0700));
	OK(rmdir(name));
	OK(link("f", name));
	OK(unlink(name));
	OK(rename("f", name));
	OK(rename(name, "f"));
	CONTAINS("text", "f");
}

static void long_paths(void)
{
	static char path[8192], target[4096];
	size_t length = 0;

	while (length < 4094) {
		path[length++] = '.';
		path[length++] = '/';
	}
	strcpy(path + length, "f");
	IS(4095, strlen(path));
	CONTAINS("text", path);
	memmove(path + 2, path, length + 2);
	FAILS(ENAMETOOLONG, try_open(path, O_RDONLY));
	FAILS(ENAMETOOLONG, symlink(path, "link"));
	path[4095] = '\0';
	OK(symlink(path, "link"));
	IS(4095, look("link").st_size);
	IS(4095, readlink("link", target, sizeof(target)));
	IS(0, memcmp(path, target, 4095));
}

#define DEEP 60

/* Deeper than a path can say. */
static void deep_directories(void)
{
	char name[200];
	struct stat top = look(".");
	int made = 0, entered = 0, left = 0, fd;
	static char path[4096];

	memset(name, 'd', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < DEEP; i++) {
		made += mkdir(name, 0755) == 0;
		entered += chdir(name) == 0;
	}
	IS(DEEP, made);
	IS(DEEP, entered);
	put("deepest", "text");
	CONTAINS("text", "deepest");
	OK(rename("deepest", "moved"));
	CONTAINS("text", "moved");
	FAILS(ERANGE, getcwd(path, sizeof(path)) == NULL ? -1 : 0);
	fd = (int)OK(open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	for (int i = 0; i < DEEP; i++)
		left += chdir("..") == 0;
	IS(DEEP, left);
	IS(top.st_ino, look(".").st_ino);
	OK(faccessat(fd, "moved", R_OK, 0));
	OK(unlinkat(fd, "moved", 0));
	/* The upper end gets another name. */
	OK(rename(name, "d"));
	OK(faccessat(fd, ".", R_OK, 0));
	OK(mkdirat(fd, "last", 0755));
}

void test_limits(void)
{
	put("f", "text");
	long_names();
	long_paths();
	deep_directories();
}
