/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-balloon (virtio 1.2, 5.5): memory that the guest gives back goes back to the host. The
 * balloon has a target, is let go of by the guest itself before it runs out of memory (unless it is
 * firm: then what it holds is not the guest's, whose total is the less), reports
 * statistics when asked, and reports free pages on its own, so that an idle guest shrinks without
 * anyone's doing.
 *
 * What a guest gives back is its own: a page that it names and still uses reads as zeros to it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;
struct guest_memory;
struct loop;
struct virtio_device;

/* What the guest said last; UINT64_MAX for what it did not say. Bytes, or counts of faults. */
struct balloon_statistics {
	uint64_t swap_in, swap_out, major_faults, minor_faults;
	uint64_t free, total, available, caches;
};

/* `ret` goes to virtio_mmio_attach() or virtio_device_free(). All in the loop's thread. */
int virtio_balloon_new(struct loop *loop, const struct guest_memory *memory, bool firm,
	struct virtio_device **ret, struct error *err);

/* How much the guest is to give up, and how much it says that it has; in bytes. */
void virtio_balloon_set_target(struct virtio_device *device, uint64_t bytes);
uint64_t virtio_balloon_actual(struct virtio_device *device);

/*
 * Asks for new statistics; `done` is called when they have come, at once with those of before where
 * the guest does not answer such questions. One question at a time: false while one is open.
 * A question that is open when the guest resets its driver is dropped.
 */
bool virtio_balloon_ask(struct virtio_device *device,
	void (*done)(const struct balloon_statistics *statistics, void *data), void *data);

/* Bytes that were given back to the host in all, by inflation and by reports. */
uint64_t virtio_balloon_returned(struct virtio_device *device);
