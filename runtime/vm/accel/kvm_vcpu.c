/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/accel/kvm.h"
#include "runtime/vm/x86/cpuid.h"

/*
 * KVM sends interrupts by a table of local APICs, which it makes anew when one changes, but not
 * when one is added: a processor that comes while the guest runs would never be started.
 */
static int announce_lapic(struct accel_vcpu *vcpu, unsigned int id, struct error *err)
{
	struct kvm_lapic_state lapic;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic) < 0 ||
		ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic) < 0)
		return error_set(err, errno, "set processor %u's local APIC", id);
	return 0;
}

int accel_vcpu_new(struct accel *accel, unsigned int id, const struct x86_cpuid *cpuid,
	struct accel_vcpu **ret, struct error *err)
{
	struct accel_vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int r;

	if (vcpu == NULL)
		return error_set(err, ENOMEM, "make processor %u", id);
	vcpu->accel = accel;
	vcpu->run = MAP_FAILED;
	vcpu->run_size = accel->run_size;
	vcpu->fd = ioctl(accel->vm, KVM_CREATE_VCPU, id);
	if (vcpu->fd < 0) {
		r = error_set(err, errno, "make processor %u", id);
		goto fail;
	}
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED) {
		r = error_set(err, errno, "map processor %u's page", id);
		goto fail;
	}
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0) {
		r = error_set(err, errno, "set processor %u's CPUID", id);
		goto fail;
	}
	r = id == 0 ? 0 : announce_lapic(vcpu, id, err);
	if (r < 0)
		goto fail;
	*ret = vcpu;
	return 0;
fail:
	accel_vcpu_free(vcpu);
	return r;
}

void accel_vcpu_free(struct accel_vcpu *vcpu)
{
	if (vcpu == NULL)
		return;
	if (vcpu->run != MAP_FAILED)
		munmap(vcpu->run, vcpu->run_size);
	close_fd(vcpu->fd);
	free(vcpu);
}

void accel_vcpu_kick(struct accel_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELEASE);
}

static const char *internal_error(uint32_t suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		return "an instruction could not be emulated";
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		return "two exceptions at once";
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return "an exit while an event was delivered";
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return "an exit that KVM does not know";
	default:
		return "unknown";
	}
}

void kvm_describe_failure(struct accel_vcpu *vcpu, struct accel_exit *ret)
{
	const struct kvm_run *run = vcpu->run;
	struct kvm_regs regs;
	size_t size = sizeof(vcpu->message);
	int n;

	switch (run->exit_reason) {
	case KVM_EXIT_FAIL_ENTRY:
		n = snprintf(vcpu->message, size,
			"KVM: the processor refused the guest's state (reason 0x%llx)",
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		n = snprintf(vcpu->message, size, "KVM: internal error %u: %s",
			run->internal.suberror, internal_error(run->internal.suberror));
		break;
	default:
		n = snprintf(vcpu->message, size, "KVM: exit %u, which was not asked for",
			run->exit_reason);
	}
	if (n > 0 && (size_t)n < size && ioctl(vcpu->fd, KVM_GET_REGS, &regs) == 0)
		snprintf(vcpu->message + n, size - (size_t)n, ", at rip 0x%llx",
			(unsigned long long)regs.rip);
	ret->reason = ACCEL_EXIT_FAILURE;
	ret->message = vcpu->message;
}

static void decode_io(struct kvm_run *run, struct accel_exit *ret)
{
	ret->reason = ACCEL_EXIT_IO;
	ret->write = run->io.direction == KVM_EXIT_IO_OUT;
	ret->port = run->io.port;
	ret->size = run->io.size;
	ret->count = run->io.count;
	ret->data = (uint8_t *)run + run->io.data_offset;
}

static void decode_mmio(struct kvm_run *run, struct accel_exit *ret)
{
	ret->reason = ACCEL_EXIT_MMIO;
	ret->write = run->mmio.is_write != 0;
	ret->gpa = run->mmio.phys_addr;
	ret->size = (uint8_t)run->mmio.len;
	ret->data = run->mmio.data;
}

static void decode(struct accel_vcpu *vcpu, struct accel_exit *ret)
{
	struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		decode_io(run, ret);
		break;
	case KVM_EXIT_MMIO:
		decode_mmio(run, ret);
		break;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		ret->reason = ACCEL_EXIT_KICK;
		break;
	case KVM_EXIT_HLT:
		ret->reason = ACCEL_EXIT_HALT;
		break;
	case KVM_EXIT_SHUTDOWN:
		ret->reason = ACCEL_EXIT_SHUTDOWN;
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		ret->reason = ACCEL_EXIT_EVENT;
		break;
	default:
		kvm_describe_failure(vcpu, ret);
	}
}

int accel_vcpu_run(struct accel_vcpu *vcpu, struct accel_exit *ret, struct error *err)
{
	*ret = (struct accel_exit){ 0 };
	if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
		decode(vcpu, ret);
		return 0;
	}
	/* EAGAIN: the processor was started by another one just now (INIT, SIPI). */
	if (errno == EINTR || errno == EAGAIN) {
		__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_RELAXED);
		ret->reason = ACCEL_EXIT_KICK;
		return 0;
	}
	/* EFAULT with KVM_EXIT_MEMORY_FAULT, or from memory that is gone: the address tells. */
	return error_set(err, errno, "KVM_RUN");
}

int accel_vcpu_settle(struct accel_vcpu *vcpu, struct error *err)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELAXED);
	if (ioctl(vcpu->fd, KVM_RUN, 0) < 0 && errno != EINTR && errno != EAGAIN)
		return error_set(err, errno, "KVM_RUN");
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_RELAXED);
	return 0;
}

void accel_vcpu_tell_pause(struct accel_vcpu *vcpu)
{
	/* EINVAL where the guest has no kvm-clock: nothing to tell. */
	(void)ioctl(vcpu->fd, KVM_KVMCLOCK_CTRL, 0);
}
