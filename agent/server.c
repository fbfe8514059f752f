/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/server.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "agent/forward.h"
#include "agent/operations.h"
#include "agent/process.h"
#include "agent/protocol.h"
#include "agent/system.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/cgroup/cgroup.h"

#define CONNECTIONS_MAX 4096 /* the host is not hostile, but may be broken */

struct connection {
	struct peer peer;
	struct protocol_reader reader;
};

struct server {
	struct agent agent;
	int listener, forward, signals, host;
	struct connection *connections;
	size_t n_connections;
	struct pollfd *fds; /* built anew for each wait */
	size_t room;
};

enum { FD_LISTENER, FD_FORWARD, FD_SIGNALS, FD_HOST, FD_FIXED };

/* The one call that the guest makes: the host need not poll for the agent. */
static int say_hello(struct error *err)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_HOST,
		.svm_port = PROTOCOL_HOST_PORT,
	};
	struct json_writer writer;
	_cleanup_close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "dial the host's vsock port %u", PROTOCOL_HOST_PORT);
	int status = protocol_begin(&writer, "op", "hello", err);
	if (status < 0)
		return status;
	json_write_int_member(&writer, "version", PROTOCOL_VERSION);
	json_write_end(&writer);
	status = protocol_send(fd, &writer, NULL, 0, err);
	return status < 0 ? status : take_fd(&fd);
}

static void accept_connections(struct server *server)
{
	for (;;) {
		_cleanup_close_ int fd = system_accept(server->listener, NULL);
		if (fd < 0 || server->n_connections == CONNECTIONS_MAX)
			return;
		struct connection *larger = realloc(
			server->connections, (server->n_connections + 1) * sizeof(*larger));
		if (larger == NULL)
			return;
		server->connections = larger;
		larger[server->n_connections++] = (struct connection){ .peer.fd = take_fd(&fd) };
	}
}

/* A control connection takes its process along; a stream's fd has moved on. */
static void drop_connection(struct server *server, size_t index)
{
	struct connection *connection = &server->connections[index];

	if (connection->peer.process != NULL)
		process_free(connection->peer.process);
	if (!connection->peer.raw)
		close_fd(connection->peer.fd);
	protocol_reader_free(&connection->reader);
	*connection = server->connections[--server->n_connections];
}

/* Serves the requests that have arrived. False when the connection is to be dropped. */
static bool serve(struct server *server, struct connection *connection)
{
	struct error err = ERROR_INIT;

	while (!connection->peer.raw) {
		struct protocol_message message;
		int got = protocol_read(connection->peer.fd, &connection->reader, &message, &err);

		if (got == 0)
			return true;
		if (got > 0) {
			got = operation_run(&server->agent, &connection->peer, &message, &err);
			protocol_message_free(&message);
		}
		if (got < 0) {
			if (err.errnum != EPIPE)
				log_warning("%s", err.message);
			return false;
		}
	}
	return false;
}

/* `member` may be NULL. */
static void send_event(int connection, const char *name, const char *member, uint64_t number)
{
	struct json_writer writer;
	struct error err = ERROR_INIT;

	if (protocol_begin(&writer, "event", name, &err) < 0)
		return;
	if (member != NULL)
		json_write_uint_member(&writer, member, number);
	json_write_end(&writer);
	if (protocol_send(connection, &writer, NULL, 0, &err) < 0)
		log_warning("tell the host of %s: %s", name, err.message);
}

/* *ret_limit is the limit in force: UINT64_MAX for none. */
static bool ran_out_of_memory(const struct guest_process *process, uint64_t *ret_limit)
{
	if (!process->has_container)
		return false;
	_cleanup_close_ int cgroup = cgroup_open(&process->created.container.state.cgroup, NULL);
	return cgroup >= 0 && cgroup_oom_killed(cgroup, ret_limit) > 0;
}

/* What was written is on the host before anybody hears of the end. */
static void report_end(struct guest_process *process, int status)
{
	uint64_t limit;

	if (ran_out_of_memory(process, &limit))
		send_event(process->control, "oom", "limit", limit);
	system_sync();
	send_event(process->control, "exit", "status",
		(uint64_t)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)));
	process_ended(process);
}

static void reap(struct server *server)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	while (read(server->signals, &info, sizeof(info)) == sizeof(info))
		;
	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		struct guest_process *process = process_by_pid(pid);

		if (process != NULL)
			report_end(process, status);
	}
}

static int make_room(struct server *server, size_t count)
{
	if (count <= server->room)
		return 0;
	struct pollfd *larger = realloc(server->fds, count * 2 * sizeof(*larger));
	if (larger == NULL)
		return -ENOMEM;
	server->fds = larger;
	server->room = count * 2;
	return 0;
}

static size_t count_processes(void)
{
	size_t count = 0;

	for (struct guest_process *p = process_first(); p != NULL; p = p->next)
		count++;
	return count;
}

/* Fixed fds, connections, then the streams of each process. */
static size_t fill_fds(struct server *server)
{
	size_t n = FD_FIXED;

	server->fds[FD_LISTENER] = (struct pollfd){ .fd = server->listener, .events = POLLIN };
	server->fds[FD_FORWARD] = (struct pollfd){ .fd = server->forward, .events = POLLIN };
	server->fds[FD_SIGNALS] = (struct pollfd){ .fd = server->signals, .events = POLLIN };
	server->fds[FD_HOST] = (struct pollfd){ .fd = server->host, .events = POLLIN };
	for (size_t i = 0; i < server->n_connections; i++)
		server->fds[n++] = (struct pollfd){ .fd = server->connections[i].peer.fd,
			.events = POLLIN };
	for (struct guest_process *p = process_first(); p != NULL; p = p->next, n += PROCESS_FDS)
		process_poll(p, server->fds + n);
	return n;
}

static void handle_fds(struct server *server)
{
	size_t n = FD_FIXED, n_connections = server->n_connections;

	/* Streams first: what a connection does may free their processes. */
	const struct pollfd *fds = server->fds + n + n_connections;
	for (struct guest_process *p = process_first(); p != NULL; p = p->next, fds += PROCESS_FDS)
		if (process_handle(p, fds))
			send_event(p->control, "ready", NULL, 0);
	if (server->fds[FD_SIGNALS].revents != 0)
		reap(server);
	/* Downwards: dropping one moves the last into its place. */
	for (size_t i = n_connections; i-- > 0;) {
		if (server->fds[n + i].revents != 0 && !serve(server, &server->connections[i]))
			drop_connection(server, i);
	}
	if (server->fds[FD_FORWARD].revents != 0)
		forward_accept(server->forward);
	if (server->fds[FD_LISTENER].revents != 0)
		accept_connections(server);
}

static int loop(struct server *server, struct error *err)
{
	for (;;) {
		if (make_room(server,
			    FD_FIXED + server->n_connections + count_processes() * PROCESS_FDS) < 0)
			return error_set(err, ENOMEM, "serve the host");
		size_t count = fill_fds(server);
		if (poll(server->fds, count, -1) < 0) {
			if (errno == EINTR)
				continue;
			return error_set(err, errno, "wait for the host");
		}
		if (server->fds[FD_HOST].revents & (POLLHUP | POLLERR))
			system_power_off();
		handle_fds(server);
	}
}

int server_run(const struct runtime *runtime, struct error *err)
{
	struct server server = { .agent = { .runtime = runtime } };
	sigset_t children;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&children);
	sigaddset(&children, SIGCHLD);
	sigprocmask(SIG_BLOCK, &children, NULL);
	server.signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK);
	if (server.signals < 0)
		return error_set(err, errno, "wait for children");
	server.listener = system_listen(PROTOCOL_AGENT_PORT, err);
	if (server.listener < 0)
		return server.listener;
	server.forward = system_listen(PROTOCOL_FORWARD_PORT, err);
	if (server.forward < 0)
		return server.forward;
	server.host = say_hello(err);
	return server.host < 0 ? server.host : loop(&server, err);
}
