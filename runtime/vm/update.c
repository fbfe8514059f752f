/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/vm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>

#include "agent/protocol.h"
#include "config/oci.h"
#include "config/settings.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/container.h"
#include "runtime/runtime.h"
#include "runtime/vm/size.h"
#include "runtime/vm/split.h"

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

/* Those that a guest can have: the processors, devices and block I/O of the host it cannot. */
static void write_resources(struct json_writer *writer, const struct oci_resources *resources)
{
	json_write_object(writer);
	json_write_object_member(writer, "memory");
	write_signed(writer, "limit", &resources->memory.limit);
	write_signed(writer, "reservation", &resources->memory.reservation);
	write_signed(writer, "swap", &resources->memory.swap);
	json_write_end(writer);
	json_write_object_member(writer, "cpu");
	write_unsigned(writer, "shares", &resources->cpu.shares);
	write_signed(writer, "quota", &resources->cpu.quota);
	write_unsigned(writer, "period", &resources->cpu.period);
	write_unsigned(writer, "burst", &resources->cpu.burst);
	write_signed(writer, "idle", &resources->cpu.idle);
	json_write_end(writer);
	if (resources->pids_limit.set) {
		json_write_object_member(writer, "pids");
		json_write_int_member(writer, "limit", resources->pids_limit.value);
		json_write_end(writer);
	}
	json_write_end(writer);
}

static int update_guest(
	struct container *container, const struct oci_resources *resources, struct error *err)
{
	_cleanup_(protocol_message_free) struct protocol_message answer = { 0 };
	_cleanup_(json_writer_close) struct json_writer text = { 0 };
	struct json_writer writer;
	const char *document;
	int status = json_writer_open(&text, false, err);

	if (status < 0)
		return status;
	write_resources(&text, resources);
	status = json_writer_text(&text, &document, NULL, err);
	if (status == 0)
		status = protocol_begin(&writer, "op", "update", err);
	if (status < 0)
		return status;
	json_write_string_member(&writer, "id", container->state.id);
	json_write_string_member(&writer, "resources", document);
	return vm_request(container, &writer, NULL, 0, VM_AGENT_TIMEOUT_MS, &answer, err);
}

/* More than it was booted with a guest cannot use. */
static void warn_of_size(struct container *container, const struct oci_resources *resources)
{
	if (!resources->memory.limit.set || container_load_config(container, NULL) < 0)
		return;
	uint64_t memory = vm_size(&container->config, container->runtime->vm).memory;
	if (resources->memory.limit.value < 0 || (uint64_t)resources->memory.limit.value > memory)
		log_warning("container %s: its virtual machine has %" PRIu64
			    " bytes of memory: a higher limit takes effect when it is made anew",
			container->state.id, memory);
}

/*
 * Memory is limited in the guest alone once it runs: what its kernel has touched it keeps, so that
 * a lower limit of the host's would kill it.
 */
int vm_update(struct container *container, const struct oci_resources *resources, struct error *err)
{
	struct oci_resources host;

	if (container_status(container) == CONTAINER_PAUSED)
		return error_say(err, EINVAL, "cannot update container %s: it is paused",
			container->state.id);
	int status = update_guest(container, resources, err);
	if (status < 0)
		return status;
	warn_of_size(container, resources);
	vm_split_resources(resources, container->runtime->vm->overhead, &host);
	host.memory = (struct oci_memory){ 0 };
	_cleanup_close_ int cgroup = cgroup_open(&container->state.cgroup, err);
	return cgroup < 0 ? cgroup
			  : cgroup_update(cgroup, &container->state.cgroup, &host,
				    container->runtime->rootless, err);
}
