/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's side of connections that are made inside its network namespace (net_forward.h):
 * each becomes a connection of vsock to the agent, which makes it one to the same port in the
 * guest.
 */
#pragma once

struct error;
struct forward;
struct guest;
struct loop;

/*
 * Serves `listener` and keeps `rules` open; both are taken over on success. `ret` is given back by
 * forward_free(), before the guest.
 */
int forward_new(struct loop *loop, struct guest *guest, int listener, int rules,
	struct forward **ret, struct error *err);
void forward_free(struct forward *forward);
