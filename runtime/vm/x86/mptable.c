/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/x86/mptable.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "lib/error.h"
#include "runtime/vm/x86/checksum.h"
#include "runtime/vm/x86/layout.h"

#define MP_VERSION 4 /* 1.4 */
#define APIC_VERSION 0x14
#define IOAPIC_VERSION 0x11

enum entry_type {
	ENTRY_PROCESSOR,
	ENTRY_BUS,
	ENTRY_IOAPIC,
	ENTRY_INTERRUPT,
	ENTRY_LOCAL_INTERRUPT,
};

#define CPU_ENABLED 1
#define CPU_BOOTS 2
#define IOAPIC_ENABLED 1
#define INTERRUPT_VECTORED 0
#define INTERRUPT_NMI 1
#define INTERRUPT_EXTERNAL 3
#define ALL_LOCAL_APICS 0xff

struct mp_floating {
	char signature[4];
	uint32_t table;
	uint8_t length; /* in units of 16 bytes */
	uint8_t version;
	uint8_t checksum;
	uint8_t features[5];
} __attribute__((packed));

struct mp_header {
	char signature[4];
	uint16_t length;
	uint8_t version;
	uint8_t checksum;
	char manufacturer[8];
	char product[12];
	uint32_t oem_table;
	uint16_t oem_table_size;
	uint16_t entries;
	uint32_t lapic;
	uint16_t extended_length;
	uint8_t extended_checksum;
	uint8_t reserved;
} __attribute__((packed));

struct mp_processor {
	uint8_t type, apic_id, apic_version, flags;
	uint32_t signature, features;
	uint32_t reserved[2];
} __attribute__((packed));

struct mp_bus {
	uint8_t type, id;
	char name[6];
} __attribute__((packed));

struct mp_ioapic {
	uint8_t type, id, version, flags;
	uint32_t address;
} __attribute__((packed));

struct mp_interrupt {
	uint8_t type, kind;
	uint16_t flags; /* 0: conforms to the bus */
	uint8_t bus, bus_irq, apic, pin;
} __attribute__((packed));

struct writer {
	uint8_t *at, *end;
	uint16_t entries;
	bool full;
};

static void put(struct writer *writer, const void *entry, size_t size)
{
	if ((size_t)(writer->end - writer->at) < size) {
		writer->full = true;
		return;
	}
	memcpy(writer->at, entry, size);
	writer->at += size;
	writer->entries++;
}

static void put_interrupts(struct writer *writer, uint8_t ioapic, uint32_t lines)
{
	for (uint8_t line = 0; line < X86_IOAPIC_PINS; line++) {
		if (!(lines & (1U << line)))
			continue;
		put(writer,
			&(struct mp_interrupt){
				.type = ENTRY_INTERRUPT,
				.kind = INTERRUPT_VECTORED,
				.bus_irq = line,
				.apic = ioapic,
				.pin = line,
			},
			sizeof(struct mp_interrupt));
	}
	put(writer,
		&(struct mp_interrupt){
			.type = ENTRY_LOCAL_INTERRUPT,
			.kind = INTERRUPT_EXTERNAL,
			.apic = ALL_LOCAL_APICS,
			.pin = 0,
		},
		sizeof(struct mp_interrupt));
	put(writer,
		&(struct mp_interrupt){
			.type = ENTRY_LOCAL_INTERRUPT,
			.kind = INTERRUPT_NMI,
			.apic = ALL_LOCAL_APICS,
			.pin = 1,
		},
		sizeof(struct mp_interrupt));
}

static void put_entries(struct writer *writer, unsigned int cpus, uint32_t lines)
{
	uint8_t ioapic = (uint8_t)cpus;

	for (unsigned int i = 0; i < cpus; i++)
		put(writer,
			&(struct mp_processor){
				.type = ENTRY_PROCESSOR,
				.apic_id = (uint8_t)i,
				.apic_version = APIC_VERSION,
				.flags = CPU_ENABLED | (i == 0 ? CPU_BOOTS : 0),
				.signature = 0x600,
				.features = 0x201, /* FPU, APIC */
			},
			sizeof(struct mp_processor));
	put(writer, &(struct mp_bus){ .type = ENTRY_BUS, .name = { 'I', 'S', 'A', ' ', ' ', ' ' } },
		sizeof(struct mp_bus));
	put(writer,
		&(struct mp_ioapic){
			.type = ENTRY_IOAPIC,
			.id = ioapic,
			.version = IOAPIC_VERSION,
			.flags = IOAPIC_ENABLED,
			.address = X86_IOAPIC,
		},
		sizeof(struct mp_ioapic));
	put_interrupts(writer, ioapic, lines);
}

int x86_mptable_write(uint8_t *buffer, size_t size, uint32_t address, unsigned int cpus,
	uint32_t lines, struct error *err)
{
	struct mp_floating floating = {
		.signature = { '_', 'M', 'P', '_' },
		.table = address + (uint32_t)sizeof(floating),
		.length = 1,
		.version = MP_VERSION,
	};
	struct mp_header header = {
		.signature = { 'P', 'C', 'M', 'P' },
		.version = MP_VERSION,
		.manufacturer = { 'C', 'A', 'I', 'S', 'S', 'O', 'N', ' ' },
		.product = { 'M', 'I', 'C', 'R', 'O', ' ', 'V', 'M', ' ', ' ', ' ', ' ' },
		.lapic = X86_LAPIC,
	};
	uint8_t *table = buffer + sizeof(floating);
	struct writer writer;
	size_t length;

	if (cpus == 0 || cpus > X86_CPUS_MAX)
		return error_say(err, EINVAL, "%u processors: 1 to %d", cpus, X86_CPUS_MAX);
	if (size < sizeof(floating) + sizeof(header))
		return error_say(err, ENOSPC, "MP table: %zu bytes are too few", size);
	writer = (struct writer){ .at = table + sizeof(header), .end = buffer + size };
	put_entries(&writer, cpus, lines);
	length = (size_t)(writer.at - table);
	if (writer.full || length > UINT16_MAX)
		return error_say(err, ENOSPC, "MP table of %u processors: %zu bytes are too few",
			cpus, size);
	header.length = (uint16_t)length;
	header.entries = writer.entries;
	memcpy(table, &header, sizeof(header));
	((struct mp_header *)(void *)table)->checksum = x86_checksum(table, length);
	floating.checksum = x86_checksum(&floating, sizeof(floating));
	memcpy(buffer, &floating, sizeof(floating));
	return (int)(sizeof(floating) + length);
}
