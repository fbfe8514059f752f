/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a processor holds: set before its first instruction, read and written by a snapshot. The
 * order of both follows what KVM's documentation and its other users found to matter: interrupt
 * state after the local APIC, the TSC-deadline MSR after the APIC and the TSC.
 */
#include "runtime/vm/accel/state.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/error.h"
#include "runtime/vm/accel/kvm.h"
#include "runtime/vm/x86/start.h"

#define MSR_TSC_DEADLINE 0x6e0

/* The kernel's list of registers ends in an array of no size. */
union one_msr {
	struct kvm_msrs head;
	unsigned char room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

int accel_vcpu_set_entry(struct accel_vcpu *vcpu, uint64_t entry, struct error *err)
{
	union {
		struct kvm_msrs head;
		unsigned char room[sizeof(struct kvm_msrs) +
			X86_START_MSRS * sizeof(struct kvm_msr_entry)];
	} msrs = { .head.nmsrs = X86_START_MSRS };
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return error_set(err, errno, "KVM_GET_SREGS");
	x86_start_segments(&sregs);
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0)
		return error_set(err, errno, "KVM_SET_SREGS");
	x86_start_registers(entry, &regs);
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return error_set(err, errno, "KVM_SET_REGS");
	x86_start_msrs(msrs.head.entries);
	if (ioctl(vcpu->fd, KVM_SET_MSRS, &msrs) < 0)
		return error_set(err, errno, "KVM_SET_MSRS");
	return 0;
}

/* Of the indices that KVM lists, those that it refuses to read for this guest are left out. */
static int get_msrs(struct accel_vcpu *vcpu, struct accel_vcpu_state *ret, struct error *err)
{
	const struct accel *accel = vcpu->accel;
	union one_msr one = { .head.nmsrs = 1 };

	ret->msr_count = 0;
	for (uint32_t i = 0; i < accel->msr_count; i++) {
		one.head.entries[0] = (struct kvm_msr_entry){ .index = accel->msrs[i] };
		if (ioctl(vcpu->fd, KVM_GET_MSRS, &one) == 1)
			ret->msrs[ret->msr_count++] = one.head.entries[0];
	}
	if (ret->msr_count == 0)
		return error_set(err, errno, "KVM_GET_MSRS");
	return 0;
}

int accel_vcpu_get_state(struct accel_vcpu *vcpu, struct accel_vcpu_state *ret, struct error *err)
{
	const struct {
		unsigned long request;
		void *where;
		const char *name;
	} parts[] = {
		{ KVM_GET_MP_STATE, &ret->mp_state, "KVM_GET_MP_STATE" },
		{ KVM_GET_REGS, &ret->regs, "KVM_GET_REGS" },
		{ KVM_GET_SREGS, &ret->sregs, "KVM_GET_SREGS" },
		{ KVM_GET_XSAVE, ret->xsave, "KVM_GET_XSAVE" },
		{ KVM_GET_XCRS, &ret->xcrs, "KVM_GET_XCRS" },
		{ KVM_GET_DEBUGREGS, &ret->debugregs, "KVM_GET_DEBUGREGS" },
		{ KVM_GET_LAPIC, &ret->lapic, "KVM_GET_LAPIC" },
		{ KVM_GET_VCPU_EVENTS, &ret->events, "KVM_GET_VCPU_EVENTS" },
	};
	int khz;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = accel_vcpu_settle(vcpu, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (ioctl(vcpu->fd, parts[i].request, parts[i].where) < 0)
			return error_set(err, errno, "%s", parts[i].name);
	khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);
	ret->tsc_khz = khz > 0 ? (uint32_t)khz : 0;
	return get_msrs(vcpu, ret, err);
}

static int set_msrs(struct accel_vcpu *vcpu, const struct accel_vcpu_state *state, bool deadline,
	struct error *err)
{
	union one_msr one = { .head.nmsrs = 1 };

	for (uint32_t i = 0; i < state->msr_count; i++) {
		if ((state->msrs[i].index == MSR_TSC_DEADLINE) != deadline)
			continue;
		one.head.entries[0] = state->msrs[i];
		/* Some that can be read cannot be written, with the value that they have. */
		if (ioctl(vcpu->fd, KVM_SET_MSRS, &one) < 0)
			return error_set(
				err, errno, "KVM_SET_MSRS 0x%" PRIx32, state->msrs[i].index);
	}
	return 0;
}

int accel_vcpu_set_state(
	struct accel_vcpu *vcpu, const struct accel_vcpu_state *state, struct error *err)
{
	const struct {
		unsigned long request;
		const void *where;
		const char *name;
	} before[] = {
		{ KVM_SET_REGS, &state->regs, "KVM_SET_REGS" },
		{ KVM_SET_XSAVE, state->xsave, "KVM_SET_XSAVE" },
		{ KVM_SET_XCRS, &state->xcrs, "KVM_SET_XCRS" },
		{ KVM_SET_SREGS, &state->sregs, "KVM_SET_SREGS" },
	}, after[] = {
		{ KVM_SET_LAPIC, &state->lapic, "KVM_SET_LAPIC" },
		{ KVM_SET_VCPU_EVENTS, &state->events, "KVM_SET_VCPU_EVENTS" },
		{ KVM_SET_MP_STATE, &state->mp_state, "KVM_SET_MP_STATE" },
		{ KVM_SET_DEBUGREGS, &state->debugregs, "KVM_SET_DEBUGREGS" },
	};
	int r;

	if (state->msr_count > ACCEL_MSRS_MAX)
		return error_say(
			err, EINVAL, "a saved processor with %" PRIu32 " MSRs", state->msr_count);
	/* EINVAL and ENOTTY: the TSC cannot be scaled; harmless where the speed is the same. */
	if (state->tsc_khz != 0 && ioctl(vcpu->fd, KVM_SET_TSC_KHZ, state->tsc_khz) < 0 &&
		ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0) != (int)state->tsc_khz)
		return error_set(
			err, errno, "set the guest's TSC to %" PRIu32 " kHz", state->tsc_khz);
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
		if (ioctl(vcpu->fd, before[i].request, before[i].where) < 0)
			return error_set(err, errno, "%s", before[i].name);
	r = set_msrs(vcpu, state, false, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++)
		if (ioctl(vcpu->fd, after[i].request, after[i].where) < 0)
			return error_set(err, errno, "%s", after[i].name);
	return set_msrs(vcpu, state, true, err);
}
