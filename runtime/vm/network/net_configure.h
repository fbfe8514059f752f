/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's half of a virtual machine's network: gives the interfaces of the calling process's
 * network namespace the names, addresses, routes and neighbours that a description of another
 * namespace has. Interfaces are told apart by their hardware address.
 */
#pragma once

struct error;
struct net_description;

/*
 * Waits until there is an interface for every one of the description, at most `timeout` ms: the
 * kernel tells when one appears. -ENODEV names the one that is missing.
 */
int net_wait_for_interfaces(
	const struct net_description *description, int timeout, struct error *err);

/*
 * Configures the interfaces. What is there already stays, so that it can be repeated with a later
 * description. What IPv6 needs is passed over, with a warning, in a kernel without it.
 */
int net_configure(const struct net_description *description, struct error *err);
