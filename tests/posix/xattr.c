/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes, and the access control lists among them. */
#include <endian.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/xattr.h>

#include "tests/posix/posix.h"

static bool listed(const char *file, const char *name)
{
	static char list[65536];
	ssize_t n = listxattr(file, list, sizeof(list));

	for (ssize_t i = 0; i < n; i += (ssize_t)strlen(list + i) + 1)
		if (strcmp(list + i, name) == 0)
			return true;
	return false;
}

static void large_values(void)
{
	static char value[65537], found[65537], name[400];

	memset(value, 'v', sizeof(value));
	OK(setxattr("f", "user.large", value, 3000, 0));
	IS(3000, getxattr("f", "user.large", found, sizeof(found)));
	IS(0, memcmp(value, found, 3000));
	OK(removexattr("f", "user.large"));
	FAILS(E2BIG, setxattr("f", "user.large", value, 65537, 0));
	FAILS(ENOSPC, setxattr("f", "user.large", value, 65536, 0));
	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[255] = '\0';
	OK(setxattr("f", name, "x", 1, 0));
	TRUE(listed("f", name));
	OK(removexattr("f", name));
	name[255] = 'n';
	name[256] = '\0';
	FAILS(ERANGE, setxattr("f", name, "x", 1, 0));
	FAILS(ERANGE, getxattr("f", name, found, sizeof(found)));
}

void test_xattr(void)
{
	long long before;
	char text[64], name[32];
	int fd;

	put("f", "text");
	put_directory("d", 0755, 0, 0);
	OK(symlink("f", "to-f"));
	OK(mkfifo("fifo", 0600));
	before = changed("f");
	tick();
	OK(setxattr("f", "user.a", "one", 3, XATTR_CREATE));
	TRUE(changed("f") > before);
	IS(3, getxattr("f", "user.a", text, sizeof(text)));
	IS(0, strncmp(text, "one", 3));
	IS(3, getxattr("f", "user.a", NULL, 0));
	FAILS(ERANGE, getxattr("f", "user.a", text, 2));
	FAILS(EEXIST, setxattr("f", "user.a", "two", 3, XATTR_CREATE));
	OK(setxattr("f", "user.a", "again", 5, XATTR_REPLACE));
	IS(5, getxattr("to-f", "user.a", text, sizeof(text)));
	FAILS(ENODATA, setxattr("f", "user.b", "x", 1, XATTR_REPLACE));
	FAILS(ENODATA, getxattr("f", "user.b", text, sizeof(text)));
	FAILS(ENODATA, removexattr("f", "user.b"));
	FAILS(EINVAL, setxattr("f", "user.b", "x", 1, 4));
	OK(setxattr("f", "user.empty", "", 0, 0));
	IS(0, getxattr("f", "user.empty", text, sizeof(text)));
	TRUE(listed("f", "user.empty"));
	TRUE(listed("f", "user.a"));
	FAILS(ERANGE, listxattr("f", text, 3));
	TRUE(listxattr("f", NULL, 0) >= (ssize_t)sizeof("user.a\0user.empty"));
	OK(removexattr("f", "user.empty"));
	TRUE(!listed("f", "user.empty"));
	FAILS(EINVAL, setxattr("f", "user.", "x", 1, 0));
	FAILS(EOPNOTSUPP, setxattr("f", "unknown.x", "x", 1, 0));
	FAILS(ENOENT, setxattr("none", "user.x", "x", 1, 0));
	FAILS(EPERM, lsetxattr("to-f", "user.x", "x", 1, 0));
	FAILS(EPERM, setxattr("fifo", "user.x", "x", 1, 0));
	OK(setxattr("d", "user.x", "x", 1, 0));
	/* They are the inode's. */
	OK(link("f", "g"));
	OK(rename("f", "h"));
	IS(5, getxattr("g", "user.a", text, sizeof(text)));
	OK(setxattr("h", "user.a", "x", 1, 0));
	IS(1, getxattr("g", "user.a", text, sizeof(text)));
	fd = (int)OK(open("g", O_RDONLY));
	OK(fsetxattr(fd, "user.b", "bb", 2, 0));
	IS(2, fgetxattr(fd, "user.b", text, sizeof(text)));
	OK(fremovexattr(fd, "user.b"));
	OK(rename("h", "f"));
	large_values();
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "user.number-%d", i);
		OK(setxattr("f", name, name, strlen(name), 0));
	}
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "user.number-%d", i);
		TRUE(listed("f", name));
	}
}

void test_xattr_rights(void)
{
	char text[64];

	put("f", "text");
	OK(setxattr("f", "user.x", "x", 1, 0));
	put_mode("secret", 0600, 0, TEAM);
	OK(setxattr("secret", "user.x", "x", 1, 0));
	put_mode("team's", 0660, 0, TEAM);
	put_directory("sticky", 01777, 0, 0);
	AS(user)
	{
		IS(1, getxattr("f", "user.x", text, sizeof(text)));
		FAILS(EACCES, setxattr("f", "user.x", "y", 1, 0));
		FAILS(EACCES, removexattr("f", "user.x"));
		FAILS(EACCES, getxattr("secret", "user.x", text, sizeof(text)));
		FAILS(EACCES, setxattr("team's", "user.x", "y", 1, 0));
		FAILS(EPERM, setxattr("sticky", "user.x", "y", 1, 0));
		FAILS(EPERM, setxattr("f", "trusted.x", "y", 1, 0));
	}
	AS(member)
	{
		OK(setxattr("team's", "user.x", "y", 1, 0));
		IS(1, getxattr("team's", "user.x", text, sizeof(text)));
		FAILS(EACCES, getxattr("secret", "user.x", text, sizeof(text)));
		OK(removexattr("team's", "user.x"));
	}
	/* The host's root alone may; the files' server is not it. */
	if (served) {
		FAILS(EPERM, setxattr("f", "trusted.x", "y", 1, 0));
	} else {
		OK(setxattr("f", "trusted.x", "y", 1, 0));
		TRUE(listed("f", "trusted.x"));
		AS(user) TRUE(!listed("f", "trusted.x"));
	}
}

struct acl {
	struct posix_acl_xattr_header header;
	struct posix_acl_xattr_entry entries[8];
};

static size_t acl_size(size_t entries)
{
	return sizeof(struct posix_acl_xattr_header) +
		entries * sizeof(struct posix_acl_xattr_entry);
}

#define NOBODY ((uint32_t)-1)
#define ENTRY(tag, rights, id)                             \
	{                                                  \
		htole16(tag), htole16(rights), htole32(id) \
	}

/* user::rw- user:OTHER:NAMED group::r-- group:TEAM:NAMED mask::MASK other::--- */
static int set_acl(const char *file, const char *which, unsigned int named, unsigned int mask)
{
	struct acl acl = { { htole32(POSIX_ACL_XATTR_VERSION) },
		{ ENTRY(ACL_USER_OBJ, 6, NOBODY), ENTRY(ACL_USER, named, OTHER),
			ENTRY(ACL_GROUP_OBJ, 4, NOBODY), ENTRY(ACL_GROUP, named, TEAM),
			ENTRY(ACL_MASK, mask, NOBODY), ENTRY(ACL_OTHER, 0, NOBODY) } };

	return setxattr(file, which, &acl, acl_size(6), 0);
}

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

static void wrong_lists(void)
{
	struct acl minimal = { { htole32(POSIX_ACL_XATTR_VERSION) },
		{ ENTRY(ACL_USER_OBJ, 6, NOBODY), ENTRY(ACL_GROUP_OBJ, 0, NOBODY),
			ENTRY(ACL_OTHER, 4, NOBODY) } };
	struct acl wrong = { { htole32(POSIX_ACL_XATTR_VERSION) },
		{ ENTRY(ACL_USER_OBJ, 6, NOBODY), ENTRY(ACL_USER, 6, OTHER) } };
	char value[128];

	put_mode("f", 0600, USER, USER);
	FAILS(EINVAL, setxattr("f", ACCESS, &wrong, acl_size(2), 0));
	FAILS(EINVAL, setxattr("f", ACCESS, &wrong, acl_size(1) + 1, 0));
	wrong.header.a_version = 0;
	FAILS(EOPNOTSUPP, setxattr("f", ACCESS, &wrong, acl_size(2), 0));
	FAILS(EACCES, setxattr("f", DEFAULT, &minimal, acl_size(3), 0));
	/* One that says no more than a mode is a mode. */
	OK(setxattr("f", ACCESS, &minimal, acl_size(3), 0));
	IS(0604, MODE("f"));
	FAILS(ENODATA, getxattr("f", ACCESS, value, sizeof(value)));
	AS(stranger) FAILS(EPERM, setxattr("f", ACCESS, &minimal, acl_size(3), 0));
	AS(user) OK(setxattr("f", ACCESS, &minimal, acl_size(3), 0));
}

/* Linux's client of such servers does not pass on to submounts that there are lists. */
static bool without_lists(void)
{
	if (!served_submount)
		return false;
	put_directory("x", 0755, 0, 0);
	FAILS(EOPNOTSUPP, set_acl("x", ACCESS, 6, 6));
	FAILS(EOPNOTSUPP, set_acl("x", DEFAULT, 6, 6));
	return true;
}

void test_acl(void)
{
	char value[128];

	if (without_lists())
		return;
	put_mode("f", 0640, USER, USER);
	AS(other) FAILS(EACCES, try_open("f", O_RDONLY));
	AS(user) OK(set_acl("f", ACCESS, 6, 6));
	IS(acl_size(6), getxattr("f", ACCESS, value, sizeof(value)));
	TRUE(listed("f", ACCESS));
	IS(0660, MODE("f")); /* the group's bits show the mask */
	AS(other) OK(try_open("f", O_RDWR));
	AS(user) OK(try_open("f", O_RDWR));
	{
		const struct identity in_group = { "in the group", 1500, USER, { 0 }, 0 };
		const struct identity by_list = { "by the list", 1500, 1500, { 9, TEAM }, 2 };
		const struct identity nobody = { "nobody", 1500, 1500, { 9 }, 1 };

		AS(in_group)
		{
			OK(try_open("f", O_RDONLY));
			FAILS(EACCES, try_open("f", O_RDWR));
		}
		AS(by_list) OK(try_open("f", O_RDWR));
		AS(nobody) FAILS(EACCES, try_open("f", O_RDONLY));
		/* chmod(2) moves the mask. */
		OK(chmod("f", 0640));
		AS(by_list)
		{
			OK(try_open("f", O_RDONLY));
			FAILS(EACCES, try_open("f", O_WRONLY));
		}
	}
	AS(other)
	{
		FAILS(EACCES, try_open("f", O_WRONLY));
		FAILS(EPERM, set_acl("f", ACCESS, 7, 7));
		FAILS(EPERM, removexattr("f", ACCESS));
	}
	OK(set_acl("f", ACCESS, 6, 4));
	AS(other) FAILS(EACCES, try_open("f", O_WRONLY));
	OK(removexattr("f", ACCESS));
	AS(other) FAILS(EACCES, try_open("f", O_RDONLY));
	OK(unlink("f"));
	wrong_lists();
	/* Who is not in the group gives no program its rights. */
	put_mode("s", 02755, USER, FOREIGN);
	AS(user) OK(set_acl("s", ACCESS, 5, 5));
	IS(0650, MODE("s"));
	put_mode("t", 02755, USER, TEAM);
	AS(member) OK(set_acl("t", ACCESS, 5, 5));
	IS(02650, MODE("t"));
	put_mode("r", 02755, USER, FOREIGN);
	OK(set_acl("r", ACCESS, 5, 5));
	IS(02650, MODE("r"));
}

void test_acl_default(void)
{
	char a[128], b[128];

	if (without_lists())
		return;
	put_directory("d", 0777, 0, 0);
	OK(set_acl("d", DEFAULT, 7, 7));
	IS(acl_size(6), getxattr("d", DEFAULT, a, sizeof(a)));
	IS(0777, MODE("d"));
	/* The list counts, not the umask. */
	umask(077);
	put("d/f", "text");
	OK(mkdir("d/d", 0777));
	OK(mkfifo("d/p", 0666));
	OK(symlink("x", "d/l"));
	umask(022);
	IS(0640, MODE("d/f")); /* group: the mask within what open(2) asked */
	IS(0670, MODE("d/d"));
	IS(0660, MODE("d/p"));
	IS(0777, MODE("d/l"));
	IS(acl_size(6), getxattr("d/f", ACCESS, b, sizeof(b)));
	FAILS(ENODATA, getxattr("d/f", DEFAULT, b, sizeof(b)));
	IS(acl_size(6), getxattr("d/d", DEFAULT, b, sizeof(b)));
	IS(0, memcmp(a, b, acl_size(6)));
	IS(acl_size(6), getxattr("d/d", ACCESS, b, sizeof(b)));
	put("d/d/g", "text");
	IS(0640, MODE("d/d/g"));
	AS(other)
	{
		OK(try_open("d/f", O_RDONLY));
		FAILS(EACCES, try_open("d/f", O_WRONLY)); /* no more than the mask */
		OK(try_create("d/mine", O_CREAT | O_EXCL | O_RDWR, 0666));
		IS(0660, MODE("d/mine"));
		OK(try_create("d/d/mine", O_CREAT | O_EXCL | O_RDWR, 0666));
	}
	AS(stranger) OK(try_open("d/d/mine", O_RDWR));
	AS(user) FAILS(EACCES, try_open("d/d/mine", O_RDONLY));
	OK(removexattr("d", DEFAULT));
	FAILS(ENODATA, getxattr("d", DEFAULT, a, sizeof(a)));
	put("d/plain", "text");
	IS(0644, MODE("d/plain"));
	FAILS(ENODATA, getxattr("d/plain", ACCESS, b, sizeof(b)));
	AS(user) FAILS(EPERM, set_acl("d", DEFAULT, 7, 7));
}
