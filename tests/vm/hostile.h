/* SPDX-License-Identifier: Apache-2.0 */
/* What the hostile guest (hostile.c) tells whoever sees its memory. */
#pragma once

#include <stdint.h>

#define HOSTILE_REPORT 0x11c00000   /* guest-physical address of a struct hostile_report */
#define HOSTILE_MEMORY (288u << 20) /* bytes that the guest needs at least */
#define HOSTILE_MAGIC UINT64_C(0x656c6974736f68)

struct hostile_report {
	uint64_t magic;
	uint64_t rounds;
	uint64_t started; /* devices that it brought up */
	uint64_t offered; /* chains that it put into rings */
	uint64_t good;	  /* times that the devices which it does not attack did their work */
	uint64_t failed;  /* times that they did not */
};
