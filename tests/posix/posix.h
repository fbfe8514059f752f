/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the groups of cases share (main.c runs them). A group is a function that starts in an empty
 * directory of its own, with the umask 022, as root. Each case prints one line. What it expects is
 * what Linux does on a local file system; where a root that another process serves differs by
 * design, `served` says so, and docs/vm.md gives the reason.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

extern bool served;		    /* the files are another kernel's */
extern bool served_submount;	    /* and not on its first export */
extern const char *other_directory; /* on another mount than the working directory */

/* The call succeeds; its value. */
#define OK(...) posix_ok((long)(__VA_ARGS__), #__VA_ARGS__, __FILE_NAME__, __LINE__)
/* The call gives -1 and this errno. */
#define FAILS(error, ...) \
	posix_fails(error, (long)(__VA_ARGS__), #__VA_ARGS__, __FILE_NAME__, __LINE__)
/* Two integers are the same. */
#define IS(expected, ...)                                                                      \
	posix_is((long long)(expected), (long long)(__VA_ARGS__), #__VA_ARGS__, __FILE_NAME__, \
		__LINE__)
#define TRUE(...) posix_true((__VA_ARGS__), #__VA_ARGS__, __FILE_NAME__, __LINE__)
/* The file has these contents, and no more. */
#define CONTAINS(text, name) posix_contains(text, name, __FILE_NAME__, __LINE__)

/* __FILE_NAME__ is younger than some compilers. */
#ifndef __FILE_NAME__
#define __FILE_NAME__ __FILE__
#endif

long posix_ok(long result, const char *what, const char *file, int line);
void posix_fails(int error, long result, const char *what, const char *file, int line);
void posix_is(long long expected, long long found, const char *what, const char *file, int line);
void posix_true(bool good, const char *what, const char *file, int line);
void posix_contains(const char *text, const char *name, const char *file, int line);

/* Whom a part of a case runs as. */
struct identity {
	const char *name;
	uid_t uid;
	gid_t gid;
	gid_t groups[4];
	size_t count;
};

#define USER 1000
#define OTHER 1001
#define TEAM 2000    /* a group of members */
#define SECOND 2001  /* another one */
#define FOREIGN 3000 /* of nobody */
extern const struct identity root, user, member, other, stranger;

/*
 * AS(who) { … } runs the block in a process of its own that is `who`. PROCESS { … } in one that is
 * the same. Both wait for its end.
 */
#define AS(who) \
	for (pid_t posix_pid = posix_become(&(who)); posix_pid == 0; posix_pid = posix_end())
#define PROCESS AS(root)
pid_t posix_become(const struct identity *who);
pid_t posix_end(void); /* does not return */

/* Starts a process (0 in it), and waits for one: true when it ended with status 0. */
pid_t posix_start(const struct identity *who);
bool posix_wait(pid_t pid);

/* Fixtures: a failure is a line. */
void put(const char *name, const char *text);
void put_mode(const char *name, mode_t mode, uid_t uid, gid_t gid); /* "text" in it */
void put_directory(const char *name, mode_t mode, uid_t uid, gid_t gid);
struct stat look(const char *name); /* lstat(2) */
struct stat look_fd(int fd);
#define MODE(name) (look(name).st_mode & 07777)
bool missing(const char *name);
/* open(2) and close(2): 0, or -1 with errno. */
int try_open(const char *name, int flags);
int try_create(const char *name, int flags, mode_t mode);

/* Nanoseconds of each kind of time. */
long long modified(const char *name);
long long changed(const char *name);
long long accessed(const char *name);
/* Lets enough time pass that the kernel's next time is another. */
void tick(void);

void test_open(void);
void test_tmpfile(void);
void test_exec(void);
void test_append(void);
void test_limits(void);
void test_mkdir(void);
void test_unlink(void);
void test_link(void);
void test_symlink(void);
void test_mknod(void);
void test_rename(void);
void test_rename_sticky(void);
void test_rights(void);
void test_chmod(void);
void test_chown(void);
void test_set_id(void);
void test_inheritance(void);
void test_acl(void);
void test_acl_default(void);
void test_xattr(void);
void test_xattr_rights(void);
void test_truncate(void);
void test_times(void);
void test_fallocate(void);
void test_seek(void);
void test_copy(void);
void test_mmap(void);
void test_sync(void);
void test_statfs(void);
void test_flock(void);
void test_record_locks(void);
void test_ofd_locks(void);
void test_readdir(void);
void test_readdir_changes(void);
void test_inodes(void);
void test_parent(void);
