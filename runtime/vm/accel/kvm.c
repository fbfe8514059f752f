/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/accel/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/accel/state.h"
#include "runtime/vm/x86/cpuid.h"
#include "runtime/vm/x86/layout.h"

#define DEVICE "/dev/kvm"

int accel_open_device(struct error *err)
{
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
		return error_set(err, errno,
			"open " DEVICE " (virtualization is off in the firmware or hypervisor, or "
			"'modprobe kvm-intel' or 'modprobe kvm-amd' is needed)");
	if (errno == EACCES || errno == EPERM)
		return error_set(err, errno,
			"open " DEVICE " (the user must be in its group: "
			"'usermod -aG kvm USER')");
	return error_set(err, errno, "open " DEVICE);
}

static const struct {
	int capability;
	const char *name;
} required[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE" },
	{ KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS" },
	{ KVM_CAP_XSAVE, "KVM_CAP_XSAVE" },
	{ KVM_CAP_XCRS, "KVM_CAP_XCRS" },
	{ KVM_CAP_ADJUST_CLOCK, "KVM_CAP_ADJUST_CLOCK" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

static int check_required(int vm, struct error *err)
{
	char missing[ERROR_MESSAGE_MAX / 2] = "";

	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
		if (ioctl(vm, KVM_CHECK_EXTENSION, required[i].capability) > 0)
			continue;
		if (missing[0] != '\0')
			strcat(missing, ", ");
		strcat(missing, required[i].name);
	}
	if (missing[0] != '\0')
		return error_say(err, EOPNOTSUPP,
			DEVICE " lacks %s (a kernel of version 4.12 or later has them)", missing);
	return 0;
}

static void learn_features(struct accel *accel)
{
	int recommended = ioctl(accel->vm, KVM_CHECK_EXTENSION, KVM_CAP_NR_VCPUS);
	int most = ioctl(accel->vm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);

	/* KVM_CAP_NR_VCPUS: "if not present, assume 4"; MAX_VCPUS: the same as NR_VCPUS. */
	if (recommended <= 0)
		recommended = 4;
	if (most <= 0)
		most = recommended;
	if (most > X86_CPUS_MAX)
		most = X86_CPUS_MAX;
	accel->features = (struct accel_features){
		.tsc_deadline = ioctl(accel->vm, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) >
			0,
		.clock_control = ioctl(accel->vm, KVM_CHECK_EXTENSION, KVM_CAP_KVMCLOCK_CTRL) > 0,
		.cpus_recommended = (unsigned int)recommended,
		.cpus_max = (unsigned int)most,
	};
}

static int learn_msrs(struct accel *accel, int device, struct error *err)
{
	union {
		struct kvm_msr_list head;
		unsigned char room[sizeof(struct kvm_msr_list) + ACCEL_MSRS_MAX * sizeof(uint32_t)];
	} list = { .head.nmsrs = ACCEL_MSRS_MAX };

	if (ioctl(device, KVM_GET_MSR_INDEX_LIST, &list) < 0)
		return error_set(err, errno, "KVM_GET_MSR_INDEX_LIST");
	accel->msr_count = list.head.nmsrs;
	memcpy(accel->msrs, list.head.indices, list.head.nmsrs * sizeof(uint32_t));
	return 0;
}

static int check_version(int device, struct error *err)
{
	int version = ioctl(device, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return error_set(err, errno,
			"ask " DEVICE " for its version (is it KVM's? 'mknod " DEVICE
			" c 10 232' makes it)");
	if (version != KVM_API_VERSION)
		return error_say(err, EOPNOTSUPP, DEVICE " speaks version %d, not %d", version,
			KVM_API_VERSION);
	return 0;
}

static int create_vm(int device, struct error *err)
{
	int fd;

	/* The kernel may return EINTR while it waits for a signal-interruptible lock. */
	do
		fd = ioctl(device, KVM_CREATE_VM, 0);
	while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return error_set(err, errno, "make a virtual machine on " DEVICE);
	return fd;
}

/*
 * The in-kernel controllers come with the routes that a PC has: line N goes to the PIC's and the
 * I/O APIC's pin N, which is what the MP and ACPI tables say.
 */
int accel_create_controllers(struct accel *accel, struct error *err)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity_map = X86_KVM_IDENTITY_MAP;

	if (ioctl(accel->vm, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return error_set(err, errno, "KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(accel->vm, KVM_SET_TSS_ADDR, X86_KVM_TSS) < 0)
		return error_set(err, errno, "KVM_SET_TSS_ADDR");
	if (ioctl(accel->vm, KVM_CREATE_IRQCHIP, 0) < 0)
		return error_set(err, errno, "KVM_CREATE_IRQCHIP");
	if (accel->pit && ioctl(accel->vm, KVM_CREATE_PIT2, &pit) < 0)
		return error_set(err, errno, "KVM_CREATE_PIT2");
	return 0;
}

int accel_new(
	int device, const struct accel_options *options, struct accel **ret, struct error *err)
{
	struct accel *accel;
	int r = check_version(device, err);
	int run_size;

	if (r < 0)
		return r;
	run_size = ioctl(device, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_size < (int)sizeof(struct kvm_run))
		return error_set(err, run_size < 0 ? errno : EPROTO, "KVM_GET_VCPU_MMAP_SIZE");
	accel = calloc(1, sizeof(*accel));
	if (accel == NULL)
		return error_set(err, ENOMEM, "make a virtual machine");
	accel->run_size = (size_t)run_size;
	accel->pit = options->pit;
	accel->vm = create_vm(device, err);
	r = accel->vm;
	if (r < 0)
		goto fail;
	r = check_required(accel->vm, err);
	if (r < 0)
		goto fail;
	learn_features(accel);
	r = learn_msrs(accel, device, err);
	if (r < 0)
		goto fail;
	if (options->cpus_max > accel->features.cpus_max) {
		r = error_say(err, EINVAL, "%u processors: " DEVICE " can have %u",
			options->cpus_max, accel->features.cpus_max);
		goto fail;
	}
	if (!accel->features.tsc_deadline)
		accel->pit = true;
	*ret = accel;
	return 0;
fail:
	accel_free(accel);
	return r;
}

void accel_free(struct accel *accel)
{
	if (accel == NULL)
		return;
	close_fd(accel->vm);
	free(accel);
}

const struct accel_features *accel_features(const struct accel *accel)
{
	return &accel->features;
}

int accel_supported_cpuid(int device, struct x86_cpuid *ret, struct error *err)
{
	_Static_assert(sizeof(struct x86_cpuid) ==
			sizeof(struct kvm_cpuid2) +
				X86_CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2),
		"laid out as struct kvm_cpuid2");

	ret->count = X86_CPUID_ENTRIES_MAX;
	ret->padding = 0;
	if (ioctl(device, KVM_GET_SUPPORTED_CPUID, ret) < 0)
		return error_set(err, errno, "KVM_GET_SUPPORTED_CPUID");
	return 0;
}

static int set_memory(struct accel *accel, unsigned int slot, uint32_t flags, uint64_t gpa,
	uint64_t size, void *host, struct error *err)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};

	if (ioctl(accel->vm, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return error_set(err, errno,
			"give the guest 0x%" PRIx64 " bytes of memory at 0x%" PRIx64, size, gpa);
	return 0;
}

int accel_set_memory(struct accel *accel, unsigned int slot, uint64_t gpa, uint64_t size,
	void *host, struct error *err)
{
	return set_memory(accel, slot, 0, gpa, size, host, err);
}

int accel_set_read_only_memory(struct accel *accel, unsigned int slot, uint64_t gpa, uint64_t size,
	void *host, struct error *err)
{
	if (ioctl(accel->vm, KVM_CHECK_EXTENSION, KVM_CAP_READONLY_MEM) <= 0)
		return error_set(err, EOPNOTSUPP, "make memory that the guest can only read");
	return set_memory(accel, slot, KVM_MEM_READONLY, gpa, size, host, err);
}

void accel_interrupt(struct accel *accel, unsigned int gsi)
{
	struct kvm_irq_level up = { .irq = gsi, .level = 1 }, down = { .irq = gsi };

	/* A machine with its controllers refuses neither. */
	(void)ioctl(accel->vm, KVM_IRQ_LINE, &up);
	(void)ioctl(accel->vm, KVM_IRQ_LINE, &down);
}

int accel_irqfd(struct accel *accel, int eventfd, unsigned int gsi, bool add, struct error *err)
{
	struct kvm_irqfd irqfd = {
		.fd = (uint32_t)eventfd,
		.gsi = gsi,
		.flags = add ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
	};

	if (ioctl(accel->vm, KVM_IRQFD, &irqfd) < 0)
		return error_set(err, errno, "tie an eventfd to interrupt line %u", gsi);
	return 0;
}

int accel_ioeventfd(
	struct accel *accel, uint64_t gpa, uint32_t value, int eventfd, bool add, struct error *err)
{
	struct kvm_ioeventfd ioeventfd = {
		.datamatch = value,
		.addr = gpa,
		.len = sizeof(value),
		.fd = eventfd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH | (add ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
	};

	if (ioctl(accel->vm, KVM_IOEVENTFD, &ioeventfd) < 0)
		return error_set(err, errno,
			"tie an eventfd to writes of %" PRIu32 " to 0x%" PRIx64, value, gpa);
	return 0;
}

static int get_irqchip(struct accel *accel, uint32_t id, struct kvm_irqchip *ret, struct error *err)
{
	ret->chip_id = id;
	if (ioctl(accel->vm, KVM_GET_IRQCHIP, ret) < 0)
		return error_set(err, errno, "KVM_GET_IRQCHIP %" PRIu32, id);
	return 0;
}

int accel_get_state(struct accel *accel, struct accel_vm_state *ret, struct error *err)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	if (ioctl(accel->vm, KVM_GET_CLOCK, &ret->clock) < 0)
		return error_set(err, errno, "KVM_GET_CLOCK");
	r = get_irqchip(accel, KVM_IRQCHIP_PIC_MASTER, &ret->pic[0], err);
	if (r >= 0)
		r = get_irqchip(accel, KVM_IRQCHIP_PIC_SLAVE, &ret->pic[1], err);
	if (r >= 0)
		r = get_irqchip(accel, KVM_IRQCHIP_IOAPIC, &ret->ioapic, err);
	if (r < 0)
		return r;
	ret->has_pit = accel->pit;
	if (accel->pit && ioctl(accel->vm, KVM_GET_PIT2, &ret->pit) < 0)
		return error_set(err, errno, "KVM_GET_PIT2");
	return 0;
}

int accel_set_state(struct accel *accel, const struct accel_vm_state *state, struct error *err)
{
	const struct kvm_irqchip *chips[] = { &state->pic[0], &state->pic[1], &state->ioapic };
	/* The other flags and fields are what KVM_GET_CLOCK adds. */
	struct kvm_clock_data clock = { .clock = state->clock.clock };

	if ((state->has_pit != 0) != accel->pit)
		return error_say(err, EINVAL, "the saved machine has %s 8254 timer",
			state->has_pit ? "an" : "no");
	for (size_t i = 0; i < sizeof(chips) / sizeof(chips[0]); i++)
		if (ioctl(accel->vm, KVM_SET_IRQCHIP, chips[i]) < 0)
			return error_set(err, errno, "KVM_SET_IRQCHIP %" PRIu32, chips[i]->chip_id);
	if (accel->pit && ioctl(accel->vm, KVM_SET_PIT2, &state->pit) < 0)
		return error_set(err, errno, "KVM_SET_PIT2");
	if (ioctl(accel->vm, KVM_SET_CLOCK, &clock) < 0)
		return error_set(err, errno, "KVM_SET_CLOCK");
	return 0;
}
