/* SPDX-License-Identifier: Apache-2.0 */
/* linux.resources.blockIO as writes. */
#include "runtime/cgroup/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "config/oci.h"
#include "lib/error.h"
#include "runtime/cgroup/controllers.h"
#include "runtime/cgroup/resources.h"

static int check_weight(uint32_t weight, const char *field, struct error *err)
{
	if (weight >= 10 && weight <= 1000)
		return 0;
	return error_say(err, EINVAL, "%s%s: %" PRIu32 " is out of range: expected 10 to 1000",
		CGROUP_FIELD, field, weight);
}

/* BFQ's own file where that scheduler is there, else io.weight, whose scale is another. */
static int add_weight(struct cgroup_plan *plan, const char *field, const char *key, uint32_t weight,
	struct error *err)
{
	struct cgroup_write *write = cgroup_plan_add(plan, CGROUP_IO, field, "io.bfq.weight", err,
		"%s %" PRIu32, key != NULL ? key : "default", weight);

	if (write == NULL)
		return -ENOMEM;
	write->key = key != NULL ? key : "default";
	write->key_default = key != NULL ? "default" : "100";
	write->other_file = "io.weight";
	write->other_value = arena_printf(&plan->arena, "%s %" PRIu64,
		key != NULL ? key : "default", cgroup_io_weight(weight));
	return write->other_value != NULL ? 0 : error_set(err, ENOMEM, "%s%s", CGROUP_FIELD, field);
}

/* "MAJOR:MINOR", or NULL with `err` set. */
static const char *device_key(struct cgroup_plan *plan, const char *field, int64_t major,
	int64_t minor, struct error *err)
{
	const char *key;

	if (major < 0 || major >= 1 << 12 || minor < 0 || minor >= 1 << 20) {
		error_say(err, EINVAL, "%s%s: %" PRId64 ":%" PRId64 " is not a device number",
			CGROUP_FIELD, field, major, minor);
		return NULL;
	}
	key = arena_printf(&plan->arena, "%" PRId64 ":%" PRId64, major, minor);
	if (key == NULL)
		error_set(err, ENOMEM, "%s%s", CGROUP_FIELD, field);
	return key;
}

static int plan_throttle(struct cgroup_plan *plan, const struct oci_throttle_list *list,
	const char *field, const char *word, struct error *err)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct oci_throttle_device *device = &list->items[i];
		const char *key = device_key(plan, field, device->major, device->minor, err);
		struct cgroup_write *write;

		if (key == NULL)
			return -EINVAL;
		/* cgroup v1 says 0 for "no limit"; io.max takes no 0. */
		write = device->rate == 0 ? cgroup_plan_add(plan, CGROUP_IO, field, "io.max", err,
						    "%s %s=max", key, word)
					  : cgroup_plan_add(plan, CGROUP_IO, field, "io.max", err,
						    "%s %s=%" PRIu64, key, word, device->rate);
		if (write == NULL)
			return -ENOMEM;
		write->key = key;
		write->key_default = "rbps=max wbps=max riops=max wiops=max";
	}
	return 0;
}

int cgroup_plan_block_io(struct cgroup_plan *plan, const struct oci_block_io *io, struct error *err)
{
	int status = 0;

	if (io->leaf_weight.set && io->leaf_weight.value != 0)
		return cgroup_plan_refuse(err, "blockIO.leafWeight",
			"has no leaf weights, for a cgroup with children has no processes: remove "
			"it");
	if (io->weight.set && io->weight.value != 0) {
		status = check_weight(io->weight.value, "blockIO.weight", err);
		if (status == 0)
			status = add_weight(plan, "blockIO.weight", NULL, io->weight.value, err);
	}
	for (size_t i = 0; status == 0 && i < io->n_weight_devices; i++) {
		const struct oci_weight_device *device = &io->weight_devices[i];
		const char *key;

		if (device->leaf_weight.set && device->leaf_weight.value != 0)
			return cgroup_plan_refuse(err, "blockIO.weightDevice.leafWeight",
				"has no leaf weights: remove it");
		if (!device->weight.set || device->weight.value == 0)
			continue;
		status = check_weight(device->weight.value, "blockIO.weightDevice.weight", err);
		if (status < 0)
			return status;
		key = device_key(plan, "blockIO.weightDevice", device->major, device->minor, err);
		if (key == NULL)
			return -EINVAL;
		status = add_weight(plan, "blockIO.weightDevice", key, device->weight.value, err);
	}
	if (status == 0)
		status = plan_throttle(
			plan, &io->read_bps, "blockIO.throttleReadBpsDevice", "rbps", err);
	if (status == 0)
		status = plan_throttle(
			plan, &io->write_bps, "blockIO.throttleWriteBpsDevice", "wbps", err);
	if (status == 0)
		status = plan_throttle(
			plan, &io->read_iops, "blockIO.throttleReadIOPSDevice", "riops", err);
	if (status == 0)
		status = plan_throttle(
			plan, &io->write_iops, "blockIO.throttleWriteIOPSDevice", "wiops", err);
	return status;
}
