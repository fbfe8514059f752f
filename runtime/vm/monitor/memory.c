/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/monitor/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/x86/boot_params.h"
#include "runtime/vm/x86/layout.h"

#define ALIGNMENT (2ULL << 20)
#define SIZE_LIMIT (1ULL << 44)
#define THIN_BEGIN (2ULL << 20)
#define THIN_END (8ULL << 20)
#define PAGEMAP_PRESENT_OR_SWAPPED (3ULL << 62)

/* 2 MiB alignment of both addresses lets the host back the guest with large pages. */
static void *reserve(uint64_t size, int protection)
{
	uint8_t *base = mmap(NULL, size + ALIGNMENT, protection,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t before, after;

	if (base == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)base % ALIGNMENT;
	after = ALIGNMENT - before;
	if (before != 0)
		munmap(base, before);
	munmap(base + before + size, after);
	return base + before;
}

/*
 * A range that asks for large pages gets them at the price of compacting memory while the guest
 * waits (25 to 70 ms for one, in a machine whose memory is in use). So nothing is asked where the
 * host gives them to everybody, and then falls back to small pages.
 */
static bool must_ask_for_large_pages(void)
{
	char text[64] = "";
	_cleanup_close_ int fd = open(
		"/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return false;
	return strstr(text, "[madvise]") != NULL;
}

/*
 * Kernels without large pages refuse all: the guest runs with small ones. What lies between the
 * first page tables and the kernel is what Linux uses last, and thinly.
 */
static void advise(uint8_t *base, uint64_t size, bool large_pages)
{
	if (!large_pages) {
		(void)madvise(base, size, MADV_NOHUGEPAGE);
		return;
	}
	if (must_ask_for_large_pages())
		(void)madvise(base, size, MADV_HUGEPAGE);
	if (size > THIN_END)
		(void)madvise(base + THIN_BEGIN, THIN_END - THIN_BEGIN, MADV_NOHUGEPAGE);
}

/* Linux plugs memory in sections of 128 MiB at least. */
#define SPARE_ALIGNMENT (1ULL << 30)

uint64_t memory_spare_address(const struct memory *memory)
{
	uint64_t end = X86_HOLE_END + memory->high;

	return (end + SPARE_ALIGNMENT - 1) & ~(SPARE_ALIGNMENT - 1);
}

static int add_regions(struct memory *memory, struct error *err)
{
	uint8_t *base = memory->base;
	int r = guest_memory_add(&memory->guest, 0, memory->low, base, err);

	if (r >= 0 && memory->high != 0)
		r = guest_memory_add(
			&memory->guest, X86_HOLE_END, memory->high, base + memory->low, err);
	return r;
}

int memory_open_spare(struct memory *memory, struct error *err)
{
	uint8_t *spare = (uint8_t *)memory->base + memory->low + memory->high;

	if (memory->spare == 0)
		return error_say(err, EINVAL, "the machine was made without room for more memory");
	if (guest_memory_at(&memory->guest, memory_spare_address(memory), 1) != NULL)
		return 0;
	if (mprotect(spare, memory->spare, PROT_READ | PROT_WRITE) < 0)
		return error_set(err, errno, "make room for %" PRIu64 " MiB more of guest memory",
			memory->spare >> 20);
	return guest_memory_add(
		&memory->guest, memory_spare_address(memory), memory->spare, spare, err);
}

int memory_new(
	struct memory *ret, uint64_t size, uint64_t spare, bool large_pages, struct error *err)
{
	struct memory memory = {
		.low = x86_memory_below_hole(size),
		.spare = spare,
		.large_pages = large_pages,
	};
	uint64_t all = size + spare;
	int r;

	if (size == 0 || size % ALIGNMENT != 0 || spare % ALIGNMENT != 0 || size > SIZE_LIMIT ||
		spare > SIZE_LIMIT)
		return error_say(err, EINVAL,
			"%" PRIu64 " bytes of guest memory: a multiple of 2 MiB is needed", size);
	memory.high = size - memory.low;
	/* What nobody may write to counts nowhere, not even where memory is never overcommitted. */
	memory.base = reserve(all, spare != 0 ? PROT_NONE : PROT_READ | PROT_WRITE);
	if (memory.base == NULL)
		return error_set(err, errno, "reserve %" PRIu64 " MiB of guest memory", all >> 20);
	if (spare != 0 && mprotect(memory.base, size, PROT_READ | PROT_WRITE) < 0) {
		error_set(err, errno, "reserve %" PRIu64 " MiB of guest memory", size >> 20);
		munmap(memory.base, all);
		return -err->errnum;
	}
	advise(memory.base, all, large_pages);
	/* A core dump of the monitor must not hold the guest. Old kernels lack it: harmless. */
	(void)madvise(memory.base, all, MADV_DONTDUMP);
	r = add_regions(&memory, err);
	if (r < 0) {
		munmap(memory.base, all);
		return r;
	}
	*ret = memory;
	return 0;
}

void memory_free(struct memory *memory)
{
	if (memory->base != NULL)
		munmap(memory->base, memory->low + memory->high + memory->spare);
	*memory = (struct memory){ 0 };
}

int memory_map_file(struct memory *memory, uint64_t gpa, uint64_t size, int fd, uint64_t offset,
	struct error *err)
{
	uint64_t rounded = (size + X86_PAGE_SIZE - 1) & ~(X86_PAGE_SIZE - 1);
	uint8_t *host;

	if (rounded < size || gpa % X86_PAGE_SIZE != 0 || offset % X86_PAGE_SIZE != 0)
		return error_say(err, EINVAL, "map a file to 0x%" PRIx64 ": not a page's", gpa);
	host = guest_memory_at(&memory->guest, gpa, rounded);
	if (host == NULL)
		return error_say(err, EFAULT,
			"0x%" PRIx64 " bytes at 0x%" PRIx64 " are not in the guest's memory", size,
			gpa);
	if (mmap(host, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd,
		    (off_t)offset) == MAP_FAILED)
		return error_set(err, errno, "map a file into the guest's memory");
	(void)madvise(host, rounded, MADV_DONTDUMP);
	if (rounded != size)
		memset(host + size, 0, rounded - size);
	return 0;
}

int memory_read_file(struct memory *memory, uint64_t gpa, uint64_t size, int fd, uint64_t offset,
	struct error *err)
{
	uint8_t *host = guest_memory_at(&memory->guest, gpa, size);

	if (host == NULL)
		return error_say(err, EFAULT,
			"0x%" PRIx64 " bytes at 0x%" PRIx64 " are not in the guest's memory", size,
			gpa);
	for (uint64_t done = 0; done < size;) {
		ssize_t n = pread(fd, host + done, size - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return error_set(
				err, n < 0 ? errno : EIO, "read a file into the guest's memory");
		done += (uint64_t)n;
	}
	return 0;
}

int memory_count_touched(const struct memory *memory, uint64_t *ret, struct error *err)
{
	_cleanup_close_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t first = (uintptr_t)memory->base / X86_PAGE_SIZE;
	uint64_t pages = (memory->low + memory->high + memory->spare) / X86_PAGE_SIZE;
	uint64_t touched = 0;

	if (fd < 0)
		return error_set(err, errno, "open /proc/self/pagemap");
	for (uint64_t done = 0; done < pages;) {
		uint64_t entries[512];
		size_t most = pages - done < 512 ? (size_t)(pages - done) : 512;
		ssize_t n = pread(fd, entries, most * sizeof(entries[0]),
			(off_t)((first + done) * sizeof(entries[0])));

		if (n < (ssize_t)sizeof(entries[0]))
			return error_set(err, n < 0 ? errno : EIO, "read /proc/self/pagemap");
		for (size_t i = 0; i < (size_t)n / sizeof(entries[0]); i++)
			touched += (entries[i] & PAGEMAP_PRESENT_OR_SWAPPED) != 0;
		done += (size_t)n / sizeof(entries[0]);
	}
	*ret = touched;
	return 0;
}
