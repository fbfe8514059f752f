/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/state.h"

#define MESSAGE_MAX 4096

static int connect_host(const char *path, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);

	if (length >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return error_say(err, EINVAL, "NOTIFY_SOCKET=%s is not a socket's address", path);
	memcpy(address.sun_path, path, length);
	if (path[0] == '@')
		address.sun_path[0] = '\0';

	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) < 0)
		return error_set(err, errno, "connect to NOTIFY_SOCKET=%s", path);
	return take_fd(&fd);
}

/*
 * The program in the container may be any user. What lies under the name may be the container's by
 * now: a link that it put there is not followed (chmod(2) would).
 */
static int open_to_all(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	char path[32];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return chmod(path, 0777) < 0 ? -errno : 0;
}

static int bind_container(int dir, struct error *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path),
		"/proc/self/fd/%d/" STATE_NOTIFY "/notify.sock", dir);
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set(err, errno, "make the container's notify socket");
	int status = open_to_all(dir, STATE_NOTIFY "/notify.sock");
	return status < 0 ? error_set(err, -status, "open the container's notify socket to it")
			  : take_fd(&fd);
}

int notify_listen(int dir, struct notify *ret, struct error *err)
{
	int socket = bind_container(dir, err);

	if (socket < 0)
		return socket;
	*ret = (struct notify){ .socket = socket, .host = -EBADF };
	return 0;
}

void notify_say_ready(void)
{
	static const struct sockaddr_un address = { .sun_family = AF_UNIX,
		.sun_path = NOTIFY_SOCKET_PATH };
	static const char text[] = "READY=1";
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 ||
		sendto(fd, text, sizeof(text) - 1, MSG_NOSIGNAL, (const struct sockaddr *)&address,
			sizeof(address)) < 0)
		log_debug("pass on the program's READY=1: %s", strerror(errno));
}

int notify_open(int dir, const char *host, struct notify *ret, struct error *err)
{
	_cleanup_close_ int host_fd = connect_host(host, err);

	if (host_fd < 0)
		return host_fd;
	int status = notify_listen(dir, ret, err);
	if (status == 0)
		ret->host = take_fd(&host_fd);
	return status;
}

/* True when one of the lines is exactly READY=1. */
static bool says_ready(char *message)
{
	for (char *rest = message, *line; (line = strsep(&rest, "\n")) != NULL;) {
		if (strcmp(line, "READY=1") == 0)
			return true;
	}
	return false;
}

int notify_receive(const struct notify *notify)
{
	char message[MESSAGE_MAX];
	ssize_t length = recv(notify->socket, message, sizeof(message) - 1, MSG_DONTWAIT);

	if (length < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	message[length] = '\0';
	return says_ready(message);
}

int notify_handle(struct notify *notify, pid_t pid)
{
	char text[64];
	int ready = notify_receive(notify);

	if (ready <= 0)
		return ready;
	int size = snprintf(text, sizeof(text), "READY=1\nMAINPID=%d\n", pid);
	if (send(notify->host, text, (size_t)size, MSG_NOSIGNAL) < 0)
		return -errno;
	return 1;
}

int notify_wait_ready(
	struct notify *notify, const struct process_identity *process, struct error *err)
{
	_cleanup_close_ int pidfd = process_open(process, NULL);
	struct pollfd fds[] = { { .fd = notify->socket, .events = POLLIN },
		{ .fd = pidfd, .events = POLLIN } };

	for (;;) {
		int ready = notify_handle(notify, process->pid);

		if (ready < 0)
			return error_set(err, -ready, "pass on the container's READY=1");
		if (ready > 0 || pidfd < 0 || fds[1].revents != 0)
			return 0;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return error_set(err, errno, "wait for the container's READY=1");
	}
}

void notify_close(struct notify *notify)
{
	notify->socket = close_fd(notify->socket);
	notify->host = close_fd(notify->host);
}
