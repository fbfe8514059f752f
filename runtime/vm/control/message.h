/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is said on the monitor's control socket (VM_CONTROL in the container's state directory, mode
 * 0600): one request of a fixed size with its descriptors beside it, one answer. Both ends are this
 * program, perhaps of another version.
 */
#pragma once

#include <stdint.h>

#include "lib/error.h"
#include "runtime/vm/monitor/growth.h"
#include "runtime/vm/network/net_description.h"

/* Raised with every change of the structs below: a monitor lives on when the program is replaced.
 */
#define CONTROL_VERSION 1u

enum control_kind {
	CONTROL_CARD,	 /* makes a network card of a tap's queues */
	CONTROL_FORWARD, /* takes the listener and the rules of net_forward.h */
	CONTROL_SIZE,	 /* says how large the machine is */
	CONTROL_GROW,	 /* makes it larger or smaller, and says how far it is */
	CONTROL_KINDS
};

/* The descriptors: the queues of its tap, then as many of /dev/vhost-net or none of these. */
struct control_card {
	unsigned char mac[NET_MAC_SIZE];
	uint32_t mtu;
	uint32_t n_queues;
};

struct control_request {
	uint32_t version;
	uint32_t kind; /* enum control_kind */
	union {
		struct control_card card;
		struct growth_request growth; /* CONTROL_GROW */
	};
};

/* The error comes first: it is understood by programs of other versions, too. */
struct control_answer {
	struct error error; /* errnum 0: none, and what follows is valid */
	union {
		uint32_t slot;		 /* CONTROL_CARD: of the device, for the agent to bind */
		struct growth_size size; /* CONTROL_SIZE, CONTROL_GROW */
	};
};
