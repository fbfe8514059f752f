/* SPDX-License-Identifier: Apache-2.0 */
/* Credit, back-pressure and many streams of the vsock device. */
#include "tests/unit/vsock_guest.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_host_sends_no_more_than_the_guest_has_room_for),
		TEST(test_guest_that_ignores_credit_is_reset),
		TEST(test_bulk_from_the_guest),
		TEST(test_bulk_to_the_guest),
		TEST(test_many_streams),
		TEST(test_guest_cannot_make_streams_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
