/* SPDX-License-Identifier: Apache-2.0 */
/* Reading directories, inode numbers, and where a tree ends. */
#include <dirent.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "tests/posix/posix.h"

#define MANY 3000
#define SOME 500

static unsigned char seen[MANY];

/* Notes one entry; false where it is none of the numbered files. */
static bool note(const struct dirent *entry)
{
	unsigned long number;

	if (strncmp(entry->d_name, "file-", 5) != 0)
		return false;
	number = strtoul(entry->d_name + 5, NULL, 10);
	if (number < MANY)
		seen[number]++;
	return true;
}

static bool each_was_seen_once(int count)
{
	bool good = true;

	for (int i = 0; i < count; i++)
		good &= seen[i] == 1;
	memset(seen, 0, sizeof(seen));
	return good;
}

static void make_files(int count)
{
	int made = 0;

	OK(mkdir("d", 0755));
	OK(chdir("d"));
	for (int i = 0; i < count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "file-%d", i);
		made += mknod(name, S_IFREG | 0600, 0) == 0;
	}
	IS(count, made);
	OK(chdir(".."));
}

static void read_kinds(void)
{
	static const struct {
		const char *name;
		unsigned char type;
	} kinds[] = { { ".", DT_DIR }, { "..", DT_DIR }, { "f", DT_REG }, { "d", DT_DIR },
		{ "l", DT_LNK }, { "p", DT_FIFO }, { "s", DT_SOCK } };
	struct dirent *entry;
	int found = 0;
	DIR *dir;

	OK(mkdir("kinds", 0755));
	OK(chdir("kinds"));
	put("f", "text");
	OK(mkdir("d", 0755));
	OK(symlink("f", "l"));
	OK(mkfifo("p", 0600));
	OK(mknod("s", S_IFSOCK | 0600, 0));
	dir = opendir(".");
	while ((entry = readdir(dir)) != NULL)
		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (strcmp(entry->d_name, kinds[i].name) == 0) {
				found++;
				IS(kinds[i].type, entry->d_type);
				IS(look(entry->d_name).st_ino, entry->d_ino);
			}
	IS(sizeof(kinds) / sizeof(kinds[0]), found);
	closedir(dir);
	OK(chdir(".."));
}

/* Positions that were told lead back to the same entries. */
static void seek(DIR *dir)
{
	enum { STEP = 250, PLACES = MANY / STEP };
	char names[PLACES][256];
	long places[PLACES];
	struct dirent *entry;
	int n = 0, good = 0;

	rewinddir(dir);
	for (int i = 0; i < MANY && n < PLACES; i++) {
		long place = telldir(dir);

		entry = readdir(dir);
		if (entry != NULL && i % STEP == 7) {
			places[n] = place;
			strcpy(names[n++], entry->d_name);
		}
	}
	IS(PLACES, n);
	while (n-- > 0) {
		seekdir(dir, places[n]);
		entry = readdir(dir);
		good += entry != NULL && strcmp(entry->d_name, names[n]) == 0;
	}
	IS(PLACES, good);
}

/* Every second one goes while two read. */
static void remove_while_reading(DIR *dir)
{
	DIR *second = opendir("d");
	int removed = 0, left = 0, n = 0;
	struct dirent *entry;

	TRUE(readdir(second) != NULL);
	rewinddir(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (note(entry) && n++ % 2 == 0)
			removed += unlinkat(dirfd(dir), entry->d_name, 0) == 0;
	}
	TRUE(each_was_seen_once(MANY));
	IS(MANY / 2, removed);
	while ((entry = readdir(second)) != NULL)
		left += note(entry) && faccessat(dirfd(dir), entry->d_name, F_OK, 0) == 0;
	memset(seen, 0, sizeof(seen));
	/* What the first call read is older, and may be less by that. */
	TRUE(left >= MANY / 2 - 1 && left <= MANY / 2);
	closedir(second);
}

void test_readdir(void)
{
	struct dirent *entry;
	char buffer[64];
	int others = 0;
	DIR *dir;

	make_files(MANY);
	dir = opendir("d");
	while ((entry = readdir(dir)) != NULL)
		others += !note(entry);
	IS(2, others);
	TRUE(each_was_seen_once(MANY));
	seek(dir);
	remove_while_reading(dir);
	closedir(dir);
	read_kinds();
	FAILS(ENOTDIR, opendir("kinds/f") == NULL ? -1 : 0);
	FAILS(ENOENT, opendir("none") == NULL ? -1 : 0);
	FAILS(ENOTDIR, getdents64((int)OK(open("kinds/f", O_RDONLY)), buffer, sizeof(buffer)));
	FAILS(EINVAL, getdents64((int)OK(open("d", O_RDONLY)), buffer, 10));
}

void test_readdir_changes(void)
{
	struct dirent *entry;
	int n = 0;
	DIR *dir;

	make_files(SOME);
	dir = opendir("d");
	/* What comes in between takes nothing away. */
	while ((entry = readdir(dir)) != NULL) {
		char name[32];

		note(entry);
		if (n++ % 10 == 0) {
			snprintf(name, sizeof(name), "new-%d", n);
			OK(mkdir(name, 0755));
			OK(renameat(AT_FDCWD, name, dirfd(dir), name));
		}
	}
	TRUE(each_was_seen_once(SOME));
	/* Each as it is read: rm -r. */
	rewinddir(dir);
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' &&
			unlinkat(dirfd(dir), entry->d_name,
				entry->d_type == DT_DIR ? AT_REMOVEDIR : 0) < 0)
			OK(-1);
	OK(rmdir("d"));
	rewinddir(dir);
	TRUE(readdir(dir) == NULL);
	closedir(dir);
}

void test_inodes(void)
{
	struct stat a, b, directory;
	int different = 0, flags = 0;
	ino_t numbers[50];

	put("a", "text");
	OK(link("a", "b"));
	put_directory("d", 0755, 0, 0);
	OK(link("a", "d/c"));
	a = look("a");
	IS(a.st_ino, look("b").st_ino);
	IS(a.st_ino, look("d/c").st_ino);
	directory = look("d");
	IS(a.st_dev, directory.st_dev);
	IS(directory.st_ino, look("d/.").st_ino);
	IS(look(".").st_ino, look("d/..").st_ino);
	OK(rename("d", "e"));
	IS(directory.st_ino, look("e").st_ino);
	IS(a.st_ino, look("e/c").st_ino);
	b = look_fd((int)OK(open("e/c", O_RDONLY)));
	IS(a.st_ino, b.st_ino);
	IS(3, b.st_nlink);
	for (int i = 0; i < 50; i++) {
		char name[16];

		snprintf(name, sizeof(name), "n%d", i);
		put(name, "x");
		numbers[i] = look(name).st_ino;
		for (int k = 0; k < i; k++)
			different += numbers[i] != numbers[k];
	}
	IS(50 * 49 / 2, different);
	IS(S_IFREG | 0644, a.st_mode);
	IS(4, a.st_size);
	IS(4096, a.st_blksize);
	IS(8, a.st_blocks);
	/* What chattr(1) asks is not asked of a server. */
	if (served)
		FAILS(ENOTTY, ioctl((int)OK(open("a", O_RDONLY)), FS_IOC_GETFLAGS, &flags));
	else
		OK(ioctl((int)OK(open("a", O_RDONLY)), FS_IOC_GETFLAGS, &flags));
}

/* Above the top of each tree is what it is mounted in, and above the root itself nothing. */
void test_parent(void)
{
	struct stat top = look("/"), here = look(".");
	char path[4096];
	int fd, back = (int)OK(open(".", O_PATH | O_DIRECTORY));

	IS(top.st_ino, look("/..").st_ino);
	IS(top.st_dev, look("/../../..").st_dev);
	fd = (int)OK(open("/", O_RDONLY | O_DIRECTORY));
	OK(fchdir(fd));
	OK(chdir(".."));
	OK(chdir("../../.."));
	IS(top.st_ino, look(".").st_ino);
	OK(faccessat(fd, "../../../proc/self", F_OK, 0));
	snprintf(path, sizeof(path), "%s/..", other_directory);
	OK(chdir(path));
	OK(faccessat(AT_FDCWD, ".", F_OK, 0));
	TRUE(look(other_directory).st_dev != here.st_dev);
	/* Every way up ends at the root. */
	OK(fchdir(back));
	for (int i = 0; i < 10; i++)
		OK(chdir(".."));
	IS(top.st_ino, look(".").st_ino);
	IS(top.st_dev, look(".").st_dev);
}
