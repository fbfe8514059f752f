/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM's own counters of a processor (api.rst, 4.133 "KVM_GET_STATS_FD"): a file with a header,
 * descriptors that name what is counted, and the values.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/accel/kvm.h"

/* The kernel's: a bound for what is read, should it ever change. */
#define DESCRIPTORS_MAX 1024
#define NAME_SIZE_MAX 256

static int read_at(int fd, void *buffer, size_t size, uint64_t offset, struct error *err)
{
	ssize_t n = pread(fd, buffer, size, (off_t)offset);

	if (n != (ssize_t)size)
		return error_set(err, n < 0 ? errno : EPROTO, "read KVM's counters");
	return 0;
}

static int report(int fd, const struct kvm_stats_header *header,
	const struct kvm_stats_desc *descriptor, accel_counter_function function, void *data,
	struct error *err)
{
	const char *name = (const char *)(descriptor + 1);
	uint64_t value;
	int r;

	if ((descriptor->flags & KVM_STATS_TYPE_MASK) != KVM_STATS_TYPE_CUMULATIVE ||
		(descriptor->flags & KVM_STATS_UNIT_MASK) != KVM_STATS_UNIT_NONE ||
		descriptor->size != 1 || memchr(name, '\0', header->name_size) == NULL)
		return 0;
	r = read_at(
		fd, &value, sizeof(value), (uint64_t)header->data_offset + descriptor->offset, err);
	if (r >= 0 && value != 0)
		function(name, value, data);
	return r;
}

int accel_vcpu_counters(
	struct accel_vcpu *vcpu, accel_counter_function function, void *data, struct error *err)
{
	_cleanup_close_ int fd = ioctl(vcpu->fd, KVM_GET_STATS_FD, NULL);
	_cleanup_free_ uint8_t *descriptors = NULL;
	struct kvm_stats_header header;
	size_t size;
	int r;

	if (fd < 0)
		return errno == ENOTTY || errno == EINVAL
			? 0
			: error_set(err, errno, "open KVM's counters");
	r = read_at(fd, &header, sizeof(header), 0, err);
	if (r < 0)
		return r;
	if (header.num_desc > DESCRIPTORS_MAX || header.name_size > NAME_SIZE_MAX)
		return error_say(err, EPROTO, "KVM has too many counters");
	size = sizeof(struct kvm_stats_desc) + header.name_size;
	descriptors = malloc(size * header.num_desc + 1);
	if (descriptors == NULL)
		return error_set(err, ENOMEM, "read KVM's counters");
	r = read_at(fd, descriptors, size * header.num_desc, header.desc_offset, err);
	for (uint32_t i = 0; r >= 0 && i < header.num_desc; i++)
		r = report(
			fd, &header, (const void *)(descriptors + i * size), function, data, err);
	return r;
}
