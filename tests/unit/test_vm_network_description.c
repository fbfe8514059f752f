/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is told of a container's network namespace, and what a guest makes of that. In namespaces of
 * the test's own. Needs root, ip(8), tun and veth.
 */
#include "runtime/vm/network/net_description.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/netlink.h"
#include "runtime/vm/network/net_configure.h"
#include "runtime/vm/network/net_inspect.h"
#include "tests/unit/vm_networks.h"

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
	int guest = open_own_network();
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

	/*
	 * Again, as at start: nothing changes, nothing fails. The other end gets an address of its
	 * own meanwhile.
	 */
	if (net_configure(&description, &err) < 0)
		fail_msg("%s", err.message);
	char *again = describe_here();
	assert_string_equal(strstr(again, "\"name\":\"eth0\""), strstr(got, "\"name\":\"eth0\""));

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
	};

	return cmocka_run_group_tests_name("vm_network_description", tests, set_up, NULL);
}
