/* SPDX-License-Identifier: Apache-2.0 */
/* Names that move. */
#include <stdlib.h>

#include "tests/posix/posix.h"

static int rename_flags(const char *from, const char *to, unsigned int flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags);
}

static void rename_files(void)
{
	char text[8];
	struct stat before;
	int fd, moved;
	long long time;

	put("old", "old");
	put("new", "new");
	before = look("new");
	time = changed("new");
	fd = (int)OK(open("old", O_RDONLY | O_CLOEXEC));
	moved = (int)OK(open("new", O_RDWR | O_CLOEXEC));
	tick();
	OK(rename("new", "old"));
	TRUE(missing("new"));
	IS(before.st_ino, look("old").st_ino);
	TRUE(changed("old") > time);
	IS(time, modified("old"));
	IS(3, read(fd, text, sizeof(text)));
	IS(0, strncmp(text, "old", 3));
	IS(0, look_fd(fd).st_nlink);
	IS(4, pwrite(moved, "fine", 4, 0));
	CONTAINS("fine", "old");
	close(fd);
	close(moved);
	/* Two names of one file both stay. */
	OK(link("old", "same"));
	OK(rename("old", "same"));
	IS(2, look("old").st_nlink);
	OK(rename("old", "old"));
	OK(symlink("nowhere", "link"));
	OK(rename("link", "link2"));
	TRUE(S_ISLNK(look("link2").st_mode));
	OK(rename("same", "link2"));
	CONTAINS("fine", "link2");
}

static void rename_directories(void)
{
	struct stat before;
	nlink_t links = look(".").st_nlink;

	put_directory("a", 0755, 0, 0);
	put_directory("a/b", 0755, 0, 0);
	put("a/b/c", "deep");
	put_directory("empty", 0755, 0, 0);
	put_directory("full", 0755, 0, 0);
	put("full/f", "text");
	put("f", "text");
	before = look("a/b/c");
	IS(links + 3, look(".").st_nlink);
	FAILS(ENOTEMPTY, rename("a", "full"));
	FAILS(EINVAL, rename("a", "a/b/a"));
	FAILS(EINVAL, rename("a", "a/a"));
	FAILS(ENOTEMPTY, rename("a/b", "a"));
	FAILS(EISDIR, rename("f", "empty"));
	FAILS(ENOTDIR, rename("a", "f"));
	FAILS(ENOTDIR, rename("f", "g/"));
	FAILS(ENOENT, rename("none", "x"));
	FAILS(ENOENT, rename("f", "none/x"));
	FAILS(ENOTDIR, rename("f/x", "x"));
	FAILS(EBUSY, rename("a/.", "x"));
	FAILS(EBUSY, rename("a/..", "x"));
	OK(rename("a", "empty"));
	IS(links + 2, look(".").st_nlink);
	CONTAINS("deep", "empty/b/c");
	IS(before.st_ino, look("empty/b/c").st_ino);
	OK(rename("empty/b", "full/b"));
	IS(2, look("empty").st_nlink);
	IS(3, look("full").st_nlink);
	IS(look("full").st_ino, look("full/b/..").st_ino);
	CONTAINS("deep", "full/b/c");
	/* A tree is turned around. */
	put_directory("p", 0755, 0, 0);
	put_directory("p/q", 0755, 0, 0);
	OK(rename("p/q", "q"));
	OK(rename("p", "q/p"));
	put("q/p/f", "turned");
	CONTAINS("turned", "q/p/f");
}

static void rename_with_flags(void)
{
	ino_t a, b;

	put("x", "x");
	put("y", "y");
	put_directory("dx", 0755, 0, 0);
	put("dx/f", "in x");
	put_directory("dx/dy", 0755, 0, 0);
	put("dx/dy/f", "in y");
	FAILS(EEXIST, rename_flags("x", "y", RENAME_NOREPLACE));
	FAILS(EEXIST, rename_flags("x", "dx", RENAME_NOREPLACE));
	OK(rename_flags("x", "z", RENAME_NOREPLACE));
	CONTAINS("x", "z");
	a = look("z").st_ino;
	b = look("y").st_ino;
	OK(rename_flags("z", "y", RENAME_EXCHANGE));
	IS(a, look("y").st_ino);
	IS(b, look("z").st_ino);
	CONTAINS("y", "z");
	FAILS(ENOENT, rename_flags("z", "none", RENAME_EXCHANGE));
	FAILS(EINVAL, rename_flags("z", "y", RENAME_EXCHANGE | RENAME_NOREPLACE));
	FAILS(EINVAL, rename_flags("dx", "dx/dy", RENAME_EXCHANGE));
	/* A file and a directory, with what is below. */
	OK(rename_flags("z", "dx/dy", RENAME_EXCHANGE));
	CONTAINS("y", "dx/dy");
	CONTAINS("in y", "z/f");
	IS(2, look("dx").st_nlink);
	OK(rename_flags("z", "dx", RENAME_EXCHANGE));
	CONTAINS("in y", "dx/f");
	CONTAINS("in x", "z/f");
	FAILS(EINVAL, rename_flags("z", "y", 1u << 20));
	OK(rename_flags("y", "w", RENAME_WHITEOUT));
	CONTAINS("x", "w");
	TRUE(S_ISCHR(look("y").st_mode));
	IS(0, look("y").st_rdev);
}

void test_rename(void)
{
	char away[4096];
	long long from, to;

	rename_files();
	rename_directories();
	rename_with_flags();
	snprintf(away, sizeof(away), "%s/away", other_directory);
	FAILS(EXDEV, rename("f", away));
	FAILS(EXDEV, rename("full", away));
	put_directory("from", 0755, 0, 0);
	put_directory("to", 0755, 0, 0);
	put("from/f", "text");
	from = modified("from");
	to = modified("to");
	tick();
	OK(rename("from/f", "to/f"));
	TRUE(modified("from") > from);
	TRUE(modified("to") > to);
}

void test_rename_sticky(void)
{
	put_directory("open", 0777, 0, 0);
	put_directory("closed", 0755, 0, 0);
	put_directory("team", 0775, 0, TEAM);
	put_directory("sticky", 01777, 0, 0);
	put_mode("sticky/root's", 0666, 0, 0);
	put_mode("sticky/user's", 0666, USER, USER);
	put_mode("sticky/other's", 0666, OTHER, OTHER);
	put_mode("open/root's", 0600, 0, 0);
	put_mode("closed/user's", 0666, USER, USER);
	put_mode("team/f", 0600, 0, 0);
	AS(user)
	{
		FAILS(EPERM, rename("sticky/root's", "open/x"));
		FAILS(EPERM, rename("sticky/root's", "sticky/x"));
		FAILS(EPERM, rename("sticky/user's", "sticky/other's"));
		FAILS(EPERM, rename("open/root's", "sticky/other's"));
		FAILS(EPERM, rename_flags("sticky/user's", "sticky/other's", RENAME_EXCHANGE));
		FAILS(EACCES, rename("closed/user's", "open/user's"));
		FAILS(EACCES, rename("open/root's", "closed/root's"));
		FAILS(EACCES, rename("team/f", "team/g"));
		OK(rename("open/root's", "open/renamed"));
		OK(rename("sticky/user's", "sticky/mine"));
		OK(rename("sticky/mine", "open/mine"));
	}
	AS(member)
	{
		FAILS(EPERM, rename("sticky/other's", "sticky/x"));
		OK(rename("team/f", "team/g"));
	}
	/* A directory that goes elsewhere gets another "..", which is a change to it. */
	put_directory("open/mine-but-closed", 0555, USER, USER);
	put_directory("open/root's-directory", 0755, 0, 0);
	put_directory("open/below", 0777, 0, 0);
	AS(user)
	{
		OK(rename("open/mine-but-closed", "open/closed"));
		FAILS(EACCES, rename("open/closed", "open/below/closed"));
		OK(rename("open/root's-directory", "open/renamed-directory"));
		FAILS(EACCES, rename("open/renamed-directory", "open/below/x"));
	}
	AS(stranger) FAILS(EACCES, rename("open/closed", "open/below/closed"));
}
