/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/vm/virtio/device.h"
#include "runtime/vm/virtio/net_pair.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))

struct net {
	struct virtio_device device;
	struct virtio_net_config config;
	unsigned int pair_count;
	unsigned int used_pairs; /* that the driver asked for, changed in the first pair's thread */
	struct net_pair *pairs;
};

/* What the tap may hand to the guest unfinished, after what the guest's driver can do. */
static unsigned int offloads(const struct virtio_device *device)
{
	unsigned int flags = 0;

	if (virtio_device_has(device, VIRTIO_NET_F_GUEST_CSUM))
		flags |= TUN_F_CSUM;
	if (!(flags & TUN_F_CSUM))
		return 0;
	if (virtio_device_has(device, VIRTIO_NET_F_GUEST_TSO4))
		flags |= TUN_F_TSO4;
	if (virtio_device_has(device, VIRTIO_NET_F_GUEST_TSO6))
		flags |= TUN_F_TSO6;
	if (virtio_device_has(device, VIRTIO_NET_F_GUEST_ECN) &&
		(flags & (TUN_F_TSO4 | TUN_F_TSO6)))
		flags |= TUN_F_TSO_ECN;
	return flags;
}

/* Traffic goes to the first `count` queues of the tap; a tap with one queue has no choice. */
static void use_pairs(struct net *net, unsigned int count)
{
	for (unsigned int i = 0; net->pair_count > 1 && i < net->pair_count; i++) {
		struct ifreq request = { .ifr_flags = i < count ? IFF_ATTACH_QUEUE
								: IFF_DETACH_QUEUE };

		/* Attaching what is attached, and the like, is an error without meaning. */
		(void)ioctl(net->pairs[i].tap, TUNSETQUEUE, &request);
	}
}

/* One command of the control queue: only the number of pairs can be set (5.1.6.5.5). */
static uint8_t perform(struct net *net, const struct virtqueue_element *element)
{
	struct {
		struct virtio_net_ctrl_hdr header;
		uint16_t pairs;
	} __attribute__((packed)) command;

	if (iov_copy_out(element_readable(element), element->readable_count, 0, &command,
		    sizeof(command)) != sizeof(command) ||
		command.header.class != VIRTIO_NET_CTRL_MQ ||
		command.header.cmd != VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET)
		return VIRTIO_NET_ERR;
	command.pairs = le16toh(command.pairs);
	if (command.pairs == 0 || command.pairs > net->pair_count)
		return VIRTIO_NET_ERR;
	use_pairs(net, command.pairs);
	net->used_pairs = command.pairs;
	return VIRTIO_NET_OK;
}

/* In the first pair's thread. */
static void serve_control(void *data)
{
	struct net *net = data;
	struct virtqueue *queue = &net->device.queues[net->device.queue_count - 1];
	struct iovec iov[NET_QUEUE_SIZE + VIRTQUEUE_IOV_SPARE];
	struct virtqueue_element element = { .iov = iov, .capacity = sizeof(iov) / sizeof(iov[0]) };
	unsigned int turns = 0;

	while (virtqueue_pop(queue, &element) == 1) {
		uint8_t status = perform(net, &element);

		iov_copy_in(element_writable(&element), element.writable_count, 0, &status, 1);
		virtqueue_push(queue, &element, 1);
		if (++turns == NET_QUEUE_SIZE) {
			eventfd_write(queue->kick, 1);
			break;
		}
	}
	virtqueue_notify(queue);
}

/* In the first pair's thread, before any of its packets. */
static void begin(void *data)
{
	struct net *net = data;

	(void)ioctl(net->pairs[0].tap, TUNSETOFFLOAD, offloads(&net->device));
	use_pairs(net, net->used_pairs);
}

/*
 * With several queues offered and not taken, the control queue is the third one; its number in this
 * device's table is then another pair's, which is not served (5.1.2).
 */
static int net_activate(struct virtio_device *device)
{
	struct net *net = (struct net *)device;
	unsigned int pairs = virtio_device_has(device, VIRTIO_NET_F_MQ) ? net->pair_count : 1;

	/* More than that only behind a snapshot. */
	if (net->used_pairs == 0 || !virtio_device_has(device, VIRTIO_NET_F_MQ))
		net->used_pairs = 1;
	for (unsigned int i = 0; i < pairs; i++)
		net_pair_start(&net->pairs[i], device->negotiated);
	return 0;
}

/* The host's kernel learns of the guest's memory when it is handed the queues. */
static void net_memory_added(struct virtio_device *device)
{
	struct net *net = (struct net *)device;

	for (unsigned int i = 0; i < net->pair_count; i++) {
		if (net->pairs[i].vhost.fd >= 0)
			net_pair_restart(&net->pairs[i]);
	}
}

static void stop_pairs(struct net *net)
{
	for (unsigned int i = 0; i < net->pair_count; i++)
		net_pair_stop(&net->pairs[i]);
}

static void net_reset(struct virtio_device *device)
{
	struct net *net = (struct net *)device;

	stop_pairs(net);
	net->used_pairs = 0;
}

/* What a snapshot keeps: how many pairs of queues the driver wants to use. */
static size_t net_save(struct virtio_device *device, void *state)
{
	struct net *net = (struct net *)device;
	uint32_t pairs;

	stop_pairs(net);
	pairs = net->used_pairs;
	memcpy(state, &pairs, sizeof(pairs));
	return sizeof(pairs);
}

static int net_restore(struct virtio_device *device, const void *state, size_t size)
{
	struct net *net = (struct net *)device;
	uint32_t pairs;

	if (size != sizeof(pairs))
		return -EINVAL;
	memcpy(&pairs, state, sizeof(pairs));
	if (pairs > net->pair_count)
		return -EINVAL;
	net->used_pairs = pairs;
	return 0;
}

static void net_destroy(struct virtio_device *device)
{
	struct net *net = (struct net *)device;

	for (unsigned int i = 0; i < net->pair_count; i++)
		net_pair_destroy(&net->pairs[i]);
	free(net->pairs);
	virtio_device_fini(device);
	free(net);
}

static const struct virtio_device_operations net_operations = {
	.name = "net",
	.id = VIRTIO_ID_NET,
	.activate = net_activate,
	.reset = net_reset,
	.save = net_save,
	.restore = net_restore,
	.memory_added = net_memory_added,
	.destroy = net_destroy,
};

static int prepare_tap(int fd, struct error *err)
{
	int size = sizeof(struct virtio_net_hdr_mrg_rxbuf), flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return error_set(err, errno, "make a tap device's queue non-blocking");
	if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0)
		return error_set(err, errno, "set the header size of a tap device's queue");
	return 0;
}

/* With the kernel's help where it is offered and as good, else without. */
static int init_pair(
	struct net *net, const struct net_options *options, unsigned int i, struct error *err)
{
	struct virtqueue *queues = &net->device.queues[2 * i];
	const enum confine_kind confine = options->confine ? CONFINE_NETWORK : CONFINE_NOTHING;
	int vhost = options->vhost != NULL ? options->vhost[i] : -EBADF;
	struct error why = ERROR_INIT;
	int r = prepare_tap(options->fds[i], err);

	if (r < 0)
		return r;
	if (vhost >= 0 &&
		net_pair_init(&net->pairs[i], queues, options->fds[i], vhost, confine, &why) == 0)
		return 0;
	if (vhost >= 0)
		log_info("virtio net: %s: packets are moved without it", why.message);
	return net_pair_init(&net->pairs[i], queues, options->fds[i], -EBADF, confine, err);
}

static int init_pairs(struct net *net, const struct net_options *options, struct error *err)
{
	int r = 0;

	net->pairs = calloc(options->pairs, sizeof(*net->pairs));
	if (net->pairs == NULL)
		return error_set(err, ENOMEM, "virtio net");
	for (unsigned int i = 0; r == 0 && i < options->pairs; i++) {
		r = init_pair(net, options, i, err);
		if (r == 0)
			net->pair_count++;
	}
	if (r == 0)
		r = net_pair_set_control(&net->pairs[0],
			&net->device.queues[net->device.queue_count - 1], begin, serve_control, net,
			err);
	return r;
}

static void fill_config(struct net *net, const struct net_options *options)
{
	static const uint8_t none[6];
	uint64_t features = FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_CSUM) |
		FEATURE(VIRTIO_NET_F_GUEST_TSO4) | FEATURE(VIRTIO_NET_F_GUEST_TSO6) |
		FEATURE(VIRTIO_NET_F_GUEST_ECN) | FEATURE(VIRTIO_NET_F_HOST_TSO4) |
		FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_HOST_ECN) |
		FEATURE(VIRTIO_NET_F_MRG_RXBUF) | FEATURE(VIRTIO_NET_F_STATUS);

	net->config.status = htole16(VIRTIO_NET_S_LINK_UP);
	net->config.max_virtqueue_pairs = htole16((uint16_t)options->pairs);
	if (options->pairs > 1)
		features |= FEATURE(VIRTIO_NET_F_CTRL_VQ) | FEATURE(VIRTIO_NET_F_MQ);
	if (memcmp(options->mac, none, sizeof(none)) != 0) {
		features |= FEATURE(VIRTIO_NET_F_MAC);
		memcpy(net->config.mac, options->mac, sizeof(options->mac));
	}
	if (options->mtu > 0) {
		features |= FEATURE(VIRTIO_NET_F_MTU);
		net->config.mtu = htole16(options->mtu);
	}
	net->device.features = features;
	net->device.config = &net->config;
	net->device.config_size = sizeof(net->config);
}

int virtio_net_new(const struct guest_memory *memory, const struct net_options *options,
	struct virtio_device **ret, struct error *err)
{
	struct virtio_device *device;
	struct net *net;
	int r;

	if (options->pairs == 0 || options->pairs > NET_PAIRS_MAX)
		return error_say(
			err, EINVAL, "virtio net: %u queues are not possible", options->pairs);
	r = virtio_device_new(sizeof(*net), &net_operations, memory, 2 * options->pairs + 1,
		NET_QUEUE_SIZE, &device, err);
	if (r < 0)
		return r;
	net = (struct net *)device;
	fill_config(net, options);
	r = init_pairs(net, options, err);
	if (r < 0) {
		/* The fds stay the caller's. */
		for (unsigned int i = 0; i < net->pair_count; i++)
			net->pairs[i].tap = net->pairs[i].vhost.fd = -EBADF;
		net_destroy(device);
		return r;
	}
	for (unsigned int i = 0; options->vhost != NULL && i < net->pair_count; i++)
		if (net->pairs[i].vhost.fd != options->vhost[i])
			close_fd(options->vhost[i]);
	*ret = device;
	return 0;
}
