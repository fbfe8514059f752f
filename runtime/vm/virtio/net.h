/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-net (virtio 1.2, 5.1) over a tap device: checksum and segmentation offloads both ways
 * through the tap's own virtio-net header, merged receive buffers, several pairs of queues with a
 * thread each, or with the host kernel's vhost-net. The tap's queues come as fds, so that no
 * privilege over the network is needed here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;
struct guest_memory;
struct virtio_device;

#define NET_PAIRS_MAX 16u

struct net_options {
	const int *fds;	    /* one for each queue of the tap (tap_open()); made non-blocking */
	unsigned int pairs; /* how many */
	/*
	 * NULL, or an fd of /dev/vhost-net (vhost_net_open_queues()) for each queue: where it can
	 * be used, the host's kernel moves the packets.
	 */
	const int *vhost;
	uint8_t mac[6]; /* all zeroes: the guest makes one up */
	uint16_t mtu;	/* 0: not told */
	bool confine;	/* the threads, to what they need: confine_thread() */
};

/*
 * Makes the device; takes the fds over on success. `ret` goes to virtio_mmio_attach() or
 * virtio_device_free().
 */
int virtio_net_new(const struct guest_memory *memory, const struct net_options *options,
	struct virtio_device **ret, struct error *err);

/*
 * Opens `count` queues of the tap device `name` (made when it is not there, and gone with its last
 * queue then), as virtio_net_new() wants them. Needs CAP_NET_ADMIN, or to be the owner of one that
 * is there.
 */
int tap_open(const char *name, unsigned int count, int *ret_fds, struct error *err);
