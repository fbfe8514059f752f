/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where things are in an x86 guest's physical address space and on its ports.
 */
#pragma once

#include <stdint.h>

#define X86_PAGE_SIZE 4096ULL

/* Below 1 MiB, read by the kernel while it starts and free for it afterwards. */
#define X86_GDT 0x500
#define X86_ZERO_PAGE 0x7000
#define X86_BOOT_STACK 0x8ff0
#define X86_PAGE_TABLES 0x9000 /* 1 + 1 + 4 pages */
#define X86_COMMAND_LINE 0x20000
#define X86_COMMAND_LINE_MAX 2048 /* with its NUL: COMMAND_LINE_SIZE of the kernel */

/* Tables lie in the BIOS area, where kernels look for them. */
#define X86_BASE_MEMORY_END 0x9fc00
#define X86_ACPI_TABLES 0xe0000
#define X86_ACPI_TABLES_MAX 0x10000
#define X86_MP_TABLE 0xf0000
#define X86_MP_TABLE_MAX 0x10000
#define X86_HIGH_MEMORY 0x100000

/* No memory from here to 4 GiB: devices, interrupt controllers, KVM's own pages. */
#define X86_HOLE 0xc0000000ULL
#define X86_HOLE_END 0x100000000ULL
#define X86_VIRTIO_MMIO 0xd0000000ULL
#define X86_VIRTIO_MMIO_SIZE 0x1000ULL
#define X86_IOAPIC 0xfec00000U
#define X86_LAPIC 0xfee00000U
#define X86_KVM_IDENTITY_MAP 0xfffbc000U /* one page */
#define X86_KVM_TSS 0xfffbd000U		 /* three pages */

/* Interrupt lines of the I/O APIC. */
#define X86_IOAPIC_PINS 24
#define X86_SERIAL_IRQ 4

#define X86_SERIAL_PORT 0x3f8
#define X86_ACPI_SLEEP_CONTROL_PORT 0x600
#define X86_ACPI_SLEEP_STATUS_PORT 0x601
#define X86_ACPI_S5_TYPE 5

/* One processor each 8 bits of APIC id, 255 being the broadcast. */
#define X86_CPUS_MAX 254

/*
 * virtio-mmio slot N is one page at X86_VIRTIO_MMIO + N * X86_VIRTIO_MMIO_SIZE with a line of its
 * own: those that no legacy device (timer, keyboard, cascade, serial, clock) may claim.
 */
#define X86_VIRTIO_SLOTS 18

static inline uint64_t x86_virtio_slot_address(unsigned int slot)
{
	return X86_VIRTIO_MMIO + slot * X86_VIRTIO_MMIO_SIZE;
}

static inline unsigned int x86_virtio_slot_irq(unsigned int slot)
{
	return slot < 3 ? 5 + slot : 6 + slot;
}
