/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.sysctl (config-linux.md, "Sysctl"): kernel parameters of the container's own namespaces.
 */
#pragma once

#include <stddef.h>

struct error;
struct key_value_list;
struct oci_linux;

/*
 * Checks that each parameter belongs to a namespace that the container does not share with the
 * host, so that nothing changes outside: kernel.* and fs.mqueue.* of an ipc namespace, net.* of a
 * network namespace, kernel.hostname and kernel.domainname of a uts namespace, user.* of a user
 * namespace. A pure function. -EINVAL names the key.
 */
int sysctl_check(const struct oci_linux *linux, struct error *err);

/*
 * Writes each value in the calling process's namespaces, through the private procfs and nothing
 * else (CVE-2025-52881).
 */
int sysctl_apply(int procfs, const struct key_value_list *parameters, struct error *err);

/*
 * Writes the path below /proc/sys that `key` means: as sysctl(8) has it, the separator that comes
 * first ('.' or '/') separates, and the other one is part of a name ("net.ipv4.conf.eth0/1.mtu" is
 * net/ipv4/conf/eth0.1/mtu). -EINVAL: the key leads elsewhere; -ENAMETOOLONG.
 */
int sysctl_path(const char *key, char *ret, size_t size);
