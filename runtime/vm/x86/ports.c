/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/x86/ports.h"

#include <string.h>

#include "runtime/vm/x86/layout.h"

#define PORT_SYSTEM_CONTROL_B 0x61
#define PORT_KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define PORT_RESET_CONTROL 0xcf9
#define RESET_CPU 0x04
#define SERIAL_REGISTERS 8

/* ACPI 6.5, 4.8.3.7 "Sleep control register". */
#define SLEEP_ENABLE 0x20
#define SLEEP_TYPE(value) (((value) >> 2) & 7)

void ports_init(struct ports *ports, struct serial *serial)
{
	pthread_mutex_init(&ports->lock, NULL);
	ports->serial = serial;
}

void ports_fini(struct ports *ports)
{
	pthread_mutex_destroy(&ports->lock);
}

static bool is_serial(const struct ports *ports, uint16_t port)
{
	return ports->serial != NULL && port >= X86_SERIAL_PORT &&
		port < X86_SERIAL_PORT + SERIAL_REGISTERS;
}

enum ports_event ports_write(
	struct ports *ports, uint16_t port, unsigned int size, uint32_t count, const uint8_t *data)
{
	if (count == 0)
		return PORTS_NOTHING;
	if (is_serial(ports, port)) {
		pthread_mutex_lock(&ports->lock);
		for (uint32_t i = 0; i < count; i++)
			serial_write(ports->serial, port - X86_SERIAL_PORT, data[i * size]);
		pthread_mutex_unlock(&ports->lock);
		return PORTS_NOTHING;
	}
	switch (port) {
	case PORT_KEYBOARD_COMMAND:
		return data[0] == KEYBOARD_RESET ? PORTS_RESET : PORTS_NOTHING;
	case PORT_RESET_CONTROL:
		return data[0] & RESET_CPU ? PORTS_RESET : PORTS_NOTHING;
	case X86_ACPI_SLEEP_CONTROL_PORT:
		return data[0] & SLEEP_ENABLE && SLEEP_TYPE(data[0]) == X86_ACPI_S5_TYPE
			? PORTS_POWER_OFF
			: PORTS_NOTHING;
	default:
		return PORTS_NOTHING;
	}
}

void ports_read(
	struct ports *ports, uint16_t port, unsigned int size, uint32_t count, uint8_t *data)
{
	uint8_t value = 0xff;

	memset(data, 0xff, (size_t)size * count);
	switch (port) {
	case PORT_SYSTEM_CONTROL_B:
	case PORT_KEYBOARD_COMMAND: /* no input, ready for a command */
	case PORT_RESET_CONTROL:
	case X86_ACPI_SLEEP_CONTROL_PORT:
	case X86_ACPI_SLEEP_STATUS_PORT:
		value = 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (is_serial(ports, port)) {
			pthread_mutex_lock(&ports->lock);
			value = serial_read(ports->serial, port - X86_SERIAL_PORT);
			pthread_mutex_unlock(&ports->lock);
		}
		data[(size_t)i * size] = value;
		/* A wide read of a port that answers 0 must not look like a device's ones. */
		if (value == 0)
			memset(data + (size_t)i * size, 0, size);
	}
}
