/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first serial port, an 8250/16550A as far as a kernel's early console and its driver use it
 * (National Semiconductor PC16550D data sheet): output only, every byte is taken at once. What is
 * typed is the virtio console's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct serial {
	int irq; /* eventfd tied to the port's interrupt line, or negative */
	void (*output)(const uint8_t *bytes, size_t count, void *data);
	void *data;
	uint8_t divisor_low, divisor_high;
	uint8_t interrupt_enable, line_control, modem_control, scratch;
	bool transmitter_empty_pending;
	bool fifo;
};

/* One access to register `offset` (0 to 7); the caller serialises. */
uint8_t serial_read(struct serial *serial, unsigned int offset);
void serial_write(struct serial *serial, unsigned int offset, uint8_t value);
