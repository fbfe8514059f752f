/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/rng.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>

#include "lib/error.h"
#include "runtime/vm/virtio/kick.h"

#define QUEUE_SIZE 8
#define REQUEST_BYTES_MAX 1024 /* a shorter answer than asked for is allowed (5.4.6.1) */
#define REQUESTS_PER_TURN 16

struct rng {
	struct virtio_device device;
	struct virtio_kick *kick;
};

static void serve(struct virtio_device *device, unsigned int index)
{
	struct virtqueue *queue = &device->queues[index];
	struct iovec iov[QUEUE_SIZE + VIRTQUEUE_IOV_SPARE];
	struct virtqueue_element element = { .iov = iov, .capacity = sizeof(iov) / sizeof(iov[0]) };
	unsigned int turns = 0;

	while (virtqueue_pop(queue, &element) == 1) {
		char random[REQUEST_BYTES_MAX];
		size_t want = element.writable_length < sizeof(random) ? element.writable_length
								       : sizeof(random);
		ssize_t got = getrandom(random, want, 0);

		if (got < 0)
			got = 0;
		iov_copy_in(element_writable(&element), element.writable_count, 0, random, got);
		explicit_bzero(random, sizeof(random));
		virtqueue_push(queue, &element, got);
		if (++turns == REQUESTS_PER_TURN) {
			eventfd_write(queue->kick, 1);
			break;
		}
	}
	virtqueue_notify(queue);
}

static void rng_reset(struct virtio_device *device)
{
	(void)device;
}

static void rng_destroy(struct virtio_device *device)
{
	struct rng *rng = (struct rng *)device;

	virtio_kick_free(rng->kick);
	virtio_device_fini(device);
	free(rng);
}

static const struct virtio_device_operations rng_operations = {
	.name = "rng",
	.id = VIRTIO_ID_RNG,
	.reset = rng_reset,
	.destroy = rng_destroy,
};

int virtio_rng_new(struct loop *loop, const struct guest_memory *memory, struct virtio_device **ret,
	struct error *err)
{
	struct virtio_device *device;
	struct rng *rng;
	int r;

	r = virtio_device_new(sizeof(*rng), &rng_operations, memory, 1, QUEUE_SIZE, &device, err);
	if (r < 0)
		return r;
	rng = (struct rng *)device;
	r = virtio_kick_new(loop, &rng->device, serve, &rng->kick, err);
	if (r < 0) {
		rng_destroy(device);
		return r;
	}
	*ret = device;
	return 0;
}
