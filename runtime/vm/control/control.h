/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What others may ask of a monitor while its guest runs, each request with the part of the monitor
 * that carries it out: `start` brings network cards (network/cards.h) and what forwards connections
 * (network/forward.h), `update` another size (monitor/growth.h).
 */
#pragma once

struct control;
struct error;
struct growth;
struct guest;
struct loop;

/*
 * Serves `listener` (server.h, taken over on success). `ret` is given back by
 * control_free(), before the guest and `growth`.
 */
int control_new(struct loop *loop, struct guest *guest, struct growth *growth, int listener,
	struct control **ret, struct error *err);
void control_free(struct control *control);
