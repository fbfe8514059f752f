/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes an initramfs: a cpio archive of the form "newc" (Documentation/driver-api/early-userspace/
 * buffer-format.rst). The kernel unpacks archives that follow each other, each at an offset that
 * 4 divides.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

struct cpio {
	int fd;		/* the caller's, written at its position */
	uint64_t size;	/* bytes written so far, what lay there before included */
	uint32_t inode; /* of the last entry */
};

/* The archive begins at offset `size` of `fd`, which is filled up to the next one that 4 divides.
 */
int cpio_begin(struct cpio *cpio, int fd, uint64_t size, struct error *err);

/* Names have no leading slash; what is above them was added before. Owner and group are root. */
int cpio_add_directory(struct cpio *cpio, const char *name, mode_t mode, struct error *err);
int cpio_add_file(struct cpio *cpio, const char *name, mode_t mode, const void *bytes,
	size_t length, struct error *err);

/*
 * Writes the entry that ends an archive. Its inode number, which no reader looks at, is the size of
 * the whole: cpio_is_whole() tells by it whether something is missing.
 */
int cpio_end(struct cpio *cpio, struct error *err);

/* Whether `fd`'s file begins with an archive and is as long as the last cpio_end() left it. */
bool cpio_is_whole(int fd);
