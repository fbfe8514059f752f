/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The change of a process's root directory to a container's, so that nothing of the host's remains
 * reachable (pivot_root(2)).
 */
#pragma once

#include <stdbool.h>

struct error;

/*
 * Makes `root`, an fd of a mount's top in the calling process's own mount namespace, its root and
 * working directory, and lets go of the old one. `shared`: the old root's mounts may send what
 * happens to them elsewhere; that is stopped first.
 */
int pivot_enter(int root, bool shared, struct error *err);

/*
 * For --no-pivot: whether a moved mount and chroot(2) are as good as pivot_root(2) here. They are
 * only where the root directory is the kernel's initial ramfs (or a tmpfs in its place), which
 * can't be pivoted: all other mounts are taken away from below the container's root. Errors:
 * -ENOTSUP with the reason.
 */
int pivot_check_no_pivot(struct error *err);

/* The change for --no-pivot: `root` is moved over "/", every mount of the host's that can be goes.
 */
int pivot_enter_by_chroot(int root, struct error *err);

/* Only chroot(2): for a container without a mount namespace of its own. */
int pivot_chroot(int root, struct error *err);
