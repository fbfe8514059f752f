/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/network/cards.h"

#include <errno.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/socket.h"
#include "runtime/vm/control/ask.h"
#include "runtime/vm/control/message.h"
#include "runtime/vm/monitor/guest.h"
#include "runtime/vm/network/network.h"
#include "runtime/vm/virtio/device.h"
#include "runtime/vm/virtio/net.h"
#include "runtime/vm/virtio/vhost_net.h"

_Static_assert(2 * VM_NIC_QUEUES_MAX <= SOCKET_MAX_FDS, "a card's descriptors fit one message");

int cards_attach(struct guest *guest, const struct control_card *card, int *fds, size_t n_fds,
	uint32_t *ret_slot, struct error *err)
{
	struct net_options options = {
		.confine = true,
		.fds = fds,
		.vhost = n_fds > card->n_queues ? fds + card->n_queues : NULL,
		.pairs = card->n_queues,
		.mtu = card->mtu <= UINT16_MAX ? (uint16_t)card->mtu : 0,
	};
	struct virtio_device *device;
	unsigned int slot;

	if (card->n_queues == 0 || card->n_queues > VM_NIC_QUEUES_MAX ||
		(n_fds != card->n_queues && n_fds != 2 * (size_t)card->n_queues))
		return error_say(err, EPROTO, "a network card of %u queues with %zu descriptors",
			card->n_queues, n_fds);
	memcpy(options.mac, card->mac, sizeof(options.mac));
	int status = virtio_net_new(guest_memory_of(guest), &options, &device, err);
	if (status < 0)
		return status;
	for (size_t i = 0; i < n_fds; i++)
		take_fd(&fds[i]);
	status = guest_attach(guest, device, &slot, err);
	if (status == 0)
		*ret_slot = slot;
	return status;
}

int cards_send(int connection, const struct vm_nic *nic, unsigned int *ret_slot, struct error *err)
{
	struct control_request request = {
		.kind = CONTROL_CARD,
		.card = { .mtu = nic->mtu, .n_queues = nic->n_queues },
	};
	struct control_answer answer;
	struct error why = ERROR_INIT;
	int fds[2 * VM_NIC_QUEUES_MAX];
	unsigned int n_vhost = nic->n_queues;

	memcpy(request.card.mac, nic->mac, sizeof(request.card.mac));
	memcpy(fds, nic->queues, nic->n_queues * sizeof(fds[0]));
	if (vhost_net_open_queues(nic->n_queues, fds + nic->n_queues, &why) < 0) {
		log_debug("vm: network card %s does without vhost-net: %s", nic->name, why.message);
		n_vhost = 0;
	}
	int status = control_ask(connection, &request, fds, nic->n_queues + n_vhost, &answer, err);
	for (unsigned int i = 0; i < n_vhost; i++)
		close_fd(fds[nic->n_queues + i]);
	if (status == 0)
		*ret_slot = answer.slot;
	return status;
}
