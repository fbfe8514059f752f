/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/monitor/machine_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/boot/load.h"
#include "runtime/vm/monitor/confine.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/x86/cpuid.h"
#include "runtime/vm/x86/firmware.h"
#include "runtime/vm/x86/layout.h"

uint64_t machine_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* From any thread: the guest has ended. The first one counts. */
static void claim_end(struct machine *machine, enum machine_end end, const char *message)
{
	uint64_t one = 1;

	if (atomic_exchange(&machine->end_claimed, true))
		return;
	machine->end = end;
	if (message != NULL)
		snprintf(machine->end_message, sizeof(machine->end_message), "%s", message);
	/* Fails for a counter at its limit only, which a single write cannot reach. */
	if (write(machine->end_fd, &one, sizeof(one)) < 0)
		return;
}

static void on_end_event(uint32_t events, void *data)
{
	struct machine *machine = data;

	(void)events;
	loop_remove(machine->end_source);
	machine->end_source = NULL;
	machine->on_end(machine->end, machine->end_message, machine->data);
}

static void serial_output(const uint8_t *bytes, size_t count, void *data)
{
	struct machine *machine = data;

	/*
	 * A slow reader slows the guest down, whose every byte this is: the port is for a person
	 * who looks for a fault. A kick interrupts it.
	 */
	if (write(machine->options.serial, bytes, count) < 0)
		return;
}

static bool access_port(struct machine *machine, const struct accel_exit *access)
{
	if (!access->write) {
		ports_read(
			&machine->ports, access->port, access->size, access->count, access->data);
		return true;
	}
	switch (ports_write(
		&machine->ports, access->port, access->size, access->count, access->data)) {
	case PORTS_RESET:
		claim_end(machine, MACHINE_RESET, NULL);
		return false;
	case PORTS_POWER_OFF:
		claim_end(machine, MACHINE_POWER_OFF, NULL);
		return false;
	case PORTS_NOTHING:
		break;
	}
	return true;
}

static bool on_access(const struct accel_exit *access, void *data)
{
	struct machine *machine = data;

	if (access->reason == ACCEL_EXIT_IO)
		return access_port(machine, access);
	if (access->write)
		slots_write(&machine->slots, access->gpa, access->data, access->size);
	else
		slots_read(&machine->slots, access->gpa, access->data, access->size);
	return true;
}

static void on_cpu_end(
	unsigned int id, enum accel_exit_reason reason, const char *message, void *data)
{
	struct machine *machine = data;
	char text[256];

	switch (reason) {
	case ACCEL_EXIT_SHUTDOWN:
		claim_end(machine, MACHINE_SHUTDOWN, NULL);
		return;
	case ACCEL_EXIT_EVENT:
		claim_end(machine, MACHINE_RESET, NULL);
		return;
	default:
		snprintf(text, sizeof(text), "processor %u: %s", id,
			message != NULL ? message : "halted for ever");
		claim_end(machine, MACHINE_FAILED, text);
	}
}

static int on_confine(void *data, struct error *err)
{
	const struct machine *machine = data;

	return machine->options.confine ? confine_thread(CONFINE_VCPU, err) : 0;
}

static const struct vcpu_operations operations = {
	.access = on_access,
	.end = on_cpu_end,
	.confine = on_confine,
};

static int make_cpuid(struct machine *machine, struct error *err)
{
	struct x86_cpuid_options options = {
		.cpus_max = machine->options.cpus_max,
		.tsc_deadline = accel_features(machine->accel)->tsc_deadline,
	};
	int r;

	machine->cpuid = malloc(sizeof(*machine->cpuid));
	if (machine->cpuid == NULL)
		return error_set(err, ENOMEM, "make a machine");
	r = accel_supported_cpuid(machine->options.kvm, machine->cpuid, err);
	if (r >= 0)
		x86_cpuid_filter(machine->cpuid, &options);
	return r;
}

/* Tells the accelerator of the guest's memory from region `first` on. */
static int show_memory(struct machine *machine, unsigned int first, struct error *err)
{
	const struct guest_memory *guest = &machine->memory.guest;

	for (unsigned int i = first; i < guest->count; i++) {
		const struct guest_memory_region *region = &guest->regions[i];
		int r = accel_set_memory(
			machine->accel, i, region->gpa, region->size, region->host, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int set_memory(struct machine *machine, struct error *err)
{
	int r = show_memory(machine, 0, err);

	if (r < 0)
		return r;
	/* The first slot behind those that memory may ever need. */
	slots_show(&machine->slots, machine->accel, GUEST_MEMORY_REGIONS_MAX);
	return 0;
}

static int set_up_end(struct machine *machine, struct error *err)
{
	machine->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (machine->end_fd < 0)
		return error_set(err, errno, "make a machine");
	return loop_add(machine->loop, machine->end_fd, EPOLLIN, on_end_event, machine,
		&machine->end_source, err);
}

static int set_up_serial(struct machine *machine, struct error *err)
{
	machine->serial.irq = -1;
	if (machine->options.serial < 0)
		return 0;
	machine->serial.output = serial_output;
	machine->serial.data = machine;
	machine->serial.irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (machine->serial.irq < 0)
		return error_set(err, errno, "make a serial port");
	machine->ports.serial = &machine->serial;
	return accel_irqfd(machine->accel, machine->serial.irq, X86_SERIAL_IRQ, true, err);
}

static int check_options(const struct machine_options *options, struct error *err)
{
	if (options->cpus == 0 || options->cpus > options->cpus_max ||
		options->cpus_max > X86_CPUS_MAX)
		return error_say(err, EINVAL, "%u processors of at most %u: 1 to %d are possible",
			options->cpus, options->cpus_max, X86_CPUS_MAX);
	return 0;
}

int machine_new(struct loop *loop, const struct machine_options *options,
	machine_end_function on_end, void *data, struct machine **ret, struct error *err)
{
	struct accel_options accel_options = { .cpus_max = options->cpus_max };
	struct machine *machine;
	int r = check_options(options, err);

	if (r < 0)
		return r;
	machine = calloc(1, sizeof(*machine));
	if (machine == NULL)
		return error_set(err, ENOMEM, "make a machine");
	machine->options = *options;
	machine->loop = loop;
	machine->on_end = on_end;
	machine->data = data;
	machine->end_fd = -EBADF;
	ports_init(&machine->ports, NULL);
	slots_init(&machine->slots);
	machine->cpus = calloc(options->cpus_max, sizeof(*machine->cpus));
	if (machine->cpus == NULL)
		r = error_set(err, ENOMEM, "make a machine");
	if (r >= 0)
		r = memory_new(&machine->memory, options->memory, options->memory_spare,
			options->large_pages, err);
	if (r >= 0)
		r = accel_new(options->kvm, &accel_options, &machine->accel, err);
	if (r >= 0)
		r = set_memory(machine, err);
	if (r >= 0)
		r = accel_create_controllers(machine->accel, err);
	if (r >= 0)
		r = make_cpuid(machine, err);
	if (r >= 0)
		r = vcpu_setup_signal(err);
	if (r >= 0)
		r = set_up_end(machine, err);
	if (r >= 0)
		r = set_up_serial(machine, err);
	if (r < 0) {
		machine_free(machine);
		return r;
	}
	*ret = machine;
	return 0;
}

void machine_free(struct machine *machine)
{
	if (machine == NULL)
		return;
	for (unsigned int i = 0; i < machine->cpu_count; i++)
		vcpu_destroy(&machine->cpus[i]);
	slots_fini(&machine->slots);
	loop_remove(machine->end_source);
	close_fd(machine->end_fd);
	if (machine->ports.serial != NULL)
		close_fd(machine->serial.irq);
	ports_fini(&machine->ports);
	accel_free(machine->accel);
	memory_free(&machine->memory);
	free(machine->cpuid);
	free(machine->cpus);
	free(machine);
}

const struct guest_memory *machine_memory(const struct machine *machine)
{
	return &machine->memory.guest;
}

int machine_open_spare(struct machine *machine, uint64_t *ret_gpa, struct error *err)
{
	unsigned int first = machine->memory.guest.count;
	int r = memory_open_spare(&machine->memory, err);

	if (r >= 0)
		r = show_memory(machine, first, err);
	if (r < 0)
		return r;
	slots_memory_added(&machine->slots);
	*ret_gpa = memory_spare_address(&machine->memory);
	return 0;
}

int machine_attach(struct machine *machine, struct virtio_device *device, unsigned int *ret_slot,
	struct error *err)
{
	return slots_attach(&machine->slots, machine->accel, device, ret_slot, err);
}

int machine_make_cpu(struct machine *machine, struct error *err)
{
	unsigned int id = machine->cpu_count;
	struct accel_vcpu *vcpu;
	int r;

	x86_cpuid_set_id(machine->cpuid, id);
	r = accel_vcpu_new(machine->accel, id, machine->cpuid, &vcpu, err);
	if (r < 0)
		return r;
	vcpu_init(&machine->cpus[id], id, vcpu, &operations, machine);
	machine->cpu_count++;
	return 0;
}

static int start_cpus(struct machine *machine, uint64_t entry, struct error *err)
{
	int r = 0;

	for (unsigned int i = 0; r >= 0 && i < machine->options.cpus; i++)
		r = machine_make_cpu(machine, err);
	if (r >= 0)
		r = accel_vcpu_set_entry(machine->cpus[0].accel, entry, err);
	if (r < 0)
		return r;
	machine->first_run = machine_now();
	for (unsigned int i = 0; r >= 0 && i < machine->cpu_count; i++)
		r = vcpu_start(&machine->cpus[i], false, err);
	return r;
}

int machine_start(struct machine *machine, int kernel, int initrd, const char *command_line,
	struct error *err)
{
	struct boot_loaded loaded;
	struct x86_firmware firmware = {
		.memory = machine->options.memory,
		.cpus = machine->options.cpus,
		.cpus_max = machine->options.cpus_max,
		.slots = machine->slots.used + machine->options.spare_slots,
		.acpi = machine->options.acpi,
		.serial = machine->options.serial >= 0,
		.command_line = command_line,
		.loaded = &loaded,
	};
	int r = boot_load(&machine->memory, kernel, initrd, &loaded, err);

	if (r >= 0)
		r = x86_firmware_write(&machine->memory.guest, &firmware, err);
	if (r >= 0)
		r = start_cpus(machine, loaded.entry, err);
	return r;
}

int machine_add_cpus(struct machine *machine, unsigned int count, struct error *err)
{
	if (count > machine->options.cpus_max - machine->cpu_count)
		return error_say(err, EINVAL,
			"%u more processors: the machine has %u and was made for %u", count,
			machine->cpu_count, machine->options.cpus_max);
	for (; count > 0; count--) {
		int r = machine_make_cpu(machine, err);

		if (r >= 0)
			r = vcpu_start(&machine->cpus[machine->cpu_count - 1], false, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void machine_pause(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->cpu_count; i++)
		vcpu_park(&machine->cpus[i]);
	for (unsigned int i = 0; i < machine->cpu_count; i++)
		vcpu_wait_parked(&machine->cpus[i]);
}

void machine_resume(struct machine *machine)
{
	for (unsigned int i = 0; i < machine->cpu_count; i++)
		vcpu_resume(&machine->cpus[i], true);
}

/* Resident pages of the process: the second number of /proc/self/statm. */
static int resident_pages(uint64_t *ret, struct error *err)
{
	char text[128] = "";
	_cleanup_close_ int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return error_set(err, errno, "read /proc/self/statm");
	if (sscanf(text, "%*u %" SCNu64, ret) != 1)
		return error_say(err, EPROTO, "/proc/self/statm is not understood: %s", text);
	return 0;
}

/* An accel_counter_function. */
static void add_counter(const char *name, uint64_t value, void *data)
{
	struct machine_stats *stats = data;
	unsigned int i = 0;

	while (i < stats->counter_count &&
		strncmp(stats->counters[i].name, name, sizeof(stats->counters[i].name) - 1) != 0)
		i++;
	if (i == MACHINE_COUNTERS_MAX)
		return;
	if (i == stats->counter_count) {
		snprintf(stats->counters[i].name, sizeof(stats->counters[i].name), "%s", name);
		stats->counter_count++;
	}
	stats->counters[i].value += value;
}

int machine_get_stats(struct machine *machine, struct machine_stats *ret, struct error *err)
{
	struct machine_stats stats = { .first_run = machine->first_run };
	uint64_t resident = 0;
	int r;

	for (unsigned int i = 0; i < machine->cpu_count; i++)
		for (unsigned int reason = 0; reason < ACCEL_EXIT_REASONS; reason++)
			stats.exits[reason] += atomic_load(&machine->cpus[i].exits[reason]);
	r = memory_count_touched(&machine->memory, &stats.touched_pages, err);
	for (unsigned int i = 0; r >= 0 && i < machine->cpu_count; i++)
		r = accel_vcpu_counters(machine->cpus[i].accel, add_counter, &stats, err);
	if (r >= 0)
		r = resident_pages(&resident, err);
	if (r < 0)
		return r;
	if (resident > stats.touched_pages)
		stats.monitor_bytes = (resident - stats.touched_pages) * X86_PAGE_SIZE;
	*ret = stats;
	return 0;
}
