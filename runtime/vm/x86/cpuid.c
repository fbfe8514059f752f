/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/x86/cpuid.h"

#include <stddef.h>
#include <string.h>

#define BIT(n) (1U << (n))

/* Leaf 1. */
#define ECX_DTES64 BIT(2)
#define ECX_MONITOR BIT(3)
#define ECX_DS_CPL BIT(4)
#define ECX_VMX BIT(5)
#define ECX_SMX BIT(6)
#define ECX_EIST BIT(7)
#define ECX_TM2 BIT(8)
#define ECX_PDCM BIT(15)
#define ECX_TSC_DEADLINE BIT(24)
#define ECX_HYPERVISOR BIT(31)
#define EDX_APIC BIT(9)
#define EDX_MCE BIT(7)
#define EDX_MTRR BIT(12)
#define EDX_MCA BIT(14)
#define EDX_DS BIT(21)
#define EDX_ACPI BIT(22)
#define EDX_HTT BIT(28)
#define EDX_TM BIT(29)

/* Leaf 6. */
#define EAX_ARAT BIT(2)

/* Leaf 0x80000001, ECX. */
#define ECX_CMP_LEGACY BIT(1)
#define ECX_SVM BIT(2)
#define ECX_OSVW BIT(9)
#define ECX_IBS BIT(10)
#define ECX_TOPOEXT BIT(22)
#define ECX_PERFCTR_CORE BIT(23)
#define ECX_PERFCTR_NB BIT(24)
#define ECX_PERFCTR_LLC BIT(28)

/* Leaves 0xb and 0x1f. */
#define LEVEL_SMT 1
#define LEVEL_CORE 2

struct kvm_cpuid_entry2 *x86_cpuid_find(struct x86_cpuid *cpuid, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < cpuid->count; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		if (entry->function == function &&
			(!(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) ||
				entry->index == index))
			return entry;
	}
	return NULL;
}

/* Bits of an APIC id that number `count` processors. */
static uint32_t id_bits(unsigned int count)
{
	uint32_t bits = 0;

	while (bits < 31 && (1U << bits) < count)
		bits++;
	return bits;
}

static void clear_leaf(struct kvm_cpuid_entry2 *entry)
{
	entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
}

static void filter_basic(struct kvm_cpuid_entry2 *entry, const struct x86_cpuid_options *options)
{
	/*
	 * Not emulated, or another machine's: power, thermal, debug store, nested guests. Memory
	 * types are the page tables' business: Linux reads and writes all MTRRs twice, an exit
	 * each.
	 */
	entry->ecx &= ~(ECX_DTES64 | ECX_MONITOR | ECX_DS_CPL | ECX_VMX | ECX_SMX | ECX_EIST |
		ECX_TM2 | ECX_PDCM | ECX_TSC_DEADLINE);
	entry->edx &= ~(EDX_MTRR | EDX_DS | EDX_ACPI | EDX_HTT | EDX_TM);
	entry->ecx |= ECX_HYPERVISOR;
	if (options->tsc_deadline)
		entry->ecx |= ECX_TSC_DEADLINE;
	entry->ebx &= 0xff00; /* CLFLUSH's line size; brand 0 */
	if (options->cpus_max > 1) {
		uint32_t logical = 1U << id_bits(options->cpus_max);

		entry->edx |= EDX_HTT;
		entry->ebx |= (logical > 255 ? 255 : logical) << 16;
	}
}

/*
 * Caches (Intel leaf 4, AMD leaf 0x8000001d, same layout): each processor is a core of one package,
 * with first and second level caches of its own and one third level for all.
 */
static void filter_cache(struct kvm_cpuid_entry2 *entry, unsigned int cpus_max, bool intel)
{
	uint32_t level = (entry->eax >> 5) & 7;
	uint32_t sharing = level >= 3 ? (1U << id_bits(cpus_max)) - 1 : 0;

	if ((entry->eax & 0x1f) == 0)
		return;
	entry->eax &= intel ? ~((0x3fU << 26) | (0xfffU << 14)) : ~(0xfffU << 14);
	entry->eax |= (sharing & 0xfff) << 14;
	if (intel) {
		uint32_t cores = (1U << id_bits(cpus_max)) - 1;

		entry->eax |= (cores > 0x3f ? 0x3f : cores) << 26;
	}
}

static void filter_amd_features(struct kvm_cpuid_entry2 *entry, unsigned int cpus_max)
{
	entry->edx &= ~EDX_MTRR;
	entry->ecx &= ~(ECX_SVM | ECX_OSVW | ECX_IBS | ECX_PERFCTR_CORE | ECX_PERFCTR_NB |
		ECX_PERFCTR_LLC | ECX_CMP_LEGACY);
	if (cpus_max > 1 && (entry->ecx & ECX_TOPOEXT))
		entry->ecx |= ECX_CMP_LEGACY;
}

static void filter_entry(struct kvm_cpuid_entry2 *entry, const struct x86_cpuid_options *options)
{
	uint32_t bits = id_bits(options->cpus_max);

	switch (entry->function) {
	case 0x1:
		filter_basic(entry, options);
		break;
	case 0x4:
		filter_cache(entry, options->cpus_max, true);
		break;
	case 0x6: /* thermal and power: only that the APIC timer never stops */
		clear_leaf(entry);
		entry->eax = EAX_ARAT;
		break;
	case 0x5:	 /* MONITOR and MWAIT */
	case 0xa:	 /* performance counters, which the monitor does not offer */
	case 0x80000022: /* ... AMD's */
	case 0x8000000a: /* SVM */
	case 0x8000001b: /* instruction based sampling */
		clear_leaf(entry);
		break;
	case 0x80000001:
		filter_amd_features(entry, options->cpus_max);
		break;
	case 0x80000008: /* size of the APIC id, number of cores */
		entry->ecx = bits << 12 | (options->cpus_max - 1);
		break;
	case 0x8000001d:
		filter_cache(entry, options->cpus_max, false);
		break;
	}
}

static struct kvm_cpuid_entry2 *append(struct x86_cpuid *cpuid, uint32_t function, uint32_t index)
{
	struct kvm_cpuid_entry2 *entry;

	if (cpuid->count >= X86_CPUID_ENTRIES_MAX)
		return NULL;
	entry = &cpuid->entries[cpuid->count++];
	*entry = (struct kvm_cpuid_entry2){
		.function = function,
		.index = index,
		.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
	};
	return entry;
}

static void drop(struct x86_cpuid *cpuid, uint32_t function)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < cpuid->count; i++)
		if (cpuid->entries[i].function != function)
			cpuid->entries[kept++] = cpuid->entries[i];
	cpuid->count = kept;
}

/*
 * The extended topology leaf in the place of whatever the host's processor says: one thread a core,
 * all cores in one package. Leaf 0x1f would be read first: it goes.
 */
static void write_topology(struct x86_cpuid *cpuid, unsigned int cpus_max)
{
	struct kvm_cpuid_entry2 *leaf0 = x86_cpuid_find(cpuid, 0, 0);
	struct kvm_cpuid_entry2 *smt, *core, *end;

	drop(cpuid, 0x1f);
	drop(cpuid, 0xb);
	if (leaf0 == NULL || leaf0->eax < 0xb)
		return;
	smt = append(cpuid, 0xb, 0);
	core = append(cpuid, 0xb, 1);
	end = append(cpuid, 0xb, 2);
	if (smt == NULL || core == NULL || end == NULL) {
		drop(cpuid, 0xb);
		return;
	}
	smt->eax = 0;
	smt->ebx = 1;
	smt->ecx = LEVEL_SMT << 8;
	core->eax = id_bits(cpus_max);
	core->ebx = cpus_max;
	core->ecx = LEVEL_CORE << 8 | 1;
	end->ecx = 2;
}

void x86_cpuid_filter(struct x86_cpuid *cpuid, const struct x86_cpuid_options *options)
{
	if (cpuid->count > X86_CPUID_ENTRIES_MAX)
		cpuid->count = X86_CPUID_ENTRIES_MAX;
	for (uint32_t i = 0; i < cpuid->count; i++)
		filter_entry(&cpuid->entries[i], options);
	write_topology(cpuid, options->cpus_max);
}

void x86_cpuid_set_id(struct x86_cpuid *cpuid, unsigned int id)
{
	for (uint32_t i = 0; i < cpuid->count; i++) {
		struct kvm_cpuid_entry2 *entry = &cpuid->entries[i];

		switch (entry->function) {
		case 0x1:
			entry->ebx = (entry->ebx & 0x00ffffff) | (id & 0xff) << 24;
			break;
		case 0xb:
			entry->edx = id;
			break;
		case 0x8000001e: /* AMD: extended APIC id; one thread a core; node 0 of 1 */
			entry->eax = id;
			entry->ebx = id & 0xff;
			entry->ecx = 0;
			break;
		}
	}
}
