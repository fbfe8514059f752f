/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cgroup's control files, through the directory's fd: one open, one read or write, one close
 * each. The names come from this module or were checked by it: never a path.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

#define CGROUP_MOUNT "/sys/fs/cgroup"

/* Enough for every file of one value and for the flat keyed ones (cgroup.events, cpu.stat …). */
#define CGROUP_FILE_SMALL 4096

/*
 * Reads at most size - 1 bytes into `buffer` and ends them with a NUL. Returns the length, or a
 * negative errno; a file that is longer is cut.
 */
ssize_t cgroup_file_read(int dir, const char *name, char *buffer, size_t size);

/*
 * Reads a file of any length up to `most` bytes; the caller frees *ret. Returns the length, or a
 * negative errno (-EFBIG above `most`).
 */
ssize_t cgroup_file_read_all(int dir, const char *name, size_t most, char **ret);

/* Writes `value` with one write(). Returns 0 or a negative errno. */
int cgroup_file_write(int dir, const char *name, const char *value);

/*
 * Finds `key` in a flat keyed text ("key value" lines). Returns 0, or -ENOENT where the key is
 * absent, or -EINVAL where its value is no number.
 */
int cgroup_text_find(const char *text, const char *key, uint64_t *ret);

/* cgroup_file_read() of a small file and cgroup_text_find() in it. */
int cgroup_file_find(int dir, const char *name, const char *key, uint64_t *ret);

/*
 * Reads a file of one number, or "max", which becomes UINT64_MAX. Returns 0, or a negative errno.
 */
int cgroup_file_read_number(int dir, const char *name, uint64_t *ret);

/*
 * Parses one number in decimal, or "max", that a white space or the end follows. Returns the first
 * byte behind it, or NULL.
 */
const char *cgroup_text_number(const char *text, uint64_t *ret);
