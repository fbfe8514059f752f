/* SPDX-License-Identifier: Apache-2.0 */
/* The vsock device, with a guest that speaks packets and a host that speaks Unix sockets. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_vsock.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "runtime/vm/virtio/vsock.h"
#include "tests/unit/loop_thread.h"
#include "tests/unit/virtio_driver.h"

#define HEADER sizeof(struct virtio_vsock_hdr)
#define BUFFERS 64u
#define BUFFER_SIZE 4096u
#define WINDOW (256u << 10)

static struct driver driver;
static struct loop_thread loop;
static struct virtio_device *device;
static char directory[64], path[128];
static uint64_t receive_buffers, transmit_buffer;
static int handled_fd;
static sem_t handled;

static void offer_receive_buffer(unsigned int i)
{
	struct driver_buffer b = { receive_buffers + (uint64_t)i * BUFFER_SIZE, BUFFER_SIZE, true };

	driver_add(&driver, 0, &b, 1);
}

static void start_guest(void)
{
	driver_start(&driver, 3, 64, 0);
	for (unsigned int i = 0; i < BUFFERS; i++)
		offer_receive_buffer(i);
	driver_kick(&driver, 0);
}

static void on_guest_connects(int fd, uint32_t port, void *data)
{
	(void)port;
	(void)data;
	handled_fd = fd;
	sem_post(&handled);
}

static int set_up(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct vsock_options options = { .dial_path = path };

	(void)state;
	strcpy(directory, "/tmp/caisson-vsock-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/s", directory);
	strcpy(address.sun_path, path);
	options.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(options.listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(options.listen_fd, 64), 0);
	assert_int_equal(loop_new(&loop.loop, NULL), 0);
	driver_init(&driver);
	assert_int_equal(virtio_vsock_new(loop.loop, &driver.memory, &options, &device, NULL), 0);
	assert_int_equal(virtio_vsock_handle(device, 77, on_guest_connects, NULL), 0);
	assert_int_equal(virtio_mmio_attach(&driver.slot, device), 0);
	receive_buffers = driver_alloc(&driver, BUFFERS * BUFFER_SIZE);
	transmit_buffer = driver_alloc(&driver, HEADER + 65536);
	sem_init(&handled, 0, 0);
	start_guest();
	loop_thread_start(&loop);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	loop_thread_stop(&loop);
	driver_fini(&driver);
	loop_free(loop.loop);
	unlink(path);
	assert_int_equal(rmdir(directory), 0);
	return 0;
}

struct packet {
	struct virtio_vsock_hdr h;
	char data[BUFFER_SIZE];
};

/* Takes the next packet for the guest; waits for it. */
static struct packet receive(void)
{
	struct packet p;
	uint32_t head = 0, length = driver_wait(&driver, 0, &head);
	const char *from = driver_at(&driver, receive_buffers + (uint64_t)head * BUFFER_SIZE);

	assert_in_range(length, HEADER, BUFFER_SIZE);
	memcpy(&p.h, from, HEADER);
	assert_int_equal(p.h.len, length - HEADER);
	memcpy(p.data, from + HEADER, p.h.len);
	assert_int_equal(p.h.src_cid, 2);
	assert_int_equal(p.h.dst_cid, 3);
	assert_int_equal(p.h.type, 1);
	offer_receive_buffer(head);
	driver_kick(&driver, 0);
	return p;
}

static struct packet expect(unsigned int op)
{
	struct packet p = receive();

	assert_int_equal(p.h.op, op);
	return p;
}

static void expect_silence(void)
{
	usleep(20000);
	assert_false(driver_take(&driver, 0, NULL, NULL));
}

struct send {
	uint32_t guest_port, host_port;
	uint16_t op;
	uint32_t length, flags;
	uint32_t window, forwarded;
	const void *data;
	uint32_t header_length; /* what the header claims where it differs */
	uint16_t type;
};

static void transmit(struct send s)
{
	struct virtio_vsock_hdr h = {
		.src_cid = 3,
		.dst_cid = 2,
		.src_port = s.guest_port,
		.dst_port = s.host_port,
		.len = s.header_length ? s.header_length : s.length,
		.type = s.type ? s.type : 1,
		.op = s.op,
		.flags = s.flags,
		.buf_alloc = s.window ? s.window : WINDOW,
		.fwd_cnt = s.forwarded,
	};
	struct driver_buffer b[] = { { transmit_buffer, HEADER, false },
		{ transmit_buffer + HEADER, s.length, false } };

	memcpy(driver_at(&driver, transmit_buffer), &h, HEADER);
	if (s.length > 0)
		memcpy(driver_at(&driver, transmit_buffer + HEADER), s.data, s.length);
	driver_request(&driver, 1, b, s.length > 0 ? 2 : 1);
}

#define SEND(guest, host, operation, ...) \
	transmit((struct send){           \
		.guest_port = (guest), .host_port = (host), .op = (operation), __VA_ARGS__ })

static int client(const char *line)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(write(fd, line, strlen(line)), (ssize_t)strlen(line));
	return fd;
}

static void expect_read(int fd, const char *text)
{
	char buffer[256];
	size_t n = strlen(text), got = 0;

	while (got < n) {
		ssize_t r = read(fd, buffer + got, n - got);

		assert_true(r > 0);
		got += (size_t)r;
	}
	assert_memory_equal(buffer, text, n);
}

/* A connection of the host's to port 5 of the guest. Returns the client's fd. */
static int connected(uint32_t *ret_host_port, const char *line)
{
	int fd = client(line);
	struct packet p = expect(VIRTIO_VSOCK_OP_REQUEST);
	char ok[32];

	assert_int_equal(p.h.dst_port, 5);
	assert_int_equal(p.h.buf_alloc, WINDOW);
	SEND(5, p.h.src_port, VIRTIO_VSOCK_OP_RESPONSE);
	snprintf(ok, sizeof(ok), "OK %u\n", p.h.src_port);
	expect_read(fd, ok);
	*ret_host_port = p.h.src_port;
	return fd;
}

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

static void test_host_sends_no_more_than_the_guest_has_room_for(void **state)
{
	int fd = client("CONNECT 5\n");
	struct packet p = expect(VIRTIO_VSOCK_OP_REQUEST);
	uint32_t port = p.h.src_port, got = 0;
	char bytes[3000] = { 0 };

	(void)state;
	SEND(5, port, VIRTIO_VSOCK_OP_RESPONSE, .window = 1000);
	assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	while (got < 1000)
		got += expect(VIRTIO_VSOCK_OP_RW).h.len;
	assert_int_equal(got, 1000);
	expect_silence();
	SEND(5, port, VIRTIO_VSOCK_OP_CREDIT_UPDATE, .window = 1000, .forwarded = 600);
	while (got < 1600)
		got += expect(VIRTIO_VSOCK_OP_RW).h.len;
	assert_int_equal(got, 1600);
	expect_silence();
	close(fd);
}

static void test_guest_that_ignores_credit_is_reset(void **state)
{
	static char bytes[65536];
	uint32_t port;
	int fd = connected(&port, "CONNECT 5\n");
	struct packet p;

	(void)state;
	/* Nobody reads: the socket and the window fill. */
	for (int i = 0; i < 64; i++) {
		transmit(
			(struct send){ 5, port, VIRTIO_VSOCK_OP_RW, sizeof(bytes), .data = bytes });
		if (driver.queues[0].used !=
			__atomic_load_n(&driver.queues[0].used_ring->idx, __ATOMIC_ACQUIRE)) {
			p = receive();
			if (p.h.op == VIRTIO_VSOCK_OP_RST)
				break;
			assert_int_equal(p.h.op, VIRTIO_VSOCK_OP_CREDIT_UPDATE);
		}
	}
	assert_int_equal(p.h.op, VIRTIO_VSOCK_OP_RST);
	close(fd);
}

struct reader {
	int fd;
	uint64_t bytes;
	bool good;
};

static void *read_slowly(void *data)
{
	struct reader *r = data;
	char buffer[7001];
	ssize_t n;

	r->good = true;
	while ((n = read(r->fd, buffer, sizeof(buffer))) > 0)
		for (ssize_t i = 0; i < n; i++, r->bytes++)
			if (buffer[i] != (char)(r->bytes * 13 >> 3))
				r->good = false;
	return NULL;
}

/* Back-pressure: the guest sends as credit allows, the reader is slower. */
static void test_bulk_from_the_guest(void **state)
{
	const uint64_t total = 32 << 20;
	static char bytes[16384];
	uint32_t port, sent = 0, forwarded = 0;
	struct reader r = { .fd = connected(&port, "CONNECT 5\n") };
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, read_slowly, &r);
	while (sent < total) {
		for (uint64_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (char)((sent + i) * 13 >> 3);
		while (sent - forwarded + sizeof(bytes) > WINDOW)
			forwarded = expect(VIRTIO_VSOCK_OP_CREDIT_UPDATE).h.fwd_cnt;
		transmit(
			(struct send){ 5, port, VIRTIO_VSOCK_OP_RW, sizeof(bytes), .data = bytes });
		sent += sizeof(bytes);
	}
	SEND(5, port, VIRTIO_VSOCK_OP_SHUTDOWN, .flags = 1);
	SEND(5, port, VIRTIO_VSOCK_OP_SHUTDOWN, .flags = 2);
	pthread_join(thread, NULL);
	assert_true(r.good);
	assert_int_equal(r.bytes, total);
	while (receive().h.op != VIRTIO_VSOCK_OP_RST)
		;
	close(r.fd);
}

static void *write_all(void *data)
{
	struct reader *r = data;
	char buffer[9001];

	for (uint64_t sent = 0; sent < r->bytes;) {
		size_t n = sizeof(buffer) < r->bytes - sent ? sizeof(buffer) : r->bytes - sent;

		for (size_t i = 0; i < n; i++)
			buffer[i] = (char)((sent + i) * 13 >> 3);
		if (write(r->fd, buffer, n) != (ssize_t)n)
			break;
		sent += n;
	}
	close(r->fd);
	return NULL;
}

static void test_bulk_to_the_guest(void **state)
{
	struct reader r = { .bytes = 32 << 20 };
	uint32_t port, got = 0;
	pthread_t thread;

	(void)state;
	r.fd = connected(&port, "CONNECT 5\n");
	pthread_create(&thread, NULL, write_all, &r);
	for (;;) {
		struct packet p = receive();

		if (p.h.op == VIRTIO_VSOCK_OP_SHUTDOWN && p.h.flags == 3)
			break;
		for (uint32_t i = 0; i < p.h.len; i++)
			if (p.data[i] != (char)((uint64_t)(got + i) * 13 >> 3))
				fail_msg("byte %u is wrong", got + i);
		got += p.h.len;
		if (p.h.op == VIRTIO_VSOCK_OP_RW && got / 65536 != (got - p.h.len) / 65536)
			SEND(5, port, VIRTIO_VSOCK_OP_CREDIT_UPDATE, .forwarded = got);
	}
	assert_int_equal(got, r.bytes);
	pthread_join(thread, NULL);
	SEND(5, port, VIRTIO_VSOCK_OP_RST);
}

static void test_many_streams(void **state)
{
	int fds[300];
	uint32_t ports[300];

	(void)state;
	for (int i = 0; i < 300; i++) {
		fds[i] = client("CONNECT 5\n");
		ports[i] = expect(VIRTIO_VSOCK_OP_REQUEST).h.src_port;
		SEND(5, ports[i], VIRTIO_VSOCK_OP_RESPONSE);
	}
	for (int i = 0; i < 300; i++)
		assert_int_equal(write(fds[i], &i, sizeof(i)), sizeof(i));
	for (int i = 0; i < 300; i++) {
		struct packet p = expect(VIRTIO_VSOCK_OP_RW);
		int n;

		memcpy(&n, p.data, sizeof(n));
		assert_int_equal(p.h.src_port, ports[n]);
	}
	for (int i = 0; i < 300; i++)
		close(fds[i]);
}

static void test_guest_cannot_make_streams_without_end(void **state)
{
	unsigned int accepted = 0, refused = 0;

	(void)state;
	for (uint32_t i = 0; i < 1100; i++) {
		struct packet p;

		SEND(10000 + i, 77, VIRTIO_VSOCK_OP_REQUEST);
		do
			p = receive();
		while (p.h.dst_port != 10000 + i);
		if (p.h.op == VIRTIO_VSOCK_OP_RESPONSE) {
			accepted++;
			sem_wait(&handled);
			close(handled_fd);
		} else {
			refused++;
		}
	}
	assert_int_equal(accepted, 1024);
	assert_int_equal(refused, 1100 - 1024);
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
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
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
		TEST(test_host_sends_no_more_than_the_guest_has_room_for),
		TEST(test_guest_that_ignores_credit_is_reset),
		TEST(test_bulk_from_the_guest),
		TEST(test_bulk_to_the_guest),
		TEST(test_many_streams),
		TEST(test_guest_cannot_make_streams_without_end),
		TEST(test_reset_ends_streams),
		TEST(test_monitor_dials_the_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
