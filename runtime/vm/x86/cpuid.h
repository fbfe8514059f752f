/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest sees of the processor: CPUID leaves, made of what processor and accelerator support
 * by taking features away and by writing in what is the guest's own (number of processors, its
 * topology, the hypervisor's leaves). Pure functions on a table. Sources: Intel SDM volume 2A
 * "CPUID", AMD APM volume 3 appendix E, Linux Documentation/virt/kvm/x86/cpuid.rst.
 */
#pragma once

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#define X86_CPUID_ENTRIES_MAX 256

/* Laid out as struct kvm_cpuid2. */
struct x86_cpuid {
	uint32_t count;
	uint32_t padding;
	struct kvm_cpuid_entry2 entries[X86_CPUID_ENTRIES_MAX];
};

struct x86_cpuid_options {
	unsigned int cpus_max; /* processors that may ever exist: at least 1 */
	bool tsc_deadline;     /* the accelerator offers the timer */
};

/* Returns the entry of that function and index, or NULL. */
struct kvm_cpuid_entry2 *x86_cpuid_find(struct x86_cpuid *cpuid, uint32_t function, uint32_t index);

/* Filters for all processors of a machine alike. */
void x86_cpuid_filter(struct x86_cpuid *cpuid, const struct x86_cpuid_options *options);

/* Writes in what differs between processors: the APIC ids. `id` is below cpus_max. */
void x86_cpuid_set_id(struct x86_cpuid *cpuid, unsigned int id);
