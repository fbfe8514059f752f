/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock (virtio 1.2, 5.10) in user space: stream sockets between the guest and the host
 * without the host's vhost-vsock, so without a module and without numbers that are shared by all
 * virtual machines.
 *
 * Host to guest: a client connects to a listening Unix socket, sends "CONNECT <port>\n", gets
 * "OK <host's port>\n" when the guest has accepted and a closed socket when it has not; behind that
 * line the stream is raw. Guest to host (CID 2): a port has a handler in this process, or is the
 * Unix socket "<dial_path>_<port>", or is refused.
 *
 * Whoever can open the Unix socket can reach every port of the guest: it lies in a directory of
 * mode 0700. All functions are called in the loop's thread.
 */
#pragma once

#include <stdint.h>

struct error;
struct guest_memory;
struct loop;
struct virtio_device;

#define VSOCK_GUEST_CID 3u

/*
 * The guest connected to a port: `fd` is the other end, the handler's to close. It may not call
 * functions of the device.
 */
typedef void (*vsock_handler)(int fd, uint32_t port, void *data);

struct vsock_options {
	int listen_fd;	       /* a listening Unix stream socket, or negative; see below */
	const char *dial_path; /* prefix of the sockets that the guest reaches, or NULL; copied */
};

/*
 * Makes the device; takes options->listen_fd over on success. `ret` goes to virtio_mmio_attach() or
 * virtio_device_free().
 */
int virtio_vsock_new(struct loop *loop, const struct guest_memory *memory,
	const struct vsock_options *options, struct virtio_device **ret, struct error *err);

/*
 * The guest's connections to `port` go to `handler`; NULL takes it away. At most 32 ports
 * (-ENOSPC).
 */
int virtio_vsock_handle(
	struct virtio_device *device, uint32_t port, vsock_handler handler, void *data);

/*
 * Connects to a port of the guest without a Unix socket's detour. `ret_fd` is a stream socket that
 * can be written at once; it is closed by the peer where the guest refuses. -ENOTCONN while the
 * guest has no driver, -EMFILE when there are too many streams.
 */
int virtio_vsock_dial(struct virtio_device *device, uint32_t port, int *ret_fd, struct error *err);

/*
 * Connects a stream socket of the caller's, which is taken over on success, to a port of the guest,
 * from the host's port `from`, which is not 0. -EADDRINUSE where there is such a connection.
 */
int virtio_vsock_adopt(
	struct virtio_device *device, int fd, uint32_t from, uint32_t port, struct error *err);
