/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is handed to a monitor: a Unix socket in the container's state directory takes the queues of
 * taps (network.h) and makes network cards of them, takes the listening socket of connections
 * inside the namespace (net_forward.h), and passes on what asks for another size (growth.h). The
 * sender may be `start`, while the guest waits at its gate, or whoever adds an interface later;
 * `update`.
 */
#pragma once

struct cards;
struct error;
struct growth;
struct growth_request;
struct growth_size;
struct guest;
struct loop;
struct vm_nic;

/*
 * The monitor's side: serves `listener` (a listening SOCK_SEQPACKET socket, taken over on success).
 * `ret` is given back by cards_free(), before the guest.
 */
int cards_new(struct loop *loop, struct guest *guest, struct growth *growth, int listener,
	struct cards **ret, struct error *err);
void cards_free(struct cards *cards);

/*
 * The other side: hands a card over on a connection to that socket and waits for the answer.
 * *ret_slot is the device slot that the agent has to bind. The queues stay the caller's to close.
 */
int cards_send(int connection, const struct vm_nic *nic, unsigned int *ret_slot, struct error *err);

/* Hands over what forwards connections inside the namespace (net_forward.h), in the same way. */
int cards_send_forward(int connection, int listener, int rules, struct error *err);

/*
 * Asks for another size, or for what it is. Errors: the monitor's, where the machine cannot be as
 * large; *ret is not set then.
 */
int cards_send_growth(int connection, const struct growth_request *request, struct growth_size *ret,
	struct error *err);
