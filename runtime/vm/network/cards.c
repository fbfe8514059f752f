/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/network/cards.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/socket.h"
#include "runtime/vm/monitor/growth.h"
#include "runtime/vm/monitor/guest.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/network/forward.h"
#include "runtime/vm/network/network.h"
#include "runtime/vm/virtio/device.h"
#include "runtime/vm/virtio/net.h"
#include "runtime/vm/virtio/vhost_net.h"

#define ANSWER_WAIT_MS 10000

struct answer {
	unsigned int slot;
	struct error error; /* errnum 0: none */
};

struct cards {
	struct loop *loop;
	struct guest *guest;
	struct growth *growth;
	int listener, connection; /* one sender at a time: others wait in the listener's queue */
	struct loop_source *listening, *connected;
	struct forward *forward; /* NULL: nothing is forwarded */
};

#define FORWARD_WORD "forward" /* the message that comes with a listener and its rules */

static void close_connection(struct cards *cards)
{
	loop_remove(cards->connected);
	cards->connected = NULL;
	cards->connection = close_fd(cards->connection);
}

/* `fds`: the queues of the card's tap, and as many of /dev/vhost-net, or none of these. */
static int attach(struct cards *cards, const struct vm_nic *nic, const int *fds, size_t n_fds,
	unsigned int *ret_slot, struct error *err)
{
	struct net_options options = {
		.fds = fds,
		.vhost = n_fds > nic->n_queues ? fds + nic->n_queues : NULL,
		.pairs = nic->n_queues,
		.mtu = nic->mtu <= UINT16_MAX ? (uint16_t)nic->mtu : 0,
	};
	struct virtio_device *device;

	memcpy(options.mac, nic->mac, sizeof(options.mac));
	int status = virtio_net_new(guest_memory_of(cards->guest), &options, &device, err);
	if (status < 0) {
		for (size_t i = 0; i < n_fds; i++)
			close_fd(fds[i]);
		return status;
	}
	return guest_attach(cards->guest, device, ret_slot, err);
}

static bool is_forward(const void *message, ssize_t received, size_t n_fds)
{
	return received == sizeof(FORWARD_WORD) && n_fds == 2 &&
		memcmp(message, FORWARD_WORD, sizeof(FORWARD_WORD)) == 0;
}

/* The first is the one: a rule can be there once. */
static void take_forward(struct cards *cards, const int *fds, struct error *err)
{
	if (cards->forward != NULL ||
		forward_new(cards->loop, cards->guest, fds[0], fds[1], &cards->forward, err) < 0) {
		close_fd(fds[0]);
		close_fd(fds[1]);
	}
}

/* An answer that cannot be sent has nobody who waits for it. */
static void reply(struct cards *cards, const void *answer, size_t size)
{
	if (send(cards->connection, answer, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		close_connection(cards);
}

static void take_card(struct cards *cards, const struct vm_nic *nic, ssize_t received,
	const int *fds, size_t n_fds)
{
	struct answer answer = { .error = ERROR_INIT };

	if (is_forward(nic, received, n_fds)) {
		take_forward(cards, fds, &answer.error);
	} else if (received != sizeof(*nic) || n_fds == 0 ||
		(n_fds != nic->n_queues && n_fds != 2 * (size_t)nic->n_queues)) {
		while (n_fds > 0)
			close_fd(fds[--n_fds]);
		error_say(&answer.error, EPROTO,
			"the monitor does not understand: it is of another version of caisson");
	} else {
		attach(cards, nic, fds, n_fds, &answer.slot, &answer.error);
	}
	reply(cards, &answer, sizeof(answer));
}

static void on_message(uint32_t events, void *data)
{
	struct cards *cards = data;
	int fds[2 * VM_NIC_QUEUES_MAX];
	size_t n_fds = 2 * VM_NIC_QUEUES_MAX;
	struct growth_answer answer;
	union {
		struct vm_nic nic;
		struct growth_request growth;
	} message;

	(void)events;
	ssize_t received = socket_receive_fds(
		cards->connection, &message, sizeof(message), fds, &n_fds, NULL);
	if (received <= 0) {
		close_connection(cards);
	} else if (n_fds == 0 && growth_is_request(&message, received)) {
		growth_serve(cards->growth, &message.growth, &answer);
		reply(cards, &answer, sizeof(answer));
	} else {
		take_card(cards, &message.nic, received, fds, n_fds);
	}
}

static void on_sender(uint32_t events, void *data)
{
	struct cards *cards = data;

	(void)events;
	if (cards->connection >= 0)
		close_connection(cards);
	cards->connection = accept4(cards->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (cards->connection >= 0 &&
		loop_add(cards->loop, cards->connection, EPOLLIN, on_message, cards,
			&cards->connected, NULL) < 0)
		cards->connection = close_fd(cards->connection);
}

int cards_new(struct loop *loop, struct guest *guest, struct growth *growth, int listener,
	struct cards **ret, struct error *err)
{
	struct cards *cards = calloc(1, sizeof(*cards));

	if (cards == NULL)
		return error_set(err, ENOMEM, "listen for network cards");
	*cards = (struct cards){ .loop = loop,
		.guest = guest,
		.growth = growth,
		.listener = listener,
		.connection = -EBADF };
	int status = loop_add(loop, listener, EPOLLIN, on_sender, cards, &cards->listening, err);
	if (status < 0) {
		free(cards);
		return status;
	}
	*ret = cards;
	return 0;
}

void cards_free(struct cards *cards)
{
	if (cards == NULL)
		return;
	close_connection(cards);
	forward_free(cards->forward);
	loop_remove(cards->listening);
	close_fd(cards->listener);
	free(cards);
}

static int receive_answer(int connection, void *answer, size_t size, struct error *err)
{
	struct pollfd wait = { .fd = connection, .events = POLLIN };

	if (poll(&wait, 1, ANSWER_WAIT_MS) <= 0)
		return error_say(err, ETIMEDOUT,
			"the container's monitor did not answer within %d s",
			ANSWER_WAIT_MS / 1000);
	ssize_t length = recv(connection, answer, size, 0);
	if (length <= 0)
		return error_say(err, EPROTO, "the container's monitor is gone");
	return (size_t)length == size
		? 0
		: error_say(
			  err, EPROTO, "the container's monitor is of another version of caisson");
}

static int wait_for_answer(int connection, unsigned int *ret_slot, struct error *err)
{
	struct answer answer = { .error = ERROR_INIT };
	int status = receive_answer(connection, &answer, sizeof(answer), err);

	if (status < 0)
		return status;
	if (answer.error.errnum != 0)
		return error_say(err, answer.error.errnum, "%s", answer.error.message);
	*ret_slot = answer.slot;
	return 0;
}

/* Opens /dev/vhost-net for each queue. Returns how many: all, or none where it cannot be used. */
static unsigned int open_vhost(const struct vm_nic *nic, int *ret_fds)
{
	for (unsigned int i = 0; i < nic->n_queues; i++) {
		ret_fds[i] = vhost_net_open();
		if (ret_fds[i] < 0) {
			log_debug("vm: no /dev/vhost-net for %s: %s", nic->name,
				strerror(-ret_fds[i]));
			while (i > 0)
				close_fd(ret_fds[--i]);
			return 0;
		}
	}
	return nic->n_queues;
}

int cards_send(int connection, const struct vm_nic *nic, unsigned int *ret_slot, struct error *err)
{
	int fds[2 * VM_NIC_QUEUES_MAX];
	unsigned int n_vhost;
	int status;

	memcpy(fds, nic->queues, nic->n_queues * sizeof(fds[0]));
	n_vhost = open_vhost(nic, fds + nic->n_queues);
	status = socket_send_fds(connection, nic, sizeof(*nic), fds, nic->n_queues + n_vhost, err);
	for (unsigned int i = 0; i < n_vhost; i++)
		close_fd(fds[nic->n_queues + i]);
	return status < 0 ? status : wait_for_answer(connection, ret_slot, err);
}

int cards_send_forward(int connection, int listener, int rules, struct error *err)
{
	const int fds[] = { listener, rules };
	unsigned int none;
	int status = socket_send_fds(connection, FORWARD_WORD, sizeof(FORWARD_WORD), fds, 2, err);

	return status < 0 ? status : wait_for_answer(connection, &none, err);
}

int cards_send_growth(int connection, const struct growth_request *request, struct growth_size *ret,
	struct error *err)
{
	struct growth_answer answer = { .error = ERROR_INIT };

	if (send(connection, request, sizeof(*request), MSG_NOSIGNAL) < 0)
		return error_set(err, errno, "reach the container's monitor");
	int status = receive_answer(connection, &answer, sizeof(answer), err);
	if (status < 0)
		return status;
	if (answer.error.errnum != 0)
		return error_say(err, answer.error.errnum, "%s", answer.error.message);
	*ret = answer.size;
	return 0;
}
