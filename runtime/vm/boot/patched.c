/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/boot/patched.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

/* More than any kernel has: a file that says so costs no time. */
#define SECTIONS_MAX 256
#define SEGMENTS_MAX 64
#define PLACES_MAX 65536
#define TABLE ".altinstructions"

/* Linux, arch/x86/include/asm/alternative.h: struct alt_instr. */
struct alternative {
	int32_t instruction; /* from this member's own address */
	int32_t replacement;
	uint32_t feature;
	uint8_t length, replacement_length;
} __attribute__((packed));

struct elf {
	const uint8_t *file;
	size_t size;
	Elf64_Ehdr header;
};

static bool inside(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

static bool read_section(const struct elf *elf, unsigned int index, Elf64_Shdr *ret)
{
	uint64_t offset;

	if (index >= elf->header.e_shnum ||
		__builtin_add_overflow(elf->header.e_shoff, index * sizeof(*ret), &offset) ||
		!inside(offset, sizeof(*ret), elf->size))
		return false;
	memcpy(ret, elf->file + offset, sizeof(*ret));
	return ret->sh_type == SHT_NOBITS || inside(ret->sh_offset, ret->sh_size, elf->size);
}

static bool find_table(const struct elf *elf, Elf64_Shdr *ret)
{
	Elf64_Shdr names, section;

	if (elf->header.e_shentsize != sizeof(section) || elf->header.e_shnum > SECTIONS_MAX ||
		!read_section(elf, elf->header.e_shstrndx, &names) || names.sh_type != SHT_STRTAB)
		return false;
	for (unsigned int i = 0; i < elf->header.e_shnum; i++) {
		if (!read_section(elf, i, &section) || section.sh_type != SHT_PROGBITS ||
			!inside(section.sh_name, sizeof(TABLE), names.sh_size) ||
			memcmp(elf->file + names.sh_offset + section.sh_name, TABLE,
				sizeof(TABLE)) != 0)
			continue;
		*ret = section;
		return true;
	}
	return false;
}

/* Where the program headers load the virtual address. */
static bool find_address(const struct elf *elf, uint64_t virtual, uint64_t *ret)
{
	Elf64_Phdr segment;

	for (unsigned int i = 0; i < elf->header.e_phnum; i++) {
		uint64_t offset;

		if (__builtin_add_overflow(elf->header.e_phoff, i * sizeof(segment), &offset) ||
			!inside(offset, sizeof(segment), elf->size))
			return false;
		memcpy(&segment, elf->file + offset, sizeof(segment));
		if (segment.p_type != PT_LOAD || virtual < segment.p_vaddr ||
			virtual - segment.p_vaddr >= segment.p_filesz)
			continue;
		*ret = segment.p_paddr + (virtual - segment.p_vaddr);
		return true;
	}
	return false;
}

/* False: an entry that names no instruction, so that the table is of another form. */
static bool walk(const struct elf *elf, const Elf64_Shdr *table, kernel_patched_function function,
	void *data)
{
	struct alternative entry;

	for (uint64_t at = 0; at < table->sh_size; at += sizeof(entry)) {
		uint64_t gpa;

		memcpy(&entry, elf->file + table->sh_offset + at, sizeof(entry));
		if (entry.length == 0 || entry.replacement_length > entry.length ||
			!find_address(elf,
				table->sh_addr + at + (uint64_t)(int64_t)entry.instruction, &gpa))
			return false;
		if (function != NULL)
			function(gpa, entry.length, data);
	}
	return true;
}

size_t kernel_patched_places(
	const uint8_t *file, size_t size, kernel_patched_function function, void *data)
{
	struct elf elf = { .file = file, .size = size };
	Elf64_Shdr table;

	if (size < sizeof(elf.header) || memcmp(file, ELFMAG, SELFMAG) != 0)
		return 0;
	memcpy(&elf.header, file, sizeof(elf.header));
	if (elf.header.e_phentsize != sizeof(Elf64_Phdr) || elf.header.e_phnum > SEGMENTS_MAX ||
		!find_table(&elf, &table) || table.sh_size % sizeof(struct alternative) != 0 ||
		table.sh_size / sizeof(struct alternative) > PLACES_MAX ||
		!walk(&elf, &table, NULL, NULL) || !walk(&elf, &table, function, data))
		return 0;
	return table.sh_size / sizeof(struct alternative);
}
