/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/monitor/growth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "runtime/vm/monitor/guest.h"
#include "runtime/vm/virtio/balloon.h"
#include "runtime/vm/virtio/mem.h"

struct growth {
	struct loop *loop;
	struct guest *guest;
	struct virtio_device *memory, *balloon; /* the machine's; NULL until they are asked for */
	struct growth_size size;		/* all but what the devices say */
};

int growth_new(struct loop *loop, struct guest *guest, const struct vm_size *booted,
	struct growth **ret, struct error *err)
{
	struct growth *growth = calloc(1, sizeof(*growth));

	if (growth == NULL)
		return error_set(err, ENOMEM, "make a virtual machine");
	growth->loop = loop;
	growth->guest = guest;
	growth->size.machine = *booted;
	growth->size.plug_slot = growth->size.balloon_slot = -1;
	*ret = growth;
	return 0;
}

void growth_free(struct growth *growth)
{
	free(growth);
}

/* Attaches a device, which is the guest's or freed. */
static int attach(struct growth *growth, struct virtio_device *device,
	struct virtio_device **ret_device, int *ret_slot, struct error *err)
{
	unsigned int slot;
	int status = guest_attach(growth->guest, device, &slot, err);

	if (status < 0)
		return status;
	*ret_device = device;
	*ret_slot = (int)slot;
	return 0;
}

static int plug(struct growth *growth, uint64_t bytes, struct error *err)
{
	struct virtio_device *device;
	uint64_t address;

	if (bytes > growth->size.machine.spare)
		return error_say(err, ERANGE,
			"the virtual machine has room for %llu MiB more memory at most",
			(unsigned long long)(growth->size.machine.spare >> 20));
	if (growth->memory == NULL && bytes > 0) {
		int status = guest_open_spare(growth->guest, &address, err);

		if (status >= 0)
			status = virtio_mem_new(growth->loop, guest_memory_of(growth->guest),
				address, growth->size.machine.spare, &device, err);
		if (status >= 0)
			status = attach(
				growth, device, &growth->memory, &growth->size.plug_slot, err);
		if (status < 0)
			return status;
	}
	if (growth->memory != NULL)
		virtio_mem_request(growth->memory, bytes);
	growth->size.plug_target = bytes;
	return 0;
}

static int hold(struct growth *growth, uint64_t bytes, struct error *err)
{
	struct virtio_device *device;

	if (growth->balloon == NULL && bytes > 0) {
		int status = virtio_balloon_new(
			growth->loop, guest_memory_of(growth->guest), true, &device, err);

		if (status >= 0)
			status = attach(
				growth, device, &growth->balloon, &growth->size.balloon_slot, err);
		if (status < 0)
			return status;
	}
	if (growth->balloon != NULL)
		virtio_balloon_set_target(growth->balloon, bytes);
	growth->size.hold_target = bytes;
	return 0;
}

static int add_cpus(struct growth *growth, unsigned int cpus, struct error *err)
{
	if (cpus <= growth->size.machine.cpus)
		return 0;
	int status = guest_add_cpus(growth->guest, cpus - growth->size.machine.cpus, err);
	if (status >= 0)
		growth->size.machine.cpus = cpus;
	return status;
}

int growth_change(struct growth *growth, const struct growth_request *request, struct error *err)
{
	int status = plug(growth, request->plug, err);

	if (status >= 0)
		status = hold(growth, request->hold, err);
	if (status >= 0)
		status = add_cpus(growth, request->cpus, err);
	return status;
}

struct growth_size growth_get_size(const struct growth *growth)
{
	struct growth_size size = growth->size;

	if (growth->memory != NULL)
		size.plugged = virtio_mem_plugged(growth->memory);
	if (growth->balloon != NULL)
		size.held = virtio_balloon_actual(growth->balloon);
	return size;
}
