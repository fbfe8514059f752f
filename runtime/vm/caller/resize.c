/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/caller/resize.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/protocol.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/container.h"
#include "runtime/vm/control/ask.h"
#include "runtime/vm/control/message.h"
#include "runtime/vm/monitor/growth.h"
#include "runtime/vm/vm.h"

#define POLL_MS 20
#define STALL_MS 5000 /* a guest that gets no nearer for so long has gone as far as it goes */
#define MOST_MS 60000
#define RESERVE (UINT64_C(16) << 20)
#define MIB(bytes) ((unsigned long long)((bytes) >> 20))

/* One question to the monitor: a connection of its own, for `start` may come between. */
static int ask(struct container *container, const struct control_request *request,
	struct growth_size *ret, struct error *err)
{
	_cleanup_close_ int connection = control_connect(container->dir, err);
	struct control_answer answer;
	int status = connection < 0 ? connection
				    : control_ask(connection, request, NULL, 0, &answer, err);

	if (status == 0)
		*ret = answer.size;
	return status;
}

static int ask_size(struct container *container, struct growth_size *ret, struct error *err)
{
	const struct control_request request = { .kind = CONTROL_SIZE };

	return ask(container, &request, ret, err);
}

static int ask_growth(struct container *container, uint64_t plug, uint64_t hold, unsigned int cpus,
	struct growth_size *ret, struct error *err)
{
	const struct control_request request = { .kind = CONTROL_GROW,
		.growth = { .plug = plug, .hold = hold, .cpus = cpus } };

	return ask(container, &request, ret, err);
}

/*
 * The agent binds the drivers of new devices, and brings processors up. *ret_available (may be
 * NULL) gets the bytes that could be taken from the guest.
 */
static int tell_agent(struct container *container, const struct growth_size *size,
	unsigned int cpus, uint64_t *ret_available, struct error *err)
{
	_cleanup_(protocol_message_free) struct protocol_message answer = { 0 };
	struct json_writer writer;
	int status = protocol_begin(&writer, "op", "grow", err);

	if (status < 0)
		return status;
	json_write_array_member(&writer, "slots");
	if (size->plug_slot >= 0)
		json_write_int(&writer, size->plug_slot);
	if (size->balloon_slot >= 0)
		json_write_int(&writer, size->balloon_slot);
	json_write_end(&writer);
	json_write_bool_member(&writer, "memory", size->plug_slot >= 0);
	json_write_uint_member(&writer, "cpus", cpus);
	status = vm_request(container, &writer, NULL, 0, VM_AGENT_TIMEOUT_MS, &answer, err);
	if (status < 0 || ret_available == NULL)
		return status;
	if (json_uint64(json_get(&answer.json, "available"), ret_available) < 0)
		return error_say(err, EPROTO, "the guest does not say how much memory it can give");
	return 0;
}

static int set(struct container *container, uint64_t plug, uint64_t hold, unsigned int cpus,
	struct error *err)
{
	struct growth_size size = { 0 };
	int status = ask_growth(container, plug, hold, cpus, &size, err);

	return status < 0 ? status : tell_agent(container, &size, cpus, NULL, err);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/*
 * Waits until the guest has what it is to have, or gets no nearer to it; *ret is how far it came.
 */
static int settle(struct container *container, struct growth_size *ret, struct error *err)
{
	uint64_t left, best = UINT64_MAX;
	int stalled = 0, waited = 0;

	for (;;) {
		int status = ask_size(container, ret, err);

		if (status < 0)
			return status;
		left = distance(ret->plugged, ret->plug_target) +
			distance(ret->held, ret->hold_target);
		stalled = left < best ? 0 : stalled + POLL_MS;
		best = left < best ? left : best;
		if (left == 0 || stalled >= STALL_MS || waited >= MOST_MS)
			return 0;
		nanosleep(&(struct timespec){ .tv_nsec = POLL_MS * 1000000L }, NULL);
		waited += POLL_MS;
	}
}

static int grow(struct container *container, uint64_t plug, uint64_t hold, unsigned int cpus,
	struct error *err)
{
	struct growth_size size = { 0 };
	int status = set(container, plug, hold, cpus, err);

	if (status == 0)
		status = settle(container, &size, err);
	if (status < 0)
		return status;
	if (size.plugged < plug || size.held > hold)
		return error_say(err, ENOMEM,
			"the guest took %llu of %llu MiB that were added: its kernel needs memory "
			"to describe more, or has no support for it",
			MIB(size.plugged), MIB(plug));
	return 0;
}

/*
 * A guest from which more is taken than it has to spare kills what runs in it: it is asked before,
 * and keeps a reserve for what its kernel does meanwhile.
 */
static int check_available(struct container *container, const struct growth_size *now,
	uint64_t wanted, struct error *err)
{
	uint64_t available;
	int status = tell_agent(container, now, now->machine.cpus, &available, err);

	if (status < 0)
		return status;
	available -= available < RESERVE ? available : RESERVE;
	if (wanted <= available)
		return 0;
	return error_say(err, EBUSY,
		"the guest can give back %llu of %llu MiB: what runs in it uses the rest",
		MIB(available), MIB(wanted));
}

static int shrink(struct container *container, uint64_t plug, uint64_t memory, unsigned int cpus,
	const struct growth_size *now, struct error *err)
{
	struct growth_size size = *now;
	uint64_t has = now->machine.memory + now->plug_target - now->hold_target;
	int status = check_available(container, now, has - memory, err);

	if (status == 0 && plug < now->plug_target) {
		status = set(container, plug, now->hold_target, cpus, err);
		if (status == 0)
			status = settle(container, &size, err);
	}
	/* What is in use cannot be unplugged: from here on it is the balloon's to hold. */
	uint64_t all = size.machine.memory + size.plugged;
	uint64_t hold = all > memory ? all - memory : 0;
	if (status == 0)
		status = set(container, size.plugged, hold, cpus, err);
	if (status == 0)
		status = settle(container, &size, err);
	if (status < 0)
		return status;
	if (size.held < hold)
		return error_say(err, EBUSY,
			"the guest gave back %llu of %llu MiB: what runs in it uses the rest",
			MIB(size.held), MIB(hold));
	return 0;
}

/* How far the machine can go at all is known before anything is changed. */
static int check(const struct growth_size *now, uint64_t memory, struct error *err)
{
	if (memory <= now->machine.memory + now->machine.spare)
		return 0;
	if (now->machine.spare == 0)
		return error_say(err, ERANGE,
			"the virtual machine was made for %llu MiB, and not to grow "
			"(vm.hwConfig, or the settings' vm.memory_max): %llu MiB are wanted",
			MIB(now->machine.memory), MIB(memory));
	return error_say(err, ERANGE,
		"the virtual machine was made for at most %llu MiB (the settings' vm.memory_max): "
		"%llu MiB are wanted",
		MIB(now->machine.memory + now->machine.spare), MIB(memory));
}

int vm_resize(struct container *container, uint64_t memory, unsigned int cpus,
	struct vm_size_before *ret_before, struct error *err)
{
	struct growth_size now = { 0 };
	int status = ask_size(container, &now, err);

	*ret_before = (struct vm_size_before){ 0 };
	if (status < 0)
		return status;
	uint64_t has = now.machine.memory + now.plug_target - now.hold_target;
	if (memory == 0)
		memory = has;
	/* Processors beyond those that were declared are no error: a quota is a limit. */
	if (cpus > now.machine.cpus_max)
		cpus = now.machine.cpus_max;
	if (memory == has && cpus <= now.machine.cpus)
		return 0;
	status = check(&now, memory, err);
	if (status < 0)
		return status;
	*ret_before = (struct vm_size_before){
		.plug = now.plug_target, .hold = now.hold_target, .changed = true
	};
	uint64_t plug = memory > now.machine.memory ? memory - now.machine.memory : 0;
	uint64_t hold = memory < now.machine.memory ? now.machine.memory - memory : 0;
	if (cpus < now.machine.cpus)
		cpus = now.machine.cpus;
	status = memory < has ? shrink(container, plug, memory, cpus, &now, err)
			      : grow(container, plug, hold, cpus, err);
	return status < 0 ? error_prefix(err, "memory of the virtual machine") : 0;
}

void vm_resize_undo(struct container *container, const struct vm_size_before *before)
{
	struct growth_size size = { 0 };
	struct error err = ERROR_INIT;

	if (before->changed &&
		ask_growth(container, before->plug, before->hold, 0, &size, &err) < 0)
		log_warning("the virtual machine cannot have its size of before: %s", err.message);
}
