/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/size.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/oci.h"
#include "config/settings.h"

#define MEMORY_LEAST                                                                 \
	(UINT64_C(64) << 20) /* a kernel and the agent live in less, no program does \
			      */
#define MEMORY_UNIT (UINT64_C(2) << 20)

static uint64_t choose_memory(const struct oci_config *config, const struct settings_vm *settings)
{
	const struct optional_i64 *limit = &config->linux.resources.memory.limit;
	uint64_t memory = settings->memory;

	if (config->vm.hw_config.memory.set)
		memory = config->vm.hw_config.memory.value;
	else if (limit->set && limit->value > 0 &&
		__builtin_add_overflow((uint64_t)limit->value, settings->overhead, &memory))
		memory = (uint64_t)limit->value;
	/* A limit may be larger than the host: what is not touched is not taken. */
	uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	if (memory > host)
		memory = host;
	if (memory < MEMORY_LEAST)
		memory = MEMORY_LEAST;
	return memory / MEMORY_UNIT * MEMORY_UNIT;
}

/* A checked list such as "0-3,7". */
static unsigned int count_cpus(const char *list)
{
	unsigned int count = 0;

	while (*list != '\0') {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		count += (unsigned int)(last - first + 1);
		list = *end == ',' ? end + 1 : end + strlen(end);
	}
	return count;
}

static unsigned int choose_cpus(const struct oci_config *config, const struct settings_vm *settings)
{
	const struct oci_cpu *cpu = &config->linux.resources.cpu;
	uint64_t period = cpu->period.set && cpu->period.value > 0 ? cpu->period.value : 100000;
	uint64_t cpus = settings->vcpus;

	if (config->vm.hw_config.vcpus.set)
		cpus = config->vm.hw_config.vcpus.value;
	else if (cpu->quota.set && cpu->quota.value > 0)
		cpus = ((uint64_t)cpu->quota.value + period - 1) / period;
	else if (cpu->cpus != NULL && cpu->cpus[0] != '\0')
		cpus = count_cpus(cpu->cpus);
	long host = sysconf(_SC_NPROCESSORS_ONLN);
	if (host > 0 && cpus > (uint64_t)host)
		cpus = (uint64_t)host;
	return cpus > 0 ? (unsigned int)cpus : 1;
}

struct vm_size vm_size(const struct oci_config *config, const struct settings_vm *settings)
{
	return (struct vm_size){
		.memory = choose_memory(config, settings),
		.cpus = choose_cpus(config, settings),
	};
}
