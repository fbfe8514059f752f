/* SPDX-License-Identifier: Apache-2.0 */
/* The initramfs archive: as another program reads it, and what is said to be whole. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/boot/cpio.h"

#define EARLIER 1001 /* bytes that lie there before: the archive begins at 1004 */

static unsigned long field(const char *header, int index)
{
	char digits[9] = "";

	memcpy(digits, header + 6 + index * 8, 8);
	return strtoul(digits, NULL, 16);
}

static size_t round_up(size_t n)
{
	return (n + 3) / 4 * 4;
}

/* The entry at `*at`, as the kernel's init/initramfs.c walks through them. */
static const char *next_entry(const char *archive, size_t size, size_t *at, const char **ret_data,
	size_t *ret_length, unsigned long *ret_mode)
{
	const char *header = archive + *at;
	assert_true(*at % 4 == 0 && *at + 110 < size);
	assert_memory_equal(header, "070701", 6);
	size_t name_size = field(header, 11), data = round_up(*at + 110 + name_size);
	assert_int_equal(header[110 + name_size - 1], 0);
	*ret_mode = field(header, 1);
	*ret_length = field(header, 6);
	*ret_data = archive + data;
	*at = round_up(data + *ret_length);
	assert_true(*at <= size);
	return header + 110;
}

static int write_archive(char *ret, size_t capacity, size_t *ret_size)
{
	static const char before[EARLIER];
	struct error err = ERROR_INIT;
	struct cpio cpio;
	int fd = memfd_create("archive", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "070701", 6), 6);
	assert_int_equal(write(fd, before, EARLIER - 6), EARLIER - 6);
	assert_int_equal(cpio_begin(&cpio, fd, EARLIER, &err), 0);
	assert_int_equal(cpio_add_directory(&cpio, "d", 0700, &err), 0);
	assert_int_equal(cpio_add_file(&cpio, "d/five", 0400, "12345", 5, &err), 0);
	assert_int_equal(cpio_add_file(&cpio, "d/none", 0644, NULL, 0, &err), 0);
	assert_int_equal(cpio_add_file(&cpio, "d/eight", 0400, "12345678", 8, &err), 0);
	assert_int_equal(cpio_end(&cpio, &err), 0);
	off_t size = lseek(fd, 0, SEEK_END);
	assert_true(size > 0 && (size_t)size <= capacity && (uint64_t)size == cpio.size);
	assert_int_equal(pread(fd, ret, (size_t)size, 0), size);
	*ret_size = (size_t)size;
	return fd;
}

static void entries_are_as_they_were_added(void **state)
{
	static const struct {
		const char *name, *data;
		unsigned long mode;
	} expected[] = {
		{ "d", "", 040700 },
		{ "d/five", "12345", 0100400 },
		{ "d/none", "", 0100644 },
		{ "d/eight", "12345678", 0100400 },
		{ "TRAILER!!!", "", 0 },
	};
	char archive[4096];
	size_t size, at = 1004;

	(void)state;
	close(write_archive(archive, sizeof(archive), &size));
	for (int i = EARLIER; i < 1004; i++)
		assert_int_equal(archive[i], 0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++) {
		const char *data;
		size_t length;
		unsigned long mode;

		assert_string_equal(
			next_entry(archive, size, &at, &data, &length, &mode), expected[i].name);
		assert_int_equal(length, strlen(expected[i].data));
		assert_memory_equal(data, expected[i].data, length);
		assert_int_equal(mode, expected[i].mode);
	}
	assert_int_equal(at, size);
}

/* Shorter by any number of bytes, longer, or without its beginning it is not. */
static void what_is_not_as_long_as_it_was_is_not_whole(void **state)
{
	char archive[4096];
	size_t size;
	_cleanup_close_ int fd = write_archive(archive, sizeof(archive), &size);

	(void)state;
	assert_true(cpio_is_whole(fd));
	assert_int_equal(ftruncate(fd, (off_t)size + 4), 0);
	assert_false(cpio_is_whole(fd));
	for (size_t cut = size - 1;; cut -= cut > 8 ? 7 : 1) {
		assert_int_equal(ftruncate(fd, (off_t)cut), 0);
		assert_false(cpio_is_whole(fd));
		if (cut == 0)
			break;
	}
	assert_int_equal(pwrite(fd, archive, size, 0), size);
	assert_true(cpio_is_whole(fd));
	assert_int_equal(pwrite(fd, "x", 1, 0), 1);
	assert_false(cpio_is_whole(fd));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_as_they_were_added),
		cmocka_unit_test(what_is_not_as_long_as_it_was_is_not_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
