/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest without a system, which is out for its monitor: it brings its devices up as a driver
 * does, and then fills their rings and requests with what no driver would, writes and reads
 * registers of any size in any state, and resets devices in the middle. Half of what it writes is
 * nearly right, because only that gets far.
 *
 * The last disk and the last source of random bytes it leaves alone and uses, again and again: they
 * must go on. Its command line has "seed=N rounds=N"; without rounds it goes on for ever, else it
 * says on the serial port how it went and resets the machine. What it knows lies at HOSTILE_REPORT.
 * It lies above 256 MiB, and the balloon gets rings of its own and lists that are not shifted,
 * because else two halves of small numbers would be one of the guest's own pages too often.
 */
#include "tests/vm/hostile.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLOTS 18
#define SLOT_ADDRESS(n) (0xd0000000ul + (n)*0x1000ul)

/* What attacked devices are to write to: a hole in the kernel's image. */
#define ARENA 0x11c80000ul
#define ARENA_SIZE 0x180000ul
#define BALLOON_RINGS (ARENA + ARENA_SIZE)
#define RING_SPACE 0x8000ul
#define RINGS 8
#define RING_SIZE_MAX 256u
#define BUFFERS (ARENA + RINGS * RING_SPACE)
#define BUFFERS_SIZE (ARENA_SIZE - RINGS * RING_SPACE)

#define GOOD_SIZE 8u
#define GOOD_POLLS 300000u
#define SECTORS 64u
#define PAGE 4096u

struct good {
	unsigned int slot; /* SLOTS: none */
	uint16_t available;
	_Alignas(16) struct vring_desc descriptors[GOOD_SIZE];
	_Alignas(2) uint16_t avail[4 + GOOD_SIZE];
	_Alignas(4) uint32_t used[2 + 2 * GOOD_SIZE];
	struct virtio_blk_outhdr header;
	uint64_t data[64];
	uint8_t status;
};

static struct good disk, random_bytes;
static uint64_t page_tables[6][512] __attribute__((aligned(4096)));
static uint64_t seed;
static uint64_t memory_end;

/* The rings of the device in hand. */
static uint64_t ring_base = ARENA;

/* The attacked queues' sizes, and where their drivers are. */
static struct {
	unsigned int size;
	uint16_t available;
} rings[RINGS];

__attribute__((section(".report"), used)) static volatile struct hostile_report report = {
	.magic = HOSTILE_MAGIC,
};

__asm__(".globl _start\n"
	"_start:\n"
	"	mov $stack_top, %esp\n"
	"	mov %rsi, %rdi\n"
	"	call hostile_main\n"
	"	ud2\n"
	".bss\n"
	".balign 16\n"
	"	.skip 16384\n"
	"stack_top:\n"
	".text\n");

void hostile_main(const uint8_t *boot_params);

static void out(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void say(const char *text)
{
	for (; *text != '\0'; text++)
		out(0x3f8, (uint8_t)*text);
}

static void say_number(uint64_t number)
{
	char text[21];
	size_t at = sizeof(text) - 1;

	text[at] = '\0';
	do {
		text[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	say(text + at);
}

static void fill(volatile uint8_t *to, uint8_t value, size_t size)
{
	while (size-- > 0)
		*to++ = value;
}

/* The compiler's own wish. */
void *memset(void *to, int value, size_t size);
void *memset(void *to, int value, size_t size)
{
	fill(to, (uint8_t)value, size);
	return to;
}

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint32_t below(uint32_t limit)
{
	return (uint32_t)(any() >> 16) % limit;
}

static bool one_in(uint32_t count)
{
	return below(count) == 0;
}

static uint32_t read_register(unsigned int slot, uint32_t reg)
{
	return *(volatile uint32_t *)(SLOT_ADDRESS(slot) + reg);
}

static void write_register(unsigned int slot, uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(SLOT_ADDRESS(slot) + reg) = value;
}

static void write_address(unsigned int slot, uint32_t reg, uint64_t address)
{
	write_register(slot, reg, (uint32_t)address);
	write_register(slot, reg + 4, (uint32_t)(address >> 32));
}

/* Lengths at which something ends, and any. */
static uint32_t some_length(void)
{
	static const uint32_t lengths[] = { 0, 1, 2, 4, 12, 16, 40, 44, 64, 80, 104, 144, 512, 1526,
		4096, 4097, 65536, 65600, 1 << 20 };

	return one_in(16) ? (uint32_t)any() : lengths[below(sizeof(lengths) / sizeof(lengths[0]))];
}

/* In the buffers mostly; at the end of memory, in the registers, in nothing. */
static uint64_t some_address(void)
{
	switch (below(24)) {
	case 0:
		return any();
	case 1:
		return memory_end - below(8192);
	case 2:
		return SLOT_ADDRESS(below(SLOTS)) + below(PAGE);
	case 3:
		return ARENA + below(ARENA_SIZE);
	case 4:
		return UINT64_MAX - below(65536);
	default:
		return BUFFERS + below(BUFFERS_SIZE - (1 << 16));
	}
}

static uint64_t device_features(unsigned int slot)
{
	uint64_t features;

	write_register(slot, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	features = (uint64_t)read_register(slot, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	write_register(slot, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	return features | read_register(slot, VIRTIO_MMIO_DEVICE_FEATURES);
}

static bool negotiate(unsigned int slot, uint64_t features)
{
	write_register(slot, VIRTIO_MMIO_STATUS, 0);
	write_register(slot, VIRTIO_MMIO_STATUS, 1);
	write_register(slot, VIRTIO_MMIO_STATUS, 3);
	write_register(slot, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	write_register(slot, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
	write_register(slot, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	write_register(slot, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
	write_register(slot, VIRTIO_MMIO_STATUS, 11);
	return read_register(slot, VIRTIO_MMIO_STATUS) == 11;
}

static void set_queue(unsigned int slot, unsigned int queue, uint32_t size, uint64_t descriptors,
	uint64_t available, uint64_t used)
{
	write_register(slot, VIRTIO_MMIO_QUEUE_SEL, queue);
	write_register(slot, VIRTIO_MMIO_QUEUE_NUM, size);
	write_address(slot, VIRTIO_MMIO_QUEUE_DESC_LOW, descriptors);
	write_address(slot, VIRTIO_MMIO_QUEUE_AVAIL_LOW, available);
	write_address(slot, VIRTIO_MMIO_QUEUE_USED_LOW, used);
	write_register(slot, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* ---- the devices that are used as they should be */

static void start_good(struct good *good, unsigned int slot)
{
	good->slot = slot;
	if (slot == SLOTS)
		return;
	negotiate(slot, UINT64_C(1) << VIRTIO_F_VERSION_1);
	set_queue(slot, 0, GOOD_SIZE, (uintptr_t)good->descriptors, (uintptr_t)good->avail,
		(uintptr_t)good->used);
	write_register(slot, VIRTIO_MMIO_STATUS, 15);
}

static void put(struct good *good, unsigned int at, const volatile void *data, uint32_t length,
	uint16_t flags)
{
	good->descriptors[at] = (struct vring_desc){ (uintptr_t)data, length, flags,
		(uint16_t)(at + 1) };
}

/* Offers the chain that begins at 0, and waits for its end. */
static bool served(struct good *good)
{
	volatile uint16_t *available = good->avail, *used = (volatile uint16_t *)good->used;

	available[2 + good->available % GOOD_SIZE] = 0;
	__asm__ volatile("mfence" : : : "memory");
	available[1] = ++good->available;
	__asm__ volatile("mfence" : : : "memory");
	write_register(good->slot, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	for (unsigned int i = 0; i < GOOD_POLLS; i++) {
		if (used[1] == good->available) {
			write_register(good->slot, VIRTIO_MMIO_INTERRUPT_ACK, 3);
			__asm__ volatile("" : : : "memory");
			return true;
		}
		(void)in(0x80); /* lets the host run */
	}
	return false;
}

static bool transfer(uint32_t type, uint64_t sector)
{
	disk.header = (struct virtio_blk_outhdr){ .type = type, .sector = sector };
	disk.status = 0xff;
	put(&disk, 0, &disk.header, sizeof(disk.header), VRING_DESC_F_NEXT);
	put(&disk, 1, disk.data, sizeof(disk.data),
		VRING_DESC_F_NEXT | (type == VIRTIO_BLK_T_IN ? VRING_DESC_F_WRITE : 0));
	put(&disk, 2, &disk.status, 1, VRING_DESC_F_WRITE);
	return served(&disk) && *(volatile uint8_t *)&disk.status == VIRTIO_BLK_S_OK;
}

static bool disk_works(void)
{
	uint64_t sector = below(SECTORS), value = any();

	for (unsigned int i = 0; i < 64; i++)
		disk.data[i] = value + i;
	if (!transfer(VIRTIO_BLK_T_OUT, sector))
		return false;
	fill((volatile uint8_t *)disk.data, 0, sizeof(disk.data));
	if (!transfer(VIRTIO_BLK_T_IN, sector))
		return false;
	for (unsigned int i = 0; i < 64; i++)
		if (((volatile uint64_t *)disk.data)[i] != value + i)
			return false;
	return true;
}

static bool random_works(void)
{
	fill((volatile uint8_t *)random_bytes.data, 0, 64);
	put(&random_bytes, 0, random_bytes.data, 64, VRING_DESC_F_WRITE);
	return served(&random_bytes) && ((volatile uint64_t *)random_bytes.data)[0] != 0;
}

static void use_good(void)
{
	bool well = true;

	if (disk.slot != SLOTS)
		well = disk_works();
	if (random_bytes.slot != SLOTS)
		well = random_works() && well;
	if (well)
		report.good++;
	else
		report.failed++;
}

/* ---- the attack */

static volatile struct vring_desc *descriptors(unsigned int ring)
{
	return (volatile struct vring_desc *)(ring_base + ring * RING_SPACE);
}

static volatile uint16_t *available_ring(unsigned int ring)
{
	return (volatile uint16_t *)(ring_base + ring * RING_SPACE + 0x4000);
}

static void start_bad(unsigned int slot)
{
	uint64_t offered = device_features(slot), features = offered;

	if (one_in(2))
		features &= any() | UINT64_C(1) << VIRTIO_F_VERSION_1;
	if (one_in(16))
		features = any();
	if (!negotiate(slot, features))
		return;
	for (unsigned int queue = 0; queue < RINGS; queue++) {
		uint64_t ring = ring_base + queue * RING_SPACE;
		uint32_t most, size = 1u << below(9);

		write_register(slot, VIRTIO_MMIO_QUEUE_SEL, queue);
		most = read_register(slot, VIRTIO_MMIO_QUEUE_NUM_MAX);
		if (most == 0 || one_in(16))
			continue;
		if (size > most || size > RING_SIZE_MAX)
			size = most < RING_SIZE_MAX ? most : RING_SIZE_MAX;
		rings[queue].size = size;
		rings[queue].available = 0;
		available_ring(queue)[1] = 0;
		if (one_in(24))
			set_queue(slot, queue, one_in(2) ? size : (uint32_t)any(), some_address(),
				some_address(), some_address());
		else
			set_queue(slot, queue, size, ring, ring + 0x4000, ring + 0x6000);
	}
	write_register(slot, VIRTIO_MMIO_STATUS, 15);
	if (read_register(slot, VIRTIO_MMIO_STATUS) == 15)
		report.started++;
}

/* The beginning of a request, as such a device has it, at the address. */
static uint32_t write_request(uint32_t device, volatile uint32_t *to)
{
	static const uint32_t small[] = { 0, 1, 2, 3, 4, 8, 11, 13, 26, 40, 44, 47, 52 };
	uint32_t words = 1 + below(96);

	for (uint32_t i = 0; i < words; i++)
		to[i] = one_in(2) ? (uint32_t)any() | 0x10000 : small[below(13)];
	switch (device) {
	case VIRTIO_ID_BLOCK:
		to[0] = below(15);
		to[2] = one_in(4) ? (uint32_t)any() : below(2048);
		to[3] = one_in(8) ? (uint32_t)any() : 0;
		return 16;
	case VIRTIO_ID_NET:
		to[0] = one_in(2) ? 0 : to[0];
		to[1] = one_in(2) ? 0 : to[1];
		return 12 + below(60);
	case VIRTIO_ID_VSOCK:
		to[0] = 3, to[1] = 0, to[2] = 2, to[3] = 0;
		to[4] = 1000 + below(4);
		to[5] = 1000 + below(4);
		to[6] = one_in(4) ? (uint32_t)any() : some_length();
		to[7] = 1 | below(9) << 16;
		return 44;
	case VIRTIO_ID_FS:
		to[0] = one_in(8) ? (uint32_t)any() : words * 4;
		to[1] = one_in(8) ? (uint32_t)any() : one_in(4) ? 26 : 1 + below(53);
		to[4] = one_in(8) ? (uint32_t)any() : below(6);
		to[5] = to[3] = 0;
		to[6] = to[7] = one_in(2) ? 0 : to[6];
		to[9] = one_in(8) ? (uint32_t)any() : 0;
		if (to[1] == 26) {
			to[10] = 7;
			to[11] = 30 + below(10);
		}
		return words * 4 < 40 ? 40 : words * 4;
	case VIRTIO_ID_MEM:
		to[0] = below(5);
		to[2] = below(64) << 21;
		to[3] = one_in(4) ? 1 : below(3);
		to[4] = below(8);
		return 24;
	case VIRTIO_ID_BALLOON:
		/* Its own pages it keeps: all it has lies below. */
		for (uint32_t i = 0; i < words; i++)
			to[i] = one_in(2) ? (uint32_t)(ARENA / PAGE + below(ARENA_SIZE / PAGE))
					  : (uint32_t)any() | 0x10000;
		return words * 4;
	}
	return words * 4;
}

/* A chain of readable and then writable buffers, mostly, from descriptor `first` on. */
static void write_chain(
	uint32_t device, volatile struct vring_desc *table, unsigned int size, unsigned int first)
{
	unsigned int count = 1 + below(size < 6 ? size : 6), readable = below(count + 1);

	for (unsigned int i = 0; i < count; i++) {
		volatile struct vring_desc *d = &table[(first + i) % size];

		d->addr = some_address();
		if (device == VIRTIO_ID_BALLOON)
			d->addr &= ~3ul;
		d->len = some_length();
		if (i == 0 && readable > 0) {
			uint64_t to = BUFFERS + below((BUFFERS_SIZE - PAGE) / 8) * 8;

			d->addr = to;
			d->len = write_request(device, (volatile uint32_t *)to);
		}
		d->flags = (uint16_t)((i + 1 < count ? VRING_DESC_F_NEXT : 0) |
			(i < readable ? 0 : VRING_DESC_F_WRITE));
		d->next = (uint16_t)((first + i + 1) % size);
		if (one_in(24))
			d->flags = (uint16_t)any() & 7;
		if (one_in(24))
			d->next = (uint16_t)any();
	}
}

static void offer(unsigned int slot, uint32_t device, unsigned int queue)
{
	volatile uint16_t *available = available_ring(queue);
	unsigned int size = rings[queue].size;
	unsigned int chains = 1 + below(8);

	if (size == 0)
		return;
	for (unsigned int i = 0; i < chains; i++) {
		unsigned int first = below(size);

		if (one_in(5)) {
			uint64_t table = BUFFERS + below((BUFFERS_SIZE - PAGE) / 8) * 8;

			write_chain(device, (volatile struct vring_desc *)table, 16, 0);
			descriptors(queue)[first].addr = table;
			descriptors(queue)[first].len = one_in(8) ? some_length() : 16 * 16;
			descriptors(queue)[first].flags = VRING_DESC_F_INDIRECT;
		} else {
			write_chain(device, descriptors(queue), size, first);
		}
		available[2 + rings[queue].available % size] = (uint16_t)(one_in(48) ? any()
										     : first);
		rings[queue].available++;
	}
	available[0] = (uint16_t)below(2);
	available[2 + size] = (uint16_t)any(); /* used_event */
	__asm__ volatile("mfence" : : : "memory");
	available[1] = (uint16_t)(one_in(48) ? any() : rings[queue].available);
	__asm__ volatile("mfence" : : : "memory");
	write_register(slot, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
	report.offered += chains;
}

/* Rings that change while a device reads them. */
static void scribble(void)
{
	for (unsigned int i = 0; i < 64; i++)
		*(volatile uint32_t *)(ARENA + below(RINGS * RING_SPACE / 4) * 4) = one_in(2)
			? (uint32_t)any() | 0x10000
			: below(8);
}

static void write_registers(unsigned int slot)
{
	for (unsigned int i = 0; i < 64; i++) {
		uint64_t at = SLOT_ADDRESS(slot) + below(one_in(2) ? 0x120 : PAGE - 8);
		uint64_t value = one_in(2) ? any() : below(32);

		switch (below(5)) {
		case 0:
			*(volatile uint8_t *)at = (uint8_t)value;
			break;
		case 1:
			*(volatile uint16_t *)at = (uint16_t)value;
			break;
		case 2:
			*(volatile uint64_t *)at = value;
			break;
		case 3:
			(void)*(volatile uint64_t *)at;
			break;
		default:
			*(volatile uint32_t *)(at & ~3ul) = (uint32_t)value;
		}
	}
}

static void attack(unsigned int slot)
{
	uint32_t device = read_register(slot, VIRTIO_MMIO_DEVICE_ID);

	ring_base = device == VIRTIO_ID_BALLOON ? BALLOON_RINGS : ARENA;
	if (one_in(3) || read_register(slot, VIRTIO_MMIO_STATUS) != 15)
		start_bad(slot);
	for (unsigned int i = 0; i < 6; i++)
		offer(slot, device, below(RINGS));
	if (one_in(4))
		scribble();
	if (one_in(4))
		write_registers(slot);
	if (one_in(8))
		write_register(slot, VIRTIO_MMIO_STATUS, 0);
}

/* ---- beginning and end */

/* To where the balloon does not throw them away. */
static void move_page_tables(void)
{
	uint64_t *top = page_tables[0], *second = page_tables[1];

	top[0] = (uintptr_t)second | 3;
	for (uint64_t i = 0; i < 4; i++)
		second[i] = (uintptr_t)page_tables[2 + i] | 3;
	for (uint64_t i = 0; i < 4 * 512; i++)
		page_tables[2 + i / 512][i % 512] = i << 21 | 0x83;
	__asm__ volatile("mov %0, %%cr3" : : "r"(top) : "memory");
}

static uint64_t option(const char *line, const char *name)
{
	for (; *line != '\0'; line++) {
		uint64_t value = 0;
		size_t i = 0;

		while (name[i] != '\0' && line[i] == name[i])
			i++;
		if (name[i] != '\0')
			continue;
		for (line += i; *line >= '0' && *line <= '9'; line++)
			value = value * 10 + (uint64_t)(*line - '0');
		return value;
	}
	return 0;
}

/* The end of memory below the hole, by the boot protocol's table of it. */
static uint64_t find_memory_end(const uint8_t *boot_params)
{
	uint64_t end = 0;

	for (unsigned int i = 0; i < boot_params[0x1e8]; i++) {
		const uint8_t *entry = boot_params + 0x2d0 + i * 20;
		uint64_t address, size;

		__builtin_memcpy(&address, entry, 8);
		__builtin_memcpy(&size, entry + 8, 8);
		if (entry[16] == 1 && address + size > end && address < 0xc0000000)
			end = address + size;
	}
	return end;
}

static unsigned int last_slot(uint32_t device)
{
	for (unsigned int slot = SLOTS; slot-- > 0;)
		if (read_register(slot, VIRTIO_MMIO_DEVICE_ID) == device)
			return slot;
	return SLOTS;
}

void hostile_main(const uint8_t *boot_params)
{
	uint32_t line;
	uint64_t rounds;

	__builtin_memcpy(&line, boot_params + 0x228, sizeof(line));
	seed = option((const char *)(uintptr_t)line, "seed=") * UINT64_C(0x9e3779b97f4a7c15) + 1;
	rounds = option((const char *)(uintptr_t)line, "rounds=");
	memory_end = find_memory_end(boot_params);
	move_page_tables();
	start_good(&disk, last_slot(VIRTIO_ID_BLOCK));
	start_good(&random_bytes, last_slot(VIRTIO_ID_RNG));
	for (uint64_t round = 0; rounds == 0 || round < rounds; round++) {
		unsigned int slot = below(SLOTS);

		if (slot != disk.slot && slot != random_bytes.slot &&
			read_register(slot, VIRTIO_MMIO_DEVICE_ID) != 0)
			attack(slot);
		if (round % 16 == 0)
			use_good();
		report.rounds = round + 1;
	}
	say("hostile: rounds ");
	say_number(report.rounds);
	say(", started ");
	say_number(report.started);
	say(", offered ");
	say_number(report.offered);
	say(", good ");
	say_number(report.good);
	say(", failed ");
	say_number(report.failed);
	say("\r\n");
	out(0x64, 0xfe);
	for (;;)
		__asm__ volatile("hlt");
}
