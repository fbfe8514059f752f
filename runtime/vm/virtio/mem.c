/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/mem.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mem.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "lib/error.h"
#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/virtio/kick.h"

#define QUEUE_SIZE 64
#define REQUESTS_PER_TURN 16
#define IOV_ENTRIES (QUEUE_SIZE + VIRTQUEUE_IOV_SPARE)
#define BLOCKS_MAX (MEM_REGION_MAX / MEM_BLOCK)

_Static_assert(sizeof(uint64_t) + BLOCKS_MAX / 8 <= VIRTIO_DEVICE_STATE_MAX,
	"a snapshot holds the size and the bitmap");

struct mem {
	struct virtio_device device;
	struct virtio_kick *kick;
	struct virtio_mem_config config; /* little endian is this machine's order */
	uint8_t *host;			 /* of the region */
	uint64_t blocks;
	uint8_t plugged[BLOCKS_MAX / 8];
};

static bool is_plugged(const struct mem *mem, uint64_t block)
{
	return mem->plugged[block / 8] >> (block % 8) & 1;
}

static void set_plugged(struct mem *mem, uint64_t block, bool plugged)
{
	if (plugged)
		mem->plugged[block / 8] |= (uint8_t)(1u << (block % 8));
	else
		mem->plugged[block / 8] &= (uint8_t) ~(1u << (block % 8));
}

/* True when the range is blocks inside the region; the count is what the driver says (16 bits). */
static bool range_is_good(const struct mem *mem, uint64_t address, uint64_t count, uint64_t *ret)
{
	uint64_t offset = address - mem->config.addr;

	if (address < mem->config.addr || offset % MEM_BLOCK != 0 || count == 0)
		return false;
	*ret = offset / MEM_BLOCK;
	return *ret < mem->blocks && count <= mem->blocks - *ret;
}

/* 0 where all of the range are unplugged, 1 where all are plugged, -1 else. */
static int range_state(const struct mem *mem, uint64_t first, uint64_t count)
{
	bool plugged = is_plugged(mem, first);

	for (uint64_t i = 1; i < count; i++)
		if (is_plugged(mem, first + i) != plugged)
			return -1;
	return plugged;
}

static uint16_t set_range(struct mem *mem, uint64_t first, uint64_t count, bool plug)
{
	uint64_t bytes = count * MEM_BLOCK;

	if (range_state(mem, first, count) != !plug)
		return VIRTIO_MEM_RESP_ERROR;
	if (plug && mem->config.plugged_size + bytes > mem->config.requested_size)
		return VIRTIO_MEM_RESP_NACK;
	if (!plug && madvise(mem->host + first * MEM_BLOCK, bytes, MADV_DONTNEED) < 0)
		return VIRTIO_MEM_RESP_BUSY;
	for (uint64_t i = 0; i < count; i++)
		set_plugged(mem, first + i, plug);
	mem->config.plugged_size += plug ? bytes : -bytes;
	return VIRTIO_MEM_RESP_ACK;
}

static uint16_t unplug_all(struct mem *mem)
{
	if (madvise(mem->host, mem->config.region_size, MADV_DONTNEED) < 0)
		return VIRTIO_MEM_RESP_BUSY;
	memset(mem->plugged, 0, sizeof(mem->plugged));
	mem->config.plugged_size = 0;
	return VIRTIO_MEM_RESP_ACK;
}

static uint16_t perform(
	struct mem *mem, const struct virtio_mem_req *request, struct virtio_mem_resp *response)
{
	/* Plug, unplug and state have the same shape. */
	uint64_t address = request->u.plug.addr, count = request->u.plug.nb_blocks, first;
	int state;

	if (request->type == VIRTIO_MEM_REQ_UNPLUG_ALL)
		return unplug_all(mem);
	if (!range_is_good(mem, address, count, &first))
		return VIRTIO_MEM_RESP_ERROR;
	switch (request->type) {
	case VIRTIO_MEM_REQ_PLUG:
		return set_range(mem, first, count, true);
	case VIRTIO_MEM_REQ_UNPLUG:
		return set_range(mem, first, count, false);
	case VIRTIO_MEM_REQ_STATE:
		state = range_state(mem, first, count);
		response->u.state.state = state < 0 ? VIRTIO_MEM_STATE_MIXED
			: state > 0		    ? VIRTIO_MEM_STATE_PLUGGED
						    : VIRTIO_MEM_STATE_UNPLUGGED;
		return VIRTIO_MEM_RESP_ACK;
	}
	return VIRTIO_MEM_RESP_ERROR;
}

static void serve(struct virtio_device *device, unsigned int index)
{
	struct mem *mem = (struct mem *)device;
	struct virtqueue *queue = &device->queues[index];
	struct iovec iov[IOV_ENTRIES];
	struct virtqueue_element element = { .iov = iov, .capacity = IOV_ENTRIES };
	unsigned int turns = 0;

	while (virtqueue_pop(queue, &element) == 1) {
		struct virtio_mem_req request;
		struct virtio_mem_resp response = { .type = VIRTIO_MEM_RESP_ERROR };

		if (iov_copy_out(element_readable(&element), element.readable_count, 0, &request,
			    sizeof(request)) == sizeof(request))
			response.type = perform(mem, &request, &response);
		iov_copy_in(element_writable(&element), element.writable_count, 0, &response,
			sizeof(response));
		virtio_device_config_stored(device);
		virtqueue_push(queue, &element, sizeof(response));
		if (++turns == REQUESTS_PER_TURN) {
			eventfd_write(queue->kick, 1);
			break;
		}
	}
	virtqueue_notify(queue);
}

void virtio_mem_request(struct virtio_device *device, uint64_t bytes)
{
	struct mem *mem = (struct mem *)device;

	pthread_mutex_lock(&device->lock);
	if (bytes > mem->config.region_size)
		bytes = mem->config.region_size;
	mem->config.requested_size = bytes / MEM_BLOCK * MEM_BLOCK;
	if (device->active)
		virtio_device_config_changed(device);
	pthread_mutex_unlock(&device->lock);
}

uint64_t virtio_mem_plugged(struct virtio_device *device)
{
	uint64_t plugged;

	pthread_mutex_lock(&device->lock);
	plugged = ((struct mem *)device)->config.plugged_size;
	pthread_mutex_unlock(&device->lock);
	return plugged;
}

/* Plugged memory outlives a reset of the device; the driver asks to unplug all (5.15.5.2). */
static void mem_reset(struct virtio_device *device)
{
	(void)device;
}

static size_t mem_save(struct virtio_device *device, void *state)
{
	struct mem *mem = (struct mem *)device;
	size_t size = (mem->blocks + 7) / 8;
	uint64_t requested = mem->config.requested_size;

	memcpy(state, &requested, sizeof(requested));
	memcpy((char *)state + sizeof(requested), mem->plugged, size);
	return sizeof(requested) + size;
}

static int mem_restore(struct virtio_device *device, const void *state, size_t size)
{
	struct mem *mem = (struct mem *)device;
	uint64_t requested;

	if (size != sizeof(requested) + (mem->blocks + 7) / 8)
		return -EINVAL;
	memcpy(&requested, state, sizeof(requested));
	if (requested % MEM_BLOCK != 0 || requested > mem->config.region_size)
		return -EINVAL;
	memcpy(mem->plugged, (const char *)state + sizeof(requested), size - sizeof(requested));
	mem->config.requested_size = requested;
	mem->config.plugged_size = 0;
	for (uint64_t i = 0; i < mem->blocks; i++)
		mem->config.plugged_size += is_plugged(mem, i) * MEM_BLOCK;
	return 0;
}

static void mem_destroy(struct virtio_device *device)
{
	struct mem *mem = (struct mem *)device;

	virtio_kick_free(mem->kick);
	virtio_device_fini(device);
	free(mem);
}

static const struct virtio_device_operations mem_operations = {
	.name = "mem",
	.id = VIRTIO_ID_MEM,
	.reset = mem_reset,
	.save = mem_save,
	.restore = mem_restore,
	.destroy = mem_destroy,
};

int virtio_mem_new(struct loop *loop, const struct guest_memory *memory, uint64_t gpa,
	uint64_t size, struct virtio_device **ret, struct error *err)
{
	uint8_t *host = guest_memory_at(memory, gpa, size);
	struct virtio_device *device;
	struct mem *mem;
	int r;

	if (host == NULL || gpa % MEM_BLOCK != 0 || size % MEM_BLOCK != 0 || size > MEM_REGION_MAX)
		return error_say(err, EINVAL,
			"virtio mem: a region of %#llx bytes at %#llx is not possible",
			(unsigned long long)size, (unsigned long long)gpa);
	r = virtio_device_new(sizeof(*mem), &mem_operations, memory, 1, QUEUE_SIZE, &device, err);
	if (r < 0)
		return r;
	mem = (struct mem *)device;
	mem->host = host;
	mem->blocks = size / MEM_BLOCK;
	mem->config = (struct virtio_mem_config){ .block_size = MEM_BLOCK,
		.addr = gpa,
		.region_size = size,
		.usable_region_size = size };
	mem->device.features = UINT64_C(1) << VIRTIO_MEM_F_UNPLUGGED_INACCESSIBLE;
	mem->device.config = &mem->config;
	mem->device.config_size = sizeof(mem->config);
	r = virtio_kick_new(loop, &mem->device, serve, &mem->kick, err);
	if (r < 0) {
		mem_destroy(device);
		return r;
	}
	*ret = device;
	return 0;
}
