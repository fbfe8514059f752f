/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pair of a network device's queues, one queue of a tap, and the thread that moves packets
 * between them.
 */
#pragma once

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "runtime/vm/virtio/queue.h"
#include "runtime/vm/virtio/vhost_net.h"
#include "runtime/vm/virtio/worker.h"

struct error;

#define NET_QUEUE_SIZE 256
#define NET_HEADER sizeof(struct virtio_net_hdr_mrg_rxbuf)
/* The largest packet that a tap hands over: 64 KiB of IP, an Ethernet header with a VLAN tag. */
#define NET_PACKET_MAX (65535 + 18 + NET_HEADER)

struct net_pair {
	struct virtqueue *receive, *transmit, *control;
	int tap;
	int epoll;
	struct vhost_net vhost; /* VHOST_NET_NONE: this thread moves the packets */
	struct virtio_worker worker;
	void (*begin)(void *data);
	void (*serve_control)(void *data);
	void *data;

	uint64_t features;
	bool tap_readable; /* nothing said otherwise since the last edge */

	/* Buffers taken from the receive queue that no packet has been written to yet. */
	struct {
		uint16_t head;
		unsigned int iov_count;
		size_t length;
	} buffers[NET_QUEUE_SIZE];
	unsigned int buffer_count;
	unsigned int generation;
	size_t room; /* bytes in all of them */
	struct iovec iov[NET_QUEUE_SIZE + VIRTQUEUE_IOV_SPARE];
	unsigned int iov_count;
};

/*
 * `queues`: one to receive, one to transmit. `tap` is taken over on success, and so is `vhost`: of
 * /dev/vhost-net, whose kernel moves the packets where it can, or negative.
 */
int net_pair_init(struct net_pair *pair, struct virtqueue queues[2], int tap, int vhost,
	enum confine_kind confine, struct error *err);

/*
 * This pair's thread looks after the control queue too; `begin` is called in it before the first
 * packet of each activation.
 */
int net_pair_set_control(struct net_pair *pair, struct virtqueue *control,
	void (*begin)(void *data), void (*serve)(void *data), void *data, struct error *err);

void net_pair_start(struct net_pair *pair, uint64_t features);
void net_pair_stop(struct net_pair *pair);
/* The same features, for a pair that runs: as if the driver had begun anew, and nothing is lost. */
void net_pair_restart(struct net_pair *pair);
void net_pair_destroy(struct net_pair *pair);
