/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The defence against CVE-2019-5736: a container that gets hold of /proc/PID/exe of a process that
 * entered it must not be able to write to the runtime's own binary on the host.
 */
#pragma once

struct error;

/*
 * Returns 0 when the running program's file cannot be written to through /proc/self/exe: it lies on
 * a read-only mount, or is a sealed memory file, or it belongs to somebody whose files the caller
 * cannot write. Otherwise executes the same program with `argv` from a read-only mount of itself
 * that is visible nowhere (open_tree(2), mount_setattr(2)), or where those are not permitted from a
 * sealed copy in memory (memfd_create(2)), and does not return. A negative errno when neither can
 * be had.
 */
int exe_protect(char **argv, struct error *err);
