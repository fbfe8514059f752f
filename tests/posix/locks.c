/* SPDX-License-Identifier: Apache-2.0 */
/* Locks between processes of the container. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "tests/posix/posix.h"

static int lock(int fd, int command, short type, off_t start, off_t length)
{
	struct flock what = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};

	return fcntl(fd, command, &what);
}

/* What F_GETLK or F_OFD_GETLK says is in the way, or F_UNLCK. */
static struct flock in_the_way(int fd, int command, short type, off_t start, off_t length)
{
	struct flock what = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length
	};

	OK(fcntl(fd, command, &what));
	return what;
}

/*
 * A process that opens "f", takes a lock by `take`, says so, and holds it until it is told to end.
 */
struct holder {
	pid_t pid;
	int end;
};

static struct holder hold(int (*take)(int fd))
{
	int said[2], end[2];
	struct holder holder;
	char c;

	OK(pipe2(said, O_CLOEXEC));
	OK(pipe2(end, O_CLOEXEC));
	holder.pid = posix_start(&root);
	if (holder.pid == 0) {
		int fd = open("f", O_RDWR | O_CLOEXEC);

		close(end[1]);
		OK(take(fd));
		_exit(write(said[1], "", 1) != 1 || read(end[0], &c, 1) < 0);
	}
	close(end[0]);
	close(said[1]);
	IS(1, read(said[0], &c, 1));
	close(said[0]);
	holder.end = end[1];
	return holder;
}

static void let_go(struct holder holder)
{
	close(holder.end);
	TRUE(posix_wait(holder.pid));
}

/* Waits in a process of its own, until the holder ends. */
static void wait_for(struct holder holder, int (*take)(int fd))
{
	int said[2];
	struct pollfd p;
	pid_t pid;

	OK(pipe2(said, O_CLOEXEC));
	pid = posix_start(&root);
	if (pid == 0) {
		int fd = open("f", O_RDWR | O_CLOEXEC);

		close(holder.end);
		OK(take(fd));
		_exit(write(said[1], "", 1) != 1);
	}
	p = (struct pollfd){ .fd = said[0], .events = POLLIN };
	IS(0, poll(&p, 1, 100));
	let_go(holder);
	TRUE(posix_wait(pid));
	IS(1, poll(&p, 1, 0));
}

static int take_flock(int fd)
{
	return flock(fd, LOCK_EX);
}

static int take_shared_flock(int fd)
{
	return flock(fd, LOCK_SH);
}

void test_flock(void)
{
	struct holder holder;
	int fd, again, copy;

	put("f", "text");
	put_directory("d", 0755, 0, 0);
	fd = (int)OK(open("f", O_RDONLY | O_CLOEXEC));
	holder = hold(take_flock);
	FAILS(EWOULDBLOCK, flock(fd, LOCK_EX | LOCK_NB));
	FAILS(EWOULDBLOCK, flock(fd, LOCK_SH | LOCK_NB));
	wait_for(holder, take_flock);
	OK(flock(fd, LOCK_EX | LOCK_NB));
	OK(flock(fd, LOCK_UN));
	holder = hold(take_shared_flock);
	OK(flock(fd, LOCK_SH | LOCK_NB));
	FAILS(EWOULDBLOCK, flock(fd, LOCK_EX | LOCK_NB));
	let_go(holder);
	OK(flock(fd, LOCK_EX | LOCK_NB));
	/* Of an opening, not of a process. */
	again = (int)OK(open("f", O_RDONLY | O_CLOEXEC));
	FAILS(EWOULDBLOCK, flock(again, LOCK_SH | LOCK_NB));
	copy = dup(fd);
	OK(close(fd));
	FAILS(EWOULDBLOCK, flock(again, LOCK_SH | LOCK_NB));
	PROCESS OK(flock(copy, LOCK_EX | LOCK_NB));
	OK(close(copy));
	OK(flock(again, LOCK_EX | LOCK_NB));
	/* The name does not matter. */
	OK(link("f", "g"));
	OK(unlink("f"));
	fd = (int)OK(open("g", O_RDONLY | O_CLOEXEC));
	FAILS(EWOULDBLOCK, flock(fd, LOCK_SH | LOCK_NB));
	fd = (int)OK(open("d", O_RDONLY | O_CLOEXEC));
	OK(flock(fd, LOCK_EX | LOCK_NB));
}

static int take_record(int fd)
{
	return lock(fd, F_SETLKW, F_WRLCK, 10, 10);
}

static int take_read_record(int fd)
{
	return lock(fd, F_SETLKW, F_RDLCK, 10, 10);
}

/* Waits for what this process has, having what it will wait for. */
static int take_second_then_first(int fd)
{
	return lock(fd, F_SETLK, F_WRLCK, 1, 1);
}

static void notice_deadlock(int fd)
{
	struct holder holder = hold(take_second_then_first);
	pid_t pid;
	int status;

	OK(lock(fd, F_SETLK, F_WRLCK, 0, 1));
	FAILS(EAGAIN, lock(fd, F_SETLK, F_WRLCK, 1, 1));
	let_go(holder);
	pid = posix_start(&root);
	if (pid == 0) {
		int own = open("f", O_RDWR | O_CLOEXEC);

		alarm(20);
		if (lock(own, F_SETLK, F_WRLCK, 1, 1) < 0)
			_exit(2);
		_exit(lock(own, F_SETLKW, F_WRLCK, 0, 1) < 0);
	}
	/* Until it has the second one and waits for the first; then one of the two is told. */
	while (in_the_way(fd, F_GETLK, F_WRLCK, 1, 1).l_type == F_UNLCK)
		tick();
	tick();
	FAILS(EDEADLK, lock(fd, F_SETLKW, F_WRLCK, 1, 1));
	OK(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	TRUE(waitpid(pid, &status, 0) == pid && status == 0);
}

void test_record_locks(void)
{
	struct holder holder;
	int fd, again;

	put("f", "text");
	fd = (int)OK(open("f", O_RDWR | O_CLOEXEC));
	holder = hold(take_record);
	FAILS(EAGAIN, lock(fd, F_SETLK, F_WRLCK, 0, 0));
	FAILS(EAGAIN, lock(fd, F_SETLK, F_RDLCK, 19, 1));
	OK(lock(fd, F_SETLK, F_WRLCK, 0, 10));
	OK(lock(fd, F_SETLK, F_WRLCK, 20, 0));
	IS(F_WRLCK, in_the_way(fd, F_GETLK, F_RDLCK, 0, 0).l_type);
	IS(holder.pid, in_the_way(fd, F_GETLK, F_RDLCK, 0, 0).l_pid);
	IS(10, in_the_way(fd, F_GETLK, F_RDLCK, 0, 0).l_start);
	IS(10, in_the_way(fd, F_GETLK, F_RDLCK, 0, 0).l_len);
	wait_for(holder, take_record);
	OK(lock(fd, F_SETLK, F_WRLCK, 10, 10));
	OK(lock(fd, F_SETLK, F_UNLCK, 0, 0));
	holder = hold(take_read_record);
	OK(lock(fd, F_SETLK, F_RDLCK, 10, 10));
	FAILS(EAGAIN, lock(fd, F_SETLK, F_WRLCK, 10, 10));
	let_go(holder);
	OK(lock(fd, F_SETLK, F_WRLCK, 10, 10));
	/* Any closing of the file lets go of all that the process has. */
	PROCESS
	{
		int own = open("f", O_RDWR | O_CLOEXEC);

		FAILS(EAGAIN, lock(own, F_SETLK, F_WRLCK, 10, 10));
	}
	again = (int)OK(open("f", O_RDONLY | O_CLOEXEC));
	OK(close(again));
	PROCESS
	{
		int own = open("f", O_RDWR | O_CLOEXEC);

		OK(lock(own, F_SETLK, F_WRLCK, 10, 10));
	}
	again = (int)OK(open("f", O_RDONLY | O_CLOEXEC));
	FAILS(EBADF, lock(again, F_SETLK, F_WRLCK, 0, 1));
	FAILS(EINVAL, lock(fd, F_SETLK, F_WRLCK, -1, 1));
	notice_deadlock(fd);
}

static int take_ofd(int fd)
{
	return lock(fd, F_OFD_SETLKW, F_WRLCK, 10, 10);
}

void test_ofd_locks(void)
{
	struct holder holder;
	int fd, again;

	put("f", "text");
	fd = (int)OK(open("f", O_RDWR | O_CLOEXEC));
	holder = hold(take_ofd);
	FAILS(EAGAIN, lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0));
	FAILS(EAGAIN, lock(fd, F_SETLK, F_RDLCK, 12, 1));
	IS(-1, in_the_way(fd, F_OFD_GETLK, F_RDLCK, 0, 0).l_pid);
	OK(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 10));
	wait_for(holder, take_ofd);
	/* Of an opening: a second one of this process is another, a child's copy is not. */
	OK(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0));
	again = (int)OK(open("f", O_RDWR | O_CLOEXEC));
	FAILS(EAGAIN, lock(again, F_OFD_SETLK, F_RDLCK, 0, 1));
	FAILS(EAGAIN, lock(again, F_SETLK, F_RDLCK, 0, 1));
	PROCESS OK(lock(fd, F_OFD_SETLK, F_WRLCK, 0, 0));
	FAILS(EAGAIN, lock(again, F_OFD_SETLK, F_RDLCK, 0, 1));
	OK(close(fd));
	OK(lock(again, F_OFD_SETLK, F_WRLCK, 0, 1));
}
