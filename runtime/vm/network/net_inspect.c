/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/network/net_inspect.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/error.h"
#include "lib/netlink.h"

/* ---- attributes ----------------------------------------------------------------------------- */

static uint32_t get_u32(
	const struct nlmsghdr *message, size_t head, uint16_t type, uint32_t without)
{
	uint32_t number;
	size_t size;
	const void *value = netlink_find(message, head, type, &size);

	if (value == NULL || size != sizeof(number))
		return without;
	memcpy(&number, value, sizeof(number));
	return number;
}

static void take_ip(const void *value, size_t size, unsigned char family, struct net_ip *ret)
{
	if (value == NULL || size != (family == AF_INET ? 4 : 16))
		return;
	ret->family = family;
	memcpy(ret->bytes, value, size);
}

static void get_ip(const struct nlmsghdr *message, size_t head, uint16_t type, unsigned char family,
	struct net_ip *ret)
{
	size_t size = 0;
	const void *value = netlink_find(message, head, type, &size);

	take_ip(value, size, family, ret);
}

static bool get_mac(const struct nlmsghdr *message, size_t head, uint16_t type, unsigned char *ret)
{
	size_t size;
	const void *value = netlink_find(message, head, type, &size);

	if (value == NULL || size != NET_MAC_SIZE)
		return false;
	memcpy(ret, value, size);
	return true;
}

static void get_text(
	const struct nlmsghdr *message, size_t head, uint16_t type, char *ret, size_t room)
{
	size_t size;
	const void *value = netlink_find(message, head, type, &size);

	if (value == NULL || size > room || size == 0)
		return;
	memcpy(ret, value, size);
	ret[size - 1] = '\0';
}

static bool is_inet(unsigned char family)
{
	return family == AF_INET || family == AF_INET6;
}

static struct net_interface *find_interface(struct net_namespace *namespace, uint32_t index)
{
	for (size_t i = 0; i < namespace->description.n_interfaces; i++) {
		if (namespace->description.interfaces[i].index == index)
			return &namespace->description.interfaces[i];
	}
	return NULL;
}

/* ---- interfaces ----------------------------------------------------------------------------- */

/* The name alone would do: nobody else's is a prefix and a number of an interface's. */
static int take_tap(struct net_namespace *namespace, const struct nlmsghdr *message,
	const struct ifinfomsg *head, const char *number)
{
	char *end;
	unsigned long target = strtoul(number, &end, 16);

	if (*number == '\0' || *end != '\0' || target == 0 || target > INT32_MAX)
		return 0;
	struct net_tap *tap = net_append(&namespace->taps, &namespace->n_taps, sizeof(*tap));
	if (tap == NULL)
		return -ENOMEM;
	tap->index = (uint32_t)head->ifi_index;
	tap->target = (uint32_t)target;
	get_text(message, sizeof(*head), IFLA_IFALIAS, tap->owner, sizeof(tap->owner));
	return 1;
}

static int take_link(struct net_namespace *namespace, const struct nlmsghdr *message)
{
	const size_t prefix = strlen(NET_TAP_PREFIX);
	struct ifinfomsg head;
	struct net_interface found = { 0 };

	memcpy(&head, NLMSG_DATA(message), sizeof(head));
	if (head.ifi_type != ARPHRD_ETHER || (head.ifi_flags & IFF_LOOPBACK))
		return 0;
	get_text(message, sizeof(head), IFLA_IFNAME, found.name, sizeof(found.name));
	if (strncmp(found.name, NET_TAP_PREFIX, prefix) == 0) {
		int status = take_tap(namespace, message, &head, found.name + prefix);
		if (status != 0)
			return status;
	}
	found.index = (uint32_t)head.ifi_index;
	found.mtu = get_u32(message, sizeof(head), IFLA_MTU, 1500);
	found.up = (head.ifi_flags & IFF_UP) != 0;
	/* What enters a port of a bridge or a bond is its master's. */
	if (get_u32(message, sizeof(head), IFLA_MASTER, 0) != 0 ||
		!get_mac(message, sizeof(head), IFLA_ADDRESS, found.mac) || found.name[0] == '\0')
		return 0;
	struct net_interface *interface = net_append(&namespace->description.interfaces,
		&namespace->description.n_interfaces, sizeof(*interface));
	if (interface == NULL)
		return -ENOMEM;
	*interface = found;
	return 0;
}

/* ---- addresses, neighbours ------------------------------------------------------------------ */

static int take_address(struct net_namespace *namespace, const struct nlmsghdr *message)
{
	struct ifaddrmsg head;
	struct net_address found = { 0 };

	memcpy(&head, NLMSG_DATA(message), sizeof(head));
	struct net_interface *interface = find_interface(namespace, head.ifa_index);
	uint32_t flags = get_u32(message, sizeof(head), IFA_FLAGS, head.ifa_flags);
	if (interface == NULL || !is_inet(head.ifa_family))
		return 0;
	/* What a router told, the guest is told too. */
	if (head.ifa_family == AF_INET6 && !(flags & IFA_F_PERMANENT))
		return 0;
	get_ip(message, sizeof(head), IFA_LOCAL, head.ifa_family, &found.local);
	get_ip(message, sizeof(head), IFA_ADDRESS, head.ifa_family, &found.peer);
	get_ip(message, sizeof(head), IFA_BROADCAST, head.ifa_family, &found.broadcast);
	/* IPv6 has a local address only beside a peer's. */
	if (found.local.family == 0)
		found.local = found.peer;
	if (found.local.family == 0)
		return 0;
	if (memcmp(&found.local, &found.peer, sizeof(found.local)) == 0)
		found.peer = (struct net_ip){ 0 };
	found.prefix = head.ifa_prefixlen;
	found.scope = head.ifa_scope;
	found.flags = flags & (IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN);
	struct net_address *address = net_append(
		&interface->addresses, &interface->n_addresses, sizeof(*address));
	if (address == NULL)
		return -ENOMEM;
	*address = found;
	return 0;
}

static int take_neighbour(struct net_namespace *namespace, const struct nlmsghdr *message)
{
	struct ndmsg head;
	struct net_neighbour found = { 0 };

	memcpy(&head, NLMSG_DATA(message), sizeof(head));
	struct net_interface *interface = find_interface(namespace, (uint32_t)head.ndm_ifindex);
	if (interface == NULL || !is_inet(head.ndm_family) || !(head.ndm_state & NUD_PERMANENT))
		return 0;
	get_ip(message, sizeof(head), NDA_DST, head.ndm_family, &found.address);
	if (found.address.family == 0 || !get_mac(message, sizeof(head), NDA_LLADDR, found.mac))
		return 0;
	struct net_neighbour *neighbour = net_append(
		&interface->neighbours, &interface->n_neighbours, sizeof(*neighbour));
	if (neighbour == NULL)
		return -ENOMEM;
	*neighbour = found;
	return 0;
}

/* ---- routes --------------------------------------------------------------------------------- */

/* struct rtvia: a gateway of the other family. */
static void take_via(const void *value, size_t size, struct net_ip *ret)
{
	__kernel_sa_family_t family;

	if (value == NULL || size < sizeof(family))
		return;
	memcpy(&family, value, sizeof(family));
	if (family == AF_INET || family == AF_INET6)
		take_ip((const char *)value + sizeof(family), size - sizeof(family),
			(unsigned char)family, ret);
}

/* Returns 0 for a device that the guest does not have. */
static int add_nexthop(struct net_namespace *namespace, struct net_route *route, uint32_t index,
	unsigned int flags, unsigned char weight, const struct net_ip *gateway)
{
	const struct net_interface *interface = find_interface(namespace, index);

	if (interface == NULL)
		return 0;
	struct net_nexthop *hop = net_append(&route->nexthops, &route->n_nexthops, sizeof(*hop));
	if (hop == NULL)
		return -ENOMEM;
	memcpy(hop->device, interface->name, sizeof(hop->device));
	hop->gateway = *gateway;
	hop->weight = weight;
	hop->onlink = (flags & RTNH_F_ONLINK) != 0;
	return 1;
}

static int take_multipath(struct net_namespace *namespace, struct net_route *route,
	const char *value, size_t size, unsigned char family)
{
	struct rtnexthop hop;

	while (size >= sizeof(hop)) {
		struct net_ip gateway = { 0 };
		size_t part = 0;

		memcpy(&hop, value, sizeof(hop));
		if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > size)
			return 0;
		const void *attributes = value + sizeof(hop);
		size_t length = hop.rtnh_len - sizeof(hop);
		const void *address = netlink_find_in(attributes, length, RTA_GATEWAY, &part);
		take_ip(address, part, family, &gateway);
		address = netlink_find_in(attributes, length, RTA_VIA, &part);
		take_via(address, part, &gateway);
		int status = add_nexthop(namespace, route, (uint32_t)hop.rtnh_ifindex,
			hop.rtnh_flags, hop.rtnh_hops, &gateway);
		if (status < 0)
			return status;
		size_t step = RTNH_ALIGN(hop.rtnh_len);
		if (step > size)
			return 0;
		value += step;
		size -= step;
	}
	return 0;
}

static int take_nexthops(struct net_namespace *namespace, struct net_route *route,
	const struct nlmsghdr *message, const struct rtmsg *head)
{
	struct net_ip gateway = { 0 };
	size_t size = 0;
	const void *value = netlink_find(message, sizeof(*head), RTA_MULTIPATH, &size);

	if (value != NULL)
		return take_multipath(namespace, route, value, size, head->rtm_family);
	get_ip(message, sizeof(*head), RTA_GATEWAY, head->rtm_family, &gateway);
	value = netlink_find(message, sizeof(*head), RTA_VIA, &size);
	take_via(value, size, &gateway);
	return add_nexthop(namespace, route, get_u32(message, sizeof(*head), RTA_OIF, 0),
		head->rtm_flags, 0, &gateway);
}

static bool is_wanted(const struct nlmsghdr *message, const struct rtmsg *head)
{
	if (!is_inet(head->rtm_family) || (head->rtm_flags & RTM_F_CLONED) ||
		get_u32(message, sizeof(*head), RTA_TABLE, head->rtm_table) != RT_TABLE_MAIN)
		return false;
	/* Addresses and routers make these in the guest too. */
	if (head->rtm_protocol == RTPROT_KERNEL || head->rtm_protocol == RTPROT_RA ||
		head->rtm_protocol == RTPROT_REDIRECT)
		return false;
	return head->rtm_type == RTN_UNICAST || head->rtm_type == RTN_BLACKHOLE ||
		head->rtm_type == RTN_UNREACHABLE || head->rtm_type == RTN_PROHIBIT;
}

static void take_metrics(const struct nlmsghdr *message, struct net_route *route)
{
	size_t size, part;
	const void *metrics = netlink_find(message, sizeof(struct rtmsg), RTA_METRICS, &size);
	const void *mtu = metrics != NULL ? netlink_find_in(metrics, size, RTAX_MTU, &part) : NULL;

	if (mtu != NULL && part == sizeof(route->mtu))
		memcpy(&route->mtu, mtu, part);
}

static int take_route(struct net_namespace *namespace, const struct nlmsghdr *message)
{
	struct net_description *description = &namespace->description;
	struct rtmsg head;

	memcpy(&head, NLMSG_DATA(message), sizeof(head));
	if (!is_wanted(message, &head))
		return 0;
	struct net_route route = {
		.destination.family = head.rtm_family,
		.prefix = head.rtm_dst_len,
		.type = head.rtm_type,
		.scope = head.rtm_scope,
		.protocol = head.rtm_protocol,
		.metric = get_u32(message, sizeof(head), RTA_PRIORITY, 0),
	};
	get_ip(message, sizeof(head), RTA_DST, head.rtm_family, &route.destination);
	get_ip(message, sizeof(head), RTA_PREFSRC, head.rtm_family, &route.source);
	take_metrics(message, &route);
	if (head.rtm_type == RTN_UNICAST) {
		int status = take_nexthops(namespace, &route, message, &head);
		if (status < 0 || route.n_nexthops == 0) {
			free(route.nexthops);
			return status;
		}
	}
	struct net_route *added = net_append(
		&description->routes, &description->n_routes, sizeof(*added));
	if (added == NULL) {
		free(route.nexthops);
		return -ENOMEM;
	}
	*added = route;
	return 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

int net_take_message(const struct nlmsghdr *message, void *namespace)
{
	static const struct {
		uint16_t type;
		size_t head;
		int (*take)(struct net_namespace *namespace, const struct nlmsghdr *message);
	} kinds[] = {
		{ RTM_NEWLINK, sizeof(struct ifinfomsg), take_link },
		{ RTM_NEWADDR, sizeof(struct ifaddrmsg), take_address },
		{ RTM_NEWNEIGH, sizeof(struct ndmsg), take_neighbour },
		{ RTM_NEWROUTE, sizeof(struct rtmsg), take_route },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (message->nlmsg_type == kinds[i].type &&
			message->nlmsg_len >= NLMSG_LENGTH(kinds[i].head))
			return kinds[i].take(namespace, message);
	}
	return 0;
}

static int list(int netlink, uint16_t type, unsigned char family, size_t head_size,
	struct net_namespace *namespace)
{
	/* The family is the first byte of every fixed part. */
	const union {
		unsigned char family;
		struct ifinfomsg link;
		struct ifaddrmsg address;
		struct ndmsg neighbour;
		struct rtmsg route;
	} head = { .family = family };
	struct netlink_request request;

	netlink_begin(&request, type, NLM_F_DUMP, &head, head_size);
	return netlink_call(netlink, &request, net_take_message, namespace);
}

int net_inspect(int netlink, struct net_namespace *ret, struct error *err)
{
	static const struct {
		const char *what;
		uint16_t type;
		unsigned char family;
		size_t head;
	} lists[] = {
		{ "interfaces", RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg) },
		{ "addresses", RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg) },
		{ "neighbours", RTM_GETNEIGH, AF_UNSPEC, sizeof(struct ndmsg) },
		{ "IPv4 routes", RTM_GETROUTE, AF_INET, sizeof(struct rtmsg) },
		{ "IPv6 routes", RTM_GETROUTE, AF_INET6, sizeof(struct rtmsg) },
	};
	struct net_namespace found = { 0 };

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		int status = list(netlink, lists[i].type, lists[i].family, lists[i].head, &found);

		/* A kernel without IPv6. */
		if (status == -EAFNOSUPPORT || status == -EOPNOTSUPP)
			continue;
		if (status < 0) {
			net_namespace_free(&found);
			return error_set(
				err, -status, "list the network namespace's %s", lists[i].what);
		}
	}
	*ret = found;
	return 0;
}

void net_namespace_free(struct net_namespace *namespace)
{
	net_description_free(&namespace->description);
	free(namespace->taps);
	*namespace = (struct net_namespace){ 0 };
}
