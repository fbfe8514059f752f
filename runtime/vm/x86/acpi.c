/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/x86/acpi.h"

#include <errno.h>
#include <string.h>

#include "lib/error.h"
#include "runtime/vm/x86/aml.h"
#include "runtime/vm/x86/checksum.h"
#include "runtime/vm/x86/layout.h"

#define ADDRESS_SPACE_IO 1
/* IAPC_BOOT_ARCH: no keyboard controller, no legacy devices, and explicitly none of: */
#define BOOT_NO_VGA (1 << 2)
#define BOOT_NO_RTC (1 << 5)
#define FLAG_RESET_REGISTER (1U << 10)
#define FLAG_HARDWARE_REDUCED (1U << 20)
#define MADT_PCAT_COMPATIBLE 1
#define MADT_LOCAL_APIC 0
#define MADT_IO_APIC 1
#define MADT_ENABLED 1

struct acpi_rsdp {
	char signature[8];
	uint8_t checksum;
	char oem[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));

struct acpi_header {
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem[6];
	char oem_table[8];
	uint32_t oem_revision;
	char creator[4];
	uint32_t creator_revision;
} __attribute__((packed));

struct acpi_address {
	uint8_t space, bit_width, bit_offset, access_size;
	uint64_t address;
} __attribute__((packed));

/* ACPI 6.5, 5.2.9; what a machine of reduced hardware ignores is left out of the names. */
struct acpi_fadt {
	struct acpi_header header;
	uint32_t facs, dsdt;
	uint8_t ignored1[109 - 44];
	uint16_t boot_flags;
	uint8_t reserved;
	uint32_t flags;
	struct acpi_address reset_register;
	uint8_t reset_value;
	uint16_t arm_boot_flags;
	uint8_t minor;
	uint64_t facs64, dsdt64;
	struct acpi_address ignored2[8];
	struct acpi_address sleep_control, sleep_status;
	uint64_t hypervisor;
} __attribute__((packed));

_Static_assert(sizeof(struct acpi_fadt) == 276, "ACPI 6.x's FADT");

struct acpi_madt {
	struct acpi_header header;
	uint32_t lapic, flags;
} __attribute__((packed));

struct acpi_madt_lapic {
	uint8_t type, length, uid, apic_id;
	uint32_t flags;
} __attribute__((packed));

struct acpi_madt_ioapic {
	uint8_t type, length, id, reserved;
	uint32_t address, first_gsi;
} __attribute__((packed));

struct writer {
	uint8_t *buffer;
	size_t size, used;
	uint64_t address;
};

static struct acpi_header make_header(const char signature[4], uint8_t revision)
{
	struct acpi_header header = {
		.revision = revision,
		.oem = { 'C', 'A', 'I', 'S', 'S', 'O' },
		.oem_table = { 'C', 'A', 'I', 'S', 'S', 'O', 'N', ' ' },
		.oem_revision = 1,
		.creator = { 'C', 'A', 'I', 'S' },
		.creator_revision = 1,
	};

	memcpy(header.signature, signature, sizeof(header.signature));
	return header;
}

/* Where the next table begins, or NULL when `size` bytes do not fit. */
static uint8_t *reserve(struct writer *writer, size_t size)
{
	size_t at = (writer->used + 15) & ~(size_t)15;

	if (at > writer->size || size > writer->size - at)
		return NULL;
	writer->used = at;
	return writer->buffer + at;
}

/* Finishes the table of `length` bytes that begins at `used`; returns its guest address. */
static uint64_t finish(struct writer *writer, size_t length)
{
	uint8_t *table = writer->buffer + writer->used;
	uint64_t address = writer->address + writer->used;
	struct acpi_header header;

	memcpy(&header, table, sizeof(header));
	header.length = (uint32_t)length;
	header.checksum = 0;
	memcpy(table, &header, sizeof(header));
	table[offsetof(struct acpi_header, checksum)] = x86_checksum(table, length);
	writer->used += length;
	return address;
}

static void put_slot(struct aml *aml, unsigned int slot)
{
	char name[5] = { 'V', 'R', (char)('0' + slot / 10), (char)('0' + slot % 10), '\0' };
	size_t device = aml_open_device(aml, name);

	aml_name_string(aml, "_HID", "LNRO0005");
	aml_name_integer(aml, "_UID", slot);
	aml_name_integer(aml, "_CCA", 1);
	aml_resources_memory(aml, (uint32_t)x86_virtio_slot_address(slot),
		(uint32_t)X86_VIRTIO_MMIO_SIZE, x86_virtio_slot_irq(slot));
	aml_close(aml, device);
}

static void put_serial(struct aml *aml)
{
	size_t device = aml_open_device(aml, "COM1");

	aml_name_integer(aml, "_HID", 0x0105d041); /* PNP0501, as an EISA id */
	aml_name_integer(aml, "_UID", 0);
	aml_resources_ports(aml, X86_SERIAL_PORT, 8, X86_SERIAL_IRQ);
	aml_close(aml, device);
}

static uint64_t write_dsdt(struct writer *writer, const struct x86_acpi_options *options)
{
	struct acpi_header header = make_header("DSDT", 2);
	uint8_t *table = reserve(writer, sizeof(header));
	const uint8_t s5[] = { X86_ACPI_S5_TYPE, 0, 0, 0 };
	struct aml aml;
	size_t scope;

	if (table == NULL)
		return 0;
	memcpy(table, &header, sizeof(header));
	aml_init(&aml, table + sizeof(header), writer->size - writer->used - sizeof(header));
	aml_name_package(&aml, "_S5_", s5, sizeof(s5));
	scope = aml_open_scope(&aml, "_SB_");
	for (unsigned int i = 0; i < options->slots && i < X86_VIRTIO_SLOTS; i++)
		put_slot(&aml, i);
	if (options->serial)
		put_serial(&aml);
	aml_close(&aml, scope);
	if (aml.full)
		return 0;
	return finish(writer, sizeof(header) + (size_t)(aml.at - aml.start));
}

static struct acpi_address io_port(uint16_t port)
{
	return (struct acpi_address){
		.space = ADDRESS_SPACE_IO,
		.bit_width = 8,
		.access_size = 1,
		.address = port,
	};
}

static uint64_t write_fadt(struct writer *writer, uint64_t dsdt)
{
	struct acpi_fadt fadt = {
		.header = make_header("FACP", 6),
		.dsdt = (uint32_t)dsdt,
		.dsdt64 = dsdt,
		.boot_flags = BOOT_NO_VGA | BOOT_NO_RTC,
		.flags = FLAG_HARDWARE_REDUCED | FLAG_RESET_REGISTER,
		.reset_register = io_port(0x64),
		.reset_value = 0xfe,
		.minor = 5,
		.sleep_control = io_port(X86_ACPI_SLEEP_CONTROL_PORT),
		.sleep_status = io_port(X86_ACPI_SLEEP_STATUS_PORT),
	};
	uint8_t *table = reserve(writer, sizeof(fadt));

	if (table == NULL)
		return 0;
	memcpy(table, &fadt, sizeof(fadt));
	return finish(writer, sizeof(fadt));
}

static uint64_t write_madt(struct writer *writer, unsigned int cpus)
{
	struct acpi_madt madt = {
		.header = make_header("APIC", 5),
		.lapic = X86_LAPIC,
		.flags = MADT_PCAT_COMPATIBLE,
	};
	struct acpi_madt_ioapic ioapic = {
		.type = MADT_IO_APIC,
		.length = sizeof(ioapic),
		.id = (uint8_t)cpus,
		.address = X86_IOAPIC,
	};
	size_t length = sizeof(madt) + cpus * sizeof(struct acpi_madt_lapic) + sizeof(ioapic);
	uint8_t *table = reserve(writer, length), *at = table;

	if (table == NULL)
		return 0;
	memcpy(at, &madt, sizeof(madt));
	at += sizeof(madt);
	for (unsigned int i = 0; i < cpus; i++) {
		struct acpi_madt_lapic lapic = {
			.type = MADT_LOCAL_APIC,
			.length = sizeof(lapic),
			.uid = (uint8_t)i,
			.apic_id = (uint8_t)i,
			.flags = MADT_ENABLED,
		};

		memcpy(at, &lapic, sizeof(lapic));
		at += sizeof(lapic);
	}
	memcpy(at, &ioapic, sizeof(ioapic));
	return finish(writer, length);
}

static uint64_t write_xsdt(struct writer *writer, const uint64_t *tables, size_t count)
{
	struct acpi_header header = make_header("XSDT", 1);
	size_t length = sizeof(header) + count * sizeof(tables[0]);
	uint8_t *table = reserve(writer, length);

	if (table == NULL)
		return 0;
	memcpy(table, &header, sizeof(header));
	memcpy(table + sizeof(header), tables, count * sizeof(tables[0]));
	return finish(writer, length);
}

static void write_rsdp(uint8_t *buffer, uint64_t xsdt)
{
	struct acpi_rsdp rsdp = {
		.signature = { 'R', 'S', 'D', ' ', 'P', 'T', 'R', ' ' },
		.oem = { 'C', 'A', 'I', 'S', 'S', 'O' },
		.revision = 2,
		.length = sizeof(rsdp),
		.xsdt = xsdt,
	};

	/* The first 20 bytes are ACPI 1.0's structure, with a checksum of their own. */
	rsdp.checksum = x86_checksum(&rsdp, 20);
	rsdp.extended_checksum = x86_checksum(&rsdp, sizeof(rsdp));
	memcpy(buffer, &rsdp, sizeof(rsdp));
}

int x86_acpi_write(uint8_t *buffer, size_t size, uint64_t address,
	const struct x86_acpi_options *options, struct error *err)
{
	struct writer writer = {
		.buffer = buffer,
		.size = size,
		.used = sizeof(struct acpi_rsdp),
		.address = address,
	};
	uint64_t dsdt, tables[2], xsdt;

	if (options->cpus == 0 || options->cpus > X86_CPUS_MAX)
		return error_say(
			err, EINVAL, "%u processors: 1 to %d", options->cpus, X86_CPUS_MAX);
	dsdt = write_dsdt(&writer, options);
	tables[0] = dsdt != 0 ? write_fadt(&writer, dsdt) : 0;
	tables[1] = tables[0] != 0 ? write_madt(&writer, options->cpus) : 0;
	xsdt = tables[1] != 0 ? write_xsdt(&writer, tables, 2) : 0;
	if (xsdt == 0)
		return error_say(err, ENOSPC, "ACPI tables: %zu bytes are too few", size);
	write_rsdp(buffer, xsdt);
	return (int)writer.used;
}
