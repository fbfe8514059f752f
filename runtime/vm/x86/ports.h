/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The I/O ports that are left of a PC: the serial port (on request), the keyboard controller as far
 * as its reset line, the reset control register, the ACPI sleep register. Everything else reads as
 * ones and swallows what is written, as an empty bus does.
 *
 * Any number of vCPU threads may call.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "runtime/vm/x86/serial.h"

enum ports_event {
	PORTS_NOTHING,
	PORTS_RESET,	 /* the guest asks to be reset */
	PORTS_POWER_OFF, /* ... to be switched off */
};

struct ports {
	pthread_mutex_t lock;
	struct serial *serial; /* NULL: none */
};

void ports_init(struct ports *ports, struct serial *serial);
void ports_fini(struct ports *ports);

/*
 * `count` accesses of `size` (1, 2, 4) bytes each to `port`; `data` is size * count bytes. A wide
 * access is taken as its first byte, which is all that these devices have.
 */
enum ports_event ports_write(
	struct ports *ports, uint16_t port, unsigned int size, uint32_t count, const uint8_t *data);
void ports_read(
	struct ports *ports, uint16_t port, unsigned int size, uint32_t count, uint8_t *data);
