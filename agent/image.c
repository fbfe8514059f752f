/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"

#define TOP "/image"
#define LOWER TOP "/lower"
#define MEMORY TOP "/memory"
#define UPPER MEMORY "/upper"
#define WORK MEMORY "/work"
#define DISKS 26 /* vda to vdz */

/* <linux/magic.h>, and where the file systems' first structures lie on the disk. */
static const struct {
	const char *type;
	size_t offset, length;
	unsigned char magic[4];
} file_systems[] = {
	{ "ext4", 1024 + 0x38, 2, { 0x53, 0xef } },
	{ "erofs", 1024, 4, { 0xe2, 0xe1, 0xf5, 0xe0 } },
	{ "squashfs", 0, 4, { 'h', 's', 'q', 's' } },
};

/* The disk whose serial is the image's: others may be there. */
static int find_disk(char *path, size_t size, struct error *err)
{
	for (char letter = 'a'; letter < (char)('a' + DISKS); letter++) {
		char serial[24] = "";

		snprintf(path, size, "/sys/block/vd%c/serial", letter);
		_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || read(fd, serial, sizeof(serial) - 1) <= 0)
			continue;
		serial[strcspn(serial, "\n")] = '\0';
		if (strcmp(serial, AGENT_IMAGE_SERIAL) != 0)
			continue;
		snprintf(path, size, "/dev/vd%c", letter);
		return 0;
	}
	return error_say(err, ENODEV, "the disk with the root's image is not there");
}

static const char *file_system_of(const char *disk)
{
	_cleanup_close_ int fd = open(disk, O_RDONLY | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < sizeof(file_systems) / sizeof(*file_systems); i++) {
		unsigned char found[4];
		size_t length = file_systems[i].length;

		if (pread(fd, found, length, (off_t)file_systems[i].offset) == (ssize_t)length &&
			memcmp(found, file_systems[i].magic, length) == 0)
			return file_systems[i].type;
	}
	return NULL;
}

static int mount_image(const char *disk, struct error *err)
{
	const char *type = file_system_of(disk);

	if (type == NULL)
		return error_say(err, EINVAL,
			"root.path: the image holds no file system that the guest knows: ext4, "
			"erofs or squashfs, without partitions");
	if (mount(disk, LOWER, type, MS_RDONLY | MS_NOATIME, NULL) == 0)
		return 0;
	if (errno == EROFS)
		return error_say(err, EROFS,
			"root.path: the image's %s was not unmounted in order: repair it (fsck) "
			"first",
			type);
	return error_set(err, errno, "root.path: mount the image's %s", type);
}

/* The overlay's top directory is the upper one: it gets the rights of the image's. */
static int mount_overlay(struct error *err)
{
	struct stat top;

	if (mount("tmpfs", MEMORY, "tmpfs", MS_NOATIME, "mode=0700") < 0)
		return error_set(err, errno, "mount memory over the root's image");
	if (mkdir(UPPER, 0755) < 0 || mkdir(WORK, 0700) < 0)
		return error_set(err, errno, "make the directories of the root's overlay");
	if (stat(LOWER, &top) < 0 || chown(UPPER, top.st_uid, top.st_gid) < 0 ||
		chmod(UPPER, top.st_mode & 07777) < 0)
		return error_set(err, errno, "copy the rights of the image's top directory");
	if (mount("overlay", AGENT_IMAGE_ROOT, "overlay", MS_NOATIME,
		    "lowerdir=" LOWER ",upperdir=" UPPER ",workdir=" WORK) < 0)
		return error_set(err, errno, "mount the root's overlay");
	return 0;
}

int image_mount(struct error *err)
{
	static bool mounted;
	static const char *const directories[] = { TOP, LOWER, MEMORY, AGENT_IMAGE_ROOT };
	char disk[64];

	if (mounted)
		return 0;
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++) {
		if (mkdir(directories[i], 0755) < 0 && errno != EEXIST)
			return error_set(err, errno, "make %s in the guest", directories[i]);
	}
	int status = find_disk(disk, sizeof(disk), err);
	if (status == 0)
		status = mount_image(disk, err);
	if (status == 0)
		status = mount_overlay(err);
	mounted = status == 0;
	return status;
}
