/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/monitor/slots.h"

#include <errno.h>
#include <linux/virtio_mmio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/accel/accel.h"

_Static_assert(X86_VIRTIO_MMIO_SIZE == VIRTIO_MMIO_SIZE, "a slot is as large as its registers");

static void raise_interrupt(void *data)
{
	struct slot *slot = data;

	if (slot->accel == NULL)
		return;
	pthread_mutex_lock(&slot->line_lock);
	accel_interrupt(slot->accel, slot->line);
	pthread_mutex_unlock(&slot->line_lock);
}

void slots_init(struct slots *slots)
{
	slots->used = 0;
	slots->pages = NULL;
	slots->swallow = -EBADF;
	for (unsigned int i = 0; i < X86_VIRTIO_SLOTS; i++) {
		struct slot *slot = &slots->slots[i];

		slot->accel = NULL;
		slot->line = x86_virtio_slot_irq(i);
		pthread_mutex_init(&slot->line_lock, NULL);
		virtio_mmio_init(&slot->mmio, raise_interrupt, slot);
	}
}

void slots_fini(struct slots *slots)
{
	for (unsigned int i = 0; i < X86_VIRTIO_SLOTS; i++) {
		virtio_mmio_destroy(&slots->slots[i].mmio);
		pthread_mutex_destroy(&slots->slots[i].line_lock);
	}
	if (slots->pages != NULL)
		munmap(slots->pages, X86_VIRTIO_SLOTS * X86_VIRTIO_MMIO_SIZE);
	slots->swallow = close_fd(slots->swallow);
}

/* Without this, an interrupt costs two exits to this process: its status and its end. */
void slots_show(struct slots *slots, struct accel *accel, unsigned int memory_slot)
{
	size_t size = X86_VIRTIO_SLOTS * X86_VIRTIO_MMIO_SIZE;
	uint8_t *pages = mmap(
		NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return;
	for (unsigned int i = 0; i < X86_VIRTIO_SLOTS; i++)
		virtio_mmio_show(&slots->slots[i].mmio, pages + i * X86_VIRTIO_MMIO_SIZE);
	slots->pages = pages;
	if (accel_set_read_only_memory(accel, memory_slot, X86_VIRTIO_MMIO, size, pages, NULL) < 0)
		return;
	slots->swallow = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

/* A notification that can't become an eventfd comes as an exit: slower, and as good. */
static void tie_queues(struct accel *accel, const struct slot *slot, uint64_t address, bool add)
{
	for (unsigned int queue = 0;; queue++) {
		int kick = virtio_mmio_kick_fd(&slot->mmio, queue);

		if (kick < 0 ||
			accel_ioeventfd(accel, address + VIRTIO_MMIO_QUEUE_NOTIFY, queue, kick, add,
				NULL) < 0)
			return;
	}
}

int slots_attach(struct slots *slots, struct accel *accel, struct virtio_device *device,
	unsigned int *ret_slot, struct error *err)
{
	unsigned int number = slots->used;
	struct slot *slot = &slots->slots[number];
	int r;

	if (number == X86_VIRTIO_SLOTS)
		return error_say(err, ENOSPC, "the machine's %u device slots are taken", number);
	slot->accel = accel;
	r = virtio_mmio_attach(&slot->mmio, device);
	if (r < 0) {
		slot->accel = NULL;
		return error_set(err, -r, "attach a device to slot %u", number);
	}
	tie_queues(accel, slot, x86_virtio_slot_address(number), true);
	if (slots->swallow >= 0)
		accel_ioeventfd(accel, x86_virtio_slot_address(number) + VIRTIO_MMIO_INTERRUPT_ACK,
			VIRTIO_MMIO_INT_VRING, slots->swallow, true, NULL);
	slots->used++;
	*ret_slot = number;
	return 0;
}

void slots_memory_added(struct slots *slots)
{
	for (unsigned int i = 0; i < slots->used; i++) {
		struct virtio_device *device = slots->slots[i].mmio.device;

		pthread_mutex_lock(&device->lock);
		if (device->active && device->operations->memory_added != NULL)
			device->operations->memory_added(device);
		pthread_mutex_unlock(&device->lock);
	}
}

static struct slot *find(struct slots *slots, uint64_t gpa, size_t size, uint64_t *ret_offset)
{
	uint64_t offset = gpa - X86_VIRTIO_MMIO;
	uint64_t number = offset / X86_VIRTIO_MMIO_SIZE;

	*ret_offset = offset % X86_VIRTIO_MMIO_SIZE;
	if (gpa < X86_VIRTIO_MMIO || number >= X86_VIRTIO_SLOTS ||
		*ret_offset + size > X86_VIRTIO_MMIO_SIZE)
		return NULL;
	return &slots->slots[number];
}

void slots_read(struct slots *slots, uint64_t gpa, void *data, size_t size)
{
	uint64_t offset;
	struct slot *slot = find(slots, gpa, size, &offset);

	if (slot != NULL)
		virtio_mmio_read(&slot->mmio, offset, data, size);
	else
		memset(data, 0xff, size);
}

void slots_write(struct slots *slots, uint64_t gpa, const void *data, size_t size)
{
	uint64_t offset;
	struct slot *slot = find(slots, gpa, size, &offset);

	if (slot != NULL)
		virtio_mmio_write(&slot->mmio, offset, data, size);
}
