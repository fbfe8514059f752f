/* SPDX-License-Identifier: Apache-2.0 */
/* Another size for the machine of a container that runs, on the caller's side (growth.h). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct container;
struct error;

/* What a machine was asked to be before. */
struct vm_size_before {
	uint64_t plug, hold;
	bool changed;
};

/*
 * Has the guest take on `memory` bytes in all (a multiple of 2 MiB) and `cpus` processors at least,
 * 0 for as it is, and waits until it has, as long as it gets nearer. Memory above what it was
 * booted with is plugged and unplugged; what it cannot be freed of in this way, and what is below,
 * the balloon holds. Processors that were added stay.
 *
 * *ret_before is for vm_resize_undo(), also after a failure. Errors: -ERANGE beyond what the
 * machine was made for, -EBUSY where the guest does not give so much back, -ENOMEM where it does
 * not take it.
 */
int vm_resize(struct container *container, uint64_t memory, unsigned int cpus,
	struct vm_size_before *ret_before, struct error *err);

/* Asks for what was before, and waits for nothing. */
void vm_resize_undo(struct container *container, const struct vm_size_before *before);
