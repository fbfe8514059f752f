/* SPDX-License-Identifier: Apache-2.0 */
/* Times of files. */
#include <stdlib.h>

#include "tests/posix/posix.h"

static int set_times(const char *name, long access_ns, long modification_ns)
{
	struct timespec times[2] = { { 1000000000, access_ns }, { 1100000000, modification_ns } };

	return utimensat(AT_FDCWD, name, times, 0);
}

static void set_exactly(void)
{
	struct timespec times[2] = { { 1000000000, 123456789 }, { -5, 999999999 } };
	long long before = changed("f");
	int fd;

	tick();
	OK(utimensat(AT_FDCWD, "f", times, 0));
	IS(1000000000123456789, accessed("f"));
	IS(-5, look("f").st_mtim.tv_sec);
	IS(999999999, look("f").st_mtim.tv_nsec);
	TRUE(changed("f") > before);
	times[0].tv_sec = (time_t)1 << 32; /* after 2038 and 2106 */
	times[1].tv_sec = 0;
	OK(utimensat(AT_FDCWD, "f", times, 0));
	IS((time_t)1 << 32, look("f").st_atim.tv_sec);
	IS(0, look("f").st_mtim.tv_sec);
	OK(symlink("f", "to-f"));
	OK(utimensat(AT_FDCWD, "to-f", times, AT_SYMLINK_NOFOLLOW));
	IS(0, look("to-f").st_mtim.tv_sec);
	fd = (int)OK(open("f", O_RDONLY));
	times[1].tv_sec = 77;
	OK(futimens(fd, times));
	IS(77, look("f").st_mtim.tv_sec);
	close(fd);
	OK(set_times("d", 1, 2));
	IS(1100000000000000002, modified("d"));
	FAILS(EINVAL, set_times("f", 1000000000, 0));
	FAILS(EINVAL, set_times("f", 0, -1));
	FAILS(ENOENT, set_times("none", 0, 0));
	FAILS(ENOTDIR, set_times("f/x", 0, 0));
}

static void set_now_or_not(void)
{
	long long before;

	OK(set_times("f", 1, 2));
	before = modified("f");
	OK(set_times("f", 5, UTIME_OMIT));
	IS(1000000000000000005, accessed("f"));
	IS(before, modified("f"));
	OK(set_times("f", UTIME_OMIT, 7));
	IS(1000000000000000005, accessed("f"));
	IS(1100000000000000007, modified("f"));
	OK(set_times("f", UTIME_OMIT, UTIME_OMIT));
	IS(1100000000000000007, modified("f"));
	OK(set_times("f", UTIME_OMIT, UTIME_NOW));
	IS(1000000000000000005, accessed("f"));
	IS(modified("f"), changed("f"));
	OK(set_times("f", 5, 7));
	OK(utimensat(AT_FDCWD, "f", NULL, 0));
	IS(modified("f"), changed("f"));
	IS(modified("f"), accessed("f"));
}

static void rights(void)
{
	put_mode("mine", 0600, USER, USER);
	put_mode("writable", 0666, 0, 0);
	put_mode("readable", 0644, 0, 0);
	put_mode("team's", 0660, 0, TEAM);
	AS(user)
	{
		OK(set_times("mine", 1, 2));
		IS(1100000000000000002, modified("mine"));
		OK(utimensat(AT_FDCWD, "mine", NULL, 0));
		FAILS(EPERM, set_times("writable", 1, 2));
		OK(set_times("writable", UTIME_NOW, UTIME_NOW));
		OK(utimensat(AT_FDCWD, "writable", NULL, 0));
		FAILS(EPERM, set_times("writable", UTIME_NOW, UTIME_OMIT));
		FAILS(EPERM, set_times("writable", UTIME_NOW, 1));
		FAILS(EPERM, set_times("readable", 1, 2));
		FAILS(EACCES, utimensat(AT_FDCWD, "readable", NULL, 0));
		FAILS(EACCES, utimensat(AT_FDCWD, "team's", NULL, 0));
		OK(set_times("readable", UTIME_OMIT, UTIME_OMIT));
	}
	AS(member)
	{
		OK(utimensat(AT_FDCWD, "team's", NULL, 0));
		FAILS(EPERM, set_times("team's", 1, 2));
	}
}

/* What changes which time, and that it goes forward. */
static void marks(void)
{
	long long content, status, made;
	char c;
	int fd;

	put("g", "text");
	content = modified("g");
	status = changed("g");
	tick();
	fd = (int)OK(open("g", O_RDWR | O_CLOEXEC));
	IS(content, modified("g"));
	IS(1, write(fd, "x", 1));
	TRUE(modified("g") > content);
	TRUE(changed("g") > status);
	content = modified("g");
	status = changed("g");
	tick();
	OK(chmod("g", 0600));
	IS(content, modified("g"));
	TRUE(changed("g") > status);
	status = changed("g");
	tick();
	OK(rename("g", "h"));
	IS(content, modified("h"));
	TRUE(changed("h") > status);
	OK(set_times("h", 1, 2));
	IS(1, pread(fd, &c, 1, 0));
	TRUE(accessed("h") > 1000000000000000001); /* relatime: it was older than the content */
	IS(1100000000000000002, modified("h"));
	status = changed("h");
	tick();
	IS(0, pwrite(fd, "", 0, 0));
	IS(1100000000000000002, modified("h"));
	IS(status, changed("h"));
	OK(ftruncate(fd, 2));
	TRUE(modified("h") > 1100000000000000002);
	close(fd);
	/* One after the other. */
	made = modified("h");
	for (int i = 0; i < 20; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		put(name, "x");
		TRUE(modified(name) >= made);
		made = modified(name);
	}
}

void test_times(void)
{
	put("f", "text");
	put_directory("d", 0755, 0, 0);
	set_exactly();
	set_now_or_not();
	rights();
	marks();
}
