/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device filter: linux.resources.devices as an eBPF program of type
 * BPF_PROG_TYPE_CGROUP_DEVICE, attached to the cgroup (config-linux.md, "Allowed Device list").
 *
 * The rules mean what they meant to cgroup v1: each of read, write, mknod is decided by the last
 * rule that matches the device and has that letter, what no rule matches is denied, and an access
 * is allowed when all its letters are. The devices that config-linux.md gives every container, and
 * mknod of any, are always allowed (as in runc and crun).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct bpf_insn;
struct error;
struct oci_resources;

/*
 * Makes the program. Returns its instructions in *ret_program (to be freed; NULL where the rules
 * allow everything and no program is needed) and their number in *ret_count. Pure. Errors: -EINVAL
 * for a rule that is none, -E2BIG for more rules than a program can hold, -ENOMEM.
 */
int cgroup_devices_program(const struct oci_resources *resources, struct bpf_insn **ret_program,
	size_t *ret_count, struct error *err);

/*
 * Loads and attaches the program of `resources` to the cgroup `fd`. With `replace`, it takes the
 * place of the one that an earlier call attached, atomically; without, the cgroup is new.
 *
 * A caller that may not load programs (EPERM, as in a user namespace) goes on without a filter
 * where `may_skip`, with a line at debug level: what a user namespace made cannot open devices that
 * its owner could not open before. A kernel without cgroup BPF is an error.
 */
int cgroup_devices_set(int fd, const struct oci_resources *resources, bool replace, bool may_skip,
	struct error *err);
