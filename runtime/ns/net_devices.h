/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network interfaces of a container: linux.netDevices (config-linux.md, "Network Devices") and the
 * loopback of a new network namespace.
 */
#pragma once

struct error;
struct oci_linux;

/*
 * Brings "lo" up in the calling process's network namespace: the kernel makes it down.
 */
int net_loopback_up(struct error *err);

/*
 * Moves each interface of linux->net_devices from the calling process's network namespace into the
 * one behind `netns`, under its new name, with its permanent global addresses, and brings it up.
 * The caller needs CAP_NET_ADMIN over both. What was moved before a failure stays where it is: the
 * namespace's end gives physical interfaces back. -EEXIST when the name is taken there, -ENODEV
 * when there is no such interface. The process's own namespace is the same afterwards.
 */
int net_devices_move(const struct oci_linux *linux, int netns, struct error *err);
