/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vsock device, with a guest that speaks packets and a host that speaks Unix sockets, for the
 * tests of it.
 */
#pragma once

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

static inline void offer_receive_buffer(unsigned int i)
{
	struct driver_buffer b = { receive_buffers + (uint64_t)i * BUFFER_SIZE, BUFFER_SIZE, true };

	driver_add(&driver, 0, &b, 1);
}

static inline void start_guest(void)
{
	driver_start(&driver, 3, 64, 0);
	for (unsigned int i = 0; i < BUFFERS; i++)
		offer_receive_buffer(i);
	driver_kick(&driver, 0);
}

static inline void on_guest_connects(int fd, uint32_t port, void *data)
{
	(void)port;
	(void)data;
	handled_fd = fd;
	sem_post(&handled);
}

static inline int set_up(void **state)
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

static inline int tear_down(void **state)
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
static inline struct packet receive(void)
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

static inline struct packet expect(unsigned int op)
{
	struct packet p = receive();

	assert_int_equal(p.h.op, op);
	return p;
}

static inline void expect_silence(void)
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

static inline void transmit(struct send s)
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

static inline int client(const char *line)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(write(fd, line, strlen(line)), (ssize_t)strlen(line));
	return fd;
}

static inline void expect_read(int fd, const char *text)
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
static inline int connected(uint32_t *ret_host_port, const char *line)
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
