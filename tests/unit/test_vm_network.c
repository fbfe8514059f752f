/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network cards of a virtual machine: packets that really cross between a tap and an interface, who
 * may have them, and what is left behind. In namespaces of the test's own. Needs root, ip(8), tun
 * and veth.
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
#include "runtime/vm/network/net_forward.h"
#include "tests/unit/vm_networks.h"

#define HEADER 12 /* struct virtio_net_hdr_mrg_rxbuf */
#define WAIT_MS 2000
#define SILENCE_MS 300

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
	_cleanup_close_ int empty = open_own_network();
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
