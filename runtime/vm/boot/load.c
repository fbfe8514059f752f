/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/boot/load.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/boot/patched.h"
#include "runtime/vm/monitor/memory.h"

#define PAGE 4096ULL
#define MIB (1ULL << 20)
#define LARGE_PAGE (2 * MIB)
#define KERNEL_FILE_MAX (256 * MIB)

struct mapped_file {
	const uint8_t *bytes;
	size_t size;
};

static void unmap(struct mapped_file *file)
{
	if (file->bytes != NULL)
		munmap((void *)file->bytes, file->size);
}

#define _cleanup_unmap_ _cleanup_(unmap)

static int file_size(int fd, const char *what, size_t most, size_t *ret, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "%s", what);
	if (!S_ISREG(st.st_mode))
		return error_say(err, EINVAL, "%s: not a regular file", what);
	if (st.st_size <= 0 || (uint64_t)st.st_size > most)
		return error_say(err, EFBIG, "%s: a size of %lld bytes, not 1 to %zu", what,
			(long long)st.st_size, most);
	*ret = (size_t)st.st_size;
	return 0;
}

static int map_kernel(int fd, struct mapped_file *ret, struct error *err)
{
	void *bytes;
	size_t size = 0;
	int r = file_size(fd, "kernel file", KERNEL_FILE_MAX, &size, err);

	if (r < 0)
		return r;
	bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return error_set(err, errno, "map the kernel file");
	*ret = (struct mapped_file){ .bytes = bytes, .size = size };
	return 0;
}

static uint64_t page_up(uint64_t value)
{
	return (value + PAGE - 1) & ~(PAGE - 1);
}

/* A page that another segment has a part of cannot show the file. */
static bool can_be_mapped(const struct kernel_image *image, const struct kernel_segment *segment)
{
	if (segment->file_size == 0 || segment->gpa % PAGE != 0 || segment->offset % PAGE != 0)
		return false;
	for (unsigned int i = 0; i < image->segment_count; i++) {
		const struct kernel_segment *other = &image->segments[i];

		if (other != segment && other->gpa < page_up(segment->gpa + segment->file_size) &&
			segment->gpa < other->gpa + other->memory_size)
			return false;
	}
	return true;
}

/*
 * The part of a segment that shows the file. With large pages this is what fills whole ones and is
 * not written to: text, which all guests of a host then share. What is left is faster, and hardly
 * larger, as a copy in large pages. `*ret_size` may be 0.
 */
static void find_mapped_part(const struct memory *memory, const struct kernel_image *image,
	const struct kernel_segment *segment, uint64_t *ret_begin, uint64_t *ret_size)
{
	uint64_t begin = segment->gpa, end = segment->gpa + segment->file_size;

	*ret_begin = begin;
	*ret_size = 0;
	if (!can_be_mapped(image, segment) || (memory->large_pages && segment->writable))
		return;
	if (memory->large_pages) {
		begin = (begin + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1);
		end &= ~(LARGE_PAGE - 1);
	}
	if (begin >= end)
		return;
	*ret_begin = begin;
	*ret_size = end - begin;
}

static int load_from_file(struct memory *memory, const struct kernel_image *image,
	const struct kernel_segment *segment, int fd, struct error *err)
{
	uint64_t gpa = segment->gpa, offset = segment->offset, begin, mapped;
	uint64_t end = gpa + segment->file_size;
	int r = 0;

	find_mapped_part(memory, image, segment, &begin, &mapped);
	if (mapped != 0)
		r = memory_map_file(memory, begin, mapped, fd, offset + (begin - gpa), err);
	if (r >= 0 && begin > gpa)
		r = memory_read_file(memory, gpa, begin - gpa, fd, offset, err);
	begin += mapped;
	if (r >= 0 && begin < end)
		r = memory_read_file(memory, begin, end - begin, fd, offset + (begin - gpa), err);
	return r;
}

/* A write that changes nothing. */
static void write_back(volatile uint8_t *at)
{
	uint8_t byte = *at;

	*at = byte;
}

/* Copies a page of a mapped part before the guest asks for it: it is going to be written to. */
static void copy_page(uint64_t gpa, size_t size, void *data)
{
	const struct memory *memory = data;
	uint8_t *first = guest_memory_at(&memory->guest, gpa, size);

	if (first == NULL)
		return;
	write_back(first);
	write_back(first + size - 1);
}

/* `fd` is the file that `file` shows, or negative where it is no file's (unpacked). */
static int load_segment(struct memory *memory, const struct kernel_image *image,
	const struct kernel_segment *segment, const struct mapped_file *file, int fd,
	struct error *err)
{
	uint8_t *host = guest_memory_at(&memory->guest, segment->gpa, segment->memory_size);

	if (host == NULL)
		return error_say(err, ENOMEM,
			"the kernel needs memory up to %llu MiB: give the guest more",
			(unsigned long long)((segment->gpa + segment->memory_size) / MIB + 1));
	if (fd >= 0)
		return load_from_file(memory, image, segment, fd, err);
	if (segment->file_size != 0)
		memcpy(host, file->bytes + segment->offset, segment->file_size);
	return 0;
}

static int load_segments(struct memory *memory, const struct kernel_image *image,
	const struct mapped_file *file, int fd, struct error *err)
{
	for (unsigned int i = 0; i < image->segment_count; i++) {
		int r = load_segment(memory, image, &image->segments[i], file, fd, err);

		if (r < 0)
			return r;
	}
	return 0;
}

/*
 * Unpacking here is faster than the bzImage's own code does it in the guest, and touches less of
 * the guest's memory.
 */
static int load_payload(struct memory *memory, struct kernel_image *image,
	const struct mapped_file *file, struct error *err)
{
	_cleanup_unmap_ struct mapped_file unpacked = { 0 };
	struct kernel_image inner;
	int64_t length;
	void *buffer;
	int r;

	if (image->payload_unpacked == 0 || image->payload_unpacked > KERNEL_FILE_MAX)
		return error_say(err, ENOEXEC, "kernel file: says to unpack to %llu bytes",
			(unsigned long long)image->payload_unpacked);
	buffer = mmap(NULL, image->payload_unpacked, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (buffer == MAP_FAILED)
		return error_set(err, errno, "memory to unpack the kernel");
	unpacked = (struct mapped_file){ .bytes = buffer, .size = image->payload_unpacked };
	length = lz4_legacy_unpack(file->bytes + image->payload_offset, image->payload_size, buffer,
		image->payload_unpacked);
	if (length < 0)
		return error_say(err, ENOEXEC, "kernel file: its LZ4 payload is damaged");
	r = kernel_image_parse(buffer, (size_t)length, &inner, err);
	if (r < 0)
		return error_prefix(err, "unpacked");
	if (inner.bzimage)
		return error_say(err, ENOEXEC, "kernel file: a bzImage inside a bzImage");
	image->entry = inner.entry;
	return load_segments(memory, &inner, &unpacked, -1, err);
}

static uint64_t kernel_end(const struct kernel_image *image)
{
	uint64_t end = 0;

	for (unsigned int i = 0; i < image->segment_count; i++) {
		uint64_t segment_end = image->segments[i].gpa + image->segments[i].memory_size;

		if (segment_end > end)
			end = segment_end;
	}
	return end;
}

/*
 * Behind the kernel, in the large page that its data ends in: the top of memory is where the
 * kernel's tables go, which fill large pages of their own. The guest takes the initrd's pages into
 * other use when it has unpacked it: a copy of the file costs no memory in the end.
 */
static int load_initrd(struct memory *memory, const struct kernel_image *image, int fd,
	struct boot_loaded *loaded, struct error *err)
{
	uint64_t limit = memory->low, address = page_up(kernel_end(image));
	size_t size = 0;
	int r = file_size(fd, "initrd", (size_t)1 << 40, &size, err);

	if (r < 0)
		return r;
	if (image->bzimage && image->header.initrd_addr_max != 0 &&
		!(image->header.xloadflags & XLF_CAN_BE_LOADED_ABOVE_4G) &&
		limit > (uint64_t)image->header.initrd_addr_max + 1)
		limit = (uint64_t)image->header.initrd_addr_max + 1;
	if (address > limit || page_up(size) > (limit & ~(PAGE - 1)) - address)
		return error_say(err, ENOMEM,
			"%llu MiB of memory do not hold the kernel and an initrd of %zu bytes",
			(unsigned long long)(memory->low / MIB), size);
	if (memory->large_pages)
		r = memory_read_file(memory, address, size, fd, 0, err);
	else
		r = memory_map_file(memory, address, size, fd, 0, err);
	if (r < 0)
		return error_prefix(err, "initrd");
	loaded->initrd = address;
	loaded->initrd_size = size;
	return 0;
}

int boot_load(struct memory *memory, int kernel_fd, int initrd_fd, struct boot_loaded *ret,
	struct error *err)
{
	_cleanup_unmap_ struct mapped_file file = { 0 };
	struct boot_loaded loaded = { 0 };
	struct kernel_image image;
	int r = map_kernel(kernel_fd, &file, err);

	if (r < 0 || file.bytes == NULL)
		return r;
	r = kernel_image_parse(file.bytes, file.size, &image, err);
	if (r < 0)
		return r;
	if (image.payload == KERNEL_PAYLOAD_LZ4)
		r = load_payload(memory, &image, &file, err);
	else
		r = load_segments(memory, &image, &file, kernel_fd, err);
	if (r >= 0 && memory->large_pages)
		kernel_patched_places(file.bytes, file.size, copy_page, memory);
	if (r >= 0 && initrd_fd >= 0)
		r = load_initrd(memory, &image, initrd_fd, &loaded, err);
	if (r < 0)
		return r;
	loaded.entry = image.entry;
	loaded.has_header = image.bzimage;
	loaded.header = image.header;
	*ret = loaded;
	return 0;
}
