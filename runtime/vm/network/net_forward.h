/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Connections (TCP) that are made inside a virtual machine's network namespace to the namespace's
 * own addresses, by a port forwarder of the caller's: nobody listens there, for the program is in
 * the guest. A rule of nftables leads them all to one listening socket.
 */
#pragma once

#include <stdint.h>

struct error;

/*
 * Makes the listening socket and the rule in the calling process's network namespace. The rule
 * lives as long as *ret_rules, the netlink socket that owns it (NFT_TABLE_F_OWNER, Linux 5.12).
 * -EEXIST where there is one already. Errors of kernels without nftables are theirs.
 */
int net_forward_make(int *ret_listener, int *ret_rules, struct error *err);

/*
 * The port that an accepted connection was made to, before the rule led it here: from 1 up, or
 * negative.
 */
int net_forward_port(int connection);
