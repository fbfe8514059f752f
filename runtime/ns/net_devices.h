/* SPDX-License-Identifier: Apache-2.0 */
/* Network interfaces of the container's namespace (config-linux.md, "Network Devices"). */
#pragma once

struct error;
struct oci_linux;

/* Brings the loopback interface of the calling process's network namespace up (netdevice(7)). */
int net_loopback_up(struct error *err);

/* Moves linux.netDevices from the caller's network namespace into the one behind `netns`. */
int net_devices_move(const struct oci_linux *linux, int netns, struct error *err);
