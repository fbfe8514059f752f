/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/boot/cpio.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/file.h"

#define MAGIC "070701"
#define HEADER_SIZE 110 /* the magic, and 13 numbers of 8 hexadecimal digits */
#define TRAILER "TRAILER!!!"
#define TRAILER_SIZE 124 /* header and name with its zero, filled up */
#define ALIGNMENT 4

static int put(struct cpio *cpio, const void *bytes, size_t length, struct error *err)
{
	int status = write_all(cpio->fd, bytes, length);

	if (status < 0)
		return error_set(err, -status, "write an initramfs");
	cpio->size += length;
	return 0;
}

static int fill_up(struct cpio *cpio, struct error *err)
{
	static const char zeros[ALIGNMENT];

	return put(cpio, zeros, (size_t)(-cpio->size % ALIGNMENT), err);
}

static int put_entry(struct cpio *cpio, const char *name, mode_t mode, uint32_t inode,
	const void *bytes, size_t length, struct error *err)
{
	char header[HEADER_SIZE + 1];

	if (length > UINT32_MAX)
		return error_say(err, EFBIG, "%s is too large for an initramfs", name);
	/* inode, mode, owner, group, links, time, size, device (2), its number (2), name, sum */
	snprintf(header, sizeof(header),
		MAGIC "%08" PRIx32 "%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", inode, mode,
		0, 0, S_ISDIR(mode) ? 2 : 1, 0, (unsigned int)length, 0, 0, 0, 0,
		(unsigned int)strlen(name) + 1, 0);
	int status = put(cpio, header, HEADER_SIZE, err);
	if (status == 0)
		status = put(cpio, name, strlen(name) + 1, err);
	if (status == 0)
		status = fill_up(cpio, err);
	if (status == 0)
		status = put(cpio, bytes, length, err);
	return status < 0 ? status : fill_up(cpio, err);
}

int cpio_begin(struct cpio *cpio, int fd, uint64_t size, struct error *err)
{
	*cpio = (struct cpio){ .fd = fd, .size = size };
	return fill_up(cpio, err);
}

int cpio_add_directory(struct cpio *cpio, const char *name, mode_t mode, struct error *err)
{
	return put_entry(cpio, name, S_IFDIR | (mode & 07777), ++cpio->inode, NULL, 0, err);
}

int cpio_add_file(struct cpio *cpio, const char *name, mode_t mode, const void *bytes,
	size_t length, struct error *err)
{
	return put_entry(cpio, name, S_IFREG | (mode & 07777), ++cpio->inode, bytes, length, err);
}

int cpio_end(struct cpio *cpio, struct error *err)
{
	if (cpio->size + TRAILER_SIZE > UINT32_MAX)
		return error_say(err, EFBIG, "the initramfs is larger than 4 GiB");
	return put_entry(cpio, TRAILER, 0, (uint32_t)(cpio->size + TRAILER_SIZE), NULL, 0, err);
}

bool cpio_is_whole(int fd)
{
	char magic[sizeof(MAGIC) - 1], trailer[TRAILER_SIZE], inode[9] = "";
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < TRAILER_SIZE ||
		pread(fd, magic, sizeof(magic), 0) != sizeof(magic) ||
		memcmp(magic, MAGIC, sizeof(magic)) != 0 ||
		pread(fd, trailer, TRAILER_SIZE, st.st_size - TRAILER_SIZE) != TRAILER_SIZE ||
		memcmp(trailer, MAGIC, sizeof(magic)) != 0 ||
		memcmp(trailer + HEADER_SIZE, TRAILER, sizeof(TRAILER)) != 0)
		return false;
	memcpy(inode, trailer + sizeof(magic), 8);
	return strtoull(inode, NULL, 16) == (uint64_t)st.st_size;
}
