/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/network/network.h"

#include <errno.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/netlink.h"
#include "lib/socket.h"
#include "runtime/vm/network/net_forward.h"
#include "runtime/vm/network/net_inspect.h"
#include "runtime/vm/network/net_redirect.h"

#define CHUNK 16384

struct order {
	int netns;
	const char *owner;
	bool remove, again;
	unsigned int n_queues;
};

/* What the helper says first; then come the network cards, then the description's text. */
struct report {
	struct error error; /* errnum 0: none */
	bool has_interfaces, forwards;
	size_t n_nics, length;
};

void vm_network_free(struct vm_network *network)
{
	for (size_t i = 0; i < network->n_nics; i++) {
		for (unsigned int q = 0; q < network->nics[i].n_queues; q++)
			close_fd(network->nics[i].queues[q]);
	}
	free(network->nics);
	free(network->description);
	close_fd(network->forward_listener);
	close_fd(network->forward_rules);
	*network = VM_NETWORK_INIT;
}

/* ---- the helper's side ---------------------------------------------------------------------- */

/* An ordinary user has rights over the namespace by way of the user namespace that owns it. */
static int enter(int netns, struct error *err)
{
	if (setns(netns, CLONE_NEWNET) == 0)
		return 0;
	if (errno != EPERM)
		return error_set(err, errno, "enter the container's network namespace");
	_cleanup_close_ int user = ioctl(netns, NS_GET_USERNS);
	if (user < 0 || setns(user, CLONE_NEWUSER) < 0 || setns(netns, CLONE_NEWNET) < 0)
		return error_set(err, errno,
			"enter the container's network namespace through the user namespace that "
			"owns it");
	return 0;
}

static int check_claims(
	const struct net_namespace *namespace, const struct order *order, struct error *err)
{
	for (size_t i = 0; i < namespace->n_taps; i++) {
		const char *owner = namespace->taps[i].owner;

		if (!order->again || strcmp(owner, order->owner) != 0)
			return error_say(err, EBUSY,
				"the network namespace belongs to the virtual machine of container "
				"%s: a second one needs a namespace of its own (pods in one "
				"virtual "
				"machine are not there yet)",
				owner);
	}
	return 0;
}

static bool has_tap(const struct net_namespace *namespace, uint32_t index)
{
	for (size_t i = 0; i < namespace->n_taps; i++) {
		if (namespace->taps[i].target == index)
			return true;
	}
	return false;
}

static int claim(int netlink, const struct net_namespace *namespace, const struct order *order,
	struct vm_network *network, struct error *err)
{
	for (size_t i = 0; i < namespace->description.n_interfaces; i++) {
		const struct net_interface *interface = &namespace->description.interfaces[i];

		if (has_tap(namespace, interface->index))
			continue;
		struct vm_nic *nic = net_append(&network->nics, &network->n_nics, sizeof(*nic));
		if (nic == NULL)
			return error_set(err, ENOMEM, "list the network cards");
		memcpy(nic->name, interface->name, sizeof(nic->name));
		memcpy(nic->mac, interface->mac, sizeof(nic->mac));
		nic->mtu = interface->mtu;
		int status = net_redirect_make(netlink, namespace, interface, order->owner,
			order->n_queues, nic->queues, err);
		if (status < 0)
			return status;
		nic->n_queues = order->n_queues;
	}
	return 0;
}

/* The redirection of what a failed scan had claimed: its taps went with their queues. */
static void clear_leftovers(int netlink)
{
	_cleanup_(net_namespace_free) struct net_namespace namespace = { 0 };

	if (net_inspect(netlink, &namespace, NULL) == 0)
		net_redirect_remove(netlink, &namespace, "", NULL);
}

static int scan(int netlink, const struct net_namespace *namespace, const struct order *order,
	struct vm_network *network, struct error *err)
{
	int status = check_claims(namespace, order, err);

	if (status == 0)
		status = net_description_write(&namespace->description, &network->description, err);
	network->has_interfaces = namespace->description.n_interfaces > 0;
	if (status < 0)
		return status;
	status = claim(netlink, namespace, order, network, err);
	/* A help to some callers, which need not be there. */
	if (status == 0 && network->has_interfaces)
		net_forward_make(&network->forward_listener, &network->forward_rules, NULL);
	if (status < 0) {
		vm_network_free(network);
		clear_leftovers(netlink);
	}
	return status;
}

static int carry_out(const struct order *order, struct vm_network *network, struct error *err)
{
	_cleanup_(net_namespace_free) struct net_namespace namespace = { 0 };
	int status = enter(order->netns, err);

	if (status < 0)
		return status;
	_cleanup_close_ int netlink = netlink_open(err);
	if (netlink < 0)
		return netlink;
	status = net_inspect(netlink, &namespace, err);
	if (status < 0)
		return status;
	if (order->remove)
		return net_redirect_remove(netlink, &namespace, order->owner, err);
	return scan(netlink, &namespace, order, network, err);
}

static int send_result(int channel, const struct report *report, const struct vm_network *network)
{
	struct error err = ERROR_INIT;
	const int forward[] = { network->forward_listener, network->forward_rules };
	int status = socket_send_fds(
		channel, report, sizeof(*report), forward, report->forwards ? 2 : 0, &err);

	for (size_t i = 0; i < network->n_nics && status == 0; i++)
		status = socket_send_fds(channel, &network->nics[i], sizeof(*network->nics),
			network->nics[i].queues, network->nics[i].n_queues, &err);
	for (size_t at = 0; at < report->length && status == 0; at += CHUNK) {
		size_t left = report->length - at;

		status = socket_send_fds(channel, network->description + at,
			left < CHUNK ? left : CHUNK, NULL, 0, &err);
	}
	return status;
}

_Noreturn static void help(const struct order *order, int channel, pid_t parent)
{
	struct report report = { .error = ERROR_INIT };
	struct vm_network network = VM_NETWORK_INIT;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (carry_out(order, &network, &report.error) == 0) {
		report.has_interfaces = network.has_interfaces;
		report.forwards = network.forward_listener >= 0;
		report.n_nics = network.n_nics;
		report.length = network.description != NULL ? strlen(network.description) : 0;
	} else {
		vm_network_free(&network);
	}
	_exit(send_result(channel, &report, &network) < 0);
}

/* ---- the caller's side ---------------------------------------------------------------------- */

/* Packets keep their borders: each is received whole. */
static int receive(int channel, void *data, size_t size, int *fds, size_t *n_fds, struct error *err)
{
	ssize_t received = socket_receive_fds(channel, data, size, fds, n_fds, err);

	if (received < 0)
		return (int)received;
	if ((size_t)received == size)
		return 0;
	while (fds != NULL && *n_fds > 0)
		close(fds[--*n_fds]);
	return error_say(err, EPIPE, "the process that sets up the network ended unexpectedly");
}

static int receive_nic(int channel, struct vm_network *network, struct error *err)
{
	int queues[VM_NIC_QUEUES_MAX];
	size_t n_queues = VM_NIC_QUEUES_MAX;
	struct vm_nic *nic = net_append(&network->nics, &network->n_nics, sizeof(*nic));

	if (nic == NULL)
		return error_set(err, ENOMEM, "list the network cards");
	int status = receive(channel, nic, sizeof(*nic), queues, &n_queues, err);
	nic->n_queues = 0;
	if (status < 0)
		return status;
	memcpy(nic->queues, queues, sizeof(queues[0]) * n_queues);
	nic->n_queues = (unsigned int)n_queues;
	return 0;
}

static int receive_description(
	int channel, size_t length, struct vm_network *network, struct error *err)
{
	size_t none = 0;

	if (length > JSON_MAX_SIZE)
		return error_say(err, E2BIG, "the network namespace has too many routes");
	network->description = calloc(1, length + 1);
	if (network->description == NULL)
		return error_set(err, ENOMEM, "describe the network");
	for (size_t at = 0; at < length; at += CHUNK) {
		size_t left = length - at;
		int status = receive(channel, network->description + at,
			left < CHUNK ? left : CHUNK, NULL, &none, err);

		if (status < 0)
			return status;
	}
	return 0;
}

static int receive_result(int channel, struct vm_network *network, struct error *err)
{
	struct report report;
	int forward[2];
	size_t n_forward = 2;
	int status = receive(channel, &report, sizeof(report), forward, &n_forward, err);

	if (status < 0)
		return status;
	if (n_forward == 2) {
		network->forward_listener = forward[0];
		network->forward_rules = forward[1];
	}
	if (report.error.errnum != 0)
		return error_say(err, report.error.errnum, "%s", report.error.message);
	network->has_interfaces = report.has_interfaces;
	for (size_t i = 0; i < report.n_nics && status == 0; i++)
		status = receive_nic(channel, network, err);
	return status < 0 ? status : receive_description(channel, report.length, network, err);
}

static void wait_for(pid_t helper)
{
	while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
		;
}

static int run_helper(const struct order *order, struct vm_network *ret, struct error *err)
{
	struct vm_network network = VM_NETWORK_INIT;
	pid_t parent = getpid();
	int channel[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
		return error_set(
			err, errno, "make a channel to the process that sets up the network");
	pid_t helper = fork();
	if (helper == 0) {
		close(channel[0]);
		help(order, channel[1], parent);
	}
	int failure = errno;
	close(channel[1]);
	if (helper < 0) {
		close(channel[0]);
		return error_set(err, failure, "start the process that sets up the network");
	}
	int status = receive_result(channel[0], &network, err);
	close(channel[0]);
	wait_for(helper);
	if (status < 0) {
		vm_network_free(&network);
		return status;
	}
	*ret = network;
	return 0;
}

int vm_network_scan(int netns, const char *owner, bool again, unsigned int n_queues,
	struct vm_network *ret, struct error *err)
{
	const struct order order = {
		.netns = netns, .owner = owner, .again = again, .n_queues = n_queues
	};

	if (n_queues == 0 || n_queues > VM_NIC_QUEUES_MAX || *owner == '\0' ||
		strlen(owner) >= NET_OWNER_MAX)
		return error_say(
			err, EINVAL, "network cards with %u queues of \"%s\"", n_queues, owner);
	return run_helper(&order, ret, err);
}

int vm_network_remove(int netns, const char *owner, struct error *err)
{
	const struct order order = { .netns = netns, .owner = owner, .remove = true };
	struct vm_network nothing = VM_NETWORK_INIT;

	if (netns < 0)
		return 0;
	int status = run_helper(&order, &nothing, err);
	vm_network_free(&nothing);
	return status;
}
