/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As much of rtnetlink(7) as it takes to move, describe and redirect interfaces: one request at a
 * time, answered by an acknowledgement or a list.
 */
#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define NETLINK_REQUEST_MAX 2048

struct netlink_request {
	union {
		struct nlmsghdr header;
		char bytes[NETLINK_REQUEST_MAX];
	};
};

/* Opens a socket in the calling thread's network namespace, which it belongs to for good. */
int netlink_open(struct error *err);

/*
 * Begins a request: `head` is the fixed part that `type` asks for (struct ifinfomsg …).
 * NLM_F_REQUEST is always set.
 */
void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *head,
	size_t size);

/* Adds an attribute. What does not fit makes netlink_call() fail with -EMSGSIZE. */
void netlink_put(struct netlink_request *request, uint16_t type, const void *data, size_t size);

/*
 * Walks through the messages of one answer: `*left` bytes from `message` on. The first one is
 * checked by NLMSG_OK(), the next one here. Returns NULL behind the last.
 */
struct nlmsghdr *netlink_next(struct nlmsghdr *message, unsigned int *left);

/*
 * Opens an attribute that holds attributes: what netlink_put() adds until netlink_end() lies in it.
 * Returns what netlink_end() is given.
 */
size_t netlink_nest(struct netlink_request *request, uint16_t type);
void netlink_end(struct netlink_request *request, size_t nest);

/*
 * Looks for an attribute behind a message's fixed part of `head_size` bytes, or among the `size`
 * bytes of attributes at `attributes`. Returns its value, *ret_size bytes of any alignment, or
 * NULL.
 */
const void *netlink_find(
	const struct nlmsghdr *message, size_t head_size, uint16_t type, size_t *ret_size);
const void *netlink_find_in(const void *attributes, size_t size, uint16_t type, size_t *ret_size);

/*
 * Sends the request and waits for its end, calling `each` (or NULL) for every message before it; a
 * negative return of it becomes the result once the answer is read. Returns 0 or a negative errno,
 * the kernel's own; sets no error.
 */
int netlink_call(int fd, struct netlink_request *request,
	int (*each)(const struct nlmsghdr *message, void *data), void *data);
