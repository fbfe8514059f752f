/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/cards.h"

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
#include "lib/socket.h"
#include "runtime/vm/forward.h"
#include "runtime/vm/guest.h"
#include "runtime/vm/loop.h"
#include "runtime/vm/network.h"
#include "runtime/vm/virtio/device.h"
#include "runtime/vm/virtio/net.h"

#define ANSWER_WAIT_MS 10000

struct answer {
	unsigned int slot;
	struct error error; /* errnum 0: none */
};

struct cards {
	struct loop *loop;
	struct guest *guest;
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

static int attach(struct cards *cards, const struct vm_nic *nic, const int *queues, size_t n_queues,
	unsigned int *ret_slot, struct error *err)
{
	struct net_options options = {
		.fds = queues,
		.pairs = (unsigned int)n_queues,
		.mtu = nic->mtu <= UINT16_MAX ? (uint16_t)nic->mtu : 0,
	};
	struct virtio_device *device;

	memcpy(options.mac, nic->mac, sizeof(options.mac));
	int status = virtio_net_new(guest_memory_of(cards->guest), &options, &device, err);
	if (status < 0) {
		for (size_t i = 0; i < n_queues; i++)
			close_fd(queues[i]);
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

static void on_card(uint32_t events, void *data)
{
	struct cards *cards = data;
	struct answer answer = { .error = ERROR_INIT };
	int queues[VM_NIC_QUEUES_MAX];
	size_t n_queues = VM_NIC_QUEUES_MAX;
	struct vm_nic nic;

	(void)events;
	ssize_t received = socket_receive_fds(
		cards->connection, &nic, sizeof(nic), queues, &n_queues, &answer.error);
	if (received <= 0) {
		close_connection(cards);
		return;
	}
	if (is_forward(&nic, received, n_queues)) {
		take_forward(cards, queues, &answer.error);
	} else if (received != sizeof(nic) || n_queues == 0) {
		while (n_queues > 0)
			close_fd(queues[--n_queues]);
		error_say(&answer.error, EPROTO,
			"the monitor does not understand: it is of another version of caisson");
	} else {
		attach(cards, &nic, queues, n_queues, &answer.slot, &answer.error);
	}
	/* An answer that cannot be sent has nobody who waits for it. */
	if (send(cards->connection, &answer, sizeof(answer), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		close_connection(cards);
}

static void on_sender(uint32_t events, void *data)
{
	struct cards *cards = data;

	(void)events;
	if (cards->connection >= 0)
		close_connection(cards);
	cards->connection = accept4(cards->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (cards->connection >= 0 &&
		loop_add(cards->loop, cards->connection, EPOLLIN, on_card, cards, &cards->connected,
			NULL) < 0)
		cards->connection = close_fd(cards->connection);
}

int cards_new(
	struct loop *loop, struct guest *guest, int listener, struct cards **ret, struct error *err)
{
	struct cards *cards = calloc(1, sizeof(*cards));

	if (cards == NULL)
		return error_set(err, ENOMEM, "listen for network cards");
	*cards = (struct cards){
		.loop = loop, .guest = guest, .listener = listener, .connection = -EBADF
	};
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

static int wait_for_answer(int connection, unsigned int *ret_slot, struct error *err)
{
	struct pollfd wait = { .fd = connection, .events = POLLIN };
	struct answer answer;

	if (poll(&wait, 1, ANSWER_WAIT_MS) <= 0)
		return error_say(err, ETIMEDOUT,
			"the container's monitor did not answer within %d s",
			ANSWER_WAIT_MS / 1000);
	if (recv(connection, &answer, sizeof(answer), 0) != sizeof(answer))
		return error_say(err, EPROTO, "the container's monitor is gone");
	if (answer.error.errnum != 0)
		return error_say(err, answer.error.errnum, "%s", answer.error.message);
	*ret_slot = answer.slot;
	return 0;
}

int cards_send(int connection, const struct vm_nic *nic, unsigned int *ret_slot, struct error *err)
{
	int status = socket_send_fds(
		connection, nic, sizeof(*nic), nic->queues, nic->n_queues, err);

	return status < 0 ? status : wait_for_answer(connection, ret_slot, err);
}

int cards_send_forward(int connection, int listener, int rules, struct error *err)
{
	const int fds[] = { listener, rules };
	unsigned int none;
	int status = socket_send_fds(connection, FORWARD_WORD, sizeof(FORWARD_WORD), fds, 2, err);

	return status < 0 ? status : wait_for_answer(connection, &none, err);
}
