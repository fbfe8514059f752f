/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets of any shape to the vsock device, while the host's side connects, writes, reads and hangs
 * up. Headers are made plausible, so that streams come to life: the ids right, ports few.
 */
#include "tests/fuzz/virtio_fuzz.h"

#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/virtio/vsock.h"

#define FDS 16

static struct loop *loop;
static struct virtio_device *device;
static int fds[FDS];

static void keep(int fd)
{
	static unsigned int next;
	unsigned int place = next++ % FDS;

	if (fds[place] > 0)
		close(fds[place]);
	fds[place] = fd;
}

static void on_connect(int fd, uint32_t port, void *data)
{
	(void)port;
	(void)data;
	keep(fd);
}

static void turn(struct guest *g)
{
	(void)g;
	for (int i = 0; i < 30 && loop_turn(loop); i++)
		;
}

/* A packet with a plausible header, its payload's length told rightly or not. */
static void send_packet(struct guest *g, struct input *in)
{
	uint64_t at = GUEST_BUFFERS;
	struct virtio_vsock_hdr *header = guest_at(g, at);
	uint8_t shape = (uint8_t)take(in, 1);
	uint32_t length = (uint32_t)take(in, 2);
	struct vring_desc *descriptors = guest_descriptors(g, 1);
	struct vring_avail *available = guest_at(g, GUEST_BASE + GUEST_RINGS + 0x1000);

	*header = (struct virtio_vsock_hdr){ .src_cid = 3,
		.dst_cid = 2,
		.src_port = shape & 3,
		.dst_port = shape & 4 ? 1 : (1u << 30) + (shape >> 3 & 3),
		.len = length,
		.type = 1,
		.op = (uint16_t)(take(in, 1) % 9),
		.flags = (uint32_t)take(in, 1),
		.buf_alloc = (uint32_t)take(in, 2) << 4,
		.fwd_cnt = (uint32_t)take(in, 2) };
	if (shape & 0x80)
		header->len += (uint32_t)take(in, 4);
	descriptors[0] = (struct vring_desc){ at, (uint32_t)sizeof(*header) + length, 0, 0 };
	available->ring[available->idx % GUEST_QUEUE_SIZE] = 0;
	available->idx++;
	guest_write(g, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	turn(g);
}

static void offer_buffers(struct guest *g, struct input *in)
{
	struct vring_desc *descriptors = guest_descriptors(g, 0);
	struct vring_avail *available = guest_at(g, GUEST_BASE + 0x1000);

	for (unsigned int i = 0; i < 8; i++) {
		uint16_t at = available->idx % GUEST_QUEUE_SIZE;

		descriptors[at] = (struct vring_desc){ GUEST_BUFFERS + 0x12000,
			44 + (uint32_t)take(in, 1) * 16, VRING_DESC_F_WRITE, 0 };
		available->ring[at] = at;
		available->idx++;
	}
	guest_write(g, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	turn(g);
}

static void host_acts(struct input *in)
{
	static char bytes[70000];
	uint8_t what = (uint8_t)take(in, 1);
	int *fd = &fds[what % FDS];
	int dialled;

	switch (what >> 5) {
	case 0:
	case 1:
		if (virtio_vsock_dial(device, what & 3, &dialled, NULL) == 0)
			keep(dialled);
		break;
	case 2:
	case 3:
		if (*fd > 0)
			(void)!send(*fd, bytes, (what & 0x20 ? 60000 : 100),
				MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case 4:
	case 5:
		if (*fd > 0)
			(void)!recv(*fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		break;
	case 6:
		if (*fd > 0)
			shutdown(*fd, what & 1 ? SHUT_RD : SHUT_WR);
		break;
	default:
		if (*fd > 0)
			close(*fd);
		*fd = 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct vsock_options options = { .listen_fd = -1 };
	struct guest g;

	if (loop == NULL && loop_new(&loop, NULL) < 0)
		return 0;
	guest_init(&g);
	g.queues = 3;
	if (virtio_vsock_new(loop, &g.memory, &options, &device, NULL) < 0)
		return 0;
	virtio_vsock_handle(device, 1, on_connect, NULL);
	virtio_mmio_attach(&g.slot, device);
	guest_start(&g, 0);
	while (in.size > 0) {
		switch (take(&in, 1) % 8) {
		case 0:
		case 1:
		case 2:
			send_packet(&g, &in);
			break;
		case 3:
			offer_buffers(&g, &in);
			break;
		case 4:
		case 5:
		case 6:
			host_acts(&in);
			turn(&g);
			break;
		default:
			guest_step(&g, &in, turn);
		}
	}
	virtio_mmio_destroy(&g.slot);
	turn(&g);
	for (unsigned int i = 0; i < FDS; i++) {
		if (fds[i] > 0)
			close(fds[i]);
		fds[i] = 0;
	}
	return 0;
}
