/* SPDX-License-Identifier: Apache-2.0 */
/* A container's network namespace with an interface, and what a virtual machine makes of it. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include "lib/error.h"
#include "runtime/vm/network/network.h"
#include "tests/unit/networks.h"

static inline int run(const char *command)
{
	return system(command) == 0 ? 0 : -1;
}

static inline const char *output_of(const char *command)
{
	return run_in(container, command);
}

/* Joins the two by a veth, and gives the container all that an interface can have. */
static inline int set_up(void **state)
{
	(void)state;
	if (make_networks() < 0 ||
		run("ip link set lo up && ip link add near type veth peer name far && "
		    "ip link set near up && ip addr add 10.1.2.1/24 dev near") < 0)
		return -1;
	char command[128];
	snprintf(command, sizeof(command), "ip link set far netns /proc/%d/fd/%d name eth0",
		getpid(), container);
	if (run(command) < 0 || setns(container, CLONE_NEWNET) < 0)
		return -1;
	int status = run(
		"ip link set lo up && ip link set eth0 address 02:00:00:00:00:07 mtu 1400 && "
		"ip addr add 10.1.2.3/24 brd + dev eth0 && "
		"ip addr add 10.7.7.1 peer 10.7.7.2/32 dev eth0 && "
		"ip addr add 10.9.9.9/32 dev eth0 scope link && "
		"ip link set eth0 up && ip -6 addr add fd00::3/64 dev eth0 nodad && "
		"ip route add default via 10.1.2.1 metric 50 && "
		"ip route add 169.254.1.1 dev eth0 scope link && "
		"ip route add 172.16.0.0/12 via 192.0.2.1 dev eth0 onlink mtu 1300 src 10.1.2.3 && "
		"ip route add blackhole 198.51.100.0/24 && "
		"ip route add 203.0.113.0/24 nexthop via 10.1.2.1 weight 2 nexthop dev eth0 && "
		"ip route add 100.64.0.0/10 dev eth0 table 77 && "
		"ip -6 route add default via fd00::1 && "
		"ip neigh add 10.1.2.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent && "
		"ip neigh add 10.1.2.8 lladdr 02:00:00:00:00:08 dev eth0 nud reachable && "
		/* The kernel gives it its link-local address once it has seen the carrier. */
		"for i in $(seq 100); do ip -6 addr show dev eth0 | grep -q fe80 && exit 0; sleep "
		"0.05; done; exit 1");
	return setns(home, CLONE_NEWNET) < 0 ? -1 : status;
}

static inline void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("\"%s\" is in:\n%s", part, text);
}

static inline struct vm_network scan(const char *owner, bool again, unsigned int queues)
{
	struct vm_network network = VM_NETWORK_INIT;
	struct error err = ERROR_INIT;

	if (vm_network_scan(container, owner, again, queues, &network, &err) < 0)
		fail_msg("%s", err.message);
	return network;
}

static inline void remove_all(const char *owner)
{
	struct error err = ERROR_INIT;

	if (vm_network_remove(container, owner, &err) < 0)
		fail_msg("%s", err.message);
}
