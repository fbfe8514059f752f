/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.sysctl (config-linux.md, "Sysctl"): kernel parameters of the container's own namespaces.
 * Which ones are such is config/'s to check.
 */
#pragma once

#include <stddef.h>

struct error;
struct key_value_list;

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
