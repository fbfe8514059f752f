/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a network namespace of the host's looks like: its interfaces with their addresses and
 * permanent neighbours, and the routes of its main table. The host's side inspects one and writes
 * it down as JSON; the agent reads that and gives the guest's interfaces the same.
 */
#pragma once

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define NET_MAC_SIZE 6

struct net_ip {
	unsigned char family; /* AF_INET, AF_INET6; 0: there is none */
	unsigned char bytes[16];
};

struct net_address {
	struct net_ip local, peer, broadcast;
	unsigned char prefix, scope; /* RT_SCOPE_… */
	uint32_t flags;		     /* IFA_F_…, those that a person sets */
};

struct net_neighbour {
	struct net_ip address;
	unsigned char mac[NET_MAC_SIZE];
};

struct net_interface {
	uint32_t index; /* in its own namespace: not in the JSON */
	char name[IFNAMSIZ];
	unsigned char mac[NET_MAC_SIZE];
	uint32_t mtu; /* bytes */
	bool up;
	struct net_address *addresses;
	size_t n_addresses;
	struct net_neighbour *neighbours;
	size_t n_neighbours;
};

struct net_nexthop {
	char device[IFNAMSIZ];
	struct net_ip gateway;
	unsigned char weight; /* above 1, minus 1 */
	bool onlink;
};

struct net_route {
	struct net_ip destination, source; /* source: the preferred one, or none */
	unsigned char prefix, type, scope, protocol;
	uint32_t metric, mtu;	      /* 0: none */
	struct net_nexthop *nexthops; /* none for a route that leads nowhere (blackhole …) */
	size_t n_nexthops;
};

struct net_description {
	struct net_interface *interfaces;
	size_t n_interfaces;
	struct net_route *routes;
	size_t n_routes;
};

/*
 * Makes room for one more item, zeroed, behind the `*count` of `size` bytes at `*array`. Returns
 * it, or NULL when memory is short.
 */
void *net_append(void *array, size_t *count, size_t size);

/* Returns a JSON document, the caller's to free(). */
int net_description_write(
	const struct net_description *description, char **ret_text, struct error *err);

/*
 * Reads one. -EINVAL with the place where it is wrong: a name that is no interface's, an address
 * that is none. `ret` is given back by net_description_free().
 */
int net_description_read(
	const char *text, size_t length, struct net_description *ret, struct error *err);

void net_description_free(struct net_description *description);

/* "02:42:ac:11:00:02" */
#define NET_MAC_TEXT 18
void net_mac_write(const unsigned char mac[static NET_MAC_SIZE], char text[static NET_MAC_TEXT]);
