/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/x86/serial.h"

#include <errno.h>
#include <unistd.h>

enum {
	REGISTER_DATA, /* divisor low with DLAB */
	REGISTER_INTERRUPT_ENABLE,
	REGISTER_INTERRUPT_ID, /* FIFO control when written */
	REGISTER_LINE_CONTROL,
	REGISTER_MODEM_CONTROL,
	REGISTER_LINE_STATUS,
	REGISTER_MODEM_STATUS,
	REGISTER_SCRATCH,
};

#define IER_TRANSMITTER_EMPTY 0x02
#define IIR_NONE 0x01
#define IIR_TRANSMITTER_EMPTY 0x02
#define IIR_FIFO 0xc0
#define FCR_ENABLE 0x01
#define LCR_DIVISOR 0x80
#define MCR_LOOPBACK 0x10
#define LSR_TRANSMITTER_EMPTY 0x60 /* holding and shift register */
#define MSR_READY 0xb0		   /* carrier, data set ready, clear to send */

static void raise_transmitter_empty(struct serial *serial)
{
	uint64_t one = 1;

	if (!(serial->interrupt_enable & IER_TRANSMITTER_EMPTY))
		return;
	serial->transmitter_empty_pending = true;
	/* A full counter is as good as one more: the line is raised either way. */
	if (serial->irq >= 0 && write(serial->irq, &one, sizeof(one)) < 0 && errno != EAGAIN)
		return;
}

uint8_t serial_read(struct serial *serial, unsigned int offset)
{
	bool divisor = serial->line_control & LCR_DIVISOR;
	uint8_t value;

	switch (offset) {
	case REGISTER_DATA:
		return divisor ? serial->divisor_low : 0;
	case REGISTER_INTERRUPT_ENABLE:
		return divisor ? serial->divisor_high : serial->interrupt_enable;
	case REGISTER_INTERRUPT_ID:
		value = serial->transmitter_empty_pending ? IIR_TRANSMITTER_EMPTY : IIR_NONE;
		serial->transmitter_empty_pending = false;
		return value | (serial->fifo ? IIR_FIFO : 0);
	case REGISTER_LINE_CONTROL:
		return serial->line_control;
	case REGISTER_MODEM_CONTROL:
		return serial->modem_control;
	case REGISTER_LINE_STATUS:
		return LSR_TRANSMITTER_EMPTY;
	case REGISTER_MODEM_STATUS:
		/* In loopback the driver looks for its own modem lines: RTS as CTS, DTR as DSR. */
		if (serial->modem_control & MCR_LOOPBACK)
			return (uint8_t)((serial->modem_control & 0x02) << 3 |
				(serial->modem_control & 0x01) << 5 |
				(serial->modem_control & 0x0c) << 4);
		return MSR_READY;
	case REGISTER_SCRATCH:
		return serial->scratch;
	default:
		return 0xff;
	}
}

static void write_data(struct serial *serial, uint8_t value)
{
	if (!(serial->modem_control & MCR_LOOPBACK) && serial->output != NULL)
		serial->output(&value, 1, serial->data);
	raise_transmitter_empty(serial);
}

void serial_write(struct serial *serial, unsigned int offset, uint8_t value)
{
	bool divisor = serial->line_control & LCR_DIVISOR;

	switch (offset) {
	case REGISTER_DATA:
		if (divisor)
			serial->divisor_low = value;
		else
			write_data(serial, value);
		break;
	case REGISTER_INTERRUPT_ENABLE:
		if (divisor) {
			serial->divisor_high = value;
			break;
		}
		serial->interrupt_enable = value & 0x0f;
		raise_transmitter_empty(serial);
		break;
	case REGISTER_INTERRUPT_ID:
		serial->fifo = value & FCR_ENABLE;
		break;
	case REGISTER_LINE_CONTROL:
		serial->line_control = value;
		break;
	case REGISTER_MODEM_CONTROL:
		serial->modem_control = value & 0x1f;
		break;
	case REGISTER_SCRATCH:
		serial->scratch = value;
		break;
	}
}
