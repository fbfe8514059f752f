/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network cards for a guest that runs: the caller's side hands the queues of a tap (network.h) over
 * through the monitor's control socket, the monitor's side makes a device of them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct control_card;
struct error;
struct guest;
struct vm_nic;

/*
 * The monitor's side: attaches a card whose `n_fds` descriptors are as control_card says, and takes
 * them with take_fd() where they are the device's or gone with it. *ret_slot is the device slot
 * that the agent has to bind.
 */
int cards_attach(struct guest *guest, const struct control_card *card, int *fds, size_t n_fds,
	uint32_t *ret_slot, struct error *err);

/*
 * The caller's side: hands a card over on a connection (control_connect()), with vhost-net where
 * the caller may use that, and gets its slot. The queues stay the caller's to close.
 */
int cards_send(int connection, const struct vm_nic *nic, unsigned int *ret_slot, struct error *err);
