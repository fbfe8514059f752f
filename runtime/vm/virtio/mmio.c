/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/mmio.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/eventfd.h>

#define MAGIC 0x74726976u  /* "virt" */
#define VENDOR 0x53494143u /* "CAIS" */

#define STATUS_ALL                                                                            \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
		VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)

#define FEATURE(bit) (UINT64_C(1) << (bit))
#define TRANSPORT_FEATURES                                                \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_EVENT_IDX) | \
		FEATURE(VIRTIO_RING_F_INDIRECT_DESC))

static void show_word(struct virtio_mmio *slot, uint32_t offset, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)(slot->page + offset), value, __ATOMIC_RELEASE);
}

/* The registers that change without a write of the guest's. With the page's lock held. */
static void show_changing(struct virtio_mmio *slot)
{
	uint32_t status = atomic_load(&slot->interrupt_status);

	if (slot->status & VIRTIO_CONFIG_S_DRIVER_OK)
		status |= VIRTIO_MMIO_INT_VRING;
	show_word(slot, VIRTIO_MMIO_INTERRUPT_STATUS, status);
	show_word(slot, VIRTIO_MMIO_STATUS, slot->status | atomic_load(&slot->needs_reset));
	show_word(slot, VIRTIO_MMIO_CONFIG_GENERATION, atomic_load(&slot->config_generation));
}

static void show_interrupt(struct virtio_mmio *slot)
{
	if (slot->page == NULL)
		return;
	pthread_mutex_lock(&slot->page_lock);
	show_changing(slot);
	pthread_mutex_unlock(&slot->page_lock);
}

/* With the device's lock held. */
static void show_config(void *transport)
{
	struct virtio_mmio *slot = transport;
	const struct virtio_device *device = slot->device;

	if (slot->page == NULL)
		return;
	pthread_mutex_lock(&slot->page_lock);
	memcpy(slot->page + VIRTIO_MMIO_CONFIG, device->config, device->config_size);
	show_changing(slot);
	pthread_mutex_unlock(&slot->page_lock);
}

static void interrupt(struct virtio_mmio *slot, unsigned int bits)
{
	atomic_fetch_or(&slot->interrupt_status, bits);
	if (slot->interrupt != NULL)
		slot->interrupt(slot->interrupt_data);
}

static void interrupt_queue(void *transport)
{
	interrupt(transport, VIRTIO_MMIO_INT_VRING);
}

static void interrupt_config(void *transport)
{
	struct virtio_mmio *slot = transport;

	/* Before and after: who reads half of it sees the number change in any case (4.2.2.2). */
	atomic_fetch_add(&slot->config_generation, 1);
	show_interrupt(slot);
	show_config(slot);
	atomic_fetch_add(&slot->config_generation, 1);
	atomic_fetch_or(&slot->interrupt_status, VIRTIO_MMIO_INT_CONFIG);
	show_interrupt(slot);
	interrupt(slot, VIRTIO_MMIO_INT_CONFIG);
}

static void needs_reset(void *transport)
{
	struct virtio_mmio *slot = transport;

	atomic_store(&slot->needs_reset, VIRTIO_CONFIG_S_NEEDS_RESET);
	atomic_fetch_or(&slot->interrupt_status, VIRTIO_MMIO_INT_CONFIG);
	show_interrupt(slot);
	interrupt(slot, VIRTIO_MMIO_INT_CONFIG);
}

void virtio_mmio_init(struct virtio_mmio *slot, void (*raise)(void *data), void *data)
{
	*slot = (struct virtio_mmio){ .interrupt = raise, .interrupt_data = data };
	pthread_mutex_init(&slot->lock, NULL);
	pthread_mutex_init(&slot->page_lock, NULL);
}

void virtio_mmio_destroy(struct virtio_mmio *slot)
{
	virtio_device_free(slot->device);
	slot->device = NULL;
	pthread_mutex_destroy(&slot->lock);
	pthread_mutex_destroy(&slot->page_lock);
}

int virtio_mmio_kick_fd(const struct virtio_mmio *slot, unsigned int index)
{
	if (slot->device == NULL || index >= slot->device->queue_count)
		return -ENOENT;
	return slot->device->queues[index].kick;
}

static uint64_t offered_features(const struct virtio_mmio *slot)
{
	return slot->device->features | TRANSPORT_FEATURES;
}

/* The selected queue while the driver may set queues up, else NULL. */
static struct virtqueue *selected_queue(struct virtio_mmio *slot)
{
	if (slot->queue_select >= slot->device->queue_count)
		return NULL;
	return &slot->device->queues[slot->queue_select];
}

static struct virtqueue *settable_queue(struct virtio_mmio *slot)
{
	struct virtqueue *queue = selected_queue(slot);
	uint32_t must = VIRTIO_CONFIG_S_FEATURES_OK;
	uint32_t state = must | VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED;

	if ((slot->status & state) != must || queue == NULL || queue->state.ready)
		return NULL;
	return queue;
}

static uint32_t read_register(struct virtio_mmio *slot, uint32_t offset)
{
	const struct virtqueue *queue;

	switch (offset) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return MAGIC;
	case VIRTIO_MMIO_VERSION:
		return 2;
	case VIRTIO_MMIO_VENDOR_ID:
		return VENDOR;
	}
	if (slot->device == NULL)
		return 0;
	queue = selected_queue(slot);
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_ID:
		return slot->device->operations->id;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		if (slot->device_features_select > 1)
			return 0;
		return offered_features(slot) >> (32 * slot->device_features_select);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return queue != NULL ? queue->size_max : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return queue != NULL && queue->state.ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return atomic_load(&slot->interrupt_status);
	case VIRTIO_MMIO_STATUS:
		return slot->status | atomic_load(&slot->needs_reset);
	/* No shared memory region: length and base are all ones (4.2.2). */
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return UINT32_MAX;
	case VIRTIO_MMIO_CONFIG_GENERATION:
		return atomic_load(&slot->config_generation);
	}
	return 0;
}

/* Every register, as it reads now. With the slot's lock held. */
static void show_all(struct virtio_mmio *slot)
{
	struct virtio_device *device = slot->device;

	if (slot->page == NULL)
		return;
	pthread_mutex_lock(&slot->page_lock);
	for (uint32_t offset = 0; offset < VIRTIO_MMIO_CONFIG; offset += 4)
		show_word(slot, offset, read_register(slot, offset));
	show_changing(slot);
	pthread_mutex_unlock(&slot->page_lock);
	if (device != NULL && device->config_size > 0) {
		pthread_mutex_lock(&device->lock);
		if (device->operations->config_refresh != NULL)
			device->operations->config_refresh(device);
		show_config(slot);
		pthread_mutex_unlock(&device->lock);
	}
}

void virtio_mmio_show(struct virtio_mmio *slot, void *page)
{
	pthread_mutex_lock(&slot->lock);
	slot->page = page;
	show_all(slot);
	pthread_mutex_unlock(&slot->lock);
}

int virtio_mmio_attach(struct virtio_mmio *slot, struct virtio_device *device)
{
	int r = -EBUSY;

	pthread_mutex_lock(&slot->lock);
	if (slot->device == NULL) {
		device->interrupt_queue = interrupt_queue;
		device->interrupt_config = interrupt_config;
		device->needs_reset = needs_reset;
		device->show_config = show_config;
		device->transport = slot;
		slot->device = device;
		show_all(slot);
		r = 0;
	}
	pthread_mutex_unlock(&slot->lock);
	return r;
}

static void read_config(struct virtio_mmio *slot, size_t offset, void *data, size_t size)
{
	struct virtio_device *device = slot->device;

	if (device == NULL || offset >= device->config_size || size > device->config_size - offset)
		return;
	pthread_mutex_lock(&device->lock);
	if (device->operations->config_refresh != NULL)
		device->operations->config_refresh(device);
	memcpy(data, (const char *)device->config + offset, size);
	pthread_mutex_unlock(&device->lock);
}

void virtio_mmio_read(struct virtio_mmio *slot, uint64_t offset, void *data, size_t size)
{
	memset(data, 0, size);
	if (size > 8 || offset > VIRTIO_MMIO_SIZE - 8)
		return;
	pthread_mutex_lock(&slot->lock);
	if (offset >= VIRTIO_MMIO_CONFIG) {
		read_config(slot, offset - VIRTIO_MMIO_CONFIG, data, size);
	} else if (size == 4 && offset % 4 == 0) {
		uint32_t value = read_register(slot, offset);

		memcpy(data, &value, sizeof(value));
	}
	pthread_mutex_unlock(&slot->lock);
}

/* Back to power-on; the device has let go of queues and buffers when this returns. */
static void reset(struct virtio_mmio *slot)
{
	struct virtio_device *device = slot->device;

	pthread_mutex_lock(&device->lock);
	device->operations->reset(device);
	device->active = false;
	device->negotiated = 0;
	for (unsigned int i = 0; i < device->queue_count; i++)
		virtqueue_reset(&device->queues[i]);
	pthread_mutex_unlock(&device->lock);
	slot->device_features_select = slot->driver_features_select = slot->queue_select = 0;
	slot->driver_features = 0;
	slot->status = 0;
	atomic_store(&slot->needs_reset, 0);
	atomic_store(&slot->interrupt_status, 0);
}

static int activate(struct virtio_mmio *slot)
{
	struct virtio_device *device = slot->device;
	int r = 0;

	pthread_mutex_lock(&device->lock);
	if (device->operations->activate != NULL)
		r = device->operations->activate(device);
	device->active = r >= 0;
	pthread_mutex_unlock(&device->lock);
	return r;
}

/* Takes the driver's features over, unless it wants what is not offered or is a legacy one. */
static bool accept_features(struct virtio_mmio *slot)
{
	uint64_t wanted = slot->driver_features;
	struct virtio_device *device = slot->device;

	if ((wanted & ~offered_features(slot)) != 0 || !(wanted & FEATURE(VIRTIO_F_VERSION_1)))
		return false;
	pthread_mutex_lock(&device->lock);
	device->negotiated = wanted;
	for (unsigned int i = 0; i < device->queue_count; i++) {
		device->queues[i].event_index = wanted & FEATURE(VIRTIO_RING_F_EVENT_IDX);
		device->queues[i].indirect = wanted & FEATURE(VIRTIO_RING_F_INDIRECT_DESC);
	}
	pthread_mutex_unlock(&device->lock);
	return true;
}

/*
 * Status bits are only ever added, in the order of 3.1.1, except by a reset. A bit that is out of
 * its order is dropped, which the driver sees when it reads the register back.
 */
static void write_status(struct virtio_mmio *slot, uint32_t value)
{
	uint32_t added;

	if (value == 0) {
		reset(slot);
		return;
	}
	added = value & STATUS_ALL & ~slot->status;
	if ((slot->status & ~value) != 0)
		return;
	if (added & VIRTIO_CONFIG_S_FAILED) {
		slot->status |= VIRTIO_CONFIG_S_FAILED;
		return;
	}
	if (slot->status & VIRTIO_CONFIG_S_FAILED)
		return;
	if (added & VIRTIO_CONFIG_S_ACKNOWLEDGE)
		slot->status |= VIRTIO_CONFIG_S_ACKNOWLEDGE;
	if ((added & VIRTIO_CONFIG_S_DRIVER) && (slot->status & VIRTIO_CONFIG_S_ACKNOWLEDGE))
		slot->status |= VIRTIO_CONFIG_S_DRIVER;
	if ((added & VIRTIO_CONFIG_S_FEATURES_OK) && (slot->status & VIRTIO_CONFIG_S_DRIVER) &&
		accept_features(slot))
		slot->status |= VIRTIO_CONFIG_S_FEATURES_OK;
	if ((added & VIRTIO_CONFIG_S_DRIVER_OK) && (slot->status & VIRTIO_CONFIG_S_FEATURES_OK)) {
		slot->status |= VIRTIO_CONFIG_S_DRIVER_OK;
		if (activate(slot) < 0)
			needs_reset(slot);
	}
}

static void write_driver_features(struct virtio_mmio *slot, uint32_t value)
{
	unsigned int shift = 32 * slot->driver_features_select;

	if (slot->driver_features_select > 1 || !(slot->status & VIRTIO_CONFIG_S_DRIVER) ||
		(slot->status & (VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_FAILED)))
		return;
	slot->driver_features &= ~((uint64_t)UINT32_MAX << shift);
	slot->driver_features |= (uint64_t)value << shift;
}

static void set_low(uint64_t *address, uint32_t value)
{
	*address = (*address & ~(uint64_t)UINT32_MAX) | value;
}

static void set_high(uint64_t *address, uint32_t value)
{
	*address = (*address & UINT32_MAX) | (uint64_t)value << 32;
}

static void write_queue(struct virtio_mmio *slot, uint32_t offset, uint32_t value)
{
	struct virtqueue *queue = settable_queue(slot);

	if (queue == NULL)
		return;
	switch (offset) {
	case VIRTIO_MMIO_QUEUE_NUM:
		/* Above 16 bits it is not a size: 0 is refused when the queue is enabled. */
		queue->state.size = value <= queue->size_max ? value : 0;
		break;
	case VIRTIO_MMIO_QUEUE_READY:
		if (value == 1 && virtqueue_enable(queue, false) < 0)
			virtio_device_fail(slot->device, "a queue of a wrong size or address");
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
		set_low(&queue->state.descriptor_address, value);
		break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_high(&queue->state.descriptor_address, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
		set_low(&queue->state.driver_address, value);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_high(&queue->state.driver_address, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
		set_low(&queue->state.device_address, value);
		break;
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_high(&queue->state.device_address, value);
		break;
	}
}

static void notify_queue(struct virtio_mmio *slot, uint32_t index)
{
	if ((slot->status & VIRTIO_CONFIG_S_DRIVER_OK) && index < slot->device->queue_count)
		eventfd_write(slot->device->queues[index].kick, 1);
}

static void write_register(struct virtio_mmio *slot, uint32_t offset, uint32_t value)
{
	switch (offset) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		slot->device_features_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		slot->driver_features_select = value;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		write_driver_features(slot, value);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		slot->queue_select = value;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		notify_queue(slot, value);
		return;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		atomic_fetch_and(&slot->interrupt_status, ~value);
		show_interrupt(slot);
		return;
	case VIRTIO_MMIO_STATUS:
		write_status(slot, value);
		break;
	default:
		write_queue(slot, offset, value);
	}
	show_all(slot);
}

static void write_config(struct virtio_mmio *slot, size_t offset, const void *data, size_t size)
{
	struct virtio_device *device = slot->device;

	if (offset >= device->config_size || size > device->config_size - offset ||
		!(slot->status & VIRTIO_CONFIG_S_DRIVER) ||
		device->operations->config_write == NULL)
		return;
	pthread_mutex_lock(&device->lock);
	device->operations->config_write(device, offset, data, size);
	show_config(slot);
	pthread_mutex_unlock(&device->lock);
}

void virtio_mmio_write(struct virtio_mmio *slot, uint64_t offset, const void *data, size_t size)
{
	if (size > 8 || offset > VIRTIO_MMIO_SIZE - 8)
		return;
	pthread_mutex_lock(&slot->lock);
	if (slot->device == NULL) {
		/* An empty slot has nothing to write to. */
	} else if (offset >= VIRTIO_MMIO_CONFIG) {
		write_config(slot, offset - VIRTIO_MMIO_CONFIG, data, size);
	} else if (size == 4 && offset % 4 == 0) {
		uint32_t value;

		memcpy(&value, data, sizeof(value));
		write_register(slot, offset, value);
	}
	pthread_mutex_unlock(&slot->lock);
}

void virtio_mmio_save(struct virtio_mmio *slot, struct virtio_mmio_state *ret)
{
	struct virtio_device *device = slot->device;

	*ret = (struct virtio_mmio_state){ 0 };
	pthread_mutex_lock(&slot->lock);
	if (device != NULL) {
		pthread_mutex_lock(&device->lock);
		if (device->operations->save != NULL)
			ret->device_state_size = (uint32_t)device->operations->save(
				device, ret->device_state);
		else
			device->operations->reset(device);
		device->active = false;
		pthread_mutex_unlock(&device->lock);
		ret->device_id = device->operations->id;
		ret->device_features_select = slot->device_features_select;
		ret->driver_features_select = slot->driver_features_select;
		ret->queue_select = slot->queue_select;
		ret->config_generation = atomic_load(&slot->config_generation);
		ret->status = slot->status | atomic_load(&slot->needs_reset);
		ret->interrupt_status = atomic_load(&slot->interrupt_status);
		ret->driver_features = slot->driver_features;
		ret->queue_count = device->queue_count;
		for (unsigned int i = 0; i < device->queue_count; i++)
			ret->queues[i] = device->queues[i].state;
	}
	pthread_mutex_unlock(&slot->lock);
}

/* Kicks every queue, so that what the driver offered while nothing looked is seen. */
static int resume_device(struct virtio_mmio *slot)
{
	struct virtio_device *device = slot->device;

	if (!(slot->status & VIRTIO_CONFIG_S_DRIVER_OK) || atomic_load(&slot->needs_reset))
		return 0;
	if (activate(slot) < 0)
		return -EINVAL;
	for (unsigned int i = 0; i < device->queue_count; i++)
		eventfd_write(device->queues[i].kick, 1);
	return 0;
}

int virtio_mmio_continue(struct virtio_mmio *slot)
{
	int r = 0;

	pthread_mutex_lock(&slot->lock);
	if (slot->device != NULL)
		r = resume_device(slot);
	pthread_mutex_unlock(&slot->lock);
	return r;
}

static int restore_registers(struct virtio_mmio *slot, const struct virtio_mmio_state *state)
{
	struct virtio_device *device = slot->device;

	slot->device_features_select = state->device_features_select;
	slot->driver_features_select = state->driver_features_select;
	slot->queue_select = state->queue_select;
	slot->driver_features = state->driver_features;
	slot->status = state->status & STATUS_ALL;
	atomic_store(&slot->config_generation, state->config_generation);
	atomic_store(&slot->interrupt_status, state->interrupt_status);
	atomic_store(&slot->needs_reset, state->status & VIRTIO_CONFIG_S_NEEDS_RESET);
	if ((slot->status & VIRTIO_CONFIG_S_FEATURES_OK) && !accept_features(slot))
		return -EINVAL;
	for (unsigned int i = 0; i < device->queue_count; i++) {
		device->queues[i].state = state->queues[i];
		if (state->queues[i].ready && virtqueue_enable(&device->queues[i], true) < 0)
			return -EINVAL;
	}
	return 0;
}

static int restore_device(struct virtio_device *device, const struct virtio_mmio_state *state)
{
	int r = 0;

	pthread_mutex_lock(&device->lock);
	if (device->operations->restore != NULL)
		r = device->operations->restore(
			device, state->device_state, state->device_state_size);
	pthread_mutex_unlock(&device->lock);
	return r < 0 ? -EINVAL : 0;
}

int virtio_mmio_restore(struct virtio_mmio *slot, const struct virtio_mmio_state *state)
{
	int r = 0;

	pthread_mutex_lock(&slot->lock);
	if (slot->device == NULL)
		r = state->device_id == 0 ? 0 : -EINVAL;
	else if (slot->device->operations->id != state->device_id ||
		slot->device->queue_count != state->queue_count ||
		state->device_state_size > VIRTIO_DEVICE_STATE_MAX)
		r = -EINVAL;
	else
		r = restore_registers(slot, state);
	if (r == 0 && slot->device != NULL)
		r = restore_device(slot->device, state);
	if (r == 0 && slot->device != NULL)
		r = resume_device(slot);
	show_all(slot);
	pthread_mutex_unlock(&slot->lock);
	return r;
}
