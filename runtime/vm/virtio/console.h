/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-console (virtio 1.2, 5.3), one port: the guest's /dev/hvc0. What the guest writes goes to
 * a function that must not block, and never waits for it: the log of a guest may lose lines, the
 * guest may not stand still for a reader. console_log.h is such a function with a bounded buffer
 * in front of an fd.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;
struct guest_memory;
struct loop;
struct virtio_device;

/* `text` is the guest's: any bytes. Called in the loop's thread. */
typedef void (*console_output)(const char *text, size_t length, void *data);

/* `ret` goes to virtio_mmio_attach() or virtio_device_free(). */
int virtio_console_new(struct loop *loop, const struct guest_memory *memory, console_output output,
	void *data, struct virtio_device **ret, struct error *err);

/*
 * Types `length` bytes at the guest's console. Returns how many were taken: what does not fit into
 * the buffer of 4 KiB is refused. In the loop's thread.
 */
size_t virtio_console_input(struct virtio_device *device, const char *text, size_t length);

/* Tells the guest the size of the terminal, in characters. In the loop's thread. */
void virtio_console_resize(struct virtio_device *device, uint16_t columns, uint16_t rows);
