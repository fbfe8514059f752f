/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/kick.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "lib/error.h"

struct queue_source {
	struct virtio_kick *kick;
	unsigned int queue;
	struct loop_source *source;
};

struct virtio_kick {
	struct virtio_device *device;
	virtio_kick_handler handler;
	unsigned int count;
	struct queue_source sources[];
};

static void on_kick(uint32_t events, void *data)
{
	struct queue_source *source = data;
	struct virtio_device *device = source->kick->device;
	eventfd_t kicks;

	(void)events;
	if (eventfd_read(device->queues[source->queue].kick, &kicks) < 0)
		return;
	pthread_mutex_lock(&device->lock);
	if (device->active)
		source->kick->handler(device, source->queue);
	pthread_mutex_unlock(&device->lock);
}

void virtio_kick_free(struct virtio_kick *kick)
{
	if (kick == NULL)
		return;
	for (unsigned int i = 0; i < kick->count; i++)
		loop_remove(kick->sources[i].source);
	free(kick);
}

int virtio_kick_new(struct loop *loop, struct virtio_device *device, virtio_kick_handler handler,
	struct virtio_kick **ret, struct error *err)
{
	unsigned int count = device->queue_count;
	struct virtio_kick *kick = calloc(1, sizeof(*kick) + count * sizeof(kick->sources[0]));

	if (kick == NULL)
		return error_set(err, ENOMEM, "virtio %s", device->operations->name);
	kick->device = device;
	kick->handler = handler;
	kick->count = count;
	for (unsigned int i = 0; i < count; i++) {
		struct queue_source *source = &kick->sources[i];
		int r;

		source->kick = kick;
		source->queue = i;
		r = loop_add(loop, device->queues[i].kick, EPOLLIN, on_kick, source,
			&source->source, err);
		if (r < 0) {
			virtio_kick_free(kick);
			return r;
		}
	}
	*ret = kick;
	return 0;
}
