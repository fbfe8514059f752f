/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/network/net_redirect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/tc_act/tc_mirred.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/netlink.h"
#include "runtime/vm/network/net_inspect.h"

#define TUN "/dev/net/tun"
#define VNET_HEADER_SIZE 12 /* virtio 1.2, 5.1.6: num_buffers is always there */
#define INGRESS 0xffff0000u /* the ingress discipline's own handle, and its filters' parent */
#define PRIORITY 0xca55u    /* tells our filter from others */

/* ---- taps ----------------------------------------------------------------------------------- */

static int open_queue(const char *name, short flags, struct error *err)
{
	struct ifreq request = { .ifr_flags = flags };
	const int size = VNET_HEADER_SIZE;

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	_cleanup_close_ int fd = open(TUN, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return error_set(err, errno, "open " TUN "%s",
			errno == ENOENT || errno == ENODEV ? " ('modprobe tun' makes it)"
				: errno == EACCES	   ? " ('chmod 0666 " TUN "', as udev does)"
							   : "");
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return error_set(err, errno, "make the tap interface %s%s", name,
			errno == EBUSY ? " (another virtual machine has it)" : "");
	if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0)
		return error_set(err, errno, "set up the tap interface %s", name);
	return take_fd(&fd);
}

static void close_queues(int *queues, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		queues[i] = close_fd(queues[i]);
}

/* The first one claims the name: of two virtual machines at the same time one fails. */
static int open_queues(const char *name, unsigned int count, int *queues, struct error *err)
{
	const short flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (count > 1 ? IFF_MULTI_QUEUE : 0);

	for (unsigned int i = 0; i < count; i++) {
		queues[i] = open_queue(name, i == 0 ? (short)(flags | IFF_TUN_EXCL) : flags, err);
		if (queues[i] < 0) {
			int status = queues[i];

			close_queues(queues, i);
			return status;
		}
	}
	return 0;
}

/* Its own kernel is to say nothing through it: no address, not even a link-local one. */
static void be_quiet(int netlink, uint32_t tap)
{
	const struct ifinfomsg head = { .ifi_index = (int)tap };
	const unsigned char none = IN6_ADDR_GEN_MODE_NONE;
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWLINK, 0, &head, sizeof(head));
	size_t families = netlink_nest(&request, IFLA_AF_SPEC);
	size_t inet6 = netlink_nest(&request, AF_INET6);
	netlink_put(&request, IFLA_INET6_ADDR_GEN_MODE, &none, sizeof(none));
	netlink_end(&request, inet6);
	netlink_end(&request, families);
	/* Fails where the kernel has no IPv6: as good. */
	netlink_call(netlink, &request, NULL, NULL);
}

static int configure_tap(int netlink, uint32_t tap, const struct net_interface *interface,
	const char *owner, struct error *err)
{
	const struct ifinfomsg head = {
		.ifi_index = (int)tap, .ifi_flags = IFF_UP, .ifi_change = IFF_UP
	};
	struct netlink_request request;

	be_quiet(netlink, tap);
	netlink_begin(&request, RTM_NEWLINK, 0, &head, sizeof(head));
	netlink_put(&request, IFLA_MTU, &interface->mtu, sizeof(interface->mtu));
	netlink_put(&request, IFLA_IFALIAS, owner, strlen(owner));
	int status = netlink_call(netlink, &request, NULL, NULL);
	return status < 0 ? error_set(err, -status, "bring the tap of %s up", interface->name) : 0;
}

/* ---- redirection ---------------------------------------------------------------------------- */

static int change_discipline(int netlink, uint32_t index, uint16_t type, uint16_t flags)
{
	const struct tcmsg head = {
		.tcm_ifindex = (int)index, .tcm_parent = TC_H_INGRESS, .tcm_handle = INGRESS
	};
	struct netlink_request request;

	netlink_begin(&request, type, flags, &head, sizeof(head));
	netlink_put(&request, TCA_KIND, "ingress", sizeof("ingress"));
	return netlink_call(netlink, &request, NULL, NULL);
}

/* A filter without keys matches every packet. */
static int add_filter(int netlink, uint32_t from, uint32_t to)
{
	const struct tcmsg head = {
		.tcm_ifindex = (int)from,
		.tcm_parent = INGRESS,
		.tcm_info = TC_H_MAKE(PRIORITY << 16, htons(ETH_P_ALL)),
	};
	const struct tc_u32_sel every = { .flags = TC_U32_TERMINAL };
	const struct tc_mirred redirect = {
		.action = TC_ACT_STOLEN, .eaction = TCA_EGRESS_REDIR, .ifindex = to
	};
	struct netlink_request request;

	netlink_begin(&request, RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	netlink_put(&request, TCA_KIND, "u32", sizeof("u32"));
	size_t options = netlink_nest(&request, TCA_OPTIONS);
	netlink_put(&request, TCA_U32_SEL, &every, sizeof(every));
	size_t actions = netlink_nest(&request, TCA_U32_ACT);
	size_t first = netlink_nest(&request, 1);
	netlink_put(&request, TCA_ACT_KIND, "mirred", sizeof("mirred"));
	size_t parameters = netlink_nest(&request, TCA_ACT_OPTIONS);
	netlink_put(&request, TCA_MIRRED_PARMS, &redirect, sizeof(redirect));
	netlink_end(&request, parameters);
	netlink_end(&request, first);
	netlink_end(&request, actions);
	netlink_end(&request, options);
	return netlink_call(netlink, &request, NULL, NULL);
}

struct filters {
	unsigned int ours, others;
};

static int count_filter(const struct nlmsghdr *message, void *data)
{
	struct filters *filters = data;
	struct tcmsg head;

	if (message->nlmsg_type != RTM_NEWTFILTER ||
		message->nlmsg_len < NLMSG_LENGTH(sizeof(head)))
		return 0;
	memcpy(&head, NLMSG_DATA(message), sizeof(head));
	if (TC_H_MAJ(head.tcm_info) >> 16 == PRIORITY)
		filters->ours++;
	else
		filters->others++;
	return 0;
}

/* Returns true where all that an interface's ingress discipline holds is of a virtual machine. */
static bool is_redirected(int netlink, uint32_t index)
{
	const struct tcmsg head = { .tcm_ifindex = (int)index, .tcm_parent = INGRESS };
	struct filters filters = { 0 };
	struct netlink_request request;

	netlink_begin(&request, RTM_GETTFILTER, NLM_F_DUMP, &head, sizeof(head));
	return netlink_call(netlink, &request, count_filter, &filters) == 0 && filters.ours > 0 &&
		filters.others == 0;
}

static const struct net_tap *find_tap(const struct net_namespace *namespace, uint32_t target)
{
	for (size_t i = 0; i < namespace->n_taps; i++) {
		if (namespace->taps[i].target == target)
			return &namespace->taps[i];
	}
	return NULL;
}

/* What a machine that was killed left is taken away first; the name of the tap is ours already. */
static int add_discipline(int netlink, const struct net_interface *interface, struct error *err)
{
	const uint16_t flags = NLM_F_CREATE | NLM_F_EXCL;
	int status = change_discipline(netlink, interface->index, RTM_NEWQDISC, flags);

	if (status == -EEXIST && is_redirected(netlink, interface->index)) {
		change_discipline(netlink, interface->index, RTM_DELQDISC, 0);
		status = change_discipline(netlink, interface->index, RTM_NEWQDISC, flags);
	}
	if (status == -EEXIST)
		return error_say(err, EEXIST,
			"interface %s has an ingress queueing discipline of somebody else's ('tc "
			"qdisc del dev %s ingress' removes it), which a virtual machine needs",
			interface->name, interface->name);
	if (status < 0)
		return error_set(err, -status,
			"add an ingress queueing discipline to interface %s%s", interface->name,
			status == -ENOENT || status == -EOPNOTSUPP
				? " ('modprobe sch_ingress' may be needed)"
				: "");
	return 0;
}

static int redirect(
	int netlink, uint32_t tap, const struct net_interface *interface, struct error *err)
{
	int status = change_discipline(netlink, tap, RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);

	if (status == 0)
		status = add_filter(netlink, tap, interface->index);
	if (status == 0)
		status = add_filter(netlink, interface->index, tap);
	if (status < 0)
		return error_set(err, -status, "redirect interface %s to its tap%s",
			interface->name,
			status == -ENOENT || status == -EOPNOTSUPP
				? " ('modprobe cls_u32' and 'modprobe act_mirred' may be needed)"
				: "");
	return 0;
}

int net_redirect_make(int netlink, const struct net_namespace *namespace,
	const struct net_interface *interface, const char *owner, unsigned int n_queues,
	int *ret_queues, struct error *err)
{
	char name[IFNAMSIZ];
	const struct net_tap *taken = find_tap(namespace, interface->index);

	snprintf(name, sizeof(name), NET_TAP_PREFIX "%x", interface->index);
	if (taken != NULL)
		return error_say(err, EBUSY, "interface %s belongs to the virtual machine of %s",
			interface->name, taken->owner);
	int status = open_queues(name, n_queues, ret_queues, err);
	if (status < 0)
		return status;
	uint32_t tap = if_nametoindex(name);
	status = configure_tap(netlink, tap, interface, owner, err);
	if (status < 0)
		goto fail;
	status = add_discipline(netlink, interface, err);
	if (status < 0)
		goto fail;
	status = redirect(netlink, tap, interface, err);
	if (status == 0)
		return 0;
	change_discipline(netlink, interface->index, RTM_DELQDISC, 0);
fail:
	close_queues(ret_queues, n_queues);
	return status;
}

static int delete_tap(int netlink, uint32_t index)
{
	const struct ifinfomsg head = { .ifi_index = (int)index };
	struct netlink_request request;

	netlink_begin(&request, RTM_DELLINK, 0, &head, sizeof(head));
	int status = netlink_call(netlink, &request, NULL, NULL);
	return status == -ENODEV ? 0 : status;
}

int net_redirect_remove(
	int netlink, const struct net_namespace *namespace, const char *owner, struct error *err)
{
	const struct net_description *description = &namespace->description;
	int status = 0;

	/* Interfaces first: what a tap's name says is gone with the tap. */
	for (size_t i = 0; i < description->n_interfaces && status == 0; i++) {
		const struct net_interface *interface = &description->interfaces[i];
		const struct net_tap *tap = find_tap(namespace, interface->index);

		if ((tap != NULL && strcmp(tap->owner, owner) != 0) ||
			!is_redirected(netlink, interface->index))
			continue;
		status = change_discipline(netlink, interface->index, RTM_DELQDISC, 0);
		if (status < 0)
			return error_set(err, -status, "end the redirection of interface %s",
				interface->name);
	}
	for (size_t i = 0; i < namespace->n_taps && status == 0; i++) {
		if (strcmp(namespace->taps[i].owner, owner) == 0)
			status = delete_tap(netlink, namespace->taps[i].index);
	}
	return status < 0 ? error_set(err, -status, "remove a tap interface") : 0;
}
