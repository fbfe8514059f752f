/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's network: cards that come late, and what they are given. */
#pragma once

#include <stddef.h>

struct error;

/*
 * Gives the guest the interfaces and routes of `description` (JSON, net_description.h). `slots` are
 * those of network cards that came after the boot: virtio-mmio.N of each is bound first. Waits a
 * bounded time for cards that are not there yet.
 */
int network_apply(
	const char *description, const unsigned int *slots, size_t n_slots, struct error *err);
