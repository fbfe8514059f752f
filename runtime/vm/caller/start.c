/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `start` does for a virtual machine before the gate opens: whatever interfaces the
 * container's network namespace has by now become the guest's. Callers add them before create, in
 * its hooks, or between create and start: one look, at the end of all that, sees every one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent/protocol.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "runtime/container.h"
#include "runtime/vm/control/ask.h"
#include "runtime/vm/control/message.h"
#include "runtime/vm/network/cards.h"
#include "runtime/vm/network/network.h"
#include "runtime/vm/plan/size.h"
#include "runtime/vm/vm.h"

#define QUEUES_MAX 4 /* more do not make a card faster, and each is a thread */

static int open_namespace(const struct container *container, struct error *err)
{
	char path[64];
	/* The pid cannot be anybody else's while the process is there, and `start` holds the lock.
	 */
	_cleanup_close_ int pidfd = process_open(&container->state.init, err);

	if (pidfd < 0)
		return pidfd;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)container->state.init.pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_set(err, errno, "open the container's network namespace") : fd;
}

static int hand_over(const struct container *container, const struct vm_network *network,
	unsigned int *slots, struct error *err)
{
	if (network->n_nics == 0 && network->forward_listener < 0)
		return 0;
	_cleanup_close_ int connection = control_connect(container->dir, err);
	if (connection < 0)
		return connection;
	for (size_t i = 0; i < network->n_nics; i++) {
		int status = cards_send(connection, &network->nics[i], &slots[i], err);

		if (status < 0)
			return error_prefix(err, "network card %s", network->nics[i].name);
	}
	if (network->forward_listener < 0)
		return 0;
	const struct control_request request = { .kind = CONTROL_FORWARD };
	const int fds[] = { network->forward_listener, network->forward_rules };
	struct control_answer answer;
	return control_ask(connection, &request, fds, 2, &answer, err);
}

/* What comes beyond the slots that the guest was told of would be a card that nobody sees. */
static int check_number(const struct vm_network *network, struct error *err)
{
	if (network->n_nics <= VM_CARDS_MAX)
		return 0;
	return error_say(err, E2BIG,
		"the network namespace has %zu interfaces: a virtual machine gets %d at most",
		network->n_nics, VM_CARDS_MAX);
}

static int configure_guest(struct container *container, const struct vm_network *network,
	const unsigned int *slots, struct error *err)
{
	_cleanup_(protocol_message_free) struct protocol_message answer = { 0 };
	struct json_writer writer;
	int status = protocol_begin(&writer, "op", "network", err);

	if (status < 0)
		return status;
	json_write_string_member(&writer, "description", network->description);
	json_write_array_member(&writer, "slots");
	for (size_t i = 0; i < network->n_nics; i++)
		json_write_uint(&writer, slots[i]);
	json_write_end(&writer);
	return vm_request(container, &writer, NULL, 0, VM_AGENT_TIMEOUT_MS, &answer, err);
}

int vm_start(struct container *container, struct error *err)
{
	_cleanup_(vm_network_free) struct vm_network network = VM_NETWORK_INIT;
	int status = container_load_config(container, err);
	if (status < 0)
		return status;
	_cleanup_close_ int netns = open_namespace(container, err);
	/*
	 * An ordinary user may not look into a process that has gone into a user namespace of its
	 * own; nor could anybody with no more rights have put an interface there.
	 */
	if (netns == -EACCES && container->runtime->rootless) {
		if (err != NULL)
			*err = ERROR_INIT;
		return 0;
	}
	if (netns < 0)
		return netns;
	unsigned int queues = vm_size(&container->config, container->runtime->vm).cpus;

	/* A start that failed half way may have claimed some already. */
	status = vm_network_scan(netns, container->state.id, true,
		queues < QUEUES_MAX ? queues : QUEUES_MAX, &network, err);
	if (status < 0 || !network.has_interfaces)
		return status;
	_cleanup_free_ unsigned int *slots = calloc(network.n_nics + 1, sizeof(*slots));
	if (slots == NULL)
		return error_set(err, ENOMEM, "list the network cards");
	status = check_number(&network, err);
	if (status == 0)
		status = hand_over(container, &network, slots, err);
	if (status == 0)
		status = configure_guest(container, &network, slots, err);
	return status < 0 ? error_prefix(err, "network of the virtual machine") : 0;
}

/* A namespace that was joined outlives the monitor; its taps do not. */
int vm_release(struct container *container, struct error *err)
{
	if (container_load_config(container, NULL) < 0)
		return 0;
	const char *path = container->config.linux.namespaces[OCI_NAMESPACE_NETWORK].path;
	_cleanup_close_ int netns = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -EBADF;

	/* Nothing was made where creation refused what is no network namespace. */
	if (netns >= 0 && ioctl(netns, NS_GET_NSTYPE) != CLONE_NEWNET)
		return 0;
	return vm_network_remove(netns, container->state.id, err);
}
