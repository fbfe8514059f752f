/* SPDX-License-Identifier: Apache-2.0 */
/* Who connects on the host's side: the Unix socket's clients, handlers, sockets that are dialled.
 */
#include "runtime/vm/virtio/vsock_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/cleanup.h"
#include "lib/error.h"

/* Above what people give to services, so that both sides' numbers are told apart in a trace. */
#define FIRST_HOST_PORT (UINT32_C(1) << 30)
#define GREETING_MAX 32

static uint32_t free_host_port(struct vsock *vsock, uint32_t guest_port)
{
	do {
		vsock->next_port = vsock->next_port >= FIRST_HOST_PORT &&
				vsock->next_port < UINT32_MAX - 1
			? vsock->next_port + 1
			: FIRST_HOST_PORT;
	} while (vsock_stream_find(vsock, vsock->next_port, guest_port) != NULL);
	return vsock->next_port;
}

/* Asks the guest for a connection; takes `fd` over. */
static struct vsock_stream *connect_guest(struct vsock *vsock, int fd, uint32_t port)
{
	struct vsock_stream *stream = vsock_stream_new(
		vsock, fd, free_host_port(vsock, port), port);

	if (stream != NULL)
		vsock_stream_ready(stream, SEND_REQUEST);
	return stream;
}

static void end_greeting(struct vsock_greeting *greeting)
{
	loop_remove(greeting->source);
	greeting->source = NULL;
	greeting->fd = close_fd(greeting->fd);
}

/* Parses "CONNECT <port>\n"; digits only, one spelling of each port. */
static bool parse_greeting(const char *line, size_t length, uint32_t *ret)
{
	static const char word[] = "CONNECT ";
	size_t n = sizeof(word) - 1;
	uint64_t port = 0;

	if (length <= n + 1 || length > n + 11 || memcmp(line, word, n) != 0)
		return false;
	for (size_t i = n; i < length - 1; i++) {
		if (line[i] < '0' || line[i] > '9')
			return false;
		port = port * 10 + (uint64_t)(line[i] - '0');
	}
	if (port >= UINT32_MAX)
		return false;
	*ret = (uint32_t)port;
	return true;
}

/*
 * Reads the line and nothing behind it, which is the guest's. Returns 1 with a port, 0 while the
 * line is not complete, -1 when it never will be.
 */
static int read_greeting(int fd, uint32_t *ret)
{
	char line[GREETING_MAX];
	ssize_t n = recv(fd, line, sizeof(line), MSG_PEEK | MSG_DONTWAIT);
	const char *end;
	size_t length;

	if (n <= 0)
		return n < 0 && errno == EAGAIN ? 0 : -1;
	end = memchr(line, '\n', (size_t)n);
	if (end == NULL)
		return n == sizeof(line) ? -1 : 0;
	length = (size_t)(end - line) + 1;
	if (recv(fd, line, length, MSG_DONTWAIT) != (ssize_t)length)
		return -1;
	return parse_greeting(line, length, ret) ? 1 : -1;
}

static void on_greeting(uint32_t events, void *data)
{
	struct vsock_greeting *greeting = data;
	struct vsock *vsock = greeting->vsock;
	struct vsock_stream *stream = NULL;
	uint32_t port;
	int r;

	pthread_mutex_lock(&vsock->device.lock);
	r = read_greeting(greeting->fd, &port);
	if (r == 0 && (events & (EPOLLHUP | EPOLLRDHUP)))
		r = -1;
	if (r > 0 && vsock->device.active) {
		/* One fd has one place in an epoll. */
		loop_remove(greeting->source);
		greeting->source = NULL;
		stream = connect_guest(vsock, greeting->fd, port);
		if (stream != NULL) {
			stream->say_ok = true;
			greeting->fd = -EBADF;
			vsock_flush(vsock);
		}
	}
	if (r != 0)
		end_greeting(greeting);
	pthread_mutex_unlock(&vsock->device.lock);
}

/* A place for a new client: a free one, or that of one which never said its line. */
static struct vsock_greeting *new_greeting(struct vsock *vsock)
{
	for (unsigned int i = 0; i < VSOCK_GREETINGS_MAX; i++)
		if (vsock->greetings[i].fd < 0)
			return &vsock->greetings[i];
	vsock->next_greeting = (vsock->next_greeting + 1) % VSOCK_GREETINGS_MAX;
	end_greeting(&vsock->greetings[vsock->next_greeting]);
	return &vsock->greetings[vsock->next_greeting];
}

static void on_client(uint32_t events, void *data)
{
	struct vsock *vsock = data;
	struct vsock_greeting *greeting;
	_cleanup_close_ int fd = accept4(vsock->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	greeting = new_greeting(vsock);
	/* Edges, since a line that is not complete stays in the socket. */
	if (loop_add(vsock->loop, fd, EPOLLIN | EPOLLRDHUP | EPOLLET, on_greeting, greeting,
		    &greeting->source, NULL) == 0)
		greeting->fd = take_fd(&fd);
}

int vsock_host_init(struct vsock *vsock, const struct vsock_options *options, struct error *err)
{
	int r;

	for (unsigned int i = 0; i < VSOCK_GREETINGS_MAX; i++)
		vsock->greetings[i] = (struct vsock_greeting){ .vsock = vsock, .fd = -EBADF };
	if (options->dial_path != NULL) {
		vsock->dial_path = strdup(options->dial_path);
		if (vsock->dial_path == NULL)
			return error_set(err, ENOMEM, "virtio vsock");
	}
	if (options->listen_fd < 0)
		return 0;
	r = loop_add(vsock->loop, options->listen_fd, EPOLLIN, on_client, vsock,
		&vsock->listen_source, err);
	if (r == 0)
		vsock->listen_fd = options->listen_fd;
	return r;
}

void vsock_host_fini(struct vsock *vsock)
{
	for (unsigned int i = 0; i < VSOCK_GREETINGS_MAX; i++)
		if (vsock->greetings[i].source != NULL)
			end_greeting(&vsock->greetings[i]);
	loop_remove(vsock->listen_source);
	close_fd(vsock->listen_fd);
	free(vsock->dial_path);
}

static int dial_path(const struct vsock *vsock, uint32_t port)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -EBADF;
	int n = snprintf(
		address.sun_path, sizeof(address.sun_path), "%s_%u", vsock->dial_path, port);

	if (n < 0 || (size_t)n >= sizeof(address.sun_path))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* A Unix socket connects at once or not at all: a full backlog is a refusal. */
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -1;
	return take_fd(&fd);
}

int vsock_host_accept(struct vsock *vsock, uint32_t port)
{
	int fds[2];

	if (vsock->stream_count >= VSOCK_STREAMS_MAX)
		return -1;
	for (unsigned int i = 0; i < VSOCK_HANDLERS_MAX; i++) {
		if (vsock->handlers[i].handler == NULL || vsock->handlers[i].port != port)
			continue;
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
			return -1;
		vsock->handlers[i].handler(fds[0], port, vsock->handlers[i].data);
		return fds[1];
	}
	return vsock->dial_path != NULL ? dial_path(vsock, port) : -1;
}

int virtio_vsock_handle(
	struct virtio_device *device, uint32_t port, vsock_handler handler, void *data)
{
	struct vsock *vsock = (struct vsock *)device;
	unsigned int place = VSOCK_HANDLERS_MAX;

	pthread_mutex_lock(&device->lock);
	for (unsigned int i = VSOCK_HANDLERS_MAX; i-- > 0;)
		if (vsock->handlers[i].handler == NULL)
			place = i;
	for (unsigned int i = 0; i < VSOCK_HANDLERS_MAX; i++)
		if (vsock->handlers[i].handler != NULL && vsock->handlers[i].port == port)
			place = i;
	if (place < VSOCK_HANDLERS_MAX) {
		vsock->handlers[place].port = port;
		vsock->handlers[place].handler = handler;
		vsock->handlers[place].data = data;
	}
	pthread_mutex_unlock(&device->lock);
	return place < VSOCK_HANDLERS_MAX ? 0 : -ENOSPC;
}

int virtio_vsock_dial(struct virtio_device *device, uint32_t port, int *ret_fd, struct error *err)
{
	struct vsock *vsock = (struct vsock *)device;
	int fds[2], r = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return error_set(err, errno, "connect to port %u of the guest", port);
	pthread_mutex_lock(&device->lock);
	if (!device->active)
		r = error_say(err, ENOTCONN,
			"connect to port %u of the guest: its vsock driver does not run (yet)",
			port);
	else if (connect_guest(vsock, fds[1], port) == NULL)
		r = error_set(err, EMFILE, "connect to port %u of the guest", port);
	else
		vsock_flush(vsock);
	pthread_mutex_unlock(&device->lock);
	if (r < 0) {
		close_fd(fds[0]);
		close_fd(fds[1]);
		return r;
	}
	*ret_fd = fds[0];
	return 0;
}

int virtio_vsock_adopt(
	struct virtio_device *device, int fd, uint32_t from, uint32_t port, struct error *err)
{
	struct vsock *vsock = (struct vsock *)device;
	struct vsock_stream *stream = NULL;
	int r = 0;

	pthread_mutex_lock(&device->lock);
	if (!device->active)
		r = error_say(err, ENOTCONN, "port %u of the guest: no driver runs (yet)", port);
	else if (vsock_stream_find(vsock, from, port) != NULL)
		r = error_say(err, EADDRINUSE,
			"port %u of the guest: a connection from %u is there", port, from);
	else if ((stream = vsock_stream_new(vsock, fd, from, port)) == NULL)
		r = error_set(err, EMFILE, "connect to port %u of the guest", port);
	if (stream != NULL) {
		vsock_stream_ready(stream, SEND_REQUEST);
		vsock_flush(vsock);
	}
	pthread_mutex_unlock(&device->lock);
	return r;
}
