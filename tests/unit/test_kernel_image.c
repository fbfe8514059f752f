/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel files, whole and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/boot/image.h"
#include "runtime/vm/boot/load.h"
#include "runtime/vm/boot/patched.h"
#include "runtime/vm/monitor/memory.h"

#define FILE_SIZE 0x6000

struct elf_file {
	Elf64_Ehdr header;
	Elf64_Phdr segments[3];
	uint8_t rest[FILE_SIZE - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr)];
};

static void make_elf(struct elf_file *file)
{
	memset(file, 0, sizeof(*file));
	file->header = (Elf64_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_entry = 0x1000123,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
	};
	file->segments[0] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = 0x1000,
		.p_paddr = 0x1000000,
		.p_filesz = 0x1800,
		.p_memsz = 0x3000,
	};
	file->segments[1] = (Elf64_Phdr){
		.p_type = PT_LOAD,
		.p_offset = 0x3000,
		.p_paddr = 0x1003000,
		.p_filesz = 0x100,
		.p_memsz = 0x100,
	};
	file->segments[2] = (Elf64_Phdr){ .p_type = PT_NOTE, .p_offset = ~0ULL };
	memset((uint8_t *)file + 0x1000, 0xaa, 0x2000);
	memset((uint8_t *)file + 0x3000, 0xbb, 0x1000);
}

static int parse(const struct elf_file *file, struct kernel_image *image)
{
	struct error err = ERROR_INIT;
	int r = kernel_image_parse((const uint8_t *)file, sizeof(*file), image, &err);

	assert_int_equal(r < 0, err.message[0] != '\0');
	return r;
}

static void elf_is_read(void **state)
{
	static struct elf_file file;
	struct kernel_image image;

	(void)state;
	make_elf(&file);
	assert_int_equal(parse(&file, &image), 0);
	assert_int_equal(image.segment_count, 2);
	assert_int_equal(image.entry, 0x1000123);
	assert_int_equal(image.segments[0].memory_size, 0x3000);
	assert_false(image.bzimage);
}

#define REFUSED(change)                                           \
	do {                                                      \
		make_elf(&file);                                  \
		change;                                           \
		assert_int_equal(parse(&file, &image), -ENOEXEC); \
	} while (0)

static void damaged_elf_is_refused(void **state)
{
	static struct elf_file file;
	struct kernel_image image;

	(void)state;
	REFUSED(file.header.e_ident[0] = 0);
	REFUSED(file.header.e_ident[EI_CLASS] = ELFCLASS32);
	REFUSED(file.header.e_machine = EM_AARCH64);
	REFUSED(file.header.e_type = ET_DYN);
	REFUSED(file.header.e_phentsize = 32);
	REFUSED(file.header.e_phnum = 0);
	REFUSED(file.header.e_phnum = 0xffff);
	REFUSED(file.header.e_phoff = ~0ULL - 8);
	REFUSED(file.header.e_phoff = FILE_SIZE);
	REFUSED(file.header.e_entry = 0x1003100);
	REFUSED(file.header.e_entry = 0x1001800); /* in what is zero */
	REFUSED(file.header.e_entry = 0);
	REFUSED(file.segments[0].p_offset = FILE_SIZE - 0x1000);
	REFUSED(file.segments[0].p_offset = ~0ULL);
	REFUSED(file.segments[0].p_filesz = ~0ULL);
	REFUSED(file.segments[0].p_filesz = 0x3001);
	REFUSED(file.segments[0].p_memsz = ~0ULL);
	REFUSED(file.segments[0].p_memsz = KERNEL_MEMORY_MAX + 1);
	REFUSED(file.segments[0].p_memsz = 0x3001); /* into the second */
	REFUSED(file.segments[0].p_paddr = 0xff000);
	REFUSED(file.segments[0].p_paddr = ~0ULL - 0x1000);
	REFUSED(file.segments[1].p_paddr = 0x1000000);
}

static void every_cut_of_an_elf_is_refused(void **state)
{
	static struct elf_file file;
	struct kernel_image image;
	struct error err = ERROR_INIT;

	(void)state;
	make_elf(&file);
	for (size_t size = 0; size < 0x3100; size++)
		assert_int_equal(
			kernel_image_parse((uint8_t *)&file, size, &image, &err), -ENOEXEC);
}

static void make_bzimage(uint8_t *file, size_t size)
{
	struct setup_header header = {
		.setup_sects = 1,
		.boot_flag = 0xaa55,
		.jump = 0x6aeb,
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.xloadflags = XLF_KERNEL_64,
		.pref_address = 0x1000000,
		.init_size = 0x10000,
	};

	memset(file, 0, size);
	memcpy(file + 0x1f1, &header, sizeof(header));
}

static void bzimage_is_read(void **state)
{
	static uint8_t file[0x2000];
	struct kernel_image image;
	struct error err = ERROR_INIT;

	(void)state;
	make_bzimage(file, sizeof(file));
	assert_int_equal(kernel_image_parse(file, sizeof(file), &image, &err), 0);
	assert_true(image.bzimage);
	assert_int_equal(image.entry, 0x1000200);
	assert_int_equal(image.segments[0].offset, 0x400);
	assert_int_equal(image.segments[0].memory_size, 0x10000);
	assert_int_equal(image.payload, KERNEL_PAYLOAD_NONE);
}

static void every_cut_of_a_bzimage_is_safe(void **state)
{
	static uint8_t file[0x2000];
	struct kernel_image image;

	(void)state;
	make_bzimage(file, sizeof(file));
	for (size_t size = 0; size < sizeof(file); size++) {
		struct error err = ERROR_INIT;
		_cleanup_free_ uint8_t *copy = malloc(size + 1);
		int r;

		memcpy(copy, file, size);
		r = kernel_image_parse(copy, size, &image, &err);
		assert_int_equal(r, size <= 0x600 ? -ENOEXEC : 0);
	}
}

static void old_and_strange_bzimages_are_refused(void **state)
{
	static uint8_t file[0x2000];
	struct setup_header *header = (void *)(file + 0x1f1);
	struct kernel_image image;
	struct error err = ERROR_INIT;

	(void)state;
	make_bzimage(file, sizeof(file));
	header->version = 0x0204;
	assert_int_equal(kernel_image_parse(file, sizeof(file), &image, &err), -ENOEXEC);
	make_bzimage(file, sizeof(file));
	header->xloadflags = 0;
	assert_int_equal(kernel_image_parse(file, sizeof(file), &image, &err), -ENOEXEC);
	make_bzimage(file, sizeof(file));
	header->pref_address = 0x1000001;
	assert_int_equal(kernel_image_parse(file, sizeof(file), &image, &err), -ENOEXEC);
	make_bzimage(file, sizeof(file));
	header->pref_address = ~0ULL & ~4095ULL;
	assert_int_equal(kernel_image_parse(file, sizeof(file), &image, &err), -ENOEXEC);
	make_bzimage(file, sizeof(file));
	header->init_size = 0xffffffff;
	assert_int_equal(kernel_image_parse(file, sizeof(file), &image, &err), -ENOEXEC);
}

/* "abcabcabcabcX" as one block: 3 literals, a match of 9 at distance 3, 1 literal. */
static const uint8_t packed[] = { 0x02, 0x21, 0x4c, 0x18, 8, 0, 0, 0, 0x35, 'a', 'b', 'c', 3, 0,
	0x10, 'X', 13, 0, 0, 0 };

static void lz4_is_unpacked(void **state)
{
	uint8_t out[32];

	(void)state;
	assert_int_equal(lz4_legacy_unpack(packed, sizeof(packed), out, sizeof(out)), 13);
	assert_memory_equal(out, "abcabcabcabcX", 13);
	assert_int_equal(lz4_legacy_unpack(packed, sizeof(packed), out, 13), 13);
	assert_int_equal(lz4_legacy_unpack(packed, sizeof(packed), out, 12), -ENOSPC);
}

static void damaged_lz4_is_refused(void **state)
{
	uint8_t copy[sizeof(packed)], out[32];

	(void)state;
	for (size_t at = 0; at < sizeof(packed); at++) {
		for (unsigned int bit = 0; bit < 8; bit++) {
			int64_t r;

			memcpy(copy, packed, sizeof(packed));
			copy[at] ^= (uint8_t)(1U << bit);
			memset(out, 0x5a, sizeof(out));
			r = lz4_legacy_unpack(copy, sizeof(copy), out, 16);
			assert_true(r <= 16);
			assert_int_equal(out[16], 0x5a);
		}
	}
	memcpy(copy, packed, sizeof(packed));
	copy[12] = 4; /* before the beginning */
	assert_int_equal(lz4_legacy_unpack(copy, sizeof(copy), out, sizeof(out)), -ENOEXEC);
	copy[12] = 0;
	assert_int_equal(lz4_legacy_unpack(copy, sizeof(copy), out, sizeof(out)), -ENOEXEC);
	for (size_t size = 0; size < 4; size++)
		assert_int_equal(lz4_legacy_unpack(packed, size, out, sizeof(out)), -ENOEXEC);
}

static int make_file(const void *bytes, size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, size), size);
	return fd;
}

static void check_loaded(bool large_pages)
{
	static struct elf_file file;
	static const uint8_t initrd[5000] = { 1, 2, 3 };
	struct memory memory;
	struct boot_loaded loaded;
	struct error err = ERROR_INIT;
	const uint8_t *at;

	make_elf(&file);
	_cleanup_close_ int kernel_fd = make_file(&file, sizeof(file));
	_cleanup_close_ int initrd_fd = make_file(initrd, sizeof(initrd));
	assert_int_equal(memory_new(&memory, 64 << 20, 0, large_pages, &err), 0);
	assert_int_equal(boot_load(&memory, kernel_fd, initrd_fd, &loaded, &err), 0);
	assert_int_equal(loaded.entry, 0x1000123);
	at = guest_memory_at(&memory.guest, 0x1000000, 0x4000);
	assert_int_equal(at[0x17ff], 0xaa);
	for (size_t i = 0x1800; i < 0x3000; i++)
		assert_int_equal(at[i], 0);
	assert_int_equal(at[0x3000], 0xbb);
	assert_int_equal(at[0x30ff], 0xbb);
	assert_int_equal(at[0x3100], 0);
	assert_int_equal(loaded.initrd_size, sizeof(initrd));
	assert_int_equal(loaded.initrd, 0x1004000); /* the page behind the last segment */
	at = guest_memory_at(&memory.guest, loaded.initrd, loaded.initrd_size);
	assert_memory_equal(at, initrd, sizeof(initrd));
	/* What the guest writes never reaches the file. */
	memset((void *)at, 0xcc, sizeof(initrd));
	assert_int_equal(pread(initrd_fd, file.rest, 1, 0), 1);
	assert_int_equal(file.rest[0], 1);
	memory_free(&memory);
}

static void kernel_and_initrd_are_mapped(void **state)
{
	(void)state;
	check_loaded(false);
}

static void kernel_and_initrd_are_copied(void **state)
{
	(void)state;
	check_loaded(true);
}

/* Of read-only bytes that fill large pages the file is shown; the ends are copies of it. */
static void text_in_large_pages_is_the_file(void **state)
{
	enum { OFFSET = 0x1000, SIZE = 0x501234, GPA = 0x1101000 };
	static struct elf_file file;
	static uint8_t bytes[OFFSET + SIZE];
	struct memory memory;
	struct boot_loaded loaded;
	struct error err = ERROR_INIT;
	uint8_t byte;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 2654435761U >> 24);
	make_elf(&file);
	file.header.e_phnum = 1;
	file.header.e_entry = GPA;
	file.segments[0].p_paddr = GPA;
	file.segments[0].p_filesz = SIZE;
	file.segments[0].p_memsz = SIZE + 100;
	for (uint32_t flags = 0; flags <= PF_W; flags += PF_W) {
		file.segments[0].p_flags = flags;
		memcpy(bytes, &file, OFFSET);
		_cleanup_close_ int fd = make_file(bytes, sizeof(bytes));
		assert_int_equal(memory_new(&memory, 64 << 20, 0, true, &err), 0);
		assert_int_equal(boot_load(&memory, fd, -1, &loaded, &err), 0);
		uint8_t *at = guest_memory_at(&memory.guest, GPA, SIZE + 100);
		assert_memory_equal(at, bytes + OFFSET, SIZE);
		assert_int_equal(at[SIZE + 99], 0);
		/* A file that changes shows where it is mapped; no kernel's does. */
		byte = (uint8_t)~at[0x200000];
		assert_int_equal(pwrite(fd, &byte, 1, OFFSET + 0x200000), 1);
		assert_int_equal(at[0x200000] == byte, flags == 0);
		byte = (uint8_t)~at[0x500000];
		assert_int_equal(pwrite(fd, &byte, 1, OFFSET + 0x500000), 1);
		assert_int_not_equal(at[0x500000], byte);
		memory_free(&memory);
	}
}

/* A kernel's table of alternative instructions: two entries, which name places in its text. */
struct patched_file {
	Elf64_Ehdr header;
	Elf64_Phdr segment;
	Elf64_Shdr sections[3];
	char names[32];
	struct {
		int32_t instruction, replacement;
		uint32_t feature;
		uint8_t length, replacement_length;
	} __attribute__((packed)) table[2];
};

#define TEXT 0xffffffff81000000ULL
#define TABLE_ADDRESS 0xffffffff81c00000ULL

static void make_patched(struct patched_file *file)
{
	*file = (struct patched_file){
		.header = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_phoff = offsetof(struct patched_file, segment),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1,
			.e_shoff = offsetof(struct patched_file, sections),
			.e_shentsize = sizeof(Elf64_Shdr),
			.e_shnum = 3,
			.e_shstrndx = 1,
		},
		.segment = {
			.p_type = PT_LOAD,
			.p_vaddr = TEXT,
			.p_paddr = 0x1000000,
			.p_filesz = 0x100000,
		},
		.names = "\0.altinstructions\0.shstrtab",
	};
	file->sections[1] = (Elf64_Shdr){
		.sh_type = SHT_STRTAB,
		.sh_offset = offsetof(struct patched_file, names),
		.sh_size = sizeof(file->names),
	};
	file->sections[2] = (Elf64_Shdr){
		.sh_name = 1,
		.sh_type = SHT_PROGBITS,
		.sh_addr = TABLE_ADDRESS,
		.sh_offset = offsetof(struct patched_file, table),
		.sh_size = sizeof(file->table),
	};
	for (unsigned int i = 0; i < 2; i++) {
		file->table[i].instruction = (int32_t)(TEXT + 0x1230 + i * 0x8000 - TABLE_ADDRESS -
			i * sizeof(file->table[0]));
		file->table[i].length = (uint8_t)(3 + i);
	}
}

static void add_place(uint64_t gpa, size_t size, void *data)
{
	uint64_t *sum = data;

	*sum += gpa * size;
}

static void rewritten_text_is_found(void **state)
{
	struct patched_file file;
	uint64_t sum = 0;

	(void)state;
	make_patched(&file);
	assert_int_equal(
		kernel_patched_places((const uint8_t *)&file, sizeof(file), add_place, &sum), 2);
	assert_int_equal(sum, 0x1001230 * 3 + 0x1009230 * 4);
}

/* Nothing is called for any of a table that is not understood in full. */
static void strange_tables_of_rewritten_text_are_none(void **state)
{
	struct patched_file file;
	uint64_t sum = 0;

#define NONE(change)                                                                             \
	do {                                                                                     \
		make_patched(&file);                                                             \
		change;                                                                          \
		assert_int_equal(kernel_patched_places(                                          \
					 (const uint8_t *)&file, sizeof(file), add_place, &sum), \
			0);                                                                      \
	} while (0)
	(void)state;
	NONE(file.table[1].instruction = 0); /* the table itself: in no segment */
	NONE(file.table[1].length = 0);
	NONE(file.table[1].replacement_length = 200);
	NONE(file.sections[2].sh_size -= 1);
	NONE(file.sections[2].sh_offset = ~0ULL);
	NONE(file.sections[2].sh_name = ~0U);
	NONE(file.sections[2].sh_type = SHT_NOBITS);
	NONE(file.names[1] = '_');
	NONE(file.header.e_shoff = ~0ULL);
	NONE(file.header.e_shnum = 2);
	NONE(file.header.e_shstrndx = 60000);
	NONE(file.header.e_phnum = 60000);
	NONE(file.header.e_phoff = ~0ULL);
	const size_t whole = offsetof(struct patched_file, table) + sizeof(file.table);
	for (size_t size = 0; size < whole; size++) {
		make_patched(&file);
		assert_int_equal(
			kernel_patched_places((const uint8_t *)&file, size, add_place, &sum), 0);
	}
	assert_int_equal(sum, 0);
}

static void too_little_memory_is_said(void **state)
{
	static struct elf_file file;
	struct memory memory;
	struct boot_loaded loaded;
	struct error err = ERROR_INIT;

	(void)state;
	make_elf(&file);
	_cleanup_close_ int kernel_fd = make_file(&file, sizeof(file));
	_cleanup_close_ int initrd_fd = memfd_create("initrd", MFD_CLOEXEC);
	assert_int_equal(memory_new(&memory, 16 << 20, 0, true, &err), 0);
	assert_int_equal(boot_load(&memory, kernel_fd, -1, &loaded, &err), -ENOMEM);
	assert_non_null(strstr(err.message, "17 MiB"));
	memory_free(&memory);
	assert_int_equal(memory_new(&memory, 20 << 20, 0, true, &err), 0);
	assert_int_equal(ftruncate(initrd_fd, 4 << 20), 0);
	assert_int_equal(boot_load(&memory, kernel_fd, initrd_fd, &loaded, &err), -ENOMEM);
	assert_int_equal(ftruncate(initrd_fd, 0), 0);
	assert_int_equal(boot_load(&memory, kernel_fd, initrd_fd, &loaded, &err), -EFBIG);
	memory_free(&memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(elf_is_read),
		cmocka_unit_test(damaged_elf_is_refused),
		cmocka_unit_test(every_cut_of_an_elf_is_refused),
		cmocka_unit_test(bzimage_is_read),
		cmocka_unit_test(every_cut_of_a_bzimage_is_safe),
		cmocka_unit_test(old_and_strange_bzimages_are_refused),
		cmocka_unit_test(lz4_is_unpacked),
		cmocka_unit_test(damaged_lz4_is_refused),
		cmocka_unit_test(kernel_and_initrd_are_mapped),
		cmocka_unit_test(kernel_and_initrd_are_copied),
		cmocka_unit_test(text_in_large_pages_is_the_file),
		cmocka_unit_test(rewritten_text_is_found),
		cmocka_unit_test(strange_tables_of_rewritten_text_are_none),
		cmocka_unit_test(too_little_memory_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
