/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container's network namespace and its virtual machine's network cards. Callers add interfaces
 * before create, in its hooks, and between create and start, so `start` scans the namespace
 * (start.c), and may do so again. The work is done by a short-lived process that enters the
 * namespace, so that neither the caller changes its own nor the monitor ever has CAP_NET_ADMIN.
 *
 * What is left in the namespace is a tap for each interface, which lives as long as its queues are
 * open, and tc redirection. The taps are the claim: one virtual machine has a namespace.
 */
#pragma once

#include <errno.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/vm/network/net_description.h"

struct error;

#define VM_NIC_QUEUES_MAX 8

/* An interface that the guest does not have yet. */
struct vm_nic {
	char name[IFNAMSIZ];
	unsigned char mac[NET_MAC_SIZE]; /* the network card's: the interface's own */
	uint32_t mtu;
	unsigned int n_queues;
	/* Of its tap: non-blocking; IFF_VNET_HDR, a header of 12 bytes. */
	int queues[VM_NIC_QUEUES_MAX];
};

struct vm_network {
	char *description;   /* all interfaces and routes, for the agent's "network" request */
	bool has_interfaces; /* false: a loopback only */
	struct vm_nic *nics;
	size_t n_nics;
	/*
	 * Connections inside the namespace (net_forward.h), or -EBADF: without interfaces, where an
	 * earlier scan has made them, and in kernels without nftables.
	 */
	int forward_listener, forward_rules;
};

#define VM_NETWORK_INIT ((struct vm_network){ .forward_listener = -EBADF, .forward_rules = -EBADF })

/*
 * Looks at the namespace behind `netns` and claims its interfaces for `owner` (a container's id:
 * [A-Za-z0-9+._-], at most 128 bytes), with `n_queues` (1 to VM_NIC_QUEUES_MAX) queues each. The
 * first scan (`again` false) refuses a namespace that has any virtual machine's taps, with -EBUSY;
 * a later one passes over the interfaces that `owner` has. A namespace without interfaces gives an
 * empty list. `ret` is given back by vm_network_free().
 */
int vm_network_scan(int netns, const char *owner, bool again, unsigned int n_queues,
	struct vm_network *ret, struct error *err);

/* Closes the queues that are still there (take_fd() those that go to a device). */
void vm_network_free(struct vm_network *network);

/*
 * Takes away what the scans of `owner` made in the namespace, whether its monitor lives or not.
 * Nothing to do is success; so is a negative `netns`, a namespace that is gone.
 */
int vm_network_remove(int netns, const char *owner, struct error *err);
