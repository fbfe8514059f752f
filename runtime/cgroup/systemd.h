/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systemd driver: a container's cgroup is a transient scope, which systemd makes, and removes
 * when it is empty. systemd gets every limit it knows as a property of the scope, so that a
 * daemon-reload writes the same values again; what it does not know, or rounds, is written to the
 * files as well.
 *
 * D-Bus is spoken by a helper program (systemd/), executed only here: libsystemd is dynamic, and
 * this program is not.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"

struct cgroup_location;
struct cgroup_plan;
struct cgroup_request;
struct cgroup_undo;
struct error;
struct key_value_list;
struct oci_resources;

/* Properties in the form that the helper takes: "Name=SIGNATURE VALUE" (systemd/property.h). */
struct cgroup_properties {
	struct arena arena;
	char **items; /* NULL-terminated */
	size_t count, room;
};

/*
 * What the plan's writes are to systemd, in order (a later one has the last word, as in the
 * files). Pure. Errors: -EINVAL for a value that systemd cannot hold, -ENOMEM.
 */
int cgroup_properties_add_plan(
	struct cgroup_properties *properties, const struct cgroup_plan *plan, struct error *err);

/*
 * DevicePolicy and DeviceAllow for the rules: what they allow, without what a later rule takes
 * away, which only our own filter, in force beside systemd's, can say. With `reset`, systemd first
 * forgets what it had. Errors: -ENOMEM.
 */
int cgroup_properties_add_devices(struct cgroup_properties *properties,
	const struct oci_resources *resources, bool reset, struct error *err);

/*
 * The annotations "org.systemd.property.NAME" (as runc and crun): a name is letters, a value text
 * of GVariant. Errors: -EINVAL for a name that is none, or that is the runtime's; -ENOMEM.
 */
int cgroup_properties_add_annotations(struct cgroup_properties *properties,
	const struct key_value_list *annotations, struct error *err);

/* Adds one property, formatted. Errors: -ENOMEM. */
int cgroup_properties_add(struct cgroup_properties *properties, struct error *err,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

void cgroup_properties_free(struct cgroup_properties *properties);

/* What cgroup.h's functions of the same names do for this driver. */
int cgroup_systemd_locate(
	const struct cgroup_request *request, struct cgroup_location *location, struct error *err);
int cgroup_systemd_create(const struct cgroup_location *location,
	const struct cgroup_request *request, const struct cgroup_plan *plan, int *ret_fd,
	int *ret_holder, struct error *err);
int cgroup_systemd_destroy(const struct cgroup_location *location, struct error *err);

/* Tells systemd the limits that were written to the files, and the device rules if any. */
int cgroup_systemd_update(const struct cgroup_location *location, const struct cgroup_plan *plan,
	const struct oci_resources *resources, struct error *err);

/* Ends the process that held the scope. */
void cgroup_systemd_release(int holder);
