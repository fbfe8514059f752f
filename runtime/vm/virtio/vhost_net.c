/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/vhost_net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/virtio/queue.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))

/* Offered to every driver by the transport, and merging by the device. */
#define NEEDED                                                            \
	(FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_RING_F_EVENT_IDX) | \
		FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_NET_F_MRG_RXBUF))

int vhost_net_open_queues(unsigned int count, int *ret_fds, struct error *err)
{
	for (unsigned int i = 0; i < count; i++) {
		int fd = open("/dev/vhost-net", O_RDWR | O_CLOEXEC);

		if (fd < 0) {
			int status = error_set(err, errno, "open /dev/vhost-net");

			while (i > 0)
				close_fd(ret_fds[--i]);
			return status;
		}
		ret_fds[i] = fd;
	}
	return 0;
}

/* Makes it this process's, and asks what it can do. */
static int own(int fd, struct error *err)
{
	uint64_t features;

	if (ioctl(fd, VHOST_SET_OWNER) < 0 || ioctl(fd, VHOST_GET_FEATURES, &features) < 0)
		return error_set(err, errno, "use /dev/vhost-net");
	if ((features & NEEDED) != NEEDED)
		return error_say(err, EOPNOTSUPP, "/dev/vhost-net lacks features of virtio 1");
	return 0;
}

int vhost_net_probe(struct error *err)
{
	int fd = -EBADF, status = vhost_net_open_queues(1, &fd, err);

	if (status < 0)
		return status;
	status = own(fd, err);
	close_fd(fd);
	return status;
}

int vhost_net_init(
	struct vhost_net *vhost, int fd, const struct guest_memory *memory, struct error *err)
{
	int r;

	*vhost = VHOST_NET_NONE;
	r = own(fd, err);
	if (r < 0)
		return r;
	vhost->memory = memory;
	vhost->features = NEEDED;
	vhost->errors = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	for (unsigned int i = 0; i < 2; i++) {
		vhost->calls[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (vhost->calls[i] < 0)
			r = -errno;
	}
	if (vhost->errors < 0 || r < 0) {
		vhost_net_destroy(vhost);
		return error_set(err, EMFILE, "make eventfds for /dev/vhost-net");
	}
	vhost->fd = fd;
	return 0;
}

void vhost_net_destroy(struct vhost_net *vhost)
{
	close_fd(vhost->fd);
	close_fd(vhost->calls[0]);
	close_fd(vhost->calls[1]);
	close_fd(vhost->errors);
	*vhost = VHOST_NET_NONE;
}

#define TABLE_SIZE                     \
	(sizeof(struct vhost_memory) + \
		GUEST_MEMORY_REGIONS_MAX * sizeof(struct vhost_memory_region))

static int set_memory(struct vhost_net *vhost)
{
	_Alignas(struct vhost_memory) uint8_t buffer[TABLE_SIZE] = { 0 };
	struct vhost_memory *table = (struct vhost_memory *)buffer;

	table->nregions = __atomic_load_n(&vhost->memory->count, __ATOMIC_ACQUIRE);
	for (uint32_t i = 0; i < table->nregions; i++)
		table->regions[i] = (struct vhost_memory_region){
			.guest_phys_addr = vhost->memory->regions[i].gpa,
			.memory_size = vhost->memory->regions[i].size,
			.userspace_addr = (uintptr_t)vhost->memory->regions[i].host,
		};
	vhost->regions = table->nregions;
	return ioctl(vhost->fd, VHOST_SET_MEM_TABLE, table) < 0 ? -errno : 0;
}

bool vhost_net_tell_memory(struct vhost_net *vhost, struct virtqueue *const queues[2])
{
	if (vhost->regions == __atomic_load_n(&vhost->memory->count, __ATOMIC_ACQUIRE) ||
		set_memory(vhost) < 0)
		return false;
	for (unsigned int i = 0; i < 2; i++)
		eventfd_write(queues[i]->kick, 1);
	return true;
}

static int set_queue(
	const struct vhost_net *vhost, unsigned int index, const struct virtqueue *queue)
{
	struct vhost_vring_state size = { .index = index, .num = queue->state.size };
	struct vhost_vring_state base = { .index = index, .num = queue->state.next_available };
	struct vhost_vring_addr address = {
		.index = index,
		.desc_user_addr = (uintptr_t)queue->descriptors,
		.avail_user_addr = (uintptr_t)queue->available,
		.used_user_addr = (uintptr_t)queue->used,
	};
	struct vhost_vring_file kick = { .index = index, .fd = queue->kick };
	struct vhost_vring_file call = { .index = index, .fd = vhost->calls[index] };
	struct vhost_vring_file errors = { .index = index, .fd = vhost->errors };

	if (ioctl(vhost->fd, VHOST_SET_VRING_NUM, &size) < 0 ||
		ioctl(vhost->fd, VHOST_SET_VRING_BASE, &base) < 0 ||
		ioctl(vhost->fd, VHOST_SET_VRING_ADDR, &address) < 0 ||
		ioctl(vhost->fd, VHOST_SET_VRING_KICK, &kick) < 0 ||
		ioctl(vhost->fd, VHOST_SET_VRING_CALL, &call) < 0 ||
		ioctl(vhost->fd, VHOST_SET_VRING_ERR, &errors) < 0)
		return -errno;
	return 0;
}

static int set_backend(const struct vhost_net *vhost, unsigned int index, int tap)
{
	struct vhost_vring_file backend = { .index = index, .fd = tap };

	return ioctl(vhost->fd, VHOST_NET_SET_BACKEND, &backend) < 0 ? -errno : 0;
}

int vhost_net_start(
	struct vhost_net *vhost, struct virtqueue *const queues[2], int tap, uint64_t features)
{
	int r = 0;

	features &= vhost->features;
	if (ioctl(vhost->fd, VHOST_SET_FEATURES, &features) < 0)
		return -errno;
	r = set_memory(vhost);
	for (unsigned int i = 0; i < 2 && r == 0; i++)
		r = set_queue(vhost, i, queues[i]);
	for (unsigned int i = 0; i < 2 && r == 0; i++)
		r = set_backend(vhost, i, tap);
	if (r < 0)
		for (unsigned int i = 0; i < 2; i++)
			(void)set_backend(vhost, i, -1);
	return r;
}

void vhost_net_stop(struct vhost_net *vhost, struct virtqueue *const queues[2])
{
	for (unsigned int i = 0; i < 2; i++) {
		struct vhost_vring_state base = { .index = i };

		/* Without a backend the kernel has let go of every buffer. */
		(void)set_backend(vhost, i, -1);
		if (ioctl(vhost->fd, VHOST_GET_VRING_BASE, &base) == 0)
			virtqueue_moved(queues[i], (uint16_t)base.num);
	}
}
