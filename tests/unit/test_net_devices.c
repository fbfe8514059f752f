/* SPDX-License-Identifier: Apache-2.0 */
/* Moves interfaces between network namespaces of the test's own. Needs root, ip(8) and veth. */
#include "runtime/ns/net_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/oci.h"
#include "lib/error.h"
#include "tests/unit/networks.h"

#define TEXT(literal) ((char *)(literal))

static int set_up(void **state)
{
	(void)state;
	return make_networks();
}

static void loopback_comes_up(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_null(strstr(run_in(home, "ip link show lo"), "LOOPBACK,UP"));
	if (net_loopback_up(&err) < 0)
		fail_msg("%s", err.message);
	assert_has(run_in(home, "ip link show lo"), "LOOPBACK,UP");
	assert_has(run_in(home, "ip addr show lo"), "127.0.0.1/8");
}

static int move(const char *from, const char *to, struct error *err)
{
	struct oci_net_device device = { TEXT(from), TEXT(to) };
	struct oci_linux linux_ = { .net_devices = &device, .n_net_devices = 1 };

	return net_devices_move(&linux_, container, err);
}

static void an_interface_moves_with_its_addresses(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	run_in(home,
		"ip link add veth0 type veth peer name veth1; ip link set veth0 mtu 1400 up; "
		"ip link set veth1 up; ip addr add 10.1.2.3/24 brd + dev veth0; "
		"ip addr add 10.9.9.9/32 dev veth0 scope link; "
		"ip addr add 10.8.8.8/32 dev veth0 valid_lft 300 preferred_lft 300; "
		"ip addr add 10.7.7.1 peer 10.7.7.2/32 dev veth0; "
		"ip -6 addr add fd00::1/64 dev veth0 nodad");
	if (move("veth0", "eth7", &err) < 0)
		fail_msg("%s", err.message);
	assert_null(strstr(run_in(home, "ip link show"), "veth0:"));

	const char *shown = run_in(container, "ip addr show eth7");
	assert_has(shown, "UP");
	assert_has(shown, "mtu 1400");
	assert_has(shown, "inet 10.1.2.3/24 brd 10.1.2.255 scope global eth7");
	assert_has(shown, "inet 10.7.7.1 peer 10.7.7.2/32");
	assert_has(shown, "inet6 fd00::1/64 scope global");
	/* Not global, not permanent: they stay behind. */
	assert_null(strstr(shown, "10.9.9.9"));
	assert_null(strstr(shown, "10.8.8.8"));
}

static void names_that_are_taken(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	run_in(home,
		"ip link add a0 type veth peer name b0; ip link add a1 type veth peer name b1");
	assert_int_equal(move("a0", "lo", &err), -EEXIST);
	assert_has(err.message, "linux.netDevices.a0: the container already has an interface lo");
	assert_has(run_in(home, "ip link show a0"), "a0");
	assert_int_equal(move("a0", "net%d", &err), 0);
	assert_int_equal(move("a1", "net%d", &err), 0);
	assert_has(run_in(container, "ip link show"), "net0@");
	assert_has(run_in(container, "ip link show"), "net1@");
	/* The same name on both sides, kept. */
	assert_int_equal(move("b0", NULL, &err), 0);
	assert_has(run_in(container, "ip link show b0"), "UP");
}

static void what_cannot_move_says_so(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(move("nothing", NULL, &err), -ENODEV);
	assert_has(err.message, "linux.netDevices.nothing: find the interface: No such device");
	assert_int_equal(move("lo", "lo5", &err), -EINVAL);
	assert_has(err.message, "this kind cannot leave its namespace");
	assert_int_equal(move("b1", "a-name-too-long-for-it", &err), -EINVAL);
	assert_int_equal(move("b1", "a/b", &err), -EINVAL);
	assert_int_equal(move("b1", "", &err), -EINVAL);
}

static void the_own_namespace_stays(void **state)
{
	char before[64] = "", after[64] = "";
	struct error err = ERROR_INIT;

	(void)state;
	assert_true(readlink("/proc/self/ns/net", before, sizeof(before) - 1) > 0);
	assert_int_equal(move("b1", NULL, &err), 0);
	assert_true(readlink("/proc/self/ns/net", after, sizeof(after) - 1) > 0);
	assert_string_equal(before, after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_comes_up),
		cmocka_unit_test(an_interface_moves_with_its_addresses),
		cmocka_unit_test(names_that_are_taken),
		cmocka_unit_test(what_cannot_move_says_so),
		cmocka_unit_test(the_own_namespace_stays),
	};

	return cmocka_run_group_tests_name("net_devices", tests, set_up, NULL);
}
