/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the machine share; nobody else includes this. */
#pragma once

#include <stdatomic.h>

#include "runtime/vm/monitor/machine.h"
#include "runtime/vm/monitor/memory.h"
#include "runtime/vm/monitor/slots.h"
#include "runtime/vm/monitor/vcpu.h"
#include "runtime/vm/x86/ports.h"

struct x86_cpuid;

struct machine {
	struct machine_options options;
	struct loop *loop;
	struct memory memory;
	struct accel *accel;
	struct x86_cpuid *cpuid; /* filtered; the ids are written in for each processor */
	struct slots slots;
	struct serial serial;
	struct ports ports;

	struct vcpu *cpus; /* options.cpus_max of them */
	unsigned int cpu_count;
	uint64_t first_run;

	/* How it ended: written by the first thread that claims it, before end_fd is written. */
	atomic_bool end_claimed;
	enum machine_end end;
	char end_message[256];
	int end_fd;
	struct loop_source *end_source;
	machine_end_function on_end;
	void *data;
};

/* Makes the next processor, which has no thread yet. */
int machine_make_cpu(struct machine *machine, struct error *err);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t machine_now(void);
