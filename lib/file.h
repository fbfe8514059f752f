/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole files and host paths. Nothing here is for a container's path: those go through
 * runtime/ns/path.h.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct error;

/*
 * Reads a whole file of at most `most` bytes, relative to `dir` (AT_FDCWD, or a directory's fd).
 * *ret_text gets a NUL-terminated buffer, the caller's to free(); *ret_length (may be NULL) its
 * length. Errors: -EFBIG beyond `most`, otherwise open's and read's.
 */
int read_file(int dir, const char *path, size_t most, char **ret_text, size_t *ret_length,
	struct error *err);

/* The same from an open fd, read to its end. `name` is for messages. */
int read_fd(int fd, const char *name, size_t most, char **ret_text, size_t *ret_length,
	struct error *err);

/* Writes all of `length` bytes, whatever the number of write(2)s. Returns 0 or a negative errno. */
int write_all(int fd, const void *bytes, size_t length);

/*
 * Replaces the file atomically: readers see the old or the new text. No fsync: state directories
 * are on a tmpfs. On failure the old file is as it was.
 */
int replace_file(
	int dir, const char *name, const char *text, size_t length, mode_t mode, struct error *err);

/*
 * The same in two steps, for who has time now and not then: stage_file() writes the new text beside
 * the file, commit_file() puts it in the file's place. By one process, one file at a time.
 */
int stage_file(
	int dir, const char *name, const char *text, size_t length, mode_t mode, struct error *err);
int commit_file(int dir, const char *name, struct error *err);

/* Makes a directory and what is missing above it. One that exists is success. */
int make_directories(const char *path, mode_t mode, struct error *err);

/*
 * Removes the directory `name` below `dir` with all it holds, without following links or crossing
 * into other file systems. A missing one is success.
 */
int remove_tree(int dir, const char *name, struct error *err);

/* Returns `path` if absolute, else the working directory and it; the caller's to free(). NULL and
 * errno. */
char *absolute_path(const char *path);
