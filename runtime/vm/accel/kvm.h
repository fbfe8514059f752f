/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the KVM accelerator share; nobody else includes this.
 */
#pragma once

#include <linux/kvm.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "runtime/vm/accel/accel.h"
#include "runtime/vm/accel/state.h"

struct accel {
	int vm;
	bool pit;
	size_t run_size; /* bytes of a vCPU's shared page and what follows it */
	struct accel_features features;
	uint32_t msr_count;
	uint32_t msrs[ACCEL_MSRS_MAX]; /* what a save asks for */
};

struct accel_vcpu {
	const struct accel *accel;
	int fd;
	size_t run_size;
	struct kvm_run *run;
	char message[160]; /* of the last ACCEL_EXIT_FAILURE */
};

/* Fills ret->message and reason for an exit that cannot be gone on from. */
void kvm_describe_failure(struct accel_vcpu *vcpu, struct accel_exit *ret);
