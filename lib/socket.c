/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/cleanup.h"
#include "lib/error.h"

/* A control message for SOCKET_MAX_FDS descriptors, aligned as cmsg(3) asks. */
union fds_message {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(sizeof(int) * SOCKET_MAX_FDS)];
};

static struct sockaddr_un address_of_fd(int fd, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d%s%s", fd,
		name != NULL ? "/" : "", name != NULL ? name : "");
	return address;
}

int socket_connect_at(int dirfd, const char *path, int type, struct error *err)
{
	/* connect(2) follows the link to what the descriptor refers to, however long its path. */
	_cleanup_close_ int target = openat(dirfd, path, O_PATH | O_CLOEXEC);
	if (target < 0)
		return error_set(err, errno, "connect to socket %s", path);

	_cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, errno, "create a Unix socket");

	struct sockaddr_un address = address_of_fd(target, NULL);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "connect to socket %s", path);
	return take_fd(&fd);
}

int socket_bind_at(int dirfd, const char *name, int type, int backlog, struct error *err)
{
	if (strchr(name, '/') != NULL || strlen(name) > 64)
		return error_say(err, EINVAL, "bind socket %s: not a short file name", name);

	_cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_set(err, errno, "create a Unix socket");
	/* The mode of the socket's inode becomes the mode of the name (unix(7)): never a moment
	 * with more than 0600, and no umask that other threads would see. */
	if (fchmod(fd, 0600) < 0)
		return error_set(err, errno, "set the mode of socket %s", name);

	struct sockaddr_un address = address_of_fd(dirfd, name);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "bind socket %s", name);
	if (backlog > 0 && listen(fd, backlog) < 0)
		return error_set(err, errno, "listen on socket %s", name);
	return take_fd(&fd);
}

int socket_send_fds(int socket, const void *data, size_t length, const int *fds, size_t n_fds,
	struct error *err)
{
	union fds_message control = { 0 };
	const char *next = data;

	if (length == 0 || n_fds > SOCKET_MAX_FDS)
		return error_say(err, EINVAL, "send descriptors: no data, or too many of them");
	while (length > 0) {
		struct iovec part = { .iov_base = (void *)next, .iov_len = length };
		struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

		if (n_fds > 0) {
			message.msg_control = &control;
			message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
			control.header.cmsg_level = SOL_SOCKET;
			control.header.cmsg_type = SCM_RIGHTS;
			control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
			memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
		}
		ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return error_set(err, errno, "send on a Unix socket");
		next += sent;
		length -= (size_t)sent;
		n_fds = 0;
	}
	return 0;
}

ssize_t socket_receive_fds(
	int socket, void *data, size_t size, int *fds, size_t *n_fds, struct error *err)
{
	union fds_message control = { 0 };
	struct iovec part = { .iov_base = data, .iov_len = size };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	size_t kept = 0;
	ssize_t received;

	do {
		received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
	} while (received < 0 && errno == EINTR);
	if (received < 0)
		return error_set(err, errno, "receive on a Unix socket");

	bool too_many = (message.msg_flags & MSG_CTRUNC) != 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (kept < *n_fds) {
				fds[kept++] = fd;
			} else {
				close(fd);
				too_many = true;
			}
		}
	}
	if (too_many) {
		while (kept > 0)
			close(fds[--kept]);
		return error_say(
			err, EMSGSIZE, "receive on a Unix socket: more descriptors than expected");
	}
	*n_fds = kept;
	return received;
}
