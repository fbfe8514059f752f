/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device nodes and links in a container's /dev (config-linux.md, "Devices" and "Default Devices";
 * runtime-linux.md, "Dev symbolic links"). Nodes are made where the kernel lets us, else the host's
 * are bind-mounted, after a check that they are the device that was asked for.
 */
#pragma once

#include <stdbool.h>

struct error;
struct oci_linux;

/*
 * Makes the default devices and linux.devices below `root`. `bind`: in a user namespace, where
 * nodes can't be made. A node that exists and is the same device is left as it is. Errors: -EEXIST
 * for anything else in its place.
 */
int devices_make(int root, const struct oci_linux *linux, bool bind, struct error *err);

/* Makes /dev/fd, stdin, stdout, stderr, core, ptmx; leaves what is there. */
int devices_make_links(int root, struct error *err);

/*
 * Mounts the terminal `pts`, an fd of it, at /dev/console. Refuses an fd that is no
 * pseudo-terminal of a devpts, and a /dev/console that is a link (CVE-2025-52565).
 */
int devices_bind_console(int root, int pts, struct error *err);
