/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the host a user namespace's root can reach by itself. What it opens in its own copy of
 * the host's mounts comes with the kernel's locks on it: it can neither unmount what lies over a
 * directory nor take a read-only or nosuid away (mount_namespaces(7)). So the caller opens for it
 * only what it can't.
 */
#pragma once

#include <stdbool.h>

struct oci_linux;

/*
 * True when `path` can be opened (O_PATH) by the user and group that linux->uid_mappings and
 * gid_mappings make root, without privilege over the host's files. False also where there are no
 * mappings (a joined namespace). The calling thread takes that identity for the moment.
 */
bool host_access_as_container_root(const struct oci_linux *linux, const char *path);
