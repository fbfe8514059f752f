/* SPDX-License-Identifier: Apache-2.0 */
/* vm boot: a virtual machine for people and tests, without any container. */
#include "cmd/vm_boot.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/vm/monitor/confine.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/monitor/machine.h"
#include "runtime/vm/virtio/console_log.h"
#include "runtime/vm/x86/layout.h"

#define MEMORY_DEFAULT 256
#define COMMAND_LINE_MAX 2048
#define DRAIN_MILLISECONDS 2000
/* By then a guest on a real processor has booted, unless it is busy with something. */
#define PATIENCE_NS UINT64_C(5000000000)

struct run {
	const struct vm_boot *boot;
	struct loop *loop;
	struct machine *machine;
	struct vm_console console;
	struct loop_source *patience;
	int kvm;
	enum machine_end end;
	char message[256];
	uint64_t started; /* CLOCK_MONOTONIC, ns */
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static void on_end(enum machine_end end, const char *message, void *data)
{
	struct run *run = data;

	run->end = end;
	snprintf(run->message, sizeof(run->message), "%s", message);
	loop_stop(run->loop);
}

/*
 * On a KVM that only emulates, a kernel fails in the end, but may take minutes for that. Asking
 * before the start would cost each guest some milliseconds.
 */
static void on_patience(void *data)
{
	struct run *run = data;
	struct error reason = ERROR_INIT;

	if (accel_probe(run->kvm, &reason) == 0)
		log_warning("%s", reason.message);
}

/*
 * What a guest without firmware needs to be told: how it switches off, that its clock is good. With
 * one processor that stays the only one, locks need not be patched.
 */
static int make_command_line(const struct vm_boot *boot, char *line, size_t size, struct error *err)
{
	int n = snprintf(line, size,
		"console=%s %spanic=-1 reboot=k,f tsc=reliable no_timer_check "
		"rcupdate.rcu_expedited=1 %s%s",
		boot->serial ? "ttyS0" : "hvc0", boot->verbose ? "" : "quiet ",
		boot->cpus_max == 1 ? "noreplace-smp " : "",
		boot->append != NULL ? boot->append : "");

	if (n < 0 || (size_t)n >= size)
		return error_say(err, E2BIG, "--append is too long: at most about %zu bytes", size);
	return 0;
}

static void print_stats(struct run *run, const struct vm_files *files, uint64_t ended)
{
	static const char *const names[ACCEL_EXIT_REASONS] = { "kick", "io", "mmio", "halt",
		"shutdown", "event", "failure" };
	struct machine_stats stats;
	uint64_t instructions;
	struct error err = ERROR_INIT;

	if (machine_get_stats(run->machine, &stats, &err) < 0) {
		cli_fail(&err);
		return;
	}
	fprintf(stderr, "first run after %.3f ms, end after %.3f ms\n",
		(double)(stats.first_run - run->started) / 1e6,
		(double)(ended - run->started) / 1e6);
	fprintf(stderr, "touched 4 KiB pages: %" PRIu64 "\n", stats.touched_pages);
	if (read(files->instructions, &instructions, sizeof(instructions)) ==
			sizeof(instructions) &&
		instructions != 0)
		fprintf(stderr, "guest instructions: %" PRIu64 "\n", instructions);
	else
		fprintf(stderr, "guest instructions: not counted by this processor\n");
	fprintf(stderr, "exits:");
	for (size_t i = 0; i < ACCEL_EXIT_REASONS; i++)
		fprintf(stderr, " %s %" PRIu64, names[i], stats.exits[i]);
	fprintf(stderr, "\nKVM's counts:");
	for (unsigned int i = 0; i < stats.counter_count; i++)
		fprintf(stderr, " %s %" PRIu64, stats.counters[i].name, stats.counters[i].value);
	fprintf(stderr, "\nmonitor memory: %" PRIu64 " KiB\n", stats.monitor_bytes >> 10);
}

/* A guest that could not go on may be on a KVM that only emulates: then that is what to say. */
static void explain_failure(const struct vm_files *files, struct error *err)
{
	struct error reason = ERROR_INIT;

	if (accel_probe(files->kvm, &reason) == 0)
		error_prefix(err, "%s", reason.message);
}

static int report(const struct run *run, const struct vm_files *files, struct error *err)
{
	switch (run->end) {
	case MACHINE_RESET:
	case MACHINE_POWER_OFF:
		if (run->console.panic[0] == '\0')
			return 0;
		return error_say(err, EIO, "the guest's kernel gave up: %s", run->console.panic);
	case MACHINE_SHUTDOWN:
		return error_say(err, EIO,
			"the guest reset itself by a triple fault (reboot=t, or a crash)");
	default:
		error_say(err, EIO, "%s", run->message);
		explain_failure(files, err);
		return -EIO;
	}
}

static int run_machine(struct run *run, struct vm_files *files, struct error *err)
{
	const struct vm_boot *boot = run->boot;
	const struct machine_options options = {
		.kvm = files->kvm,
		.memory = (uint64_t)boot->memory << 20,
		.cpus = boot->cpus,
		.cpus_max = boot->cpus_max,
		.spare_slots = boot->spare_slots,
		.large_pages = !boot->small_pages,
		.acpi = boot->acpi,
		.serial = boot->serial ? files->console : -EBADF,
		.confine = true,
	};
	char line[COMMAND_LINE_MAX];
	uint64_t ended;

	run->kvm = files->kvm;
	int r = make_command_line(boot, line, sizeof(line), err);

	if (r < 0)
		return r;
	r = machine_new(run->loop, &options, on_end, run, &run->machine, err);
	if (r >= 0)
		r = vm_devices_attach(boot, files, run->loop, run->machine, &run->console, err);
	if (r >= 0)
		r = loop_add_timer(run->loop, on_patience, run, &run->patience, err);
	if (r >= 0)
		r = loop_set_timer(run->patience, PATIENCE_NS);
	if (r >= 0)
		r = confine_main_thread(err);
	if (r >= 0)
		r = machine_start(run->machine, files->kernel, files->initrd, line, err);
	if (r >= 0)
		r = loop_run(run->loop, err);
	if (r < 0)
		return r;
	ended = now();
	if (boot->stats)
		print_stats(run, files, ended);
	return report(run, files, err);
}

static int boot_machine(const struct vm_boot *boot, uint64_t started, struct error *err)
{
	struct run run = { .boot = boot, .started = started };
	struct vm_files files = VM_FILES_INIT;
	int r = vm_files_open(boot, &files, err);

	/* Shares are served with the caller's rights over files, and no others. */
	if (r >= 0)
		r = boot->shares.count == 0 ? confine_drop_capabilities(err)
					    : confine_keep_file_capabilities(err);
	if (r >= 0)
		r = loop_new(&run.loop, err);
	if (r >= 0)
		r = run_machine(&run, &files, err);
	machine_free(run.machine);
	console_log_free(run.console.log, DRAIN_MILLISECONDS);
	loop_free(run.loop);
	vm_files_close(&files, boot);
	return r;
}

static int check_boot(const struct vm_boot *boot, struct error *err)
{
	if (boot->kernel == NULL)
		return error_say(err, EINVAL,
			"--kernel FILE is missing ('make guest-kernel' builds "
			"build/guest/vmlinux)");
	if (boot->memory == 0 || boot->memory % 2 != 0)
		return error_say(err, EINVAL, "--memory %u: an even number of MiB", boot->memory);
	if (boot->cpus == 0 || boot->cpus > X86_CPUS_MAX)
		return error_say(
			err, EINVAL, "--cpus %u: 1 to %u are possible", boot->cpus, X86_CPUS_MAX);
	if (boot->cpus_max < boot->cpus || boot->cpus_max > X86_CPUS_MAX)
		return error_say(err, EINVAL, "--cpus-max %u: %u (--cpus) to %u are possible",
			boot->cpus_max, boot->cpus, X86_CPUS_MAX);
	if (boot->spare_slots > X86_VIRTIO_SLOTS)
		return error_say(err, EINVAL, "--spare-slots %u: a machine has %u slots in all",
			boot->spare_slots, X86_VIRTIO_SLOTS);
	return 0;
}

static const struct command command_boot = {
	.name = "vm boot",
	.arguments = "[options] --kernel FILE",
	.summary = "boot a kernel in a virtual machine and show its console",
};

static int run_boot(int argc, char **argv)
{
	uint64_t started = now();
	struct vm_boot boot = { .memory = MEMORY_DEFAULT, .cpus = 1 };
	const struct cli_option options[] = {
		{ "kernel", 'k', "FILE", "vmlinux or bzImage", CLI_STRING, &boot.kernel },
		{ "initrd", 'i', "FILE", "initial RAM file system", CLI_STRING, &boot.initrd },
		{ "append", 'a', "TEXT", "more of the kernel's command line", CLI_STRING,
			&boot.append },
		{ "memory", 'm', "MIB", "memory (256)", CLI_NUMBER, &boot.memory },
		{ "cpus", 'c', "N", "processors (1)", CLI_NUMBER, &boot.cpus },
		{ "cpus-max", 0, "N", "processors that may come later", CLI_NUMBER,
			&boot.cpus_max },
		{ "spare-slots", 0, "N", "empty device slots that the guest is told of", CLI_NUMBER,
			&boot.spare_slots },
		{ "disk", 'd', "FILE[,ro]", "a disk; repeatable", CLI_LIST, &boot.disks },
		{ "share", 's', "DIR[,TAG][,ro][,auto|,always]",
			"a directory over virtio-fs; repeatable", CLI_LIST, &boot.shares },
		{ "tap", 't', "IF[,QUEUES][,vhost]",
			"a network card on a tap interface; repeatable", CLI_LIST, &boot.taps },
		{ "vsock", 'v', "PATH", "socket that leads to the guest's ports", CLI_STRING,
			&boot.vsock },
		{ "console", 0, "FILE", "where the console's output goes (stdout)", CLI_STRING,
			&boot.console },
		{ "serial", 0, NULL, "the console is the serial port: early log", CLI_FLAG,
			&boot.serial },
		{ "acpi", 0, NULL, "describe the machine by ACPI: for Debian's kernel", CLI_FLAG,
			&boot.acpi },
		{ "small-pages", 0, NULL, "hold less memory, boot slower", CLI_FLAG,
			&boot.small_pages },
		{ "rng", 0, NULL, "a source of random bytes", CLI_FLAG, &boot.rng },
		{ "balloon", 0, NULL, "free memory of the guest goes back to the host", CLI_FLAG,
			&boot.balloon },
		{ "verbose", 0, NULL, "the whole kernel log", CLI_FLAG, &boot.verbose },
		{ "stats", 0, NULL, "print counts and times at the end", CLI_FLAG, &boot.stats },
	};
	struct error err = ERROR_INIT;
	int status;
	int first = cli_parse(
		&command_boot, options, CLI_COUNT(options), argc, argv, 0, 0, &status);

	if (first < 0)
		return status;
	if (boot.cpus_max == 0)
		boot.cpus_max = boot.cpus;
	status = check_boot(&boot, &err);
	if (status >= 0)
		status = boot_machine(&boot, started, &err);
	free(boot.disks.items);
	free(boot.shares.items);
	free(boot.taps.items);
	return status < 0 ? cli_fail(&err) : EXIT_SUCCESS;
}

static int run_probe(void)
{
	struct error err = ERROR_INIT;
	_cleanup_close_ int device = accel_open_device(&err);

	if (device < 0 || accel_probe(device, &err) <= 0)
		return cli_fail(&err);
	puts("KVM runs guests on this processor");
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_vm(struct cli *cli, int argc, char **argv)
{
	int status;
	int first = cli_parse(&command_vm, NULL, 0, argc, argv, 1, -1, &status);

	(void)cli;
	if (first < 0)
		return status;
	if (strcmp(argv[first], "boot") == 0)
		return run_boot(argc - first, argv + first);
	if (strcmp(argv[first], "probe") == 0 && argc == first + 1)
		return run_probe();
	return cli_usage(&command_vm, "%s: not boot or probe", argv[first]);
}

const struct command command_vm = {
	.name = "vm",
	.arguments = "boot [options] --kernel FILE | probe",
	.summary = "boot a kernel in a virtual machine, or see whether KVM really works here",
	.run = run_vm,
	.options_first = true,
};
