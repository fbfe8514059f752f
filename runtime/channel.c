/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/channel.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"

int channel_open(int ends[2], struct error *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return error_set(err, errno, "make a socket pair for the container's process");
	return 0;
}

int channel_send(int end, enum channel_type type, int value, const char *text, int fd)
{
	struct channel_message message = { .type = (int)type, .value = value };
	size_t length = text != NULL ? strnlen(text, sizeof(message.text) - 1) : 0;
	struct iovec iov = { &message, offsetof(struct channel_message, text) + length };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr packet = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (length > 0)
		memcpy(message.text, text, length);
	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		packet.msg_control = &control;
		packet.msg_controllen = sizeof(control);
		struct cmsghdr *header = CMSG_FIRSTHDR(&packet);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
	}
	while (sendmsg(end, &packet, MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int passed_fd(struct msghdr *packet)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(packet);
	int fd = -EBADF;

	if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
		header->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

int channel_receive(int end, struct channel_message *ret, int *ret_fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { ret, sizeof(*ret) - 1 };
	struct msghdr packet = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t length;

	/* ECONNRESET is said once, ahead of what the other end sent before it closed with unread
	 * data. */
	do {
		length = recvmsg(end, &packet, MSG_CMSG_CLOEXEC);
	} while (length < 0 && (errno == EINTR || errno == ECONNRESET));
	if (length == 0)
		return 0;
	if (length < 0)
		return -errno;

	_cleanup_close_ int fd = passed_fd(&packet);
	if ((size_t)length < offsetof(struct channel_message, text))
		return -EPROTO;
	((char *)ret)[length] = '\0';
	if (ret_fd != NULL)
		*ret_fd = take_fd(&fd);
	return 1;
}

int channel_wait_go(int end, struct error *err)
{
	struct channel_message message;
	int got = channel_receive(end, &message, NULL);

	if (got < 0)
		return error_set(err, -got, "wait for the container's creator");
	if (got == 0 || message.type != CHANNEL_GO)
		return error_say(err, EPIPE, "the container's creator is gone");
	return 0;
}

void channel_log(enum log_level level, const char *message, void *data)
{
	channel_send(*(const int *)data, CHANNEL_LOG, level, message, -EBADF);
}
