/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/x86/start.h"

#include <errno.h>
#include <string.h>

#include "lib/error.h"
#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/x86/layout.h"

#define CR0_PE (1ULL << 0)
#define CR0_ET (1ULL << 4)
#define CR0_NE (1ULL << 5)
#define CR0_PG (1ULL << 31)
#define CR4_PAE (1ULL << 5)
#define EFER_LME (1ULL << 8)
#define EFER_LMA (1ULL << 10)

#define PTE_PRESENT (1ULL << 0)
#define PTE_WRITABLE (1ULL << 1)
#define PTE_ACCESSED (1ULL << 5)
#define PTE_DIRTY (1ULL << 6)
#define PTE_LARGE (1ULL << 7)

#define TABLE_ENTRIES 512
#define MAPPED_GIB 4
#define LARGE_PAGE (2ULL << 20)

#define SELECTOR_CS 0x10
#define SELECTOR_DS 0x18
#define SELECTOR_TSS 0x20
#define SEGMENT_CODE 0xb /* execute, read, accessed */
#define SEGMENT_DATA 0x3 /* read, write, accessed */
#define SEGMENT_TSS 0xb	 /* busy 64-bit TSS */

#define RFLAGS_RESERVED 0x2

#define MSR_IA32_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRING 1
#define MSR_MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLE (1 << 11)
#define MTRR_WRITE_BACK 6

static const uint64_t gdt[] = {
	0,
	0,
	0x00af9b000000ffff, /* 0x10: 64-bit code */
	0x00cf93000000ffff, /* 0x18: data */
	0x00008b0000000067, /* 0x20: TSS, its upper half follows */
	0,
};

int x86_start_write_tables(const struct guest_memory *memory, struct error *err)
{
	uint64_t *tables = guest_memory_at(
		memory, X86_PAGE_TABLES, (2 + MAPPED_GIB) * X86_PAGE_SIZE);
	void *descriptors = guest_memory_at(memory, X86_GDT, sizeof(gdt));
	uint64_t *pml4, *pdpt, *pd;
	const uint64_t flags = PTE_PRESENT | PTE_WRITABLE | PTE_ACCESSED;

	if (tables == NULL || descriptors == NULL)
		return error_say(err, EINVAL, "the guest's memory has no room for page tables");
	pml4 = tables;
	pdpt = pml4 + TABLE_ENTRIES;
	pd = pdpt + TABLE_ENTRIES;
	pml4[0] = (X86_PAGE_TABLES + X86_PAGE_SIZE) | flags;
	for (uint64_t i = 0; i < MAPPED_GIB; i++)
		pdpt[i] = (X86_PAGE_TABLES + (2 + i) * X86_PAGE_SIZE) | flags;
	for (uint64_t i = 0; i < MAPPED_GIB * TABLE_ENTRIES; i++)
		pd[i] = (i * LARGE_PAGE) | flags | PTE_DIRTY | PTE_LARGE;
	memcpy(descriptors, gdt, sizeof(gdt));
	return 0;
}

void x86_start_registers(uint64_t entry, struct kvm_regs *ret)
{
	*ret = (struct kvm_regs){
		.rip = entry,
		.rsi = X86_ZERO_PAGE,
		.rsp = X86_BOOT_STACK,
		.rbp = X86_BOOT_STACK,
		.rflags = RFLAGS_RESERVED,
	};
}

static struct kvm_segment flat(uint16_t selector, uint8_t type)
{
	return (struct kvm_segment){
		.selector = selector,
		.type = type,
		.limit = 0xffffffff,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = type == SEGMENT_CODE,
		.db = type != SEGMENT_CODE,
	};
}

void x86_start_segments(struct kvm_sregs *sregs)
{
	const struct kvm_segment data = flat(SELECTOR_DS, SEGMENT_DATA);

	sregs->cs = flat(SELECTOR_CS, SEGMENT_CODE);
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = (struct kvm_segment){
		.selector = SELECTOR_TSS,
		.type = SEGMENT_TSS,
		.limit = 0x67,
		.present = 1,
	};
	sregs->gdt = (struct kvm_dtable){ .base = X86_GDT, .limit = sizeof(gdt) - 1 };
	sregs->idt = (struct kvm_dtable){ 0 };
	sregs->cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
	sregs->cr3 = X86_PAGE_TABLES;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
}

void x86_start_msrs(struct kvm_msr_entry ret[static X86_START_MSRS])
{
	ret[0] = (struct kvm_msr_entry){
		.index = MSR_IA32_MISC_ENABLE,
		.data = MISC_ENABLE_FAST_STRING,
	};
	/* All memory is write-back: what the hole holds is never mapped by a processor's cache. */
	ret[1] = (struct kvm_msr_entry){
		.index = MSR_MTRR_DEF_TYPE,
		.data = MTRR_ENABLE | MTRR_WRITE_BACK,
	};
}
