/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/control/server.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/socket.h"
#include "runtime/vm/monitor/loop.h"

/* As many at a time: one more ends the oldest, which cannot keep others out by doing nothing. */
#define CONNECTIONS 8

struct connection {
	struct control_server *server;
	struct loop_source *source;
	int fd;
};

struct control_server {
	struct loop *loop;
	struct loop_source *listening;
	int listener;
	const control_function *functions;
	void *data;
	struct connection connections[CONNECTIONS];
	unsigned int next; /* free, or the oldest */
};

static void disconnect(struct connection *connection)
{
	loop_remove(connection->source);
	connection->source = NULL;
	connection->fd = close_fd(connection->fd);
}

static int not_understood(struct error *err)
{
	return error_say(err, EPROTO,
		"the monitor does not understand: it is of another version of caisson");
}

static int carry_out(struct control_server *server, const struct control_request *request,
	ssize_t length, int *fds, size_t n_fds, struct control_answer *answer, struct error *err)
{
	if (length != sizeof(*request) || request->version != CONTROL_VERSION ||
		request->kind >= CONTROL_KINDS)
		return not_understood(err);
	return server->functions[request->kind](server->data, request, fds, n_fds, answer, err);
}

static void on_request(uint32_t events, void *data)
{
	struct connection *connection = data;
	struct control_answer answer = { .error = ERROR_INIT };
	struct error err = ERROR_INIT;
	int fds[SOCKET_MAX_FDS];
	size_t n_fds = SOCKET_MAX_FDS;
	/* One byte more than a request: what was cut there is not taken for one. */
	union {
		struct control_request request;
		char bytes[sizeof(struct control_request) + 1];
	} message;

	(void)events;
	ssize_t length = socket_receive_fds(
		connection->fd, &message, sizeof(message.bytes), fds, &n_fds, NULL);
	if (length > 0)
		carry_out(connection->server, &message.request, length, fds, n_fds, &answer, &err);
	else if (length == -EMSGSIZE)
		not_understood(&err);
	while (length >= 0 && n_fds > 0)
		close_fd(fds[--n_fds]);
	answer.error = err;
	/* An answer that cannot be sent has nobody who waits for it. */
	if ((length <= 0 && length != -EMSGSIZE) ||
		send(connection->fd, &answer, sizeof(answer), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		disconnect(connection);
}

static void on_connection(uint32_t events, void *data)
{
	struct control_server *server = data;
	struct connection *connection = &server->connections[server->next];

	(void)events;
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	disconnect(connection);
	if (loop_add(server->loop, fd, EPOLLIN, on_request, connection, &connection->source, NULL) <
		0) {
		close_fd(fd);
		return;
	}
	connection->fd = fd;
	server->next = (server->next + 1) % CONNECTIONS;
}

int control_server_new(struct loop *loop, int listener,
	const control_function functions[CONTROL_KINDS], void *data, struct control_server **ret,
	struct error *err)
{
	struct control_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return error_set(err, ENOMEM, "listen for requests");
	*server = (struct control_server){
		.loop = loop, .listener = listener, .functions = functions, .data = data
	};
	for (size_t i = 0; i < CONNECTIONS; i++)
		server->connections[i] = (struct connection){ .server = server, .fd = -EBADF };
	int status = loop_add(
		loop, listener, EPOLLIN, on_connection, server, &server->listening, err);
	if (status < 0) {
		free(server);
		return status;
	}
	*ret = server;
	return 0;
}

void control_server_free(struct control_server *server)
{
	if (server == NULL)
		return;
	for (size_t i = 0; i < CONNECTIONS; i++)
		disconnect(&server->connections[i]);
	loop_remove(server->listening);
	close_fd(server->listener);
	free(server);
}
