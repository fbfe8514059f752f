/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Describes the network namespace that a netlink socket belongs to (net_description.h): what the
 * kernel would answer to ip(8)'s "link", "addr", "route" and "neigh". Only Ethernet-like interfaces
 * that stand for themselves: not the loopback, not a bridge's ports, not a virtual machine's taps.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "runtime/vm/network/net_description.h"

struct error;
struct nlmsghdr;

/* A tap's name is this and the index of its interface in hexadecimal: one for each, for ever. */
#define NET_TAP_PREFIX "caisson"

#define NET_OWNER_MAX 256 /* the kernel's limit for an alias */

/* A virtual machine's claim on an interface. */
struct net_tap {
	uint32_t index;
	uint32_t target;	   /* index of the interface that it is tied to */
	char owner[NET_OWNER_MAX]; /* as the tap's alias says */
};

struct net_namespace {
	struct net_description description;
	struct net_tap *taps;
	size_t n_taps;
};

/* Fills `ret`, which is empty before; given back by net_namespace_free(). */
int net_inspect(int netlink, struct net_namespace *ret, struct error *err);
void net_namespace_free(struct net_namespace *namespace);

/* For tests: takes one message of the kernel's lists. Negative when memory is short. */
int net_take_message(const struct nlmsghdr *message, void *namespace);
