/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of the vsock device: how they begin and end, and packets that are wrong. */
#include "tests/unit/vsock_guest.h"

static void test_host_connects_and_bytes_flow_both_ways(void **state)
{
	uint32_t port;
	/* What is behind the line is the stream's. */
	int fd = connected(&port, "CONNECT 5\nearly");
	struct packet p = expect(VIRTIO_VSOCK_OP_RW);

	(void)state;
	assert_int_equal(p.h.len, 5);
	assert_memory_equal(p.data, "early", 5);
	SEND(5, port, VIRTIO_VSOCK_OP_RW, .length = 5, .data = "reply");
	expect_read(fd, "reply");
	assert_int_equal(write(fd, "more", 4), 4);
	p = expect(VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(p.data, "more", 4);
	assert_int_equal(p.h.fwd_cnt, 5);
	close(fd);
	p = expect(VIRTIO_VSOCK_OP_SHUTDOWN);
	while (p.h.flags != 3)
		p = expect(VIRTIO_VSOCK_OP_SHUTDOWN);
	SEND(5, port, VIRTIO_VSOCK_OP_RST);
	expect_silence();
}

static void test_refusal_closes_the_client(void **state)
{
	int fd = client("CONNECT 5\n");
	struct packet p = expect(VIRTIO_VSOCK_OP_REQUEST);
	char c;

	(void)state;
	SEND(5, p.h.src_port, VIRTIO_VSOCK_OP_RST);
	assert_int_equal(read(fd, &c, 1), 0);
	close(fd);
	expect_silence();
}

static void test_bad_greetings_are_closed(void **state)
{
	static const char *const bad[] = { "CONNECT \n", "CONNECT x\n", "connect 5\n",
		"CONNECT 5 \n", "CONNECT -1\n", "CONNECT 4294967295\n", "CONNECT 99999999999\n",
		"CONNECT 5 and so on without any end of a line" };
	char c;

	(void)state;
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = client(bad[i]);

		assert_true(read(fd, &c, 1) <= 0);
		close(fd);
	}
	expect_silence();
}

static void test_line_may_come_in_pieces(void **state)
{
	int fd = client("CON");
	struct packet p;

	(void)state;
	usleep(5000);
	assert_int_equal(write(fd, "NECT 5", 6), 6);
	usleep(5000);
	assert_int_equal(write(fd, "\n", 1), 1);
	p = expect(VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(p.h.dst_port, 5);
	close(fd);
	expect(VIRTIO_VSOCK_OP_RST);
}

static void test_guest_reaches_a_handler(void **state)
{
	struct packet p;

	(void)state;
	SEND(1000, 77, VIRTIO_VSOCK_OP_REQUEST);
	p = expect(VIRTIO_VSOCK_OP_RESPONSE);
	assert_int_equal(p.h.src_port, 77);
	assert_int_equal(p.h.dst_port, 1000);
	sem_wait(&handled);
	SEND(1000, 77, VIRTIO_VSOCK_OP_RW, .length = 3, .data = "abc");
	expect_read(handled_fd, "abc");
	assert_int_equal(write(handled_fd, "def", 3), 3);
	p = expect(VIRTIO_VSOCK_OP_RW);
	assert_memory_equal(p.data, "def", 3);
	close(handled_fd);
}

static void test_guest_reaches_a_unix_socket(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

	(void)state;
	snprintf(address.sun_path, sizeof(address.sun_path), "%.80s_99", path);
	assert_int_equal(bind(server, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server, 1), 0);
	SEND(1000, 99, VIRTIO_VSOCK_OP_REQUEST);
	expect(VIRTIO_VSOCK_OP_RESPONSE);
	fd = accept(server, NULL, NULL);
	SEND(1000, 99, VIRTIO_VSOCK_OP_RW, .length = 3, .data = "abc");
	expect_read(fd, "abc");
	close(fd);
	close(server);
	unlink(address.sun_path);
	SEND(1001, 99, VIRTIO_VSOCK_OP_REQUEST);
	while (receive().h.dst_port != 1001)
		;
}

static void test_unknown_port_and_stream_are_reset(void **state)
{
	struct packet p;

	(void)state;
	SEND(1000, 78, VIRTIO_VSOCK_OP_REQUEST);
	p = expect(VIRTIO_VSOCK_OP_RST);
	assert_int_equal(p.h.src_port, 78);
	assert_int_equal(p.h.dst_port, 1000);
	SEND(1, 2, VIRTIO_VSOCK_OP_RW, .length = 1, .data = "x");
	expect(VIRTIO_VSOCK_OP_RST);
	/* Never a reset for a reset. */
	SEND(1, 2, VIRTIO_VSOCK_OP_RST);
	expect_silence();
	SEND(1000, 77, VIRTIO_VSOCK_OP_REQUEST, .type = 2);
	expect(VIRTIO_VSOCK_OP_RST);
}

/* CVE-2019-18960: the header's length is more than the chain's buffers hold. */
static void test_cve_2019_18960_length_beyond_the_descriptors(void **state)
{
	static const uint32_t lengths[] = { 4, 65536, 65537, 0x7fffffff, UINT32_MAX };
	uint32_t port;

	(void)state;
	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		int fd = connected(&port, "CONNECT 5\n");
		char c;

		SEND(5, port, VIRTIO_VSOCK_OP_RW, .length = 3, .data = "abc",
			.header_length = lengths[i]);
		expect(VIRTIO_VSOCK_OP_RST);
		assert_int_equal(read(fd, &c, 1), 0);
		close(fd);
	}
	assert_false(driver_needs_reset(&driver));
}

static void test_short_packet_and_short_buffer(void **state)
{
	struct driver_buffer b = { transmit_buffer, HEADER - 1, false };

	(void)state;
	driver_request(&driver, 1, &b, 1);
	expect_silence();
	assert_false(driver_needs_reset(&driver));
}

static void test_guest_half_close(void **state)
{
	uint32_t port;
	int fd = connected(&port, "CONNECT 5\n");
	char c;

	(void)state;
	SEND(5, port, VIRTIO_VSOCK_OP_RW, .length = 3, .data = "end");
	SEND(5, port, VIRTIO_VSOCK_OP_SHUTDOWN, .flags = VIRTIO_VSOCK_SHUTDOWN_SEND);
	expect_read(fd, "end");
	assert_int_equal(read(fd, &c, 1), 0);
	/* The other direction lives. */
	assert_int_equal(write(fd, "yes", 3), 3);
	assert_memory_equal(expect(VIRTIO_VSOCK_OP_RW).data, "yes", 3);
	SEND(5, port, VIRTIO_VSOCK_OP_SHUTDOWN, .flags = VIRTIO_VSOCK_SHUTDOWN_RCV);
	expect(VIRTIO_VSOCK_OP_RST);
	close(fd);
	expect_silence();
}

static void test_host_half_close(void **state)
{
	uint32_t port;
	int fd = connected(&port, "CONNECT 5\n");
	struct packet p;

	(void)state;
	assert_int_equal(write(fd, "end", 3), 3);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	assert_memory_equal(expect(VIRTIO_VSOCK_OP_RW).data, "end", 3);
	p = expect(VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(p.h.flags, VIRTIO_VSOCK_SHUTDOWN_SEND);
	SEND(5, port, VIRTIO_VSOCK_OP_RW, .length = 3, .data = "yes");
	expect_read(fd, "yes");
	close(fd);
	p = expect(VIRTIO_VSOCK_OP_SHUTDOWN);
	assert_int_equal(p.h.flags, 3);
}

static void test_reset_ends_streams(void **state)
{
	char c;

	(void)state;
	for (int round = 0; round < 20; round++) {
		uint32_t port;
		int fd = connected(&port, "CONNECT 5\n");

		assert_int_equal(write(fd, "x", 1), 1);
		driver_write(&driver, VIRTIO_MMIO_STATUS, 0);
		while (read(fd, &c, 1) > 0)
			;
		close(fd);
		start_guest();
	}
}

struct dial {
	int fd, result;
};

static void do_dial(void *data)
{
	struct dial *d = data;

	d->result = virtio_vsock_dial(device, 5, &d->fd, NULL);
}

static void test_monitor_dials_the_guest(void **state)
{
	struct dial d = { 0 };
	struct packet p;

	(void)state;
	loop_thread_do(&loop, do_dial, &d);
	assert_int_equal(d.result, 0);
	p = expect(VIRTIO_VSOCK_OP_REQUEST);
	assert_int_equal(write(d.fd, "hi", 2), 2);
	SEND(5, p.h.src_port, VIRTIO_VSOCK_OP_RESPONSE);
	assert_memory_equal(expect(VIRTIO_VSOCK_OP_RW).data, "hi", 2);
	SEND(5, p.h.src_port, VIRTIO_VSOCK_OP_RW, .length = 2, .data = "ho");
	expect_read(d.fd, "ho");
	close(d.fd);
	driver_write(&driver, VIRTIO_MMIO_STATUS, 0);
	loop_thread_do(&loop, do_dial, &d);
	assert_int_equal(d.result, -ENOTCONN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_host_connects_and_bytes_flow_both_ways),
		TEST(test_refusal_closes_the_client),
		TEST(test_bad_greetings_are_closed),
		TEST(test_line_may_come_in_pieces),
		TEST(test_guest_reaches_a_handler),
		TEST(test_guest_reaches_a_unix_socket),
		TEST(test_unknown_port_and_stream_are_reset),
		TEST(test_cve_2019_18960_length_beyond_the_descriptors),
		TEST(test_short_packet_and_short_buffer),
		TEST(test_guest_half_close),
		TEST(test_host_half_close),
		TEST(test_reset_ends_streams),
		TEST(test_monitor_dials_the_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
