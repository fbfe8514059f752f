/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a guest's machine gets larger and smaller while it runs, on the monitor's side: memory beyond
 * what it was booted with is plugged by virtio-mem, memory that it is to do without is held by a
 * firm balloon, processors are added. The devices come with the first request, so that a guest that
 * stays as it is pays nothing.
 *
 * The monitor only asks: a guest follows as it can, and says how far it is. Who waits for that is
 * the caller's side (resize.h).
 */
#pragma once

#include <stdint.h>

#include "runtime/vm/plan/size.h"

struct error;
struct growth;
struct guest;
struct loop;

/* Bytes; slots are the N of virtio-mmio.N, negative as long as there is no such device. */
struct growth_size {
	struct vm_size machine; /* what the guest was booted with, but for cpus: it has them now */
	uint64_t plugged, plug_target; /* what the guest has by now, and what it is to have */
	uint64_t held, hold_target;    /* the same of the balloon */
	int plug_slot, balloon_slot;
};

/* What the machine is to become (bytes as in growth_size). */
struct growth_request {
	uint64_t plug, hold;
	uint32_t cpus; /* at least so many; they do not get fewer */
};

/* Of a guest that was booted with `booted`. `ret` is given back by growth_free(). */
int growth_new(struct loop *loop, struct guest *guest, const struct vm_size *booted,
	struct growth **ret, struct error *err);
void growth_free(struct growth *growth);

/* Asks it of the guest. An error is what cannot be asked of it at all. */
int growth_change(struct growth *growth, const struct growth_request *request, struct error *err);

/* How large the machine is by now. */
struct growth_size growth_get_size(const struct growth *growth);
