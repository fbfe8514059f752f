/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/forward.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/system.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/fds.h"
#include "lib/pump.h"

static int try_address(const struct sockaddr *address, uint16_t port)
{
	struct sockaddr_in6 to = { 0 };
	socklen_t length = address->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(to);

	memcpy(&to, address, length);
	to.sin6_port = htons(port); /* at the same place in both families' addresses */
	_cleanup_close_ int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&to, length) < 0)
		return -1;
	return take_fd(&fd);
}

/* The loopback's addresses first: a program that listens anywhere is found there. */
static int connect_port(uint16_t port)
{
	struct ifaddrs *list;
	int fd = -1;

	if (getifaddrs(&list) < 0)
		return -1;
	for (const struct ifaddrs *a = list; a != NULL && fd < 0; a = a->ifa_next) {
		if (a->ifa_addr != NULL &&
			(a->ifa_addr->sa_family == AF_INET || a->ifa_addr->sa_family == AF_INET6))
			fd = try_address(a->ifa_addr, port);
	}
	freeifaddrs(list);
	return fd;
}

static _Noreturn void serve(int connection, uint16_t port)
{
	struct pump pumps[2];
	struct pollfd fds[4];
	int keep[] = { connection };

	fds_close_except(3, keep, 1);
	signal(SIGPIPE, SIG_IGN);
	int target = connect_port(port);
	if (target < 0)
		_exit(1);
	fcntl(connection, F_SETFL, 0);
	pump_open(&pumps[0], connection, target);
	pump_open(&pumps[1], dup(target), dup(connection));
	while (pump_is_open(&pumps[0]) || pump_is_open(&pumps[1])) {
		pump_poll(&pumps[0], fds);
		pump_poll(&pumps[1], fds + 2);
		if (poll(fds, 4, -1) < 0 && errno != EINTR)
			_exit(1);
		pump_handle(&pumps[0], fds);
		pump_handle(&pumps[1], fds + 2);
	}
	_exit(0);
}

void forward_accept(int listener)
{
	for (;;) {
		uint32_t port;
		_cleanup_close_ int connection = system_accept(listener, &port);

		if (connection < 0)
			return;
		if (fork() == 0)
			serve(connection, (uint16_t)port);
	}
}
