/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/plan/size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/oci.h"
#include "config/settings.h"
#include "lib/error.h"
#include "runtime/vm/virtio/mem.h"
#include "runtime/vm/x86/layout.h"

#define MEMORY_LEAST                                                                 \
	(UINT64_C(64) << 20) /* a kernel and the agent live in less, no program does \
			      */
#define MEMORY_UNIT (UINT64_C(2) << 20)

static uint64_t host_memory(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* A limit may be larger than the host: what is not touched is not taken. */
static uint64_t fit(uint64_t memory)
{
	uint64_t host = host_memory();

	if (memory > host)
		memory = host;
	if (memory < MEMORY_LEAST)
		memory = MEMORY_LEAST;
	return memory / MEMORY_UNIT * MEMORY_UNIT;
}

uint64_t vm_memory_for(int64_t limit, const struct settings_vm *settings)
{
	uint64_t memory;

	if (__builtin_add_overflow((uint64_t)limit, settings->overhead, &memory))
		memory = (uint64_t)limit;
	return fit(memory);
}

static uint64_t choose_memory(const struct oci_config *config, const struct settings_vm *settings)
{
	const struct optional_i64 *limit = &config->linux.resources.memory.limit;

	if (config->vm.hw_config.memory.set)
		return fit(config->vm.hw_config.memory.value);
	if (limit->set && limit->value > 0)
		return vm_memory_for(limit->value, settings);
	return fit(settings->memory);
}

static uint64_t choose_spare(
	const struct oci_config *config, const struct settings_vm *settings, uint64_t memory)
{
	uint64_t most = settings->memory_max != 0 ? settings->memory_max : host_memory();

	if (config->vm.hw_config.memory.set || most <= memory)
		return 0;
	uint64_t spare = most - memory;
	return (spare < MEM_REGION_MAX ? spare : MEM_REGION_MAX) / MEMORY_UNIT * MEMORY_UNIT;
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

unsigned int vm_cpus_for(const struct oci_cpu *cpu)
{
	uint64_t period = cpu->period.set && cpu->period.value > 0 ? cpu->period.value : 100000;
	uint64_t cpus = 0;

	if (cpu->quota.set && cpu->quota.value > 0)
		cpus = ((uint64_t)cpu->quota.value + period - 1) / period;
	else if (cpu->cpus != NULL && cpu->cpus[0] != '\0')
		cpus = count_cpus(cpu->cpus);
	return cpus < UINT16_MAX ? (unsigned int)cpus : UINT16_MAX;
}

static unsigned int host_cpus(void)
{
	long host = sysconf(_SC_NPROCESSORS_ONLN);

	if (host > X86_CPUS_MAX)
		return X86_CPUS_MAX;
	return host > 0 ? (unsigned int)host : 1;
}

static unsigned int choose_cpus(const struct oci_config *config, const struct settings_vm *settings)
{
	unsigned int cpus = vm_cpus_for(&config->linux.resources.cpu), host = host_cpus();

	if (config->vm.hw_config.vcpus.set)
		cpus = config->vm.hw_config.vcpus.value;
	else if (cpus == 0)
		cpus = settings->vcpus;
	if (cpus > host)
		cpus = host;
	return cpus > 0 ? cpus : 1;
}

static unsigned int choose_cpus_max(
	const struct oci_config *config, const struct settings_vm *settings, unsigned int cpus)
{
	unsigned int most = settings->vcpus_max, host = host_cpus();

	if (config->vm.hw_config.vcpus.set || most <= cpus)
		return cpus;
	return most < host ? most : host;
}

int vm_size_check(const struct oci_config *config, struct error *err)
{
	const struct optional_u64 *memory = &config->vm.hw_config.memory;
	const struct optional_u32 *cpus = &config->vm.hw_config.vcpus;
	uint64_t most = host_memory();

	if (memory->set && (memory->value < MEMORY_LEAST || memory->value > most))
		return error_say(err, ERANGE,
			"vm.hwConfig.memory: %" PRIu64 " bytes: from %" PRIu64 " to %" PRIu64
			" are possible on this host",
			memory->value, MEMORY_LEAST, most);
	if (cpus->set && cpus->value > host_cpus())
		return error_say(err, ERANGE,
			"vm.hwConfig.vcpus: %" PRIu32 " processors: at most %u are possible on "
			"this host",
			cpus->value, host_cpus());
	return 0;
}

struct vm_size vm_size(const struct oci_config *config, const struct settings_vm *settings)
{
	struct vm_size size = {
		.memory = choose_memory(config, settings),
		.cpus = choose_cpus(config, settings),
	};

	size.spare = choose_spare(config, settings, size.memory);
	size.cpus_max = choose_cpus_max(config, settings, size.cpus);
	return size;
}
