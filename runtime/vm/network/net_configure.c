/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/network/net_configure.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/netlink.h"
#include "runtime/vm/network/net_inspect.h"

static size_t ip_size(const struct net_ip *ip)
{
	return ip->family == AF_INET ? 4 : 16;
}

static void put_ip(struct netlink_request *request, uint16_t type, const struct net_ip *ip)
{
	if (ip->family != 0)
		netlink_put(request, type, ip->bytes, ip_size(ip));
}

static const char *ip_text(const struct net_ip *ip, char text[static INET6_ADDRSTRLEN])
{
	const char *written = inet_ntop(ip->family, ip->bytes, text, INET6_ADDRSTRLEN);

	return written != NULL ? written : "?";
}

/* ---- finding -------------------------------------------------------------------------------- */

static const struct net_interface *find_mac(
	const struct net_namespace *namespace, const unsigned char *mac)
{
	for (size_t i = 0; i < namespace->description.n_interfaces; i++) {
		if (memcmp(namespace->description.interfaces[i].mac, mac, NET_MAC_SIZE) == 0)
			return &namespace->description.interfaces[i];
	}
	return NULL;
}

static const struct net_interface *find_missing(
	const struct net_namespace *namespace, const struct net_description *description)
{
	for (size_t i = 0; i < description->n_interfaces; i++) {
		if (find_mac(namespace, description->interfaces[i].mac) == NULL)
			return &description->interfaces[i];
	}
	return NULL;
}

static int64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* A socket that becomes readable whenever an interface appears or changes. */
static int open_events(struct error *err)
{
	const struct sockaddr_nl links = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	_cleanup_close_ int fd = netlink_open(err);

	if (fd < 0)
		return fd;
	if (bind(fd, (const struct sockaddr *)&links, sizeof(links)) < 0)
		return error_set(err, errno, "listen for network interfaces");
	return take_fd(&fd);
}

/* What the events say is looked up anew: that some were lost (ENOBUFS) does not matter. */
static void drain(int events)
{
	char bytes[4096];

	while (recv(events, bytes, sizeof(bytes), MSG_DONTWAIT) > 0 || errno == ENOBUFS)
		errno = 0;
}

int net_wait_for_interfaces(
	const struct net_description *description, int timeout, struct error *err)
{
	int64_t deadline = now_ms() + timeout;
	_cleanup_close_ int events = open_events(err);
	if (events < 0)
		return events;
	_cleanup_close_ int netlink = netlink_open(err);
	if (netlink < 0)
		return netlink;

	for (;;) {
		_cleanup_(net_namespace_free) struct net_namespace namespace = { 0 };
		struct pollfd wait = { .fd = events, .events = POLLIN };
		char mac[NET_MAC_TEXT];

		int status = net_inspect(netlink, &namespace, err);
		if (status < 0)
			return status;
		const struct net_interface *missing = find_missing(&namespace, description);
		if (missing == NULL)
			return 0;
		int64_t left = deadline - now_ms();
		if (left <= 0) {
			net_mac_write(missing->mac, mac);
			return error_say(err, ENODEV,
				"the guest has no network card %s for interface %s after %d ms",
				mac, missing->name, timeout);
		}
		if (poll(&wait, 1, (int)left) > 0)
			drain(events);
	}
}

/* ---- interfaces ----------------------------------------------------------------------------- */

static int change_link(
	int netlink, uint32_t index, bool up, uint16_t type, const void *value, size_t size)
{
	const struct ifinfomsg head = {
		.ifi_index = (int)index, .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWLINK, 0, &head, sizeof(head));
	if (value != NULL)
		netlink_put(&request, type, value, size);
	return netlink_call(netlink, &request, NULL, NULL);
}

/* Another interface that has the name, perhaps until its own turn comes, makes room. */
static int make_room(int netlink, const char *name)
{
	char other[IFNAMSIZ];
	uint32_t index = if_nametoindex(name);

	if (index == 0)
		return 0;
	snprintf(other, sizeof(other), "was%x", index);
	return change_link(netlink, index, false, IFLA_IFNAME, other, strlen(other) + 1);
}

/* Only an interface that is down can be renamed in every kernel. */
static int rename_interface(
	int netlink, const struct net_interface *from, const struct net_interface *to)
{
	char name[IFNAMSIZ];

	/* A turn before this one may have moved it out of the way. */
	if (if_indextoname(from->index, name) != NULL && strcmp(name, to->name) == 0)
		return 0;
	int status = make_room(netlink, to->name);
	return status < 0 ? status
			  : change_link(netlink, from->index, false, IFLA_IFNAME, to->name,
				    strlen(to->name) + 1);
}

static bool lacks_ipv6(int status, const struct net_ip *ip)
{
	char text[INET6_ADDRSTRLEN];

	if (ip->family != AF_INET6 || (status != -EAFNOSUPPORT && status != -EOPNOTSUPP))
		return false;
	log_warning("the guest's kernel has no IPv6: %s is left out", ip_text(ip, text));
	return true;
}

static int add_address(int netlink, uint32_t index, const struct net_address *address)
{
	const bool inet6 = address->local.family == AF_INET6;
	const struct ifaddrmsg head = {
		.ifa_family = address->local.family,
		.ifa_prefixlen = address->prefix,
		.ifa_scope = address->scope,
		.ifa_index = index,
	};
	/* The address was used on the host: whether somebody else has it was asked there. */
	const uint32_t flags = address->flags | IFA_F_PERMANENT | (inet6 ? IFA_F_NODAD : 0);
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	put_ip(&request, IFA_LOCAL, &address->local);
	put_ip(&request, IFA_ADDRESS, address->peer.family != 0 ? &address->peer : &address->local);
	put_ip(&request, IFA_BROADCAST, &address->broadcast);
	netlink_put(&request, IFA_FLAGS, &flags, sizeof(flags));
	int status = netlink_call(netlink, &request, NULL, NULL);
	return status == -EEXIST || lacks_ipv6(status, &address->local) ? 0 : status;
}

static int add_neighbour(int netlink, uint32_t index, const struct net_neighbour *neighbour)
{
	const struct ndmsg head = {
		.ndm_family = neighbour->address.family,
		.ndm_ifindex = (int)index,
		.ndm_state = NUD_PERMANENT,
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	put_ip(&request, NDA_DST, &neighbour->address);
	netlink_put(&request, NDA_LLADDR, neighbour->mac, sizeof(neighbour->mac));
	int status = netlink_call(netlink, &request, NULL, NULL);
	return lacks_ipv6(status, &neighbour->address) ? 0 : status;
}

static int configure_interface(
	int netlink, uint32_t index, const struct net_interface *wanted, struct error *err)
{
	char text[INET6_ADDRSTRLEN];
	int status = 0;

	for (size_t i = 0; i < wanted->n_addresses; i++) {
		const struct net_address *address = &wanted->addresses[i];

		status = add_address(netlink, index, address);
		if (status < 0)
			return error_set(err, -status, "give it the address %s/%u",
				ip_text(&address->local, text), address->prefix);
	}
	status = change_link(
		netlink, index, wanted->up, IFLA_MTU, &wanted->mtu, sizeof(wanted->mtu));
	if (status < 0)
		return error_set(err, -status, "bring it %s with an MTU of %u",
			wanted->up ? "up" : "down", wanted->mtu);
	for (size_t i = 0; i < wanted->n_neighbours; i++) {
		status = add_neighbour(netlink, index, &wanted->neighbours[i]);
		if (status < 0)
			return error_set(err, -status, "add its neighbour %s",
				ip_text(&wanted->neighbours[i].address, text));
	}
	return 0;
}

static int configure_interfaces(int netlink, const struct net_namespace *namespace,
	const struct net_description *description, struct error *err)
{
	for (size_t i = 0; i < description->n_interfaces; i++) {
		const struct net_interface *wanted = &description->interfaces[i];
		const struct net_interface *have = find_mac(namespace, wanted->mac);

		if (have == NULL)
			return error_say(err, ENODEV,
				"the guest has no network card for interface %s", wanted->name);
		int status = rename_interface(netlink, have, wanted);
		if (status < 0)
			return error_set(err, -status, "name the guest's network card %s %s",
				have->name, wanted->name);
		if (configure_interface(netlink, have->index, wanted, err) < 0)
			return error_prefix(err, "the guest's interface %s", wanted->name);
	}
	return 0;
}

/* ---- routes --------------------------------------------------------------------------------- */

struct via {
	__kernel_sa_family_t family;
	unsigned char bytes[16];
};

/* The gateway's attribute into `to`, which has room for it. Returns its size. */
static size_t make_gateway(unsigned char family, const struct net_ip *gateway, char *to)
{
	struct rtattr attribute = { .rta_type = RTA_GATEWAY };
	struct via via = { .family = gateway->family };
	size_t size = ip_size(gateway);
	const void *value = gateway->bytes;

	if (gateway->family == 0)
		return 0;
	if (gateway->family != family) {
		memcpy(via.bytes, gateway->bytes, size);
		attribute.rta_type = RTA_VIA;
		value = &via;
		size += sizeof(via.family);
	}
	attribute.rta_len = (unsigned short)RTA_LENGTH(size);
	memcpy(to, &attribute, sizeof(attribute));
	memcpy(to + RTA_LENGTH(0), value, size);
	return RTA_SPACE(size);
}

static void put_nexthop(struct netlink_request *request, const struct net_route *route)
{
	const struct net_nexthop *hop = &route->nexthops[0];
	const uint32_t index = if_nametoindex(hop->device);
	char bytes[64] = { 0 };
	struct rtattr attribute;

	if (make_gateway(route->destination.family, &hop->gateway, bytes) > 0) {
		memcpy(&attribute, bytes, sizeof(attribute));
		netlink_put(request, attribute.rta_type, bytes + RTA_LENGTH(0),
			RTA_PAYLOAD(&attribute));
	}
	netlink_put(request, RTA_OIF, &index, sizeof(index));
}

static void put_multipath(struct netlink_request *request, const struct net_route *route)
{
	char bytes[NETLINK_REQUEST_MAX];
	size_t at = 0;

	for (size_t i = 0; i < route->n_nexthops; i++) {
		const struct net_nexthop *hop = &route->nexthops[i];
		struct rtnexthop head = {
			.rtnh_flags = hop->onlink ? RTNH_F_ONLINK : 0,
			.rtnh_hops = hop->weight,
			.rtnh_ifindex = (int)if_nametoindex(hop->device),
		};
		char gateway[64] = { 0 };
		size_t size = make_gateway(route->destination.family, &hop->gateway, gateway);

		head.rtnh_len = (unsigned short)(sizeof(head) + size);
		/* What does not fit makes the request fail, by its own size. */
		if (at + head.rtnh_len <= sizeof(bytes)) {
			memcpy(bytes + at, &head, sizeof(head));
			memcpy(bytes + at + sizeof(head), gateway, size);
		}
		at += head.rtnh_len;
	}
	netlink_put(request, RTA_MULTIPATH, bytes, at <= sizeof(bytes) ? at : sizeof(bytes));
}

static int add_route(int netlink, const struct net_route *route)
{
	const bool single = route->n_nexthops == 1;
	const struct rtmsg head = {
		.rtm_family = route->destination.family,
		.rtm_dst_len = route->prefix,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = route->protocol,
		.rtm_scope = route->scope,
		.rtm_type = route->type,
		.rtm_flags = single && route->nexthops[0].onlink ? RTNH_F_ONLINK : 0,
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	if (route->prefix > 0)
		put_ip(&request, RTA_DST, &route->destination);
	put_ip(&request, RTA_PREFSRC, &route->source);
	if (route->metric != 0)
		netlink_put(&request, RTA_PRIORITY, &route->metric, sizeof(route->metric));
	if (route->mtu != 0) {
		size_t metrics = netlink_nest(&request, RTA_METRICS);

		netlink_put(&request, RTAX_MTU, &route->mtu, sizeof(route->mtu));
		netlink_end(&request, metrics);
	}
	if (single)
		put_nexthop(&request, route);
	else if (route->n_nexthops > 1)
		put_multipath(&request, route);
	int status = netlink_call(netlink, &request, NULL, NULL);
	return status == -EEXIST || lacks_ipv6(status, &route->destination) ? 0 : status;
}

static bool has_gateway(const struct net_route *route)
{
	for (size_t i = 0; i < route->n_nexthops; i++) {
		if (route->nexthops[i].gateway.family != 0)
			return true;
	}
	return false;
}

/* A gateway has to be reachable when its route is added. */
static int add_routes(
	int netlink, const struct net_description *description, bool gateways, struct error *err)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < description->n_routes; i++) {
		const struct net_route *route = &description->routes[i];

		if (has_gateway(route) != gateways)
			continue;
		int status = add_route(netlink, route);
		if (status < 0)
			return error_set(err, -status, "add the guest's route to %s/%u",
				ip_text(&route->destination, text), route->prefix);
	}
	return 0;
}

int net_configure(const struct net_description *description, struct error *err)
{
	_cleanup_(net_namespace_free) struct net_namespace namespace = { 0 };
	_cleanup_close_ int netlink = netlink_open(err);
	if (netlink < 0)
		return netlink;
	int status = net_inspect(netlink, &namespace, err);

	if (status == 0)
		status = configure_interfaces(netlink, &namespace, description, err);
	if (status == 0)
		status = add_routes(netlink, description, false, err);
	if (status == 0)
		status = add_routes(netlink, description, true, err);
	return status;
}
