/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host kernel's own mover of packets (vhost-net) for one pair of a network device's queues:
 * while it runs, nobody here reads these rings. It checks what the guest writes into them itself,
 * and writes only into the memory that it is told of.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;
struct guest_memory;
struct virtqueue;

struct vhost_net {
	int fd;	      /* of /dev/vhost-net; negative: there is none */
	int calls[2]; /* eventfds: the driver of the receive, the transmit queue is to be
			 interrupted */
	int errors;   /* eventfd: a ring breaks the rules */
	const struct guest_memory *memory;
	uint32_t regions;  /* of it that the kernel was told */
	uint64_t features; /* that it can do, of those that a device negotiates */
};

#define VHOST_NET_NONE ((struct vhost_net){ .fd = -1, .calls = { -1, -1 }, .errors = -1 })

/*
 * Opens /dev/vhost-net for each of `count` queues of a tap: what virtio_net_new() takes. Fails
 * where the host has none, or not for us; nothing is open then.
 */
int vhost_net_open_queues(unsigned int count, int *ret_fds, struct error *err);

/* Whether it can be opened here, and does what vhost_net_init() wants. */
int vhost_net_probe(struct error *err);

/*
 * Makes `fd`, which it takes over on success, this process's. -EOPNOTSUPP where the kernel's lacks
 * a feature that virtio-mmio's driver is always offered.
 */
int vhost_net_init(
	struct vhost_net *vhost, int fd, const struct guest_memory *memory, struct error *err);

/* Gives back what vhost_net_init() took. Of VHOST_NET_NONE: nothing. */
void vhost_net_destroy(struct vhost_net *vhost);

/*
 * Hands the queues, in their order receive and transmit, and the tap's queue to the kernel. Returns
 * 0, or a negative errno and nothing is handed over.
 */
int vhost_net_start(
	struct vhost_net *vhost, struct virtqueue *const queues[2], int tap, uint64_t features);

/*
 * After an error of a running one: true when the guest has got memory that the kernel did not know
 * of; it goes on then.
 */
bool vhost_net_tell_memory(struct vhost_net *vhost, struct virtqueue *const queues[2]);

/* Takes them back: nothing is in flight, and the queues stand where the kernel left them. */
void vhost_net_stop(struct vhost_net *vhost, struct virtqueue *const queues[2]);
