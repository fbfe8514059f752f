/* SPDX-License-Identifier: Apache-2.0 */
/* How large a container's virtual machine is. */
#pragma once

#include <stdint.h>

struct error;
struct oci_config;
struct oci_cpu;
struct settings_vm;

struct vm_size {
	uint64_t memory, spare; /* bytes: that it boots with, and that it may grow by */
	unsigned int cpus, cpus_max;
};

/*
 * Memory: the container's limit and the overhead of kernel and agent, vm.hwConfig's, or the
 * settings'. Processors: the quota rounded up, the number of CPUs in cpuset's list, vm.hwConfig's,
 * or the settings'; never more than the host has. It grows up to the settings' memory_max and
 * vcpus_max, and not at all where vm.hwConfig says how large it is.
 */
struct vm_size vm_size(const struct oci_config *config, const struct settings_vm *settings);

/*
 * -ERANGE where vm.hwConfig, which says how large the machine is and not how large it may get,
 * wants what this host does not have or no guest lives in.
 */
int vm_size_check(const struct oci_config *config, struct error *err);

/* The memory of a machine whose container has this limit (above 0), bytes. */
uint64_t vm_memory_for(int64_t limit, const struct settings_vm *settings);

/* Its processors, by quota and list of `cpu`; 0 where these say nothing. */
unsigned int vm_cpus_for(const struct oci_cpu *cpu);
