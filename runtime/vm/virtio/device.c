/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/device.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/error.h"
#include "lib/log.h"

#define COMPLAINTS_MAX 4u

static void queue_interrupt(void *data)
{
	struct virtio_device *device = data;

	if (device->interrupt_queue != NULL)
		device->interrupt_queue(device->transport);
}

void virtio_device_fail(struct virtio_device *device, const char *reason)
{
	unsigned int before = atomic_load(&device->complaints);

	if (before < COMPLAINTS_MAX && atomic_fetch_add(&device->complaints, 1) < COMPLAINTS_MAX)
		log_warning("virtio %s: the guest's driver broke the rules (%s): the device stops "
			    "until it is reset%s",
			device->operations->name, reason,
			before + 1 < COMPLAINTS_MAX ? "" : "; this is not said again");
	if (device->needs_reset != NULL)
		device->needs_reset(device->transport);
}

static void queue_fail(void *data, const char *reason)
{
	virtio_device_fail(data, reason);
}

int virtio_device_init(struct virtio_device *device,
	const struct virtio_device_operations *operations, const struct guest_memory *memory,
	unsigned int queue_count, uint16_t queue_size, struct error *err)
{
	if (queue_count > VIRTIO_QUEUES_MAX || queue_size > VIRTQUEUE_SIZE_MAX)
		return error_say(err, EINVAL, "virtio %s: %u queues of %u entries are too many",
			operations->name, queue_count, queue_size);
	device->operations = operations;
	device->queue_count = 0;
	device->queues = calloc(queue_count, sizeof(*device->queues));
	if (device->queues == NULL)
		return error_set(err, ENOMEM, "virtio %s: make queues", operations->name);
	pthread_mutex_init(&device->lock, NULL);
	for (unsigned int i = 0; i < queue_count; i++) {
		int r = virtqueue_init(&device->queues[i], memory, queue_size, err);

		if (r < 0) {
			virtio_device_fini(device);
			return r;
		}
		device->queues[i].interrupt = queue_interrupt;
		device->queues[i].fail = queue_fail;
		device->queues[i].data = device;
		device->queue_count++;
	}
	return 0;
}

int virtio_device_new(size_t size, const struct virtio_device_operations *operations,
	const struct guest_memory *memory, unsigned int queue_count, uint16_t queue_size,
	struct virtio_device **ret, struct error *err)
{
	struct virtio_device *device = calloc(1, size);

	if (device == NULL)
		return error_set(err, ENOMEM, "virtio %s", operations->name);
	int r = virtio_device_init(device, operations, memory, queue_count, queue_size, err);
	if (r < 0) {
		free(device);
		return r;
	}
	*ret = device;
	return 0;
}

void virtio_device_fini(struct virtio_device *device)
{
	for (unsigned int i = 0; i < device->queue_count; i++)
		virtqueue_destroy(&device->queues[i]);
	free(device->queues);
	device->queues = NULL;
	device->queue_count = 0;
	pthread_mutex_destroy(&device->lock);
}

void virtio_device_free(struct virtio_device *device)
{
	if (device == NULL)
		return;
	pthread_mutex_lock(&device->lock);
	device->operations->reset(device);
	device->active = false;
	pthread_mutex_unlock(&device->lock);
	device->operations->destroy(device);
}

void virtio_device_config_changed(struct virtio_device *device)
{
	if (device->interrupt_config != NULL)
		device->interrupt_config(device->transport);
}

void virtio_device_config_stored(struct virtio_device *device)
{
	if (device->show_config != NULL)
		device->show_config(device->transport);
}
