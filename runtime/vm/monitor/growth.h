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

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"
#include "runtime/vm/plan/size.h"

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

/* A message on the monitor's socket (cards.h). */
struct growth_request {
	char word[8]; /* GROWTH_WORD */
	bool set;     /* false: only the answer is wanted */
	uint64_t plug, hold;
	unsigned int cpus; /* at least so many; they do not get fewer */
};

struct growth_answer {
	struct growth_size size;
	struct error error; /* errnum 0: none */
};

#define GROWTH_WORD "growth"

/* Of a guest that was booted with `booted`. `ret` is given back by growth_free(). */
int growth_new(struct loop *loop, struct guest *guest, const struct vm_size *booted,
	struct growth **ret, struct error *err);
void growth_free(struct growth *growth);

/* Whether a message of `length` bytes is a request. */
bool growth_is_request(const void *message, ssize_t length);

/* Carries it out. What cannot be asked of the guest at all is in the answer's error. */
void growth_serve(
	struct growth *growth, const struct growth_request *request, struct growth_answer *ret);
