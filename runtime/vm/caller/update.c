/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other limits for a container that runs: in the guest's cgroup as they are written, on the
 * monitor's with the overhead, and the machine itself with both. All of it or nothing: what can be
 * undone comes first, and of memory the larger side is always changed before the smaller one, for a
 * guest that has more than its monitor may use would be killed.
 */
#include "runtime/vm/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/protocol.h"
#include "config/oci.h"
#include "config/settings.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_copy.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/cgroup/file.h"
#include "runtime/cgroup/resources.h"
#include "runtime/container.h"
#include "runtime/runtime.h"
#include "runtime/vm/caller/resize.h"
#include "runtime/vm/kernel/choice.h"
#include "runtime/vm/plan/size.h"
#include "runtime/vm/plan/split_resources.h"

#define UPDATE_TIMEOUT_MS 30000 /* a guest that has to swap or to kill takes its time */

struct update {
	struct container *container;
	const struct oci_resources *wanted;
	struct settings_vm settings;		/* in force for this container's kernel */
	struct oci_resources host, host_memory; /* the monitor's, and of these what is memory */
	int cgroup;
	struct cgroup_undo undo[2];
	size_t n_undo;
	struct vm_size_before before;
	char *guest_undo;
};

/* `resources` is a document. The old values, a document too, go to *ret_undo, which may be NULL. */
static int ask_guest(
	struct update *update, const char *resources, char **ret_undo, struct error *err)
{
	_cleanup_(protocol_message_free) struct protocol_message answer = { 0 };
	_cleanup_(json_writer_close) struct json_writer undo = { 0 };
	struct json_writer writer;
	int status = protocol_begin(&writer, "op", "update", err);

	if (status < 0)
		return status;
	json_write_string_member(&writer, "id", update->container->state.id);
	json_write_string_member(&writer, "resources", resources);
	status = vm_request(update->container, &writer, NULL, 0, UPDATE_TIMEOUT_MS, &answer, err);
	if (status < 0)
		return error_prefix(err, "in the guest");
	const struct json_value *old = json_get(&answer.json, "undo");
	if (ret_undo == NULL || old == NULL)
		return 0;
	status = json_writer_open(&undo, false, err);
	if (status < 0)
		return status;
	json_write_object(&undo);
	json_write_key(&undo, "unified");
	json_write_value(&undo, old);
	json_write_end(&undo);
	return json_writer_copy(&undo, ret_undo, err);
}

static int update_guest(struct update *update, struct error *err)
{
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	const char *text;
	int status = json_writer_open(&writer, false, err);

	if (status < 0)
		return status;
	vm_split_write_guest_resources(&writer, update->wanted);
	status = json_writer_text(&writer, &text, NULL, err);
	return status < 0 ? status : ask_guest(update, text, &update->guest_undo, err);
}

static int update_host(
	struct update *update, const struct oci_resources *resources, struct error *err)
{
	int status = cgroup_update_undoable(update->cgroup, &update->container->state.cgroup,
		resources, update->container->runtime->rootless, &update->undo[update->n_undo],
		err);

	if (status < 0)
		return error_prefix(err, "on the host");
	update->n_undo++;
	return 0;
}

static void take_back(struct update *update)
{
	struct error err = ERROR_INIT;

	if (update->guest_undo != NULL && ask_guest(update, update->guest_undo, NULL, &err) < 0)
		log_warning("the limits of before: %s", err.message);
	while (update->n_undo > 0)
		cgroup_update_undo(update->cgroup, &update->container->state.cgroup,
			&update->undo[--update->n_undo]);
	vm_resize_undo(update->container, &update->before);
}

/* The limit holds all the same: it is what the container asks for that is wrong. */
static void warn_of_fixed_size(const struct container *container, int64_t limit)
{
	uint64_t memory = vm_size(&container->config, container->runtime->vm).memory;

	if ((uint64_t)limit > memory)
		log_warning("memory limit of %" PRIu64 " MiB: the virtual machine has %" PRIu64
			    " MiB and keeps them, for config.json says so (vm.hwConfig.memory)",
			(uint64_t)limit >> 20, memory >> 20);
}

/* A machine whose size config.json names keeps it. */
static int resize(struct update *update, struct error *err)
{
	struct container *container = update->container;
	const struct optional_i64 *limit = &update->wanted->memory.limit;
	int status = container_load_config(container, err);

	if (status < 0)
		return status;
	const struct oci_vm *vm = &container->config.vm;
	uint64_t memory = 0;
	if (limit->set && limit->value > 0 && vm->hw_config.memory.set)
		warn_of_fixed_size(container, limit->value);
	else if (limit->set && limit->value > 0)
		memory = vm_memory_for(limit->value, &update->settings);
	unsigned int cpus = vm->hw_config.vcpus.set ? 0 : vm_cpus_for(&update->wanted->cpu);
	if (memory == 0 && cpus == 0)
		return 0;
	return vm_resize(container, memory, cpus, &update->before, err);
}

/* Bytes of the monitor's cgroup that no reclaim frees; 0 where the kernel does not say. */
static uint64_t held_on_host(const struct update *update)
{
	static const char *const reclaimable[] = { "active_file", "inactive_file",
		"slab_reclaimable" };
	uint64_t used, number;

	if (cgroup_file_read_number(update->cgroup, "memory.current", &used) < 0)
		return 0;
	for (size_t i = 0; i < sizeof(reclaimable) / sizeof(*reclaimable); i++) {
		if (cgroup_file_find(update->cgroup, "memory.stat", reclaimable[i], &number) == 0)
			used -= number < used ? number : used;
	}
	return used;
}

/*
 * What a lower limit could not free by reclaim, it would free by the OOM killer. Of a large page
 * that the guest has given back in part, the kernel frees that part when it is asked for memory.
 */
static int check_use(struct update *update, struct error *err)
{
	const struct optional_i64 *limit = &update->host_memory.memory.limit;
	char excess[24];

	if (!limit->set || limit->value < 0)
		return 0;
	uint64_t held = held_on_host(update);
	if (held > (uint64_t)limit->value) {
		snprintf(excess, sizeof(excess), "%" PRIu64, held - (uint64_t)limit->value);
		/* Fails where less was freed, and before Linux 5.19. */
		(void)cgroup_file_write(update->cgroup, "memory.reclaim", excess);
		held = held_on_host(update);
	}
	if (held <= (uint64_t)limit->value)
		return 0;
	return error_say(err, EBUSY,
		"on the host: the virtual machine holds %" PRIu64 " bytes, and memory.max would be "
		"%" PRIi64 " (the limit and the settings' vm.overhead)",
		held, limit->value);
}

static bool is_lower(const struct update *update)
{
	const struct optional_i64 *limit = &update->host_memory.memory.limit;
	uint64_t present;

	/* What `unified` says is not compared: last is right for what lowers, and harmless else. */
	if (!limit->set)
		return update->host_memory.unified.count > 0;
	return limit->value > 0 &&
		cgroup_file_read_number(update->cgroup, "memory.max", &present) == 0 &&
		(uint64_t)limit->value < present;
}

static int carry_out(struct update *update, struct error *err)
{
	bool lower = is_lower(update);
	int status = update_host(update, &update->host, err);

	if (status == 0 && !lower)
		status = update_host(update, &update->host_memory, err);
	if (status == 0)
		status = resize(update, err);
	if (status == 0 && lower)
		status = check_use(update, err);
	if (status == 0)
		status = update_guest(update, err);
	if (status == 0 && lower)
		status = update_host(update, &update->host_memory, err);
	return status;
}

int vm_update(struct container *container, const struct oci_resources *resources, struct error *err)
{
	_cleanup_(arena_free) struct arena arena = { 0 };
	struct update update = { .container = container,
		.wanted = resources,
		.settings = vm_kernel_settings_of(container->runtime->vm, container->dir) };

	if (container_status(container) == CONTAINER_PAUSED)
		return error_say(err, EINVAL, "cannot update container %s: it is paused",
			container->state.id);
	int status = vm_split_resources(
		resources, update.settings.overhead, &arena, &update.host, err);
	if (status < 0)
		return status;
	_cleanup_close_ int cgroup = cgroup_open(&container->state.cgroup, err);
	if (cgroup < 0)
		return cgroup;
	update.cgroup = cgroup;
	update.host_memory = (struct oci_resources){
		.set = true, .memory = update.host.memory, .unified = update.host.unified
	};
	update.host.memory = (struct oci_memory){ 0 };
	update.host.unified = (struct key_value_list){ 0 };
	status = carry_out(&update, err);
	if (status < 0)
		take_back(&update);
	for (size_t i = 0; i < update.n_undo; i++)
		cgroup_undo_free(&update.undo[i]);
	free(update.guest_undo);
	return status;
}
