/* SPDX-License-Identifier: Apache-2.0 */
/* How large a container's virtual machine is. */
#pragma once

#include <stdint.h>

struct oci_config;
struct settings_vm;

struct vm_size {
	uint64_t memory; /* bytes */
	unsigned int cpus;
};

/*
 * Memory: the container's limit and the overhead of kernel and agent, vm.hwConfig's, or the
 * settings'. Processors: the quota rounded up, the number of CPUs in cpuset's list, vm.hwConfig's,
 * or the settings'; never more than the host has.
 */
struct vm_size vm_size(const struct oci_config *config, const struct settings_vm *settings);
