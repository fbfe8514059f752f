/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ties an interface to a tap: what arrives at the one leaves by the other, by an ingress queueing
 * discipline and one filter on each (tc(8), tc-mirred(8)). The namespace's own kernel sees no
 * packet of the interface any more, so that its addresses may stay where they are.
 */
#pragma once

#include <stdint.h>

struct error;
struct net_interface;
struct net_namespace;

/*
 * Makes the tap of `interface` in the calling process's network namespace, which `netlink` belongs
 * to, with `n_queues` queues whose fds (non-blocking, close-on-exec, IFF_VNET_HDR with a header of
 * 12 bytes) go to `ret_queues`. The tap lives as long as they do. Errors: -EBUSY where another
 * virtual machine has the interface, -EEXIST where somebody else redirects it.
 */
int net_redirect_make(int netlink, const struct net_namespace *namespace,
	const struct net_interface *interface, const char *owner, unsigned int n_queues,
	int *ret_queues, struct error *err);

/*
 * Removes the taps of `owner` and the redirection of their interfaces, and what is left of a tap
 * that is gone. Finding nothing is success.
 */
int net_redirect_remove(
	int netlink, const struct net_namespace *namespace, const char *owner, struct error *err);
