/* SPDX-License-Identifier: Apache-2.0 */
/* Block requests of any shape, against a disk in memory; beyond its end nothing is ever written. */
#include "tests/fuzz/virtio_fuzz.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/vm/virtio/blk_request.h"

#define SECTORS 64

static struct blk_disk disk;
static struct virtio_device device;

static void nothing(struct virtio_device *d)
{
	(void)d;
}

static const struct virtio_device_operations operations = {
	.name = "blk", .id = 2, .reset = nothing, .destroy = virtio_device_fini
};

static void turn(struct guest *g)
{
	static struct blk_request request;
	struct virtqueue *queue = &device.queues[0];

	(void)g;
	blk_request_init(&request);
	for (int i = 0; i < 64 && virtqueue_pop(queue, &request.element) == 1; i++) {
		blk_request_begin(&request, &disk, queue);
		blk_charge(&disk, &request);
		while (request.work != BLK_WORK_NONE &&
			!blk_request_advance(&request, queue, blk_request_perform(&request, &disk)))
			;
		virtqueue_notify(queue);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct guest g;
	struct stat st;
	unsigned int options = (unsigned int)take(&in, 1);

	if (disk.sectors == 0) {
		disk.fd = memfd_create("disk", MFD_CLOEXEC);
		disk.sectors = SECTORS;
	}
	if (ftruncate(disk.fd, SECTORS * 512) < 0)
		return 0;
	disk.read_only = options & 1;
	disk.write_through = options & 2;
	guest_init(&g);
	g.queues = 1;
	if (virtio_device_init(&device, &operations, &g.memory, 1, BLK_QUEUE_SIZE, NULL) < 0)
		return 0;
	virtio_mmio_attach(&g.slot, &device);
	guest_start(&g, 0);
	while (guest_step(&g, &in, turn))
		;
	turn(&g);
	virtio_mmio_destroy(&g.slot);
	if (fstat(disk.fd, &st) < 0 || st.st_size != SECTORS * 512)
		abort();
	return 0;
}
