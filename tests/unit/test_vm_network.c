/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network cards of a virtual machine: what is told of a namespace, and packets that really cross
 * between a tap and an interface. In namespaces of the test's own. Needs root, ip(8), tun and veth.
 */
#include "runtime/vm/network/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/netlink.h"
#include "runtime/vm/network/net_configure.h"
#include "runtime/vm/network/net_forward.h"
#include "runtime/vm/network/net_inspect.h"

#define HEADER 12 /* struct virtio_net_hdr_mrg_rxbuf */
#define WAIT_MS 2000
#define SILENCE_MS 300

static int home, container;

static int open_own(void)
{
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

static int run(const char *command)
{
	return system(command) == 0 ? 0 : -1;
}

static const char *output_of(const char *command)
{
	static char text[16384];
	FILE *pipe;

	assert_int_equal(setns(container, CLONE_NEWNET), 0);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	size_t n = fread(text, 1, sizeof(text) - 1, pipe);
	text[n] = '\0';
	assert_int_equal(pclose(pipe), 0);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	return text;
}

/* "Host" and container, joined by a veth, both new: the real host is never touched. */
static int set_up(void **state)
{
	(void)state;
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	container = open_own();
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	home = open_own();
	if (home < 0 || container < 0 ||
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

static void assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in:\n%s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("\"%s\" is in:\n%s", part, text);
}

static struct vm_network scan(const char *owner, bool again, unsigned int queues)
{
	struct vm_network network = VM_NETWORK_INIT;
	struct error err = ERROR_INIT;

	if (vm_network_scan(container, owner, again, queues, &network, &err) < 0)
		fail_msg("%s", err.message);
	return network;
}

static void remove_all(const char *owner)
{
	struct error err = ERROR_INIT;

	if (vm_network_remove(container, owner, &err) < 0)
		fail_msg("%s", err.message);
}

/* ---- what is told --------------------------------------------------------------------------- */

static void attributes_nest_and_are_found(void **state)
{
	const struct ifinfomsg head = { .ifi_index = 3 };
	struct netlink_request request;
	uint32_t mtu = 1400;
	size_t size;

	(void)state;
	netlink_begin(&request, RTM_NEWLINK, 0, &head, sizeof(head));
	size_t outer = netlink_nest(&request, IFLA_LINKINFO);
	netlink_put(&request, 1, "tap", 4);
	netlink_end(&request, outer);
	netlink_put(&request, IFLA_MTU, &mtu, sizeof(mtu));

	const void *found = netlink_find(&request.header, sizeof(head), IFLA_MTU, &size);
	assert_non_null(found);
	assert_int_equal(size, sizeof(mtu));
	assert_memory_equal(found, &mtu, sizeof(mtu));
	found = netlink_find(&request.header, sizeof(head), IFLA_LINKINFO, &size);
	assert_non_null(found);
	assert_int_equal(size, 8);
	found = netlink_find_in(found, size, 1, &size);
	assert_non_null(found);
	assert_string_equal(found, "tap");
	assert_null(netlink_find(&request.header, sizeof(head), IFLA_ADDRESS, &size));
	/* Too much for one request is noticed, and by nesting too. */
	char large[NETLINK_REQUEST_MAX] = { 0 };
	outer = netlink_nest(&request, 1);
	netlink_put(&request, 2, large, sizeof(large));
	netlink_end(&request, outer);
	assert_int_equal(netlink_call(-1, &request, NULL, NULL), -EMSGSIZE);
}

static void lengths_that_lie_end_the_search(void **state)
{
	struct {
		struct rtattr attribute;
		char rest[4];
	} bad = { .attribute = { .rta_len = 3, .rta_type = 1 } };
	size_t size;

	(void)state;
	assert_null(netlink_find_in(&bad, sizeof(bad), 1, &size));
	bad.attribute.rta_len = 200;
	assert_null(netlink_find_in(&bad, sizeof(bad), 1, &size));
	bad.attribute.rta_len = 7; /* the next one would begin at the end */
	assert_null(netlink_find_in(&bad, 7, 2, &size));
}

static void short_messages_of_the_kernel_are_passed_over(void **state)
{
	struct net_namespace namespace = { 0 };
	struct nlmsghdr message = { .nlmsg_len = sizeof(message), .nlmsg_type = RTM_NEWLINK };

	(void)state;
	assert_int_equal(net_take_message(&message, &namespace), 0);
	message.nlmsg_type = RTM_NEWROUTE;
	assert_int_equal(net_take_message(&message, &namespace), 0);
	assert_int_equal(namespace.description.n_interfaces, 0);
}

static const struct net_route *find_route(
	const struct net_description *description, const char *destination)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < description->n_routes; i++) {
		const struct net_ip *ip = &description->routes[i].destination;

		inet_ntop(ip->family, ip->bytes, text, sizeof(text));
		if (strcmp(text, destination) == 0)
			return &description->routes[i];
	}
	fail_msg("no route to %s", destination);
	return NULL;
}

static const struct net_address *find_address(const struct net_interface *eth0, const char *wanted)
{
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < eth0->n_addresses; i++) {
		const struct net_ip *ip = &eth0->addresses[i].local;

		inet_ntop(ip->family, ip->bytes, text, sizeof(text));
		if (strcmp(text, wanted) == 0)
			return &eth0->addresses[i];
	}
	fail_msg("no address %s", wanted);
	return NULL;
}

static void check_addresses(const struct net_interface *eth0)
{
	static const unsigned char mac[] = { 2, 0, 0, 0, 0, 7 };

	assert_string_equal(eth0->name, "eth0");
	assert_memory_equal(eth0->mac, mac, sizeof(mac));
	assert_int_equal(eth0->mtu, 1400);
	assert_true(eth0->up);
	/* Three of IPv4, one of IPv6 and its link-local one. */
	assert_int_equal(eth0->n_addresses, 5);
	const struct net_address *address = find_address(eth0, "10.1.2.3");
	assert_memory_equal(address->broadcast.bytes, "\x0a\x01\x02\xff", 4);
	assert_int_equal(address->prefix, 24);
	assert_int_equal(address->peer.family, 0);
	address = find_address(eth0, "10.7.7.1");
	assert_memory_equal(address->peer.bytes, "\x0a\x07\x07\x02", 4);
	assert_int_equal(address->prefix, 32);
	assert_int_equal(find_address(eth0, "10.9.9.9")->scope, RT_SCOPE_LINK);
	assert_int_equal(find_address(eth0, "fd00::3")->prefix, 64);
	assert_int_equal(eth0->n_neighbours, 1);
	assert_memory_equal(eth0->neighbours[0].address.bytes, "\x0a\x01\x02\x09", 4);
	assert_int_equal(eth0->neighbours[0].mac[5], 9);
}

static void check_routes(const struct net_description *description)
{
	/* Two defaults, of IPv4 and IPv6; table 77 and the kernel's own are not told. */
	assert_int_equal(description->n_routes, 6);
	const struct net_route *route = find_route(description, "0.0.0.0");
	assert_int_equal(route->prefix, 0);
	assert_int_equal(route->metric, 50);
	assert_memory_equal(route->nexthops[0].gateway.bytes, "\x0a\x01\x02\x01", 4);
	route = find_route(description, "169.254.1.1");
	assert_int_equal(route->scope, RT_SCOPE_LINK);
	assert_int_equal(route->nexthops[0].gateway.family, 0);
	route = find_route(description, "172.16.0.0");
	assert_true(route->nexthops[0].onlink);
	assert_int_equal(route->mtu, 1300);
	assert_memory_equal(route->source.bytes, "\x0a\x01\x02\x03", 4);
	route = find_route(description, "198.51.100.0");
	assert_int_equal(route->type, RTN_BLACKHOLE);
	assert_int_equal(route->n_nexthops, 0);
	route = find_route(description, "203.0.113.0");
	assert_int_equal(route->n_nexthops, 2);
	assert_int_equal(route->nexthops[0].weight, 1);
	assert_string_equal(route->nexthops[1].device, "eth0");
	route = find_route(description, "::");
	assert_int_equal(route->nexthops[0].gateway.family, AF_INET6);
}

static void a_namespace_is_described(void **state)
{
	struct vm_network network = scan("first", false, 1);
	struct net_description description = { 0 };
	struct error err = ERROR_INIT;

	(void)state;
	if (net_description_read(
		    network.description, strlen(network.description), &description, &err) < 0)
		fail_msg("%s: %s", err.message, network.description);
	assert_int_equal(description.n_interfaces, 1);
	check_addresses(&description.interfaces[0]);
	check_routes(&description);

	char *again = NULL;
	assert_int_equal(net_description_write(&description, &again, &err), 0);
	assert_string_equal(again, network.description);
	free(again);
	net_description_free(&description);
	vm_network_free(&network);
	remove_all("first");
}

static void wrong_descriptions_are_refused(void **state)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{ "[]", "no object" },
		{ "{\"interfaces\":{}}", "interfaces: no list" },
		{ "{\"interfaces\":[{\"name\":\"a/b\"}]}", "interfaces[0]: name: no name" },
		{ "{\"interfaces\":[{\"name\":\"0123456789abcdef\"}]}", "no name" },
		{ "{\"interfaces\":[{\"name\":\"e\",\"mac\":\"02:00:00:00:00\"}]}",
			"mac: no hardware address" },
		{ "{\"interfaces\":[{\"name\":\"e\",\"mac\":\"02:00:00:00:00:0g\"}]}",
			"mac: no hardware address" },
		{ "{\"interfaces\":[{\"name\":\"e\",\"mac\":\"02:00:00:00:00:01\",\"mtu\":65536}]}",
			"mtu: no number up to 65535" },
		{ "{\"routes\":[{\"destination\":\"10.0.0.0\",\"prefix\":33}]}",
			"routes[0]: prefix: longer than the address" },
		{ "{\"routes\":[{\"destination\":\"10.0.0\"}]}", "destination: no address" },
		{ "{\"routes\":[{}]}", "destination: no address" },
		{ "{\"routes\":[{\"destination\":\"::\",\"prefix\":0,\"type\":256}]}",
			"type: no number" },
		{ "{\"routes\":[{\"destination\":\"::\",\"prefix\":0,\"nexthops\":[{\"device\":7}]}"
		  "]}",
			"routes[0]: nexthops[0]: device: no name" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct net_description description = { 0 };
		struct error err = ERROR_INIT;

		assert_int_equal(
			net_description_read(bad[i].text, strlen(bad[i].text), &description, &err),
			-EINVAL);
		assert_has(err.message, bad[i].error);
	}
}

/* ---- the guest's side ----------------------------------------------------------------------- */

/* A guest: a namespace of its own with a card of the same hardware address and another name. */
static int make_guest(const char *commands)
{
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	int guest = open_own();
	assert_int_equal(run(commands), 0);
	return guest;
}

static void sort_routes(struct net_description *description)
{
	for (size_t i = 1; i < description->n_routes; i++) {
		for (size_t j = i; j > 0; j--) {
			struct net_route *a = &description->routes[j - 1], *b = a + 1, swap = *a;

			if (memcmp(&a->destination, &b->destination, sizeof(a->destination)) <= 0)
				break;
			*a = *b;
			*b = swap;
		}
	}
}

static char *describe_here(void)
{
	struct net_namespace namespace = { 0 };
	struct error err = ERROR_INIT;
	char *text = NULL;
	_cleanup_close_ int netlink = netlink_open(&err);

	assert_int_equal(net_inspect(netlink, &namespace, &err), 0);
	sort_routes(&namespace.description);
	assert_int_equal(net_description_write(&namespace.description, &text, &err), 0);
	net_namespace_free(&namespace);
	return text;
}

static void a_guest_gets_what_is_described(void **state)
{
	struct vm_network network = scan("first", false, 1);
	struct net_description description = { 0 };
	struct error err = ERROR_INIT;
	char *wanted = NULL;

	(void)state;
	assert_int_equal(net_description_read(network.description, strlen(network.description),
				 &description, &err),
		0);
	sort_routes(&description);
	assert_int_equal(net_description_write(&description, &wanted, &err), 0);

	/* Another interface has the name; a card comes while it is waited for. */
	int guest = make_guest(
		"ip link set lo up; ip link add eth0 type bridge; ip link set eth0 up;"
		"(sleep 0.2; ip link add card address 02:00:00:00:00:07 type veth "
		"peer name peer; ip link set peer addrgenmode none; ip link set peer up) & "
		"true");
	if (net_wait_for_interfaces(&description, 5000, &err) < 0 ||
		net_configure(&description, &err) < 0)
		fail_msg("%s", err.message);
	char *got = describe_here();
	/* The other end of the pair is no part of the comparison. */
	assert_has(got, "\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:07\",\"mtu\":1400,\"up\":true");
	assert_string_equal(strstr(got, "\"routes\""), strstr(wanted, "\"routes\""));
	assert_has(got, "\"address\":\"10.7.7.1\",\"prefix\":32,\"peer\":\"10.7.7.2\"");
	assert_has(got, "\"address\":\"10.9.9.9\",\"prefix\":32,\"scope\":253");
	assert_has(got, "\"address\":\"fd00::3\",\"prefix\":64");
	assert_has(got, "{\"address\":\"10.1.2.9\",\"mac\":\"02:00:00:00:00:09\"}");

	/* Again, as at start: nothing changes, nothing fails. */
	if (net_configure(&description, &err) < 0)
		fail_msg("%s", err.message);
	char *again = describe_here();
	assert_string_equal(again, got);

	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(guest);
	free(again);
	free(got);
	free(wanted);
	net_description_free(&description);
	vm_network_free(&network);
	remove_all("first");
}

static void two_cards_may_swap_their_names(void **state)
{
	const char text[] =
		"{\"interfaces\":[{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500,"
		"\"up\":true},{\"name\":\"eth1\",\"mac\":\"02:00:00:00:00:02\",\"mtu\":1500}]}";
	struct net_description description = { 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(net_description_read(text, sizeof(text) - 1, &description, &err), 0);
	int guest = make_guest("ip link add eth0 address 02:00:00:00:00:02 type veth peer name "
			       "eth1 address 02:00:00:00:00:01 && ip link set eth0 up");
	if (net_configure(&description, &err) < 0)
		fail_msg("%s", err.message);
	char *got = describe_here();
	assert_has(got, "\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:01\",\"mtu\":1500,\"up\":true");
	assert_has(
		got, "\"name\":\"eth1\",\"mac\":\"02:00:00:00:00:02\",\"mtu\":1500,\"up\":false");
	free(got);
	net_description_free(&description);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(guest);
}

static void a_card_that_does_not_come_is_named(void **state)
{
	const char text[] = "{\"interfaces\":[{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:0f\"}]}";
	struct net_description description = { 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(net_description_read(text, sizeof(text) - 1, &description, &err), 0);
	assert_int_equal(net_wait_for_interfaces(&description, 50, &err), -ENODEV);
	assert_has(err.message, "no network card 02:00:00:00:00:0f for interface eth0 after 50 ms");
	assert_int_equal(net_configure(&description, &err), -ENODEV);
	net_description_free(&description);
}

/* ---- packets -------------------------------------------------------------------------------- */

static int open_packets(const char *interface)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(interface) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Waits for the frame with that type in one of some descriptors; others pass by. */
static bool arrives(const int *fds, unsigned int count, size_t offset, uint16_t type, char *frame,
	size_t size, int wait_ms)
{
	struct pollfd wait[VM_NIC_QUEUES_MAX];

	for (unsigned int i = 0; i < count; i++)
		wait[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	while (poll(wait, count, wait_ms) > 0) {
		for (unsigned int i = 0; i < count; i++) {
			ssize_t n = wait[i].revents != 0 ? read(wait[i].fd, frame, size) : 0;

			if (n >= (ssize_t)(offset + ETH_HLEN) &&
				memcmp(frame + offset + 12, &type, sizeof(type)) == 0)
				return true;
		}
	}
	return false;
}

static void make_frame(char *frame, const char *to, const char *from, uint16_t type)
{
	memset(frame, 0, 64);
	memcpy(frame, to, ETH_ALEN);
	memcpy(frame + 6, from, ETH_ALEN);
	memcpy(frame + 12, &type, sizeof(type));
	memcpy(frame + ETH_HLEN, "caisson", 8);
}

static void packets_cross(struct vm_network *network)
{
	const uint16_t type = htons(0x88b5); /* for experiments: no kernel answers it */
	char sent[HEADER + 64] = { 0 }, frame[2048];
	_cleanup_close_ int near = open_packets("near");

	assert_int_equal(network->n_nics, 1);
	struct vm_nic *nic = &network->nics[0];
	make_frame(sent + HEADER, "\2\0\0\0\0\7", "\2\0\0\0\0\1", type);
	assert_int_equal(send(near, sent + HEADER, 64, 0), 64);
	if (!arrives(nic->queues, nic->n_queues, HEADER, type, frame, sizeof(frame), WAIT_MS))
		fail_msg("nothing came out of the tap");
	assert_memory_equal(frame + HEADER, sent + HEADER, 64);

	const uint16_t back = htons(0x88b6);
	make_frame(sent + HEADER, "\2\0\0\0\0\1", "\2\0\0\0\0\7", back);
	assert_int_equal(write(nic->queues[0], sent, sizeof(sent)), sizeof(sent));
	if (!arrives(&near, 1, 0, back, frame, sizeof(frame), WAIT_MS))
		fail_msg("nothing came out of the interface");
	assert_memory_equal(frame, sent + HEADER, 64);
}

static void packets_cross_with_one_queue_and_with_several(void **state)
{
	(void)state;
	for (unsigned int queues = 1; queues <= 4; queues += 3) {
		struct vm_network network = scan("first", false, queues);

		assert_int_equal(network.nics[0].n_queues, queues);
		packets_cross(&network);
		vm_network_free(&network);
		remove_all("first");
	}
}

/* The question for an address that the namespace's kernel has too: only the guest gets it. */
static void the_namespace_itself_does_not_answer(void **state)
{
	struct vm_network network = scan("first", false, 1);
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0x0a010203)
	};
	char frame[2048];
	_cleanup_close_ int near = open_packets("near");
	_cleanup_close_ int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	(void)state;
	run("ip neigh flush dev near");
	assert_int_equal(sendto(udp, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to)), 1);
	assert_true(arrives(network.nics[0].queues, 1, HEADER, htons(ETH_P_ARP), frame,
		sizeof(frame), WAIT_MS));
	assert_int_equal(frame[HEADER + ETH_HLEN + 7], 1); /* a request */
	/* Of what leaves by the pair's near end the socket sees the requests, and no answer. */
	while (arrives(&near, 1, 0, htons(ETH_P_ARP), frame, sizeof(frame), SILENCE_MS))
		assert_int_equal(frame[ETH_HLEN + 7], 1);
	vm_network_free(&network);
	remove_all("first");
}

static void a_tap_says_nothing_of_its_own(void **state)
{
	struct vm_network network = scan("first", false, 1);

	(void)state;
	const char *shown = output_of("ip -d link show");
	assert_has(shown, "caisson");
	assert_has(shown, "addrgenmode none");
	shown = output_of("ip -o -6 addr show");
	assert_lacks(shown, "caisson");
	vm_network_free(&network);
	remove_all("first");
}

/* ---- claims --------------------------------------------------------------------------------- */

static void a_second_machine_is_refused(void **state)
{
	struct vm_network network = scan("first", false, 1), other = VM_NETWORK_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(vm_network_scan(container, "second", false, 1, &other, &err), -EBUSY);
	assert_has(err.message, "belongs to the virtual machine of container first");
	assert_int_equal(vm_network_scan(container, "second", true, 1, &other, &err), -EBUSY);
	/* Nor can it take away what is not its own. */
	remove_all("second");
	packets_cross(&network);
	vm_network_free(&network);
	remove_all("first");
}

static void later_interfaces_are_found_and_earlier_ones_kept(void **state)
{
	struct vm_network first = scan("first", false, 1);

	(void)state;
	output_of("ip link add eth1 address 02:00:00:00:00:11 type veth peer name p1; "
		  "ip addr add 10.5.5.5/24 dev eth1; ip link set eth1 up");
	struct vm_network later = scan("first", true, 2);
	/* Both ends of that pair are in the namespace. */
	assert_int_equal(later.n_nics, 2);
	assert_int_equal(later.nics[0].n_queues, 2);
	assert_has(later.description, "\"eth0\"");
	assert_has(later.description, "\"10.5.5.5\"");
	packets_cross(&first);
	struct vm_network none = scan("first", true, 1);
	assert_int_equal(none.n_nics, 0);
	assert_has(none.description, "\"eth1\"");
	vm_network_free(&none);
	vm_network_free(&later);
	vm_network_free(&first);
	remove_all("first");
	output_of("ip link del eth1");
}

static void nothing_is_left(void **state)
{
	struct vm_network network = scan("first", false, 2);

	(void)state;
	assert_has(output_of("tc qdisc show dev eth0"), "ingress");
	/* While the monitor lives, and again. */
	remove_all("first");
	assert_lacks(output_of("ip link show"), "caisson");
	assert_lacks(output_of("tc qdisc show dev eth0"), "ingress");
	remove_all("first");
	vm_network_free(&network);

	/* A monitor that was killed takes its taps along; the rest is taken over or away. */
	network = scan("first", false, 1);
	vm_network_free(&network);
	assert_lacks(output_of("ip link show"), "caisson");
	network = scan("second", false, 1);
	packets_cross(&network);
	vm_network_free(&network);
	remove_all("third");
	assert_lacks(output_of("tc qdisc show dev eth0"), "ingress");
}

static void somebody_elses_redirection_is_left_alone(void **state)
{
	struct vm_network network = VM_NETWORK_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	output_of("tc qdisc add dev eth0 ingress");
	assert_int_equal(vm_network_scan(container, "first", false, 1, &network, &err), -EEXIST);
	assert_has(err.message, "interface eth0 has an ingress queueing discipline");
	assert_lacks(output_of("ip link show"), "caisson");
	remove_all("first");
	assert_has(output_of("tc qdisc show dev eth0"), "ingress");
	output_of("tc qdisc del dev eth0 ingress");
}

/* ---- connections inside the namespace ------------------------------------------------------- */

static int connect_to(const char *address, uint16_t port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool inet6 = inet_pton(AF_INET6, address, &six.sin6_addr) == 1;
	int fd = socket(inet6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (!inet6)
		assert_int_equal(inet_pton(AF_INET, address, &four.sin_addr), 1);
	int status = inet6 ? connect(fd, (struct sockaddr *)&six, sizeof(six))
			   : connect(fd, (struct sockaddr *)&four, sizeof(four));
	if (status < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static void connections_to_the_namespaces_own_addresses_are_caught(void **state)
{
	static const struct {
		const char *address;
		uint16_t port;
	} own[] = { { "127.0.0.1", 80 }, { "127.0.0.5", 443 }, { "10.1.2.3", 65535 }, { "::1", 81 },
		{ "fd00::3", 1 } };
	struct vm_network network = scan("first", false, 1);

	(void)state;
	assert_true(network.forward_listener >= 0);
	assert_true(network.forward_rules >= 0);
	assert_int_equal(setns(container, CLONE_NEWNET), 0);
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++) {
		int connection = connect_to(own[i].address, own[i].port);
		if (connection < 0)
			fail_msg("%s: %s", own[i].address, strerror(-connection));
		int accepted = accept(network.forward_listener, NULL, NULL);
		assert_true(accepted >= 0);
		assert_int_equal(net_forward_port(accepted), own[i].port);
		close(accepted);
		close(connection);
	}
	assert_int_equal(setns(home, CLONE_NEWNET), 0);

	/* A second rule is not there to be had, and no scan fails for it. */
	struct vm_network again = scan("first", true, 1);
	assert_int_equal(again.forward_listener, -EBADF);
	vm_network_free(&again);

	/* The rule goes with its owner. */
	vm_network_free(&network);
	assert_int_equal(setns(container, CLONE_NEWNET), 0);
	assert_int_equal(connect_to("127.0.0.1", 80), -ECONNREFUSED);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	remove_all("first");
}

static void an_empty_namespace_has_no_cards(void **state)
{
	struct vm_network network = VM_NETWORK_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	_cleanup_close_ int empty = open_own();
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	assert_int_equal(vm_network_scan(empty, "first", false, 1, &network, &err), 0);
	assert_int_equal(network.n_nics, 0);
	assert_string_equal(network.description, "{\"interfaces\":[],\"routes\":[]}");
	vm_network_free(&network);
	assert_int_equal(vm_network_remove(-EBADF, "first", &err), 0);
	assert_int_equal(vm_network_remove(empty, "first", &err), 0);
}

/* In a child without rights of its own: makes the namespaces in one more, and scans from outside.
 */
static int scan_as_nobody(void)
{
	struct vm_network network = VM_NETWORK_INIT;
	struct error err = ERROR_INIT;
	int ready[2];
	char path[64];

	if (pipe2(ready, O_CLOEXEC) < 0 || setresgid(65534, 65534, 65534) < 0 ||
		setresuid(65534, 65534, 65534) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		return 1;
	pid_t child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	close(ready[1]);
	if (read(ready[0], path, 1) != 1)
		return 2;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", child);
	_cleanup_close_ int netns = open(path, O_RDONLY | O_CLOEXEC);
	int status = vm_network_scan(netns, "mine", false, 1, &network, &err);
	if (status < 0)
		fprintf(stderr, "%s\n", err.message);
	kill(child, SIGKILL);
	return status < 0 || network.n_nics != 0 ? 3 : 0;
}

static void an_ordinary_user_enters_through_the_user_namespace(void **state)
{
	int status;

	(void)state;
	pid_t child = fork();
	if (child == 0)
		_exit(scan_as_nobody());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void wrong_arguments_are_refused(void **state)
{
	struct vm_network network = VM_NETWORK_INIT;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(vm_network_scan(container, "first", false, 0, &network, &err), -EINVAL);
	assert_int_equal(
		vm_network_scan(container, "first", false, VM_NIC_QUEUES_MAX + 1, &network, &err),
		-EINVAL);
	assert_int_equal(vm_network_scan(container, "", false, 1, &network, &err), -EINVAL);
	_cleanup_close_ int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(vm_network_scan(file, "first", false, 1, &network, &err) < 0);
	assert_has(err.message, "enter the container's network namespace");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(attributes_nest_and_are_found),
		cmocka_unit_test(lengths_that_lie_end_the_search),
		cmocka_unit_test(short_messages_of_the_kernel_are_passed_over),
		cmocka_unit_test(a_namespace_is_described),
		cmocka_unit_test(wrong_descriptions_are_refused),
		cmocka_unit_test(a_guest_gets_what_is_described),
		cmocka_unit_test(two_cards_may_swap_their_names),
		cmocka_unit_test(a_card_that_does_not_come_is_named),
		cmocka_unit_test(packets_cross_with_one_queue_and_with_several),
		cmocka_unit_test(the_namespace_itself_does_not_answer),
		cmocka_unit_test(a_tap_says_nothing_of_its_own),
		cmocka_unit_test(a_second_machine_is_refused),
		cmocka_unit_test(later_interfaces_are_found_and_earlier_ones_kept),
		cmocka_unit_test(nothing_is_left),
		cmocka_unit_test(somebody_elses_redirection_is_left_alone),
		cmocka_unit_test(connections_to_the_namespaces_own_addresses_are_caught),
		cmocka_unit_test(an_empty_namespace_has_no_cards),
		cmocka_unit_test(an_ordinary_user_enters_through_the_user_namespace),
		cmocka_unit_test(wrong_arguments_are_refused),
	};

	return cmocka_run_group_tests_name("vm_network", tests, set_up, NULL);
}
