/* SPDX-License-Identifier: Apache-2.0 */
/* Who may do what, and what that leaves of set-id bits. */
#include <stdlib.h>
#include <sys/xattr.h>

#include "tests/posix/posix.h"

/*
 * Every combination of three bits in one class of the mode, against what they allow; the other
 * classes have the opposite, so that it shows which one counted.
 */
static void files_of_class(const struct identity *who, unsigned int shift)
{
	static const struct {
		int flags, needs;
	} openings[] = { { O_RDONLY, R_OK }, { O_WRONLY, W_OK }, { O_RDWR, R_OK | W_OK } };
	int good = 0, all = 0;

	for (unsigned int bits = 0; bits < 8; bits++) {
		mode_t mode = (0777 & ~(7u << shift)) | bits << shift;

		put_mode("file", mode & 0777, USER, TEAM);
		AS(*who)
		{
			for (size_t i = 0; i < 3; i++)
				if (((openings[i].needs & (int)bits) == openings[i].needs))
					OK(try_open("file", openings[i].flags));
				else
					FAILS(EACCES, try_open("file", openings[i].flags));
			for (int wanted = X_OK; wanted <= R_OK; wanted *= 2) {
				bool may = (wanted & (int)bits) == wanted;

				all++;
				good += may ==
					(faccessat(AT_FDCWD, "file", wanted, AT_EACCESS) == 0);
			}
			IS(all, good);
		}
		OK(unlink("file"));
	}
}

static void directories_of_class(const struct identity *who, unsigned int shift)
{
	for (unsigned int bits = 0; bits < 8; bits++) {
		put_directory("dir", 0700, USER, TEAM);
		put_mode("dir/f", 0666, 0, 0);
		OK(chmod("dir", (0777 & ~(7u << shift)) | bits << shift));
		AS(*who)
		{
			if (bits & R_OK)
				OK(try_open("dir", O_RDONLY));
			else
				FAILS(EACCES, try_open("dir", O_RDONLY));
			if (bits & X_OK) {
				CONTAINS("text", "dir/f");
				FAILS(ENOENT, access("dir/none", F_OK));
			} else {
				FAILS(EACCES, try_open("dir/f", O_RDONLY));
				FAILS(EACCES, access("dir/none", F_OK));
				FAILS(EACCES, chdir("dir"));
			}
			if ((bits & (W_OK | X_OK)) == (W_OK | X_OK)) {
				OK(mkdir("dir/d", 0700));
				OK(rename("dir/d", "dir/e"));
				OK(rmdir("dir/e"));
				OK(try_create("dir/g", O_CREAT | O_WRONLY, 0600));
				OK(unlink("dir/g"));
				OK(unlink("dir/f"));
			} else {
				FAILS(EACCES, mkdir("dir/d", 0700));
				FAILS(EACCES, try_create("dir/g", O_CREAT | O_WRONLY, 0600));
				FAILS(EACCES, unlink("dir/f"));
				FAILS(EACCES, rename("dir/f", "dir/g"));
			}
		}
		(void)unlink("dir/f");
		OK(rmdir("dir"));
	}
}

void test_rights(void)
{
	struct identity of_group = { "one of the group", OTHER, TEAM, { 0 }, 0 };

	OK(chmod(".", 0777));
	/* The owner's class counts alone, whatever groups he is in. */
	files_of_class(&user, 6);
	files_of_class(&member, 6);
	files_of_class(&of_group, 3);
	files_of_class(&stranger, 3);
	files_of_class(&other, 0);
	directories_of_class(&user, 6);
	directories_of_class(&member, 6);
	directories_of_class(&of_group, 3);
	directories_of_class(&stranger, 3);
	directories_of_class(&other, 0);
	/* Root may, but for running what nobody runs. */
	put_mode("nobody's", 0, USER, TEAM);
	OK(try_open("nobody's", O_RDWR));
	FAILS(EACCES, access("nobody's", X_OK));
	OK(chmod("nobody's", 0001));
	OK(access("nobody's", X_OK));
}

void test_chmod(void)
{
	long long before, content;
	int fd;

	put("f", "text");
	put_directory("d", 0755, 0, 0);
	put_mode("mine", 0644, USER, USER);
	put_mode("team's", 0644, USER, TEAM);
	put_mode("foreign", 0644, USER, FOREIGN);
	put_directory("mine.d", 0755, USER, USER);
	put_directory("foreign.d", 0755, USER, FOREIGN);
	OK(symlink("f", "to-f"));
	before = changed("f");
	content = modified("f");
	tick();
	for (mode_t mode = 0; mode < 07777; mode += 0123) {
		OK(chmod("f", mode));
		IS(mode, MODE("f"));
	}
	TRUE(changed("f") > before);
	IS(content, modified("f"));
	OK(chmod("to-f", 0640));
	IS(0640, MODE("f"));
	OK(chmod("d", 03777));
	IS(03777, MODE("d"));
	fd = (int)OK(open("f", O_RDONLY));
	OK(fchmod(fd, 0604));
	IS(0604, MODE("f"));
	close(fd);
	FAILS(ENOENT, chmod("none", 0600));
	FAILS(ENOTDIR, chmod("f/x", 0600));
	AS(user)
	{
		FAILS(EPERM, chmod("f", 0666));
		FAILS(EPERM, chmod("d", 0777));
		OK(chmod("mine", 06711));
		IS(06711, MODE("mine"));
		/* setgid is for groups that one is in. */
		OK(chmod("team's", 02755));
		IS(0755, MODE("team's"));
		OK(chmod("foreign", 02755));
		IS(0755, MODE("foreign"));
		OK(chmod("mine.d", 02755));
		IS(02755, MODE("mine.d"));
		OK(chmod("foreign.d", 02755));
		IS(0755, MODE("foreign.d"));
	}
	AS(member)
	{
		OK(chmod("team's", 02755));
		IS(02755, MODE("team's"));
		OK(chmod("foreign", 02755));
		IS(0755, MODE("foreign"));
	}
	AS(stranger) FAILS(EPERM, chmod("team's", 0777));
	/* What is open stays open. */
	AS(user)
	{
		fd = (int)OK(open("mine", O_RDWR));
		OK(fchmod(fd, 0));
		IS(1, write(fd, "x", 1));
		FAILS(EACCES, try_open("mine", O_RDONLY));
	}
}

void test_chown(void)
{
	long long before;
	int fd;

	put("f", "text");
	put_mode("mine", 0644, USER, USER);
	put_directory("mine.d", 02755, USER, USER);
	OK(symlink("f", "to-f"));
	before = changed("f");
	tick();
	OK(chown("f", USER, TEAM));
	TRUE(changed("f") > before);
	IS(USER, look("f").st_uid);
	IS(TEAM, look("f").st_gid);
	OK(chown("f", 0, (gid_t)-1));
	IS(0, look("f").st_uid);
	IS(TEAM, look("f").st_gid);
	OK(chown("f", (uid_t)-1, 0));
	IS(0, look("f").st_gid);
	OK(chown("f", 4000000000u, 4000000001u));
	IS(4000000000u, look("f").st_uid);
	IS(4000000001u, look("f").st_gid);
	OK(chown("to-f", USER, USER));
	IS(USER, look("f").st_uid);
	OK(lchown("to-f", OTHER, OTHER));
	IS(OTHER, look("to-f").st_gid);
	IS(USER, look("f").st_gid);
	fd = (int)OK(open("f", O_RDONLY));
	OK(fchown(fd, 0, 0));
	IS(0, look("f").st_uid);
	close(fd);
	FAILS(ENOENT, chown("none", 0, 0));
	FAILS(ENOTDIR, chown("f/x", 0, 0));
	AS(user)
	{
		FAILS(EPERM, chown("mine", OTHER, (gid_t)-1));
		FAILS(EPERM, chown("mine", 0, (gid_t)-1));
		FAILS(EPERM, chown("mine", (uid_t)-1, TEAM));
		FAILS(EPERM, chown("mine", (uid_t)-1, 0));
		FAILS(EPERM, chown("f", USER, (gid_t)-1));
		FAILS(EPERM, chown("f", (uid_t)-1, USER));
		OK(chown("mine", USER, USER));
		OK(chown("mine", (uid_t)-1, (gid_t)-1));
	}
	AS(member)
	{
		OK(chown("mine", (uid_t)-1, TEAM));
		IS(TEAM, look("mine").st_gid);
		OK(chown("mine", USER, SECOND));
		IS(SECOND, look("mine").st_gid);
		FAILS(EPERM, chown("mine", (uid_t)-1, FOREIGN));
		OK(chown("mine.d", (uid_t)-1, TEAM));
		IS(02755, MODE("mine.d"));
	}
	/* Back to the own group, which is none of the supplementary ones. */
	AS(user) OK(chown("mine", (uid_t)-1, USER));
	AS(stranger) FAILS(EPERM, chown("mine", (uid_t)-1, TEAM));
}

/* A file with both bits after something was done to it by somebody. */
#define LEAVES(mode, bits, who, ...)             \
	do {                                     \
		put_mode("s", bits, USER, TEAM); \
		AS(who) OK(__VA_ARGS__);         \
		IS(mode, MODE("s"));             \
		(void)unlink("s");               \
	} while (0)

static int write_to(const char *name, int flags)
{
	int fd = open(name, O_WRONLY | flags);

	return fd < 0 || write(fd, "x", 1) != 1 ? -1 : close(fd);
}

static int truncate_by_descriptor(const char *name)
{
	int fd = open(name, O_WRONLY);

	return fd < 0 ? -1 : ftruncate(fd, 1);
}

static int allocate(const char *name, int mode)
{
	int fd = open(name, O_WRONLY);

	return fd < 0 ? -1 : fallocate(fd, mode, 0, 8192);
}

static int copy_into(const char *name)
{
	int to = open(name, O_WRONLY), from = open("source", O_RDONLY);

	return to < 0 || from < 0 || copy_file_range(from, NULL, to, NULL, 4, 0) != 4 ? -1 : 0;
}

/*
 * Root's own writing leaves the bits, where Linux sees that it has CAP_FSETID over the host; a
 * server in a user namespace never has.
 */
static void write_to_set_id_files(void)
{
	LEAVES(0777, 06777, other, write_to("s", 0));
	LEAVES(0777, 06777, stranger, write_to("s", 0));
	LEAVES(0777, 06777, user, write_to("s", 0));
	LEAVES(0777, 04777, other, write_to("s", O_APPEND));
	LEAVES(0777, 02777, other, write_to("s", O_SYNC));
	LEAVES(served ? 0777 : 06777, 06777, root, write_to("s", 0));
	LEAVES(0777, 06777, other, truncate("s", 1));
	LEAVES(0777, 06777, other, truncate("s", 10));
	LEAVES(served ? 0777 : 06777, 06777, root, truncate("s", 1));
	LEAVES(0777, 06777, other, truncate_by_descriptor("s"));
	LEAVES(served ? 0777 : 06777, 06777, root, truncate_by_descriptor("s"));
	LEAVES(0777, 06777, other, try_open("s", O_WRONLY | O_TRUNC));
	LEAVES(0777, 06777, other, try_create("s", O_WRONLY | O_TRUNC | O_CREAT, 0600));
	LEAVES(served ? 0777 : 06777, 06777, root, try_open("s", O_WRONLY | O_TRUNC));
	LEAVES(06777, 06777, other, try_open("s", O_RDWR));
	LEAVES(0777, 06777, other, allocate("s", 0));
	LEAVES(0777, 06777, other, allocate("s", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE));
	LEAVES(served ? 0777 : 06777, 06777, root, allocate("s", 0));
	LEAVES(0777, 06777, other, copy_into("s"));
	LEAVES(served ? 0777 : 06777, 06777, root, copy_into("s"));
	LEAVES(served ? 0777 : 06777, 06777, root, write_to("s", O_APPEND));
}

static void change_owner_of_set_id_files(void)
{
	LEAVES(0755, 06755, root, chown("s", USER, TEAM));
	LEAVES(0755, 06755, root, chown("s", OTHER, (gid_t)-1));
	LEAVES(0755, 06755, member, chown("s", (uid_t)-1, SECOND));
	LEAVES(0755, 06755, member, chown("s", USER, TEAM));
	LEAVES(0700, 04700, user, chown("s", (uid_t)-1, USER));
	/* Without the right to run it for the group, setgid is not a right to become it. */
	LEAVES(02745, 06745, root, chown("s", OTHER, SECOND));
	LEAVES(0745, 02745, user, chown("s", (uid_t)-1, USER));
	LEAVES(served ? 0745 : 02745, 02745, member, chown("s", (uid_t)-1, SECOND));
}

/* What a capability allows must not go on with other contents. */
static void capabilities_go(void)
{
	static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 4 }; /* v2: net_bind_service */
	char value[64];

	put("c", "text");
	OK(setxattr("c", "security.capability", capability, sizeof(capability), 0));
	IS(20, getxattr("c", "security.capability", value, sizeof(value)));
	IS(0, memcmp(value, capability, sizeof(capability)));
	OK(write_to("c", 0));
	FAILS(ENODATA, getxattr("c", "security.capability", value, sizeof(value)));
	OK(setxattr("c", "security.capability", capability, sizeof(capability), 0));
	OK(truncate("c", 1));
	FAILS(ENODATA, getxattr("c", "security.capability", value, sizeof(value)));
	OK(setxattr("c", "security.capability", capability, sizeof(capability), 0));
	OK(chown("c", USER, USER));
	FAILS(ENODATA, getxattr("c", "security.capability", value, sizeof(value)));
	OK(chmod("c", 0666));
	OK(setxattr("c", "security.capability", capability, sizeof(capability), 0));
	AS(other) OK(write_to("c", 0));
	FAILS(ENODATA, getxattr("c", "security.capability", value, sizeof(value)));
	AS(user)
	FAILS(EPERM, setxattr("c", "security.capability", capability, sizeof(capability), 0));
}

void test_set_id(void)
{
	OK(chmod(".", 0777));
	put("source", "source");
	write_to_set_id_files();
	change_owner_of_set_id_files();
	capabilities_go();
}

/* Owner, group and mode of what is made. */
void test_inheritance(void)
{
	put_directory("plain", 0777, 0, TEAM);
	put_directory("setgid", 02777, 0, TEAM);
	umask(0);
	AS(user)
	{
		OK(try_create("plain/f", O_CREAT | O_WRONLY, 0777));
		IS(USER, look("plain/f").st_gid);
		OK(mkdir("plain/d", 0777));
		IS(0777, MODE("plain/d"));
		OK(try_create("setgid/f", O_CREAT | O_WRONLY, 0777));
		IS(USER, look("setgid/f").st_uid);
		IS(TEAM, look("setgid/f").st_gid);
		IS(0777, MODE("setgid/f"));
		OK(mkdir("setgid/d", 0755));
		IS(TEAM, look("setgid/d").st_gid);
		IS(02755, MODE("setgid/d"));
		OK(mkdir("setgid/d/d", 0700));
		IS(02700, MODE("setgid/d/d"));
		OK(symlink("x", "setgid/l"));
		IS(TEAM, look("setgid/l").st_gid);
		OK(mkfifo("setgid/p", 0600));
		IS(TEAM, look("setgid/p").st_gid);
		/* CVE-2018-13405, CVE-2022-0358: nobody makes a program of a group he is not in. */
		OK(try_create("setgid/g", O_CREAT | O_WRONLY, 02777));
		IS(0777, MODE("setgid/g"));
		OK(mknod("setgid/n", S_IFREG | 02755, 0));
		IS(0755, MODE("setgid/n"));
		OK(close((int)OK(open("setgid", O_TMPFILE | O_WRONLY, 02777))));
		OK(try_create("setgid/u", O_CREAT | O_WRONLY, 04711));
		IS(04711, MODE("setgid/u"));
	}
	AS(member)
	{
		OK(try_create("setgid/member's", O_CREAT | O_WRONLY, 02777));
		IS(02777, MODE("setgid/member's"));
		IS(TEAM, look("setgid/member's").st_gid);
		OK(mkdir("setgid/member's.d", 0700));
		IS(02700, MODE("setgid/member's.d"));
		OK(try_create("plain/member's", O_CREAT | O_WRONLY, 02777));
		IS(02777, MODE("plain/member's"));
		IS(USER, look("plain/member's").st_gid);
	}
	OK(try_create("setgid/root's", O_CREAT | O_WRONLY, 06777));
	IS(06777, MODE("setgid/root's"));
	/* The group decides whether one may make anything at all. */
	OK(chmod("setgid", 02770));
	AS(user) FAILS(EACCES, try_create("setgid/x", O_CREAT | O_WRONLY, 0666));
	AS(member) OK(try_create("setgid/x", O_CREAT | O_WRONLY, 0660));
	IS(0660, MODE("setgid/x"));
	AS(user) FAILS(EACCES, try_open("setgid/x", O_RDONLY));
	AS(stranger) OK(try_open("setgid/x", O_RDWR));
	umask(027);
	OK(try_create("masked", O_CREAT | O_WRONLY, 0777));
	IS(0750, MODE("masked"));
	OK(mkdir("masked.d", 0777));
	IS(0750, MODE("masked.d"));
	OK(mkfifo("masked.p", 0666));
	IS(0640, MODE("masked.p"));
	OK(symlink("x", "masked.l"));
	IS(0777, MODE("masked.l"));
}
