/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/kernel/module_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/host_program.h"

#define OVERFLOW_ID                                                                  \
	65534 /* root's files, in a user namespace without root (user_namespaces(7)) \
	       */
#define SIZE_MOST ((off_t)64 << 20)

static const struct {
	const char *suffix, *program;
} packed[] = {
	{ ".ko.gz", "gzip" },
	{ ".ko.xz", "xz" },
	{ ".ko.zst", "zstd" },
};

/* ---- .modinfo ------------------------------------------------------------------------------- */

static bool inside(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

/* The contents of the section of that name, which may lie anywhere in the file. */
static const char *find_section(
	const uint8_t *bytes, size_t size, const char *name, size_t *ret_length)
{
	Elf64_Ehdr elf;
	Elf64_Shdr names, section;

	if (size < sizeof(elf))
		return NULL;
	memcpy(&elf, bytes, sizeof(elf));
	if (memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
		elf.e_shentsize != sizeof(section) || elf.e_shstrndx >= elf.e_shnum ||
		!inside(elf.e_shoff, (uint64_t)elf.e_shnum * sizeof(section), size))
		return NULL;
	memcpy(&names, bytes + elf.e_shoff + elf.e_shstrndx * sizeof(names), sizeof(names));
	if (!inside(names.sh_offset, names.sh_size, size))
		return NULL;
	for (unsigned int i = 0; i < elf.e_shnum; i++) {
		memcpy(&section, bytes + elf.e_shoff + i * sizeof(section), sizeof(section));
		if (!inside(section.sh_name, strlen(name) + 1, names.sh_size) ||
			memcmp(bytes + names.sh_offset + section.sh_name, name, strlen(name) + 1) !=
				0)
			continue;
		if (section.sh_type != SHT_PROGBITS ||
			!inside(section.sh_offset, section.sh_size, size))
			return NULL;
		*ret_length = section.sh_size;
		return (const char *)bytes + section.sh_offset;
	}
	return NULL;
}

/* The list that the guest reads has blanks between words and a line for each module. */
static bool is_word(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	}
	return length > 0;
}

int module_file_parse(const uint8_t *bytes, size_t size, char **ret_depends, char **ret_aliases)
{
	static const char depends_key[] = "depends=", alias_key[] = "alias=";
	size_t left, depends_size, aliases_size;
	_cleanup_free_ char *depends = NULL, *aliases = NULL;
	const char *at = find_section(bytes, size, ".modinfo", &left);

	if (at == NULL)
		return -ENOEXEC;
	FILE *depends_stream = open_memstream(&depends, &depends_size);
	FILE *aliases_stream = open_memstream(&aliases, &aliases_size);
	while (left > 0 && depends_stream != NULL && aliases_stream != NULL) {
		size_t length = strnlen(at, left);
		size_t skip = strlen(depends_key);

		if (length > skip && memcmp(at, depends_key, skip) == 0 &&
			is_word(at + skip, length - skip))
			fwrite(at + skip, 1, length - skip, depends_stream);
		skip = strlen(alias_key);
		if (length > skip && memcmp(at, alias_key, skip) == 0 &&
			is_word(at + skip, length - skip))
			fprintf(aliases_stream, "%s%.*s", ftell(aliases_stream) > 0 ? " " : "",
				(int)(length - skip), at + skip);
		at += length;
		left -= length;
		while (left > 0 && *at == '\0')
			at++, left--;
	}
	bool failed = depends_stream == NULL || fclose(depends_stream) != 0;
	if (aliases_stream == NULL || fclose(aliases_stream) != 0 || failed)
		return -ENOMEM;
	*ret_depends = take_ptr(&depends);
	*ret_aliases = take_ptr(&aliases);
	return 0;
}

/* ---- the file ------------------------------------------------------------------------------- */

static int open_file(int directory, const char *path, struct error *err)
{
	const struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
	struct stat st;
	_cleanup_close_ int fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_set(err, errno, "open the kernel's module %s", path);
	if (!S_ISREG(st.st_mode))
		return error_say(err, EINVAL, "the kernel's module %s is no regular file", path);
	if ((st.st_uid != 0 && st.st_uid != OVERFLOW_ID) || st.st_mode & (S_IWGRP | S_IWOTH))
		return error_say(err, EPERM,
			"the kernel's module %s is not root's, or others may write it", path);
	return take_fd(&fd);
}

/* Returns `fd` itself, or a file in memory with what it unpacks to. */
static int unpack(int fd, const char *path, struct error *err)
{
	_cleanup_close_ int file = fd;
	char program[PATH_MAX];

	for (size_t i = 0; i < sizeof(packed) / sizeof(*packed); i++) {
		size_t length = strlen(path), suffix = strlen(packed[i].suffix);

		if (length < suffix || strcmp(path + length - suffix, packed[i].suffix) != 0)
			continue;
		if (host_program_find(packed[i].program, program) < 0)
			return error_say(err, ENOENT,
				"the kernel's modules are packed: %s is needed, and not installed",
				packed[i].program);
		_cleanup_close_ int out = memfd_create("module", MFD_CLOEXEC);
		if (out < 0)
			return error_set(err, errno, "unpack %s", path);
		const char *const argv[] = { program, "-dc", NULL };
		int status = host_program_run(argv, file, out, -1, err);
		if (status < 0)
			return status;
		return status == 0 ? take_fd(&out)
				   : error_say(err, EIO, "%s -dc <%s: it ended with status %d",
					     program, path, status);
	}
	return take_fd(&file);
}

int module_file_read(int directory, const char *path, struct module_file *ret, struct error *err)
{
	struct module_file module = { 0 };
	struct stat st;
	int fd = open_file(directory, path, err);

	if (fd < 0)
		return fd;
	_cleanup_close_ int file = unpack(fd, path, err);
	if (file < 0)
		return file;
	if (fstat(file, &st) < 0 || st.st_size == 0 || st.st_size > SIZE_MOST)
		return error_say(err, ENOEXEC, "%s is no module of a kernel", path);
	module.size = (size_t)st.st_size;
	module.bytes = mmap(NULL, module.size, PROT_READ, MAP_PRIVATE, file, 0);
	if (module.bytes == MAP_FAILED)
		return error_set(err, errno, "read the kernel's module %s", path);
	int status = module_file_parse(module.bytes, module.size, &module.depends, &module.aliases);
	if (status < 0) {
		module_file_free(&module);
		return error_say(err, -status, "%s is no module of a kernel", path);
	}
	*ret = module;
	return 0;
}

void module_file_free(struct module_file *file)
{
	if (file->bytes != NULL)
		munmap(file->bytes, file->size);
	free(file->depends);
	free(file->aliases);
	*file = (struct module_file){ 0 };
}
