/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cleanup by scope: a variable marked with one of these attributes gives its resource back when it
 * goes out of scope; take_fd() and take_ptr() pass the ownership on.
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Closes `fd` where it is one; keeps errno. Returns -EBADF, to be stored in place of the fd. */
static inline int close_fd(int fd)
{
	if (fd >= 0) {
		int saved = errno;

		close(fd);
		errno = saved;
	}
	return -EBADF;
}

static inline void cleanup_close(int *fd)
{
	close_fd(*fd);
}

static inline void cleanup_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void cleanup_fclose(FILE **file)
{
	if (*file != NULL)
		fclose(*file);
}

static inline void cleanup_closedir(DIR **dir)
{
	if (*dir != NULL)
		closedir(*dir);
}

#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_close_ _cleanup_(cleanup_close)
#define _cleanup_free_ _cleanup_(cleanup_free)
#define _cleanup_fclose_ _cleanup_(cleanup_fclose)
#define _cleanup_closedir_ _cleanup_(cleanup_closedir)

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

static inline void *take_pointer(void *pointer)
{
	void **slot = pointer;
	void *taken = *slot;

	*slot = NULL;
	return taken;
}

#define take_ptr(p) ((__typeof__(*(p)))take_pointer(p))
