/* SPDX-License-Identifier: Apache-2.0 */
/* The network device over a tap in a network namespace of the test's own. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "runtime/vm/virtio/net.h"
#include "tests/unit/virtio_driver.h"

#define HEADER sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define TYPE 0x88b5 /* for local experiments */

static struct driver driver;
static int wire;
static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 7 };

static bool can(void)
{
	static int answer = -1;
	int fd;

	if (answer >= 0)
		return answer;
	answer = unshare(CLONE_NEWNET) == 0 && access("/dev/net/tun", R_OK | W_OK) == 0;
	/* This namespace's own: nobody else is to speak on the wire. */
	fd = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (answer && fd >= 0)
		(void)!write(fd, "1", 1);
	if (fd >= 0)
		close(fd);
	return answer;
}

static void open_wire(void)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(TYPE) };
	struct ifreq request = { .ifr_name = "t0" };
	struct timeval time = { .tv_sec = 5 };

	wire = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(TYPE));
	assert_true(wire >= 0);
	assert_int_equal(ioctl(wire, SIOCGIFFLAGS, &request), 0);
	request.ifr_flags |= IFF_UP;
	assert_int_equal(ioctl(wire, SIOCSIFFLAGS, &request), 0);
	assert_int_equal(ioctl(wire, SIOCGIFINDEX, &request), 0);
	address.sll_ifindex = request.ifr_ifindex;
	assert_int_equal(bind(wire, (struct sockaddr *)&address, sizeof(address)), 0);
	setsockopt(wire, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
}

static void attach(unsigned int pairs)
{
	int fds[4];
	struct net_options options = { .fds = fds, .pairs = pairs, .mtu = 1500, .confine = true };
	struct virtio_device *device = NULL;
	struct error err = ERROR_INIT;

	memcpy(options.mac, mac, 6);
	driver_init(&driver);
	if (tap_open("t0", pairs, fds, &err) < 0 ||
		virtio_net_new(&driver.memory, &options, &device, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(virtio_mmio_attach(&driver.slot, device), 0);
	open_wire();
}

static void detach(void)
{
	driver_fini(&driver);
	close(wire);
}

static void fill_frame(uint8_t *frame, size_t length, unsigned int seed)
{
	memcpy(frame, mac, 6);
	memcpy(frame + 6, "\x02\x00\x00\x00\x00\x08", 6);
	frame[12] = TYPE >> 8;
	frame[13] = TYPE & 0xff;
	for (size_t i = 14; i < length; i++)
		frame[i] = (uint8_t)(i * 3 + seed);
}

static void expect_on_wire(const uint8_t *frame, size_t length)
{
	uint8_t got[4096];
	ssize_t n = recv(wire, got, sizeof(got), 0);

	assert_int_equal(n, length);
	assert_memory_equal(got, frame, length);
}

static void test_packets_go_out(void **state)
{
	uint64_t at;
	uint8_t frame[1000];

	(void)state;
	if (!can())
		skip();
	attach(1);
	driver_start(&driver, 2, 64, 0);
	at = driver_alloc(&driver, 4096);
	for (unsigned int i = 0; i < 200; i++) {
		struct driver_buffer b[] = { { at, HEADER, false }, { at + 64, 400, false },
			{ at + 464, 600, false } };

		fill_frame(frame, sizeof(frame), i);
		memcpy(driver_at(&driver, at + 64), frame, sizeof(frame));
		driver_request(&driver, 1, b, 3);
		expect_on_wire(frame, sizeof(frame));
	}
	detach();
}

static void test_bad_packets_are_dropped(void **state)
{
	uint64_t at;
	struct virtio_net_hdr_mrg_rxbuf *h;
	uint8_t frame[100];

	(void)state;
	if (!can())
		skip();
	attach(1);
	driver_start(&driver, 2, 64, 0);
	at = driver_alloc(&driver, 2 << 20);
	h = driver_at(&driver, at);
	for (uint32_t length = 0; length < HEADER + 20; length++) {
		struct driver_buffer b = { at, length, false };

		driver_request(&driver, 1, &b, 1);
	}
	for (unsigned int i = 0; i < 256; i++) {
		struct driver_buffer b = { at, 200, false };

		/* Segmentation of a size, at a place and of a kind that do not fit. */
		*h = (struct virtio_net_hdr_mrg_rxbuf){ .hdr = { .flags = (uint8_t)i,
								.gso_type = (uint8_t)(i * 7),
								.hdr_len = 0xffff,
								.gso_size = (uint16_t)(i * 251),
								.csum_start = 0xfff0,
								.csum_offset = 0xffff } };
		driver_request(&driver, 1, &b, 1);
	}
	for (uint32_t length = 65500; length < 65600; length += 10) {
		struct driver_buffer b[] = { { at, length, false }, { at, length, false } };

		driver_request(&driver, 1, b, 2);
	}
	assert_false(driver_needs_reset(&driver));
	memset(h, 0, HEADER);
	fill_frame(frame, sizeof(frame), 1);
	memcpy((char *)h + HEADER, frame, sizeof(frame));
	{
		struct driver_buffer b = { at, HEADER + sizeof(frame), false };
		uint8_t got[4096];
		ssize_t n;

		driver_request(&driver, 1, &b, 1);
		/* What was odd but sent comes first. */
		do
			n = recv(wire, got, sizeof(got), 0);
		while (n > 0 && (n != sizeof(frame) || memcmp(got, frame, sizeof(frame)) != 0));
		assert_true(n > 0);
	}
	detach();
}

/* Small buffers, so that one packet needs several. */
static void test_packets_come_in_merged(void **state)
{
	uint64_t at;
	uint8_t frame[1400], got[1600];

	(void)state;
	if (!can())
		skip();
	attach(1);
	driver_start(&driver, 2, 256, 0);
	at = driver_alloc(&driver, 256 * 512);
	for (unsigned int i = 0; i < 256; i++) {
		struct driver_buffer b = { at + i * 512, 512, true };

		driver_add(&driver, 0, &b, 1);
	}
	driver_kick(&driver, 0);
	for (unsigned int i = 0; i < 40; i++) {
		struct virtio_net_hdr_mrg_rxbuf h;
		size_t length = 0, size = 60 + i * 33;

		fill_frame(frame, size, i);
		assert_int_equal(send(wire, frame, size, 0), size);
		for (unsigned int n = 0, count = 1; n < count; n++) {
			uint32_t head = 0, written = 0;

			/* All buffers of a packet are there when the first one is. */
			if (n == 0)
				written = driver_wait(&driver, 0, &head);
			else
				assert_true(driver_take(&driver, 0, &head, &written));
			memcpy(got + length, driver_at(&driver, at + head * 512), written);
			length += written;
			if (n == 0) {
				memcpy(&h, got, HEADER);
				count = h.num_buffers;
				assert_int_equal(count, (HEADER + size + 511) / 512);
			}
		}
		assert_int_equal(length, HEADER + size);
		assert_memory_equal(got + HEADER, frame, size);
	}
	detach();
}

static void test_without_merging_a_packet_has_one_buffer(void **state)
{
	uint64_t at;
	uint8_t frame[1000];

	(void)state;
	if (!can())
		skip();
	attach(1);
	driver_start(&driver, 2, 64,
		1u << VIRTIO_NET_F_MRG_RXBUF | 1u << VIRTIO_NET_F_GUEST_TSO4 |
			1u << VIRTIO_NET_F_GUEST_TSO6 | 1u << VIRTIO_NET_F_GUEST_ECN);
	at = driver_alloc(&driver, 2048);
	for (unsigned int i = 0; i < 100; i++) {
		struct driver_buffer b[] = { { at, HEADER, true }, { at + 64, 1514, true } };

		fill_frame(frame, sizeof(frame), i);
		driver_add(&driver, 0, b, 2);
		driver_kick(&driver, 0);
		assert_int_equal(send(wire, frame, sizeof(frame), 0), sizeof(frame));
		assert_int_equal(driver_wait(&driver, 0, NULL), HEADER + sizeof(frame));
		assert_memory_equal(driver_at(&driver, at + 64), frame, sizeof(frame));
	}
	detach();
}

static void test_config(void **state)
{
	(void)state;
	if (!can())
		skip();
	attach(1);
	assert_int_equal(driver_config(&driver, 5, 1), 7);
	assert_int_equal(driver_config(&driver, 6, 2), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(driver_config(&driver, 10, 2), 1500);
	detach();
}

static uint8_t set_pairs(uint16_t pairs)
{
	uint64_t at = driver_alloc(&driver, 16);
	uint8_t *p = driver_at(&driver, at);
	struct driver_buffer b[] = { { at, 4, false }, { at + 8, 1, true } };

	p[0] = VIRTIO_NET_CTRL_MQ;
	p[1] = VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET;
	memcpy(p + 2, &pairs, 2);
	p[8] = 0xaa;
	driver_request(&driver, 6, b, 2);
	return p[8];
}

static void test_several_queues(void **state)
{
	uint64_t at;
	uint8_t frame[100];

	(void)state;
	if (!can())
		skip();
	attach(3);
	driver_start(&driver, 7, 64, 0);
	assert_int_equal(set_pairs(0), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(4), VIRTIO_NET_ERR);
	assert_int_equal(set_pairs(3), VIRTIO_NET_OK);
	at = driver_alloc(&driver, 256);
	for (unsigned int i = 0; i < 30; i++) {
		struct driver_buffer b = { at, HEADER + sizeof(frame), false };

		fill_frame(frame, sizeof(frame), i);
		memcpy((char *)driver_at(&driver, at) + HEADER, frame, sizeof(frame));
		driver_request(&driver, 1 + 2 * (i % 3), &b, 1);
		expect_on_wire(frame, sizeof(frame));
	}
	assert_int_equal(set_pairs(1), VIRTIO_NET_OK);
	detach();
}

static void test_reset_with_traffic(void **state)
{
	uint8_t frame[200];

	(void)state;
	if (!can())
		skip();
	attach(1);
	for (unsigned int round = 0; round < 50; round++) {
		uint64_t at = DRIVER_BASE + (8u << 20);

		driver_start(&driver, 2, 64, 0);
		for (unsigned int i = 0; i < 50; i++) {
			struct driver_buffer b = { at + i * 2048, 2048, true };

			driver_add(&driver, 0, &b, 1);
		}
		driver_kick(&driver, 0);
		fill_frame(frame, sizeof(frame), round);
		for (unsigned int i = 0; i < 10; i++)
			send(wire, frame, sizeof(frame), 0);
		driver_write(&driver, VIRTIO_MMIO_STATUS, 0);
		memset(driver_at(&driver, at), 0x77, 50 * 2048);
		usleep(500);
		for (unsigned int i = 0; i < 50 * 2048; i++)
			if (*(uint8_t *)driver_at(&driver, at + i) != 0x77)
				fail_msg("a buffer was written after the reset");
	}
	detach();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_go_out),
		cmocka_unit_test(test_bad_packets_are_dropped),
		cmocka_unit_test(test_packets_come_in_merged),
		cmocka_unit_test(test_without_merging_a_packet_has_one_buffer),
		cmocka_unit_test(test_config),
		cmocka_unit_test(test_several_queues),
		cmocka_unit_test(test_reset_with_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
