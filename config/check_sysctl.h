/* SPDX-License-Identifier: Apache-2.0 */
/*
 * linux.sysctl: only what belongs to a namespace of the container may be set, or it would be set
 * for the host (config-linux.md, "Sysctl"; namespaces(7)).
 */
#pragma once

struct decoder;
struct oci_config;

/* Returns 0, or -EINVAL with the error of `decoder` set. */
int check_sysctls(struct decoder *decoder, const struct oci_config *config);
