/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/net_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/netlink.h"

int net_loopback_up(struct error *err)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	/* Interface requests work on every kind of socket, and this kind is always there. */
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return error_set(err, errno, "bring the loopback interface up");
	return 0;
}

/* An address as it is added again. */
struct address {
	struct ifaddrmsg head;
	uint32_t flags;
	unsigned char local[16], address[16], broadcast[16];
	size_t local_size, address_size, broadcast_size; /* 0: absent */
};

struct addresses {
	uint32_t index; /* of the interface whose addresses are wanted */
	struct address *items;
	size_t count;
};

static void copy_attribute(const struct rtattr *from, unsigned char *to, size_t *ret_size)
{
	size_t size = RTA_PAYLOAD(from);

	if (size > 16)
		return;
	memcpy(to, RTA_DATA(from), size);
	*ret_size = size;
}

static int collect_address(const struct nlmsghdr *message, void *data)
{
	struct addresses *addresses = data;
	struct address found = { 0 };

	if (message->nlmsg_type != RTM_NEWADDR ||
		message->nlmsg_len < NLMSG_LENGTH(sizeof(found.head)))
		return 0;
	memcpy(&found.head, NLMSG_DATA(message), sizeof(found.head));
	if (found.head.ifa_index != addresses->index)
		return 0;
	found.flags = found.head.ifa_flags;

	unsigned int left = message->nlmsg_len - (unsigned int)NLMSG_LENGTH(sizeof(found.head));
	for (const struct rtattr *a = IFA_RTA((char *)NLMSG_DATA(message)); RTA_OK(a, left);
		a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFA_LOCAL)
			copy_attribute(a, found.local, &found.local_size);
		else if (a->rta_type == IFA_ADDRESS)
			copy_attribute(a, found.address, &found.address_size);
		else if (a->rta_type == IFA_BROADCAST)
			copy_attribute(a, found.broadcast, &found.broadcast_size);
		else if (a->rta_type == IFA_FLAGS && RTA_PAYLOAD(a) == sizeof(found.flags))
			memcpy(&found.flags, RTA_DATA(a), sizeof(found.flags));
	}
	if (found.head.ifa_scope != RT_SCOPE_UNIVERSE || !(found.flags & IFA_F_PERMANENT))
		return 0;

	struct address *items = reallocarray(
		addresses->items, addresses->count + 1, sizeof(*items));
	if (items == NULL)
		return -ENOMEM;
	addresses->items = items;
	addresses->items[addresses->count++] = found;
	return 0;
}

static int list_addresses(int host, struct addresses *ret)
{
	struct netlink_request request;
	const struct ifaddrmsg all = { .ifa_family = AF_UNSPEC };

	netlink_begin(&request, RTM_GETADDR, NLM_F_DUMP, &all, sizeof(all));
	return netlink_call(host, &request, collect_address, ret);
}

static int add_address(int fd, uint32_t index, const struct address *address)
{
	/* What the kernel found out by itself (tentative, secondary …) it finds out again. */
	const uint32_t kept = IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_PERMANENT;
	struct ifaddrmsg head = address->head;
	struct netlink_request request;
	uint32_t flags = address->flags & kept;

	head.ifa_index = index;
	head.ifa_flags = (unsigned char)flags;
	netlink_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	if (address->local_size > 0)
		netlink_put(&request, IFA_LOCAL, address->local, address->local_size);
	if (address->address_size > 0)
		netlink_put(&request, IFA_ADDRESS, address->address, address->address_size);
	if (address->broadcast_size > 0)
		netlink_put(&request, IFA_BROADCAST, address->broadcast, address->broadcast_size);
	netlink_put(&request, IFA_FLAGS, &flags, sizeof(flags));
	return netlink_call(fd, &request, NULL, NULL);
}

static int set_up(int fd, uint32_t index, bool up)
{
	const struct ifinfomsg head = {
		.ifi_index = (int)index, .ifi_flags = up ? IFF_UP : 0, .ifi_change = IFF_UP
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWLINK, 0, &head, sizeof(head));
	return netlink_call(fd, &request, NULL, NULL);
}

static int take_index(const struct nlmsghdr *message, void *data)
{
	struct ifinfomsg head;

	if (message->nlmsg_type == RTM_NEWLINK &&
		message->nlmsg_len >= NLMSG_LENGTH(sizeof(head))) {
		memcpy(&head, NLMSG_DATA(message), sizeof(head));
		*(uint32_t *)data = (uint32_t)head.ifi_index;
	}
	return 0;
}

/* Returns the interface's index in the socket's namespace through *ret, or -ENODEV. */
static int find_index(int fd, const char *name, uint32_t *ret)
{
	const struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct netlink_request request;

	*ret = 0;
	netlink_begin(&request, RTM_GETLINK, 0, &head, sizeof(head));
	netlink_put(&request, IFLA_IFNAME, name, strlen(name) + 1);
	int status = netlink_call(fd, &request, take_index, ret);
	return status == 0 && *ret == 0 ? -ENODEV : status;
}

static int move(int host, uint32_t index, int netns, const char *name)
{
	const struct ifinfomsg head = { .ifi_index = (int)index };
	struct netlink_request request;
	uint32_t fd = (uint32_t)netns;

	netlink_begin(&request, RTM_NEWLINK, 0, &head, sizeof(head));
	netlink_put(&request, IFLA_NET_NS_FD, &fd, sizeof(fd));
	netlink_put(&request, IFLA_IFNAME, name, strlen(name) + 1);
	return netlink_call(host, &request, NULL, NULL);
}

/*
 * The name in the container: with "%d" in it the first free one, which nobody takes in between,
 * because the container does not run yet.
 */
static int choose_name(
	int container, const char *wanted, char name[static IFNAMSIZ], struct error *err)
{
	const char *mark = strstr(wanted, "%d");
	uint32_t index;

	for (unsigned int number = 0; number < 32768; number++) {
		int length = mark == NULL ? snprintf(name, IFNAMSIZ, "%s", wanted)
					  : snprintf(name, IFNAMSIZ, "%.*s%u%s",
						    (int)(mark - wanted), wanted, number, mark + 2);
		if (length <= 0 || length >= IFNAMSIZ || strchr(name, '/') != NULL)
			return error_say(err, EINVAL, "\"%s\" is no name of an interface", wanted);
		int status = find_index(container, name, &index);
		if (status == -ENODEV)
			return 0;
		if (status < 0)
			return error_set(err, -status, "look for interface %s", name);
		if (mark == NULL)
			break;
	}
	return error_say(err, EEXIST, "the container already has an interface %s", name);
}

static int move_one(
	const struct oci_net_device *device, int host, int container, int netns, struct error *err)
{
	struct addresses addresses = { 0 };
	char name[IFNAMSIZ];
	uint32_t index;

	if (strlen(device->host_name) >= IFNAMSIZ)
		return error_say(err, EINVAL, "the name is longer than an interface's can be");
	int status = find_index(host, device->host_name, &addresses.index);
	if (status < 0)
		return error_set(err, -status, "find the interface");
	status = choose_name(
		container, device->name != NULL ? device->name : device->host_name, name, err);
	if (status < 0)
		return status;
	status = list_addresses(host, &addresses);
	_cleanup_free_ struct address *items = addresses.items;
	if (status < 0)
		return error_set(err, -status, "list the interface's addresses");
	/* Only an interface that is down can be renamed. */
	status = set_up(host, addresses.index, false);
	if (status < 0)
		return error_set(err, -status, "take the interface down");
	status = move(host, addresses.index, netns, name);
	if (status < 0)
		return error_set(err, -status, "move the interface into the container as %s%s",
			name, status == -EINVAL ? " (this kind cannot leave its namespace)" : "");
	status = find_index(container, name, &index);
	for (size_t i = 0; i < addresses.count && status == 0; i++)
		status = add_address(container, index, &items[i]);
	if (status < 0)
		return error_set(err, -status, "give %s its addresses back", name);
	status = set_up(container, index, true);
	if (status < 0)
		return error_set(err, -status, "bring %s up", name);
	return 0;
}

/* A netlink socket stays in the namespace that it was made in. */
static int open_inside(int netns, struct error *err)
{
	_cleanup_close_ int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return error_set(err, errno, "open the own network namespace");
	if (setns(netns, CLONE_NEWNET) < 0)
		return error_set(err, errno, "enter the container's network namespace");
	int fd = netlink_open(err);
	if (setns(own, CLONE_NEWNET) < 0) {
		int failure = errno;

		close_fd(fd);
		return error_set(err, failure, "return to the own network namespace");
	}
	return fd;
}

int net_devices_move(const struct oci_linux *linux, int netns, struct error *err)
{
	if (linux->n_net_devices == 0)
		return 0;

	_cleanup_close_ int host = netlink_open(err);
	if (host < 0)
		return error_prefix(err, "linux.netDevices");
	_cleanup_close_ int container = open_inside(netns, err);
	if (container < 0)
		return error_prefix(err, "linux.netDevices");
	for (size_t i = 0; i < linux->n_net_devices; i++) {
		if (move_one(&linux->net_devices[i], host, container, netns, err) < 0)
			return error_prefix(
				err, "linux.netDevices.%s", linux->net_devices[i].host_name);
	}
	return 0;
}
