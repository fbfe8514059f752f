/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/boot/image.h"

#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/error.h"

#define LOWEST_ADDRESS (1ULL << 20)
#define PAGE 4096ULL

/* Offsets in a bzImage (Documentation/arch/x86/boot.rst). */
#define SECTOR 512
#define HEADER_OFFSET 0x1f1
#define HEADER_JUMP 0x200 /* the second byte of its instruction tells the header's end */
#define HEADER_MAGIC 0x53726448U
#define BOOT_FLAG 0xaa55
#define PROTOCOL_MIN 0x020c /* xloadflags; init_size came with 2.10 */
#define ENTRY_64 0x200
#define SETUP_SECTORS_DEFAULT 4
#define LZ4_LEGACY_MAGIC 0x184c2102U

static bool inside(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

static int check_memory(const struct kernel_segment *segment, struct error *err)
{
	if (segment->gpa < LOWEST_ADDRESS ||
		!inside(segment->gpa - LOWEST_ADDRESS, segment->memory_size, KERNEL_MEMORY_MAX))
		return error_say(err, ENOEXEC,
			"kernel file: 0x%" PRIx64 " bytes at address 0x%" PRIx64
			" are not between 1 MiB and 513 MiB",
			segment->memory_size, segment->gpa);
	return 0;
}

static int add_segment(
	struct kernel_image *image, const Elf64_Phdr *header, size_t size, struct error *err)
{
	struct kernel_segment segment = {
		.offset = header->p_offset,
		.file_size = header->p_filesz,
		.gpa = header->p_paddr,
		.memory_size = header->p_memsz,
		.writable = header->p_flags & PF_W,
	};
	int r;

	if (!inside(segment.offset, segment.file_size, size))
		return error_say(err, ENOEXEC, "kernel file: a segment reaches beyond its end");
	if (segment.file_size > segment.memory_size)
		return error_say(err, ENOEXEC,
			"kernel file: a segment has more bytes in the file than in memory");
	r = check_memory(&segment, err);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < image->segment_count; i++) {
		const struct kernel_segment *other = &image->segments[i];

		if (segment.gpa < other->gpa + other->memory_size &&
			other->gpa < segment.gpa + segment.memory_size)
			return error_say(err, ENOEXEC, "kernel file: two segments overlap");
	}
	if (image->segment_count == KERNEL_SEGMENTS_MAX)
		return error_say(
			err, ENOEXEC, "kernel file: more than %d segments", KERNEL_SEGMENTS_MAX);
	image->segments[image->segment_count++] = segment;
	return 0;
}

static bool entry_inside(const struct kernel_image *image)
{
	for (unsigned int i = 0; i < image->segment_count; i++) {
		const struct kernel_segment *segment = &image->segments[i];

		if (image->entry >= segment->gpa &&
			image->entry - segment->gpa < segment->file_size)
			return true;
	}
	return false;
}

static int parse_elf(const uint8_t *file, size_t size, struct kernel_image *ret, struct error *err)
{
	Elf64_Ehdr elf;

	if (size < sizeof(elf))
		return error_say(err, ENOEXEC, "kernel file: %zu bytes are too short", size);
	memcpy(&elf, file, sizeof(elf));
	if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_ident[EI_DATA] != ELFDATA2LSB ||
		elf.e_machine != EM_X86_64 || elf.e_type != ET_EXEC)
		return error_say(err, ENOEXEC,
			"kernel file: not a 64-bit x86 executable (vmlinux, not a module or "
			"object)");
	if (elf.e_phentsize != sizeof(Elf64_Phdr) ||
		!inside(elf.e_phoff, (uint64_t)elf.e_phnum * sizeof(Elf64_Phdr), size))
		return error_say(err, ENOEXEC, "kernel file: its program headers are not in it");
	ret->entry = elf.e_entry;
	for (unsigned int i = 0; i < elf.e_phnum; i++) {
		Elf64_Phdr header;
		int r;

		memcpy(&header, file + elf.e_phoff + i * sizeof(header), sizeof(header));
		if (header.p_type != PT_LOAD || header.p_memsz == 0)
			continue;
		r = add_segment(ret, &header, size, err);
		if (r < 0)
			return r;
	}
	if (!entry_inside(ret))
		return error_say(err, ENOEXEC,
			"kernel file: its entry point 0x%" PRIx64 " is in no segment", ret->entry);
	return 0;
}

static uint32_t load32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

/* The payload begins behind the protected-mode code; its last 4 bytes are its unpacked size. */
static void find_payload(
	const uint8_t *file, size_t size, uint64_t code, struct kernel_image *image)
{
	uint64_t offset = code + image->header.payload_offset;
	uint64_t length = image->header.payload_length;

	if (length < 8 || !inside(offset, length, size) ||
		load32(file + offset) != LZ4_LEGACY_MAGIC)
		return;
	image->payload = KERNEL_PAYLOAD_LZ4;
	image->payload_offset = offset;
	image->payload_size = length;
	image->payload_unpacked = load32(file + offset + length - 4);
}

static int parse_bzimage(
	const uint8_t *file, size_t size, struct kernel_image *ret, struct error *err)
{
	struct setup_header *header = &ret->header;
	size_t length = 0x202 - HEADER_OFFSET + file[HEADER_JUMP + 1];
	struct kernel_segment *segment = &ret->segments[0];
	uint64_t sectors, code;

	if (length > sizeof(*header))
		length = sizeof(*header);
	if (!inside(HEADER_OFFSET, length, size))
		return error_say(err, ENOEXEC, "kernel file: its header is cut off");
	memcpy(header, file + HEADER_OFFSET, length);
	if (header->version < PROTOCOL_MIN)
		return error_say(err, ENOEXEC,
			"kernel file: boot protocol %x.%02x is older than 2.12 (Linux 3.8)",
			header->version >> 8, header->version & 0xff);
	if (!(header->xloadflags & XLF_KERNEL_64) || !(header->loadflags & LOADED_HIGH))
		return error_say(err, ENOEXEC, "kernel file: not a 64-bit bzImage");
	sectors = header->setup_sects == 0 ? SETUP_SECTORS_DEFAULT : header->setup_sects;
	code = (sectors + 1) * SECTOR;
	if (size <= code + ENTRY_64)
		return error_say(err, ENOEXEC, "kernel file: it ends before its code begins");
	*segment = (struct kernel_segment){
		.offset = code,
		.file_size = size - code,
		.gpa = header->pref_address,
		.memory_size = header->init_size,
		.writable = true,
	};
	if (segment->memory_size < segment->file_size)
		segment->memory_size = segment->file_size;
	ret->bzimage = true;
	ret->segment_count = 1;
	ret->entry = segment->gpa + ENTRY_64;
	find_payload(file, size, code, ret);
	if (segment->gpa % PAGE != 0)
		return error_say(err, ENOEXEC, "kernel file: its address is no page's");
	return check_memory(segment, err);
}

int kernel_image_parse(
	const uint8_t *file, size_t size, struct kernel_image *ret, struct error *err)
{
	struct kernel_image image = { 0 };
	int r;

	if (size >= SELFMAG && memcmp(file, ELFMAG, SELFMAG) == 0)
		r = parse_elf(file, size, &image, err);
	else if (size > HEADER_JUMP + 6 && load32(file + HEADER_JUMP + 2) == HEADER_MAGIC &&
		file[0x1fe] == (BOOT_FLAG & 0xff) && file[0x1ff] == BOOT_FLAG >> 8)
		r = parse_bzimage(file, size, &image, err);
	else
		r = error_say(err, ENOEXEC, "kernel file: neither ELF (vmlinux) nor a bzImage");
	if (r < 0)
		return r;
	*ret = image;
	return 0;
}
