/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pair of network queues over a socket pair in a tap's place, with its real thread: packets of
 * all sizes come from the host while the guest's rings are the fuzzer's.
 */
#include "tests/fuzz/virtio_fuzz.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/vm/virtio/net_pair.h"

static struct virtio_device device;
static struct net_pair pair;
static int wire;

static int activate(struct virtio_device *d)
{
	net_pair_start(&pair, d->negotiated);
	return 0;
}

static void reset(struct virtio_device *d)
{
	(void)d;
	net_pair_stop(&pair);
}

static void destroy(struct virtio_device *d)
{
	net_pair_destroy(&pair);
	virtio_device_fini(d);
}

static const struct virtio_device_operations operations = {
	.name = "net", .id = 1, .activate = activate, .reset = reset, .destroy = destroy
};

static void turn(struct guest *g)
{
	static char bytes[70000];
	static unsigned int seed;

	(void)g;
	seed = seed * 1103515245 + 12345;
	(void)!send(wire, bytes, 14 + seed % (seed & 0x100 ? 65536 : 1600), MSG_DONTWAIT);
	while (recv(wire, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	usleep(20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct guest g;
	int fds[2];

	guest_init(&g);
	g.queues = 2;
	if (virtio_device_init(&device, &operations, &g.memory, 2, NET_QUEUE_SIZE, NULL) < 0 ||
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		abort();
	wire = fds[1];
	device.features = UINT64_C(1) << VIRTIO_NET_F_MRG_RXBUF |
		UINT64_C(1) << VIRTIO_NET_F_GUEST_TSO4;
	if (net_pair_init(&pair, device.queues, fds[0], -1, CONFINE_NOTHING, NULL) < 0)
		abort();
	virtio_mmio_attach(&g.slot, &device);
	guest_start(&g, (uint32_t)take(&in, 4));
	while (guest_step(&g, &in, turn))
		;
	virtio_mmio_destroy(&g.slot);
	close(wire);
	return 0;
}
