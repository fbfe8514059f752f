/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/console.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "lib/error.h"
#include "runtime/vm/virtio/kick.h"

#define QUEUE_SIZE 64
#define INPUT_MAX 4096
#define BYTES_PER_TURN 65536

enum { RECEIVE, TRANSMIT, QUEUES };

struct console {
	struct virtio_device device;
	struct virtio_kick *kick;
	struct virtio_console_config config;
	console_output output;
	void *output_data;
	size_t input_length;
	char input[INPUT_MAX];
};

static void transmit(struct console *console)
{
	struct virtqueue *queue = &console->device.queues[TRANSMIT];
	struct iovec iov[QUEUE_SIZE + VIRTQUEUE_IOV_SPARE];
	struct virtqueue_element element = { .iov = iov, .capacity = sizeof(iov) / sizeof(iov[0]) };
	size_t total = 0;

	while (virtqueue_pop(queue, &element) == 1) {
		char text[1024];
		size_t n, offset = 0;

		/* A chain can name the same bytes a thousand times; the rest of it is dropped. */
		while (offset < BYTES_PER_TURN &&
			(n = iov_copy_out(element_readable(&element), element.readable_count,
				 offset, text, sizeof(text))) > 0) {
			console->output(text, n, console->output_data);
			offset += n;
		}
		virtqueue_push(queue, &element, 0);
		total += offset + 1;
		if (total >= BYTES_PER_TURN) {
			eventfd_write(queue->kick, 1);
			break;
		}
	}
	virtqueue_notify(queue);
}

static void receive(struct console *console)
{
	struct virtqueue *queue = &console->device.queues[RECEIVE];
	struct iovec iov[QUEUE_SIZE + VIRTQUEUE_IOV_SPARE];
	struct virtqueue_element element = { .iov = iov, .capacity = sizeof(iov) / sizeof(iov[0]) };
	unsigned int turns = 0;

	while (console->input_length > 0 && virtqueue_pop(queue, &element) == 1) {
		size_t n = iov_copy_in(element_writable(&element), element.writable_count, 0,
			console->input, console->input_length);

		console->input_length -= n;
		memmove(console->input, console->input + n, console->input_length);
		virtqueue_push(queue, &element, n);
		/* A buffer may have no room at all. */
		if (++turns == QUEUE_SIZE) {
			eventfd_write(queue->kick, 1);
			break;
		}
	}
	virtqueue_notify(queue);
}

static void serve(struct virtio_device *device, unsigned int queue)
{
	if (queue == TRANSMIT)
		transmit((struct console *)device);
	else
		receive((struct console *)device);
}

size_t virtio_console_input(struct virtio_device *device, const char *text, size_t length)
{
	struct console *console = (struct console *)device;
	size_t room;

	pthread_mutex_lock(&device->lock);
	room = INPUT_MAX - console->input_length;
	if (length > room)
		length = room;
	memcpy(console->input + console->input_length, text, length);
	console->input_length += length;
	if (device->active)
		receive(console);
	pthread_mutex_unlock(&device->lock);
	return length;
}

void virtio_console_resize(struct virtio_device *device, uint16_t columns, uint16_t rows)
{
	struct console *console = (struct console *)device;

	pthread_mutex_lock(&device->lock);
	console->config.cols = columns;
	console->config.rows = rows;
	if (device->active)
		virtio_device_config_changed(device);
	pthread_mutex_unlock(&device->lock);
}

static void console_reset(struct virtio_device *device)
{
	(void)device;
}

/* What a snapshot keeps: the window, and what was typed and not taken. */
struct console_state {
	uint16_t columns, rows;
	uint32_t input_length;
	char input[INPUT_MAX];
};

_Static_assert(sizeof(struct console_state) <= VIRTIO_DEVICE_STATE_MAX, "a snapshot holds it");

static size_t console_save(struct virtio_device *device, void *state)
{
	const struct console *console = (struct console *)device;
	struct console_state *saved = state;

	*saved = (struct console_state){ .columns = console->config.cols,
		.rows = console->config.rows,
		.input_length = (uint32_t)console->input_length };
	memcpy(saved->input, console->input, console->input_length);
	return sizeof(*saved);
}

static int console_restore(struct virtio_device *device, const void *state, size_t size)
{
	struct console *console = (struct console *)device;
	const struct console_state *saved = state;

	if (size != sizeof(*saved) || saved->input_length > INPUT_MAX)
		return -EINVAL;
	console->config.cols = saved->columns;
	console->config.rows = saved->rows;
	console->input_length = saved->input_length;
	memcpy(console->input, saved->input, saved->input_length);
	return 0;
}

static void console_destroy(struct virtio_device *device)
{
	struct console *console = (struct console *)device;

	virtio_kick_free(console->kick);
	virtio_device_fini(device);
	free(console);
}

static const struct virtio_device_operations console_operations = {
	.name = "console",
	.id = VIRTIO_ID_CONSOLE,
	.reset = console_reset,
	.save = console_save,
	.restore = console_restore,
	.destroy = console_destroy,
};

int virtio_console_new(struct loop *loop, const struct guest_memory *memory, console_output output,
	void *data, struct virtio_device **ret, struct error *err)
{
	struct virtio_device *device;
	struct console *console;
	int r;

	r = virtio_device_new(
		sizeof(*console), &console_operations, memory, QUEUES, QUEUE_SIZE, &device, err);
	if (r < 0)
		return r;
	console = (struct console *)device;
	console->device.features = UINT64_C(1) << VIRTIO_CONSOLE_F_SIZE;
	console->device.config = &console->config;
	console->device.config_size = sizeof(console->config);
	console->config = (struct virtio_console_config){ .cols = 80, .rows = 25 };
	console->output = output;
	console->output_data = data;
	r = virtio_kick_new(loop, &console->device, serve, &console->kick, err);
	if (r < 0) {
		console_destroy(device);
		return r;
	}
	*ret = device;
	return 0;
}
