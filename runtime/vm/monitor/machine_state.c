/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/monitor/machine_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/accel/accel.h"
#include "runtime/vm/monitor/machine_internal.h"

static void save_serial(const struct serial *serial, struct machine_serial_state *ret)
{
	*ret = (struct machine_serial_state){
		.divisor_low = serial->divisor_low,
		.divisor_high = serial->divisor_high,
		.interrupt_enable = serial->interrupt_enable,
		.line_control = serial->line_control,
		.modem_control = serial->modem_control,
		.scratch = serial->scratch,
		.transmitter_empty_pending = serial->transmitter_empty_pending,
		.fifo = serial->fifo,
	};
}

static void restore_serial(struct serial *serial, const struct machine_serial_state *state)
{
	serial->divisor_low = state->divisor_low;
	serial->divisor_high = state->divisor_high;
	serial->interrupt_enable = state->interrupt_enable;
	serial->line_control = state->line_control;
	serial->modem_control = state->modem_control;
	serial->scratch = state->scratch;
	serial->transmitter_empty_pending = state->transmitter_empty_pending != 0;
	serial->fifo = state->fifo != 0;
}

int machine_save(struct machine *machine, struct machine_state **ret, struct error *err)
{
	_cleanup_free_ struct machine_state *state = calloc(
		1, sizeof(*state) + machine->cpu_count * sizeof(state->cpus[0]));
	int r = 0;

	if (state == NULL)
		return error_set(err, ENOMEM, "save a machine");
	state->cpu_count = machine->cpu_count;
	state->slots_used = machine->slots.used;
	/* The devices first: what they still end raises interrupts. */
	for (unsigned int i = 0; i < machine->slots.used; i++)
		virtio_mmio_save(&machine->slots.slots[i].mmio, &state->slots[i]);
	for (unsigned int i = 0; r >= 0 && i < machine->cpu_count; i++)
		r = accel_vcpu_get_state(machine->cpus[i].accel, &state->cpus[i], err);
	if (r >= 0)
		r = accel_get_state(machine->accel, &state->vm, err);
	if (r < 0)
		return r;
	save_serial(&machine->serial, &state->serial);
	*ret = take_ptr(&state);
	return 0;
}

int machine_continue(struct machine *machine, struct error *err)
{
	for (unsigned int i = 0; i < machine->slots.used; i++)
		if (virtio_mmio_continue(&machine->slots.slots[i].mmio) < 0)
			return error_say(err, EIO, "the device in slot %u does not go on", i);
	return 0;
}

static int check_shape(
	const struct machine *machine, const struct machine_state *state, struct error *err)
{
	if (machine->cpu_count != 0 || state->cpu_count == 0 ||
		state->cpu_count > machine->options.cpus_max)
		return error_say(err, EINVAL,
			"a saved machine of %" PRIu32 " processors in one of at most %u",
			state->cpu_count, machine->options.cpus_max);
	if (state->slots_used != machine->slots.used)
		return error_say(err, EINVAL, "a saved machine of %" PRIu32 " devices in one of %u",
			state->slots_used, machine->slots.used);
	return 0;
}

int machine_restore(struct machine *machine, const struct machine_state *state, struct error *err)
{
	int r = check_shape(machine, state, err);

	for (unsigned int i = 0; r >= 0 && i < state->cpu_count; i++)
		r = machine_make_cpu(machine, err);
	if (r >= 0)
		r = accel_set_state(machine->accel, &state->vm, err);
	for (unsigned int i = 0; r >= 0 && i < state->cpu_count; i++)
		r = accel_vcpu_set_state(machine->cpus[i].accel, &state->cpus[i], err);
	restore_serial(&machine->serial, &state->serial);
	for (unsigned int i = 0; r >= 0 && i < machine->slots.used; i++)
		if (virtio_mmio_restore(&machine->slots.slots[i].mmio, &state->slots[i]) < 0)
			r = error_say(err, EINVAL, "the device in slot %u is not the saved one", i);
	machine->first_run = machine_now();
	for (unsigned int i = 0; r >= 0 && i < machine->cpu_count; i++)
		r = vcpu_start(&machine->cpus[i], true, err);
	return r;
}
