/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/plan/split_resources.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/json_write.h"

/*
 * Threads of a monitor: processors (254 at most), queues of network cards and their movers, file
 * server, streams. Of an exec's stand-in: two, and what makes it.
 */
#define MONITOR_THREADS 512
#define STAND_IN_THREADS 4
#define PIDS_MOST 4194304 /* PID_MAX_LIMIT of the kernel: a limit above is none */

static bool begins_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- the host's --------------------------------------------------------------------------------
 */

static void add_overhead(struct optional_i64 *limit, uint64_t overhead)
{
	if (!limit->set || limit->value <= 0)
		return;
	if (__builtin_add_overflow(limit->value, (int64_t)overhead, &limit->value))
		limit->value = INT64_MAX;
}

/* -1 for none. */
static int64_t thread_budget(int64_t processes)
{
	if (processes < 0 || processes > (PIDS_MOST - MONITOR_THREADS) / STAND_IN_THREADS)
		return -1;
	return MONITOR_THREADS + STAND_IN_THREADS * (processes > 0 ? processes : 1);
}

/* A number of bytes as the kernel reads it (memparse()): 64M. False for "max" and what is none. */
static bool parse_bytes(const char *text, uint64_t *ret)
{
	static const char units[] = "kmgtpe";
	char *end;
	uint64_t number = strtoull(text, &end, 0);
	const char *unit = *end != '\0' ? strchr(units, *end | 0x20) : NULL;

	if (end == text || *text == '-')
		return false;
	if (unit != NULL) {
		int shift = 10 * (int)(unit - units + 1);

		if (number > UINT64_MAX >> shift)
			return false;
		number <<= shift;
		end++;
	}
	*ret = number;
	return *end == '\0' || *end == '\n';
}

static bool has_overhead(const char *file)
{
	static const char *const files[] = { "memory.max", "memory.high", "memory.low",
		"memory.min" };

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		if (strcmp(file, files[i]) == 0)
			return true;
	}
	return false;
}

/* The value of a file of `unified` on the host; NULL where memory is short. */
static char *host_value(const struct key_value *file, uint64_t overhead, struct arena *arena)
{
	uint64_t number;

	/* No memory at all is protected, or all: nothing to add to. */
	if (has_overhead(file->key) && parse_bytes(file->value, &number) && number > 0 &&
		number <= INT64_MAX)
		return arena_printf(arena, "%" PRIu64, number + overhead);
	if (strcmp(file->key, "pids.max") == 0 && parse_bytes(file->value, &number)) {
		int64_t budget = thread_budget(number <= PIDS_MOST ? (int64_t)number : -1);

		return budget < 0 ? arena_printf(arena, "max")
				  : arena_printf(arena, "%" PRId64, budget);
	}
	return file->value;
}

static int split_unified(struct key_value_list *unified, uint64_t overhead, struct arena *arena)
{
	struct key_value_list host = { 0 };

	host.items = arena_alloc(arena, unified->count + 1, sizeof(*host.items));
	if (host.items == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < unified->count; i++) {
		const struct key_value *file = &unified->items[i];

		/* Of cgroups below, which the monitor has none of. */
		if (begins_with(file->key, "cgroup."))
			continue;
		char *value = host_value(file, overhead, arena);
		if (value == NULL)
			return -ENOMEM;
		host.items[host.count++] = (struct key_value){ .key = file->key, .value = value };
	}
	*unified = host;
	return 0;
}

int vm_split_resources(const struct oci_resources *wanted, uint64_t overhead, struct arena *arena,
	struct oci_resources *ret, struct error *err)
{
	struct oci_resources host = *wanted;

	add_overhead(&host.memory.limit, overhead);
	add_overhead(&host.memory.reservation, overhead);
	add_overhead(&host.memory.swap, overhead);
	/* The guest's is checked against the guest's use. */
	host.memory.check_before_update = (struct optional_bool){ 0 };
	if (host.pids_limit.set)
		host.pids_limit.value = thread_budget(host.pids_limit.value);
	host.devices = NULL;
	host.n_devices = 0;
	if (host.unified.count > 0 && split_unified(&host.unified, overhead, arena) < 0)
		return error_set(err, ENOMEM, "split linux.resources");
	*ret = host;
	return 0;
}

/* ---- the guest's -------------------------------------------------------------------------------
 */

bool vm_split_unified_is_guests(const char *file)
{
	return (begins_with(file, "memory.") && !begins_with(file, "memory.zswap.")) ||
		begins_with(file, "cpu.") || begins_with(file, "pids.") ||
		begins_with(file, "cgroup.");
}

static void write_signed(
	struct json_writer *writer, const char *key, const struct optional_i64 *number)
{
	if (number->set)
		json_write_int_member(writer, key, number->value);
}

static void write_unsigned(
	struct json_writer *writer, const char *key, const struct optional_u64 *number)
{
	if (number->set)
		json_write_uint_member(writer, key, number->value);
}

static void write_device(struct json_writer *writer, const struct oci_device_rule *rule)
{
	const char type[] = { rule->type != '\0' ? rule->type : 'a', '\0' };
	char access[4] = "", *end = access;

	if (rule->read)
		*end++ = 'r';
	if (rule->write)
		*end++ = 'w';
	if (rule->mknod)
		*end++ = 'm';
	json_write_object(writer);
	json_write_bool_member(writer, "allow", rule->allow);
	json_write_string_member(writer, "type", type);
	write_signed(writer, "major", &rule->major);
	write_signed(writer, "minor", &rule->minor);
	json_write_string_member(writer, "access", access);
	json_write_end(writer);
}

static void write_unified(struct json_writer *writer, const struct key_value_list *unified)
{
	json_write_object_member(writer, "unified");
	for (size_t i = 0; i < unified->count; i++) {
		if (vm_split_unified_is_guests(unified->items[i].key))
			json_write_string_member(
				writer, unified->items[i].key, unified->items[i].value);
	}
	json_write_end(writer);
}

static void write_memory(struct json_writer *writer, const struct oci_memory *memory)
{
	json_write_object_member(writer, "memory");
	write_signed(writer, "limit", &memory->limit);
	write_signed(writer, "reservation", &memory->reservation);
	write_signed(writer, "swap", &memory->swap);
	if (memory->check_before_update.set)
		json_write_bool_member(
			writer, "checkBeforeUpdate", memory->check_before_update.value);
	json_write_end(writer);
}

/* Processors, disks and their queues are the host's to share out. */
static void write_cpu(struct json_writer *writer, const struct oci_cpu *cpu)
{
	json_write_object_member(writer, "cpu");
	write_unsigned(writer, "shares", &cpu->shares);
	write_signed(writer, "quota", &cpu->quota);
	write_unsigned(writer, "period", &cpu->period);
	write_unsigned(writer, "burst", &cpu->burst);
	write_signed(writer, "idle", &cpu->idle);
	json_write_end(writer);
}

void vm_split_write_guest_resources(
	struct json_writer *writer, const struct oci_resources *resources)
{
	json_write_object(writer);
	write_memory(writer, &resources->memory);
	write_cpu(writer, &resources->cpu);
	if (resources->pids_limit.set) {
		json_write_object_member(writer, "pids");
		json_write_int_member(writer, "limit", resources->pids_limit.value);
		json_write_end(writer);
	}
	if (resources->n_devices > 0) {
		json_write_array_member(writer, "devices");
		for (size_t i = 0; i < resources->n_devices; i++)
			write_device(writer, &resources->devices[i]);
		json_write_end(writer);
	}
	if (resources->unified.count > 0)
		write_unified(writer, &resources->unified);
	json_write_end(writer);
}
