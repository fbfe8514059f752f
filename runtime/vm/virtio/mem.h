/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-mem (virtio 1.2, 5.15): memory that is added to a running guest and taken back, in blocks
 * of 2 MiB of one region. The region is part of the guest's memory from the beginning, as address
 * space that nothing backs; a block that is taken back is given back to the host.
 */
#pragma once

#include <stdint.h>

struct error;
struct guest_memory;
struct loop;
struct virtio_device;

#define MEM_BLOCK (UINT64_C(2) << 20)
#define MEM_REGION_MAX (UINT64_C(128) << 30)

/*
 * `gpa` and `size` (multiples of MEM_BLOCK, at most MEM_REGION_MAX) are a part of `memory`'s region
 * that the firmware tables do not show as RAM. `ret` goes to virtio_mmio_attach() or
 * virtio_device_free(). In the loop's thread.
 */
int virtio_mem_new(struct loop *loop, const struct guest_memory *memory, uint64_t gpa,
	uint64_t size, struct virtio_device **ret, struct error *err);

/* Asks the guest to have `bytes` of it; rounded down to blocks, cut at the region's size. */
void virtio_mem_request(struct virtio_device *device, uint64_t bytes);

/* Bytes that the guest has at this moment. */
uint64_t virtio_mem_plugged(struct virtio_device *device);
