/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's firmware tables and processor look like, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "lib/error.h"
#include "runtime/vm/boot/load.h"
#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/x86/acpi.h"
#include "runtime/vm/x86/aml.h"
#include "runtime/vm/x86/boot_params.h"
#include "runtime/vm/x86/cpuid.h"
#include "runtime/vm/x86/firmware.h"
#include "runtime/vm/x86/layout.h"
#include "runtime/vm/x86/mptable.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static uint8_t sum(const uint8_t *bytes, size_t size)
{
	uint8_t total = 0;

	for (size_t i = 0; i < size; i++)
		total = (uint8_t)(total + bytes[i]);
	return total;
}

static uint32_t load32(const uint8_t *bytes)
{
	uint32_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static uint64_t load64(const uint8_t *bytes)
{
	uint64_t value;

	memcpy(&value, bytes, sizeof(value));
	return value;
}

static void memory_is_cut_at_the_hole(void **state)
{
	(void)state;
	assert_int_equal(x86_memory_below_hole(256 * MIB), 256 * MIB);
	assert_int_equal(x86_memory_below_hole(3 * GIB), 3 * GIB);
	assert_int_equal(x86_memory_below_hole(8 * GIB), 3 * GIB);
}

static uint64_t e820_total(const struct boot_params *params)
{
	uint64_t total = 0, end = 0;

	for (int i = 0; i < params->e820_entries; i++) {
		struct boot_e820_entry entry = params->e820_table[i];

		assert_true(entry.addr >= end);
		end = entry.addr + entry.size;
		if (entry.type == 1)
			total += entry.size;
		/* Neither devices nor tables are memory. */
		if (entry.type == 1)
			assert_true(entry.addr + entry.size <= X86_HOLE || entry.addr >= 4 * GIB);
	}
	return total;
}

static void e820_names_all_memory_but_the_bios_area(void **state)
{
	const uint64_t sizes[] = { 2 * MIB, 64 * MIB, 3 * GIB - 2 * MIB, 3 * GIB, 3 * GIB + 2 * MIB,
		64 * GIB };
	struct error err = ERROR_INIT;
	struct boot_params params;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct x86_boot_options options = { .memory = sizes[i] };

		assert_int_equal(x86_boot_params_fill(&params, &options, &err), 0);
		assert_int_equal(
			e820_total(&params), sizes[i] - (X86_HIGH_MEMORY - X86_BASE_MEMORY_END));
	}
}

static void zero_page_says_what_was_loaded(void **state)
{
	const struct setup_header header = { .version = 0x20f, .init_size = 77 };
	struct x86_boot_options options = {
		.memory = 256 * MIB,
		.initrd = 0x123456000,
		.initrd_size = 0x234567890,
		.command_line_size = 9,
		.acpi_rsdp = 0xe0000,
		.header = &header,
	};
	struct error err = ERROR_INIT;
	struct boot_params params;

	(void)state;
	assert_int_equal(x86_boot_params_fill(&params, &options, &err), 0);
	assert_int_equal(params.hdr.init_size, 77);
	assert_int_equal(params.hdr.boot_flag, 0xaa55);
	assert_int_equal(params.hdr.header, 0x53726448);
	assert_int_equal(params.hdr.type_of_loader, 0xff);
	assert_int_equal(params.hdr.cmd_line_ptr, X86_COMMAND_LINE);
	assert_int_equal(params.hdr.ramdisk_image, 0x23456000);
	assert_int_equal(params.ext_ramdisk_image, 1);
	assert_int_equal(params.hdr.ramdisk_size, 0x34567890);
	assert_int_equal(params.ext_ramdisk_size, 2);
	assert_int_equal(params.acpi_rsdp_addr, 0xe0000);
}

static void wrong_memory_is_refused(void **state)
{
	const uint64_t sizes[] = { 0, 1 * MIB, 256 * MIB + 1 };
	struct boot_params params;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct x86_boot_options options = { .memory = sizes[i] };
		struct error err = ERROR_INIT;

		assert_int_equal(x86_boot_params_fill(&params, &options, &err), -EINVAL);
		assert_true(err.message[0] != '\0');
	}
}

static void mptable_has_right_checksums_and_entries(void **state)
{
	static uint8_t buffer[8192];
	struct error err = ERROR_INIT;
	unsigned int processors = 0, interrupts = 0, boots = 0;

	(void)state;
	for (unsigned int cpus = 1; cpus <= X86_CPUS_MAX; cpus += 23) {
		int used = x86_mptable_write(
			buffer, sizeof(buffer), 0xf0000, cpus, 1U << 4 | 1U << 5 | 1U << 23, &err);
		const uint8_t *table = buffer + 16, *at = table + 44;

		assert_true(used > 0);
		assert_memory_equal(buffer, "_MP_", 4);
		assert_int_equal(sum(buffer, 16), 0);
		assert_int_equal(load32(buffer + 4), 0xf0010);
		assert_memory_equal(table, "PCMP", 4);
		assert_int_equal(sum(table, (size_t)used - 16), 0);
		processors = interrupts = boots = 0;
		while (at < buffer + used) {
			if (*at == 0) {
				assert_int_equal(at[1], processors++);
				boots += (at[3] & 2) != 0;
			}
			interrupts += *at == 3;
			at += *at == 0 ? 20 : 8;
		}
		assert_ptr_equal(at, buffer + used);
		assert_int_equal(processors, cpus);
		assert_int_equal(boots, 1);
		assert_int_equal(interrupts, 3);
	}
}

static void mptable_that_does_not_fit_is_an_error(void **state)
{
	uint8_t buffer[512], copy[512];
	struct error err = ERROR_INIT;

	(void)state;
	memset(buffer, 0x5a, sizeof(buffer));
	memcpy(copy, buffer, sizeof(buffer));
	assert_int_equal(x86_mptable_write(buffer, 20, 0xf0000, 1, ~0U, &err), -ENOSPC);
	assert_memory_equal(buffer, copy, sizeof(buffer));
	assert_int_equal(x86_mptable_write(buffer, 256, 0xf0000, 100, ~0U, &err), -ENOSPC);
	assert_memory_equal(buffer + 256, copy, 256);
	assert_int_equal(x86_mptable_write(buffer, 512, 0xf0000, 0, ~0U, &err), -EINVAL);
	assert_int_equal(x86_mptable_write(buffer, 512, 0xf0000, 255, ~0U, &err), -EINVAL);
}

static const uint8_t *check_table(const uint8_t *base, uint64_t address, const char *signature)
{
	const uint8_t *table = base + (address - X86_ACPI_TABLES);

	assert_memory_equal(table, signature, 4);
	assert_int_equal(sum(table, load32(table + 4)), 0);
	return table;
}

static void acpi_tables_lead_to_each_other(void **state)
{
	static uint8_t buffer[X86_ACPI_TABLES_MAX];
	const struct x86_acpi_options options = { .cpus = 3, .slots = 5, .serial = true };
	struct error err = ERROR_INIT;
	const uint8_t *xsdt, *fadt, *madt, *dsdt;
	unsigned int devices = 0;

	(void)state;
	assert_true(x86_acpi_write(buffer, sizeof(buffer), X86_ACPI_TABLES, &options, &err) > 0);
	assert_memory_equal(buffer, "RSD PTR ", 8);
	assert_int_equal(sum(buffer, 20), 0);
	assert_int_equal(sum(buffer, 36), 0);
	xsdt = check_table(buffer, load64(buffer + 24), "XSDT");
	assert_int_equal(load32(xsdt + 4), 36 + 2 * 8);
	fadt = check_table(buffer, load64(xsdt + 36), "FACP");
	assert_int_equal(load32(fadt + 4), 276);
	assert_int_equal(load32(fadt + 112), 1U << 20 | 1U << 10);
	madt = check_table(buffer, load64(xsdt + 44), "APIC");
	assert_int_equal(load32(madt + 4), 44 + 3 * 8 + 12);
	dsdt = check_table(buffer, load64(fadt + 140), "DSDT");
	for (uint32_t i = 36; i + 8 <= load32(dsdt + 4); i++)
		devices += memcmp(dsdt + i, "LNRO0005", 8) == 0;
	assert_int_equal(devices, 5);
}

static void acpi_tables_that_do_not_fit_are_an_error(void **state)
{
	static uint8_t buffer[4096];
	const struct x86_acpi_options options = { .cpus = 3, .slots = 5, .serial = true };
	struct error err = ERROR_INIT;
	int whole = x86_acpi_write(buffer, sizeof(buffer), X86_ACPI_TABLES, &options, &err);

	(void)state;
	assert_true(whole > 0);
	for (size_t size = sizeof(buffer); size-- > 0;) {
		int r;

		memset(buffer, 0x5a, sizeof(buffer));
		r = x86_acpi_write(buffer, size, X86_ACPI_TABLES, &options, &err);
		assert_int_equal(r, size < (size_t)whole ? -ENOSPC : whole);
		for (size_t i = size; i < sizeof(buffer); i++)
			assert_int_equal(buffer[i], 0x5a);
	}
}

/* As ACPI 6.5, 20.2.4 says: two bits of count, four low bits, then 8 each. */
static void aml_lengths_include_themselves(void **state)
{
	uint8_t buffer[64];
	struct aml aml;
	size_t opened;

	(void)state;
	aml_init(&aml, buffer, sizeof(buffer));
	opened = aml_open_scope(&aml, "_SB_");
	aml_name_integer(&aml, "_UID", 7);
	aml_close(&aml, opened);
	assert_false(aml.full);
	assert_int_equal(buffer[0], 0x10);
	assert_int_equal(buffer[1], 0x80 | (17 & 15));
	assert_int_equal(buffer[2], 17 >> 4);
	assert_int_equal(buffer[3], 0);
	assert_int_equal(aml.at - buffer, 1 + 17);
}

static struct x86_cpuid host_like(void)
{
	return (struct x86_cpuid){
		.count = 8,
		.entries = {
			{ .function = 0, .eax = 0x1f },
			{ .function = 1, .ebx = 0xff180800, .ecx = 0xffffffff, .edx = 0xffffffff },
			{ .function = 4, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .index = 3,
				.eax = 0xffffc063 },
			{ .function = 6, .eax = 0xff, .ecx = 9 },
			{ .function = 0xa, .eax = 0x7300404 },
			{ .function = 0x1f, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX },
			{ .function = 0x80000001, .ecx = 0xffffffff },
			{ .function = 0x80000008, .ecx = 0x700f },
		},
	};
}

static void cpuid_hides_what_a_guest_must_not_use(void **state)
{
	struct x86_cpuid cpuid = host_like();
	const struct x86_cpuid_options options = { .cpus_max = 1, .tsc_deadline = true };
	const struct kvm_cpuid_entry2 *leaf;

	(void)state;
	x86_cpuid_filter(&cpuid, &options);
	leaf = x86_cpuid_find(&cpuid, 1, 0);
	assert_true(leaf->ecx & 1U << 31);  /* a hypervisor */
	assert_true(leaf->ecx & 1U << 24);  /* TSC deadline */
	assert_true(leaf->ecx & 1U << 13);  /* CMPXCHG16B stays */
	assert_false(leaf->ecx & 1U << 5);  /* VMX */
	assert_false(leaf->ecx & 1U << 3);  /* MONITOR */
	assert_false(leaf->edx & 1U << 28); /* one processor only */
	leaf = x86_cpuid_find(&cpuid, 6, 0);
	assert_int_equal(leaf->eax, 4);
	assert_int_equal(leaf->ecx, 0);
	assert_int_equal(x86_cpuid_find(&cpuid, 0xa, 0)->eax, 0);
	assert_false(x86_cpuid_find(&cpuid, 0x80000001, 0)->ecx & 1U << 2); /* SVM */
	assert_null(x86_cpuid_find(&cpuid, 0x1f, 0));
}

static void cpuid_has_the_deadline_timer_only_with_the_accelerator_s(void **state)
{
	struct x86_cpuid cpuid = host_like();
	const struct x86_cpuid_options options = { .cpus_max = 1, .tsc_deadline = false };

	(void)state;
	x86_cpuid_filter(&cpuid, &options);
	assert_false(x86_cpuid_find(&cpuid, 1, 0)->ecx & 1U << 24);
}

static void cpuid_describes_cores_of_one_package(void **state)
{
	struct x86_cpuid cpuid = host_like();
	const struct x86_cpuid_options options = { .cpus_max = 6, .tsc_deadline = true };

	(void)state;
	x86_cpuid_filter(&cpuid, &options);
	assert_int_equal(x86_cpuid_find(&cpuid, 0xb, 0)->ebx, 1);
	assert_int_equal(x86_cpuid_find(&cpuid, 0xb, 1)->eax, 3);
	assert_int_equal(x86_cpuid_find(&cpuid, 0xb, 1)->ebx, 6);
	assert_int_equal(x86_cpuid_find(&cpuid, 4, 3)->eax >> 26, 7);
	assert_int_equal((x86_cpuid_find(&cpuid, 4, 3)->eax >> 14) & 0xfff, 7);
	assert_int_equal(x86_cpuid_find(&cpuid, 0x80000008, 0)->ecx, 3 << 12 | 5);
	for (unsigned int id = 0; id < 6; id++) {
		x86_cpuid_set_id(&cpuid, id);
		assert_int_equal(x86_cpuid_find(&cpuid, 1, 0)->ebx >> 24, id);
		assert_int_equal(x86_cpuid_find(&cpuid, 0xb, 0)->edx, id);
		assert_int_equal(x86_cpuid_find(&cpuid, 0xb, 1)->edx, id);
	}
}

static void cpuid_that_is_full_loses_its_topology_only(void **state)
{
	static struct x86_cpuid cpuid;
	const struct x86_cpuid_options options = { .cpus_max = 2 };

	(void)state;
	cpuid = host_like();
	for (cpuid.count = 8; cpuid.count < X86_CPUID_ENTRIES_MAX; cpuid.count++)
		cpuid.entries[cpuid.count] = (struct kvm_cpuid_entry2){ .function = 0x40000000 +
				cpuid.count };
	x86_cpuid_filter(&cpuid, &options);
	assert_true(cpuid.count <= X86_CPUID_ENTRIES_MAX);
	assert_null(x86_cpuid_find(&cpuid, 0xb, 0));
}

static void translation_is_exact_at_every_edge(void **state)
{
	static uint8_t low[64], high[64];
	struct guest_memory memory = { 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(guest_memory_add(&memory, 0x1000, 64, low, &err), 0);
	assert_int_equal(guest_memory_add(&memory, UINT64_MAX - 64, 64, high, &err), 0);
	assert_ptr_equal(guest_memory_at(&memory, 0x1000, 64), low);
	assert_ptr_equal(guest_memory_at(&memory, 0x103f, 1), low + 63);
	assert_null(guest_memory_at(&memory, 0x1000, 65));
	assert_null(guest_memory_at(&memory, 0x1001, 64));
	assert_null(guest_memory_at(&memory, 0xfff, 2));
	assert_null(guest_memory_at(&memory, 0x1040, 1));
	assert_null(guest_memory_at(&memory, 0x1000, 0));
	assert_null(guest_memory_at(&memory, 0x1001, UINT64_MAX));
	assert_ptr_equal(guest_memory_at(&memory, UINT64_MAX - 1, 1), high + 63);
	assert_null(guest_memory_at(&memory, UINT64_MAX - 1, 2));
	assert_null(guest_memory_at(&memory, UINT64_MAX, 1));
}

static void regions_that_overlap_are_refused(void **state)
{
	uint8_t bytes[64];
	struct guest_memory memory = { 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(guest_memory_add(&memory, 0x1000, 64, bytes, &err), 0);
	assert_int_equal(guest_memory_add(&memory, 0x103f, 64, bytes, &err), -EINVAL);
	assert_int_equal(guest_memory_add(&memory, 0xfff, 2, bytes, &err), -EINVAL);
	assert_int_equal(guest_memory_add(&memory, 0x2000, 0, bytes, &err), -EINVAL);
	assert_int_equal(guest_memory_add(&memory, UINT64_MAX, 2, bytes, &err), -EINVAL);
	assert_int_equal(memory.count, 1);
}

static void command_line_ends_with_the_caller_s(void **state)
{
	const struct boot_loaded loaded = { 0 };
	struct x86_firmware firmware = {
		.cpus = 1,
		.cpus_max = 4,
		.slots = 2,
		.command_line = "quiet -- x",
		.loaded = &loaded,
	};
	struct error err = ERROR_INIT;
	char line[X86_COMMAND_LINE_MAX], small[40];

	(void)state;
	assert_true(x86_firmware_command_line(&firmware, line, sizeof(line), &err) > 0);
	assert_string_equal(line,
		"virtio_mmio.device=4K@0xd0000000:5 virtio_mmio.device=4K@0xd0001000:6 "
		"maxcpus=1 8250.nr_uarts=0 quiet -- x");
	assert_int_equal(x86_firmware_command_line(&firmware, small, sizeof(small), &err), -E2BIG);
}

static void slots_have_lines_of_their_own(void **state)
{
	uint32_t lines = 1U << 0 | 1U << 1 | 1U << 2 | 1U << X86_SERIAL_IRQ | 1U << 8;

	(void)state;
	for (unsigned int i = 0; i < X86_VIRTIO_SLOTS; i++) {
		unsigned int line = x86_virtio_slot_irq(i);

		assert_true(line < X86_IOAPIC_PINS);
		assert_false(lines & 1U << line);
		lines |= 1U << line;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_cut_at_the_hole),
		cmocka_unit_test(e820_names_all_memory_but_the_bios_area),
		cmocka_unit_test(zero_page_says_what_was_loaded),
		cmocka_unit_test(wrong_memory_is_refused),
		cmocka_unit_test(mptable_has_right_checksums_and_entries),
		cmocka_unit_test(mptable_that_does_not_fit_is_an_error),
		cmocka_unit_test(acpi_tables_lead_to_each_other),
		cmocka_unit_test(acpi_tables_that_do_not_fit_are_an_error),
		cmocka_unit_test(aml_lengths_include_themselves),
		cmocka_unit_test(cpuid_hides_what_a_guest_must_not_use),
		cmocka_unit_test(cpuid_has_the_deadline_timer_only_with_the_accelerator_s),
		cmocka_unit_test(cpuid_describes_cores_of_one_package),
		cmocka_unit_test(cpuid_that_is_full_loses_its_topology_only),
		cmocka_unit_test(translation_is_exact_at_every_edge),
		cmocka_unit_test(regions_that_overlap_are_refused),
		cmocka_unit_test(command_line_ends_with_the_caller_s),
		cmocka_unit_test(slots_have_lines_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
