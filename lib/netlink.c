/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/netlink.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/error.h"

int netlink_open(struct error *err)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return fd < 0 ? error_set(err, errno, "open a netlink socket") : fd;
}

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *head,
	size_t size)
{
	memset(request, 0, sizeof(*request));
	request->header.nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
	request->header.nlmsg_type = type;
	request->header.nlmsg_flags = flags | NLM_F_REQUEST;
	memcpy(NLMSG_DATA(&request->header), head, size);
}

void netlink_put(struct netlink_request *request, uint16_t type, const void *data, size_t size)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);

	if (at > NETLINK_REQUEST_MAX || RTA_SPACE(size) > NETLINK_REQUEST_MAX - at) {
		request->header.nlmsg_len = NETLINK_REQUEST_MAX + 1;
		return;
	}
	struct rtattr attribute = { .rta_len = (unsigned short)RTA_LENGTH(size), .rta_type = type };
	memcpy(request->bytes + at, &attribute, sizeof(attribute));
	if (size > 0)
		memcpy(request->bytes + at + RTA_LENGTH(0), data, size);
	request->header.nlmsg_len = (uint32_t)(at + RTA_SPACE(size));
}

struct nlmsghdr *netlink_next(struct nlmsghdr *message, unsigned int *left)
{
	size_t step = NLMSG_ALIGN((size_t)message->nlmsg_len);

	/* The last one may end before its padding, where NLMSG_NEXT() would wrap around. */
	if (step >= *left)
		return NULL;
	*left -= (unsigned int)step;
	message = (struct nlmsghdr *)((char *)message + step);
	return NLMSG_OK(message, *left) ? message : NULL;
}

size_t netlink_nest(struct netlink_request *request, uint16_t type)
{
	size_t at = NLMSG_ALIGN(request->header.nlmsg_len);

	netlink_put(request, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void netlink_end(struct netlink_request *request, size_t nest)
{
	struct rtattr attribute;

	if (request->header.nlmsg_len > NETLINK_REQUEST_MAX)
		return;
	memcpy(&attribute, request->bytes + nest, sizeof(attribute));
	attribute.rta_len = (unsigned short)(request->header.nlmsg_len - nest);
	memcpy(request->bytes + nest, &attribute, sizeof(attribute));
}

const void *netlink_find_in(const void *attributes, size_t size, uint16_t type, size_t *ret_size)
{
	const char *at = attributes;
	struct rtattr attribute;

	while (size >= sizeof(attribute)) {
		memcpy(&attribute, at, sizeof(attribute));
		if (attribute.rta_len < sizeof(attribute) || attribute.rta_len > size)
			return NULL;
		if ((attribute.rta_type & NLA_TYPE_MASK) == type) {
			*ret_size = RTA_PAYLOAD(&attribute);
			return at + RTA_LENGTH(0);
		}
		size_t step = RTA_ALIGN(attribute.rta_len);
		if (step > size)
			return NULL;
		at += step;
		size -= step;
	}
	return NULL;
}

const void *netlink_find(
	const struct nlmsghdr *message, size_t head_size, uint16_t type, size_t *ret_size)
{
	size_t start = NLMSG_LENGTH(NLMSG_ALIGN(head_size));

	if (message->nlmsg_len < start)
		return NULL;
	return netlink_find_in(
		(const char *)message + start, message->nlmsg_len - start, type, ret_size);
}

/* Returns true at the end of the answer, whose status is in *ret. */
static bool is_end(const struct nlmsghdr *message, int *ret)
{
	struct nlmsgerr acknowledgement;

	if (message->nlmsg_type == NLMSG_DONE)
		return true;
	if (message->nlmsg_type != NLMSG_ERROR)
		return false;
	if (message->nlmsg_len < NLMSG_LENGTH(sizeof(acknowledgement))) {
		*ret = -EBADMSG;
		return true;
	}
	memcpy(&acknowledgement, NLMSG_DATA(message), sizeof(acknowledgement));
	if (acknowledgement.error != 0)
		*ret = acknowledgement.error;
	return true;
}

int netlink_call(int fd, struct netlink_request *request,
	int (*each)(const struct nlmsghdr *message, void *data), void *data)
{
	union {
		struct nlmsghdr header;
		char bytes[32 * 1024];
	} answer;
	int result = 0;

	if (request->header.nlmsg_len > NETLINK_REQUEST_MAX)
		return -EMSGSIZE;
	request->header.nlmsg_flags |= NLM_F_ACK;
	if (send(fd, request->bytes, request->header.nlmsg_len, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t received = recv(fd, answer.bytes, sizeof(answer.bytes), 0);

		if (received < 0 && errno == EINTR)
			continue;
		if (received < 0)
			return -errno;
		unsigned int left = (unsigned int)received;
		struct nlmsghdr *first = NLMSG_OK(&answer.header, left) ? &answer.header : NULL;
		for (struct nlmsghdr *m = first; m != NULL; m = netlink_next(m, &left)) {
			if (is_end(m, &result))
				return result;
			int status = each != NULL ? each(m, data) : 0;
			if (status < 0 && result == 0)
				result = status;
		}
	}
}
