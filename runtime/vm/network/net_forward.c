/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/network/net_forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/netlink.h"

#define TABLE "caisson"
#define CHAIN "output"
#define PRIORITY (-100) /* nft(8): "dstnat" */
#define BACKLOG 128
#define MESSAGES 5

/* One listener for both families, or for IPv4 where there is no other. */
static int listen_everywhere(uint16_t *ret_port, struct error *err)
{
	const struct sockaddr_in6 any6 = { .sin6_family = AF_INET6 };
	const struct sockaddr_in any = { .sin_family = AF_INET };
	const int flags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, no = 0;
	struct sockaddr_in6 bound = { 0 };
	socklen_t length = sizeof(bound);
	_cleanup_close_ int fd = socket(AF_INET6, flags, 0);
	bool inet6 = fd >= 0 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) == 0 &&
		bind(fd, (const struct sockaddr *)&any6, sizeof(any6)) == 0;

	if (!inet6) {
		close_fd(fd);
		fd = socket(AF_INET, flags, 0);
		if (fd < 0 || bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0)
			return error_set(err, errno, "bind a socket for forwarded connections");
	}
	if (listen(fd, BACKLOG) < 0 || getsockname(fd, (struct sockaddr *)&bound, &length) < 0)
		return error_set(err, errno, "listen for forwarded connections");
	/* The port is at the same place in both families' addresses. */
	*ret_port = bound.sin6_port;
	return take_fd(&fd);
}

static void begin(struct netlink_request *request, uint16_t type, uint16_t flags)
{
	const struct nfgenmsg head = { .nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0 };

	netlink_begin(
		request, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, &head, sizeof(head));
}

static void begin_batch(struct netlink_request *request, uint16_t type)
{
	const struct nfgenmsg head = { .version = NFNETLINK_V0,
		.res_id = htons(NFNL_SUBSYS_NFTABLES) };

	netlink_begin(request, type, 0, &head, sizeof(head));
}

static void put_text(struct netlink_request *request, uint16_t type, const char *text)
{
	netlink_put(request, type, text, strlen(text) + 1);
}

static void put_number(struct netlink_request *request, uint16_t type, uint32_t number)
{
	const uint32_t big_endian = htonl(number);

	netlink_put(request, type, &big_endian, sizeof(big_endian));
}

/* An expression's name, and its data until end_expression(). */
struct expression {
	size_t element, data;
};

static struct expression begin_expression(struct netlink_request *request, const char *name)
{
	struct expression expression = { .element = netlink_nest(request, NFTA_LIST_ELEM) };

	put_text(request, NFTA_EXPR_NAME, name);
	expression.data = netlink_nest(request, NFTA_EXPR_DATA);
	return expression;
}

static void end_expression(struct netlink_request *request, struct expression expression)
{
	netlink_end(request, expression.data);
	netlink_end(request, expression.element);
}

static void put_value(
	struct netlink_request *request, uint16_t type, const void *value, size_t size)
{
	size_t data = netlink_nest(request, type);

	netlink_put(request, NFTA_DATA_VALUE, value, size);
	netlink_end(request, data);
}

static void put_compare(struct netlink_request *request, const void *value, size_t size)
{
	struct expression compare = begin_expression(request, "cmp");

	put_number(request, NFTA_CMP_SREG, NFT_REG_1);
	put_number(request, NFTA_CMP_OP, NFT_CMP_EQ);
	put_value(request, NFTA_CMP_DATA, value, size);
	end_expression(request, compare);
}

/* meta l4proto tcp fib daddr type local redirect to :PORT */
static void put_rule(struct netlink_request *request, uint16_t port)
{
	const unsigned char tcp = IPPROTO_TCP;
	const uint32_t local = RTN_LOCAL;
	size_t list = netlink_nest(request, NFTA_RULE_EXPRESSIONS);

	struct expression e = begin_expression(request, "meta");
	put_number(request, NFTA_META_KEY, NFT_META_L4PROTO);
	put_number(request, NFTA_META_DREG, NFT_REG_1);
	end_expression(request, e);
	put_compare(request, &tcp, sizeof(tcp));

	e = begin_expression(request, "fib");
	put_number(request, NFTA_FIB_DREG, NFT_REG_1);
	put_number(request, NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
	put_number(request, NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR);
	end_expression(request, e);
	put_compare(request, &local, sizeof(local));

	e = begin_expression(request, "immediate");
	put_number(request, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	put_value(request, NFTA_IMMEDIATE_DATA, &port, sizeof(port));
	end_expression(request, e);

	e = begin_expression(request, "redir");
	put_number(request, NFTA_REDIR_REG_PROTO_MIN, NFT_REG_1);
	end_expression(request, e);
	netlink_end(request, list);
}

static void make_requests(struct netlink_request requests[static MESSAGES], uint16_t port)
{
	const uint16_t create = NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;

	begin_batch(&requests[0], NFNL_MSG_BATCH_BEGIN);

	begin(&requests[1], NFT_MSG_NEWTABLE, create);
	put_text(&requests[1], NFTA_TABLE_NAME, TABLE);
	put_number(&requests[1], NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);

	begin(&requests[2], NFT_MSG_NEWCHAIN, create);
	put_text(&requests[2], NFTA_CHAIN_TABLE, TABLE);
	put_text(&requests[2], NFTA_CHAIN_NAME, CHAIN);
	size_t hook = netlink_nest(&requests[2], NFTA_CHAIN_HOOK);
	put_number(&requests[2], NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
	put_number(&requests[2], NFTA_HOOK_PRIORITY, (uint32_t)PRIORITY);
	netlink_end(&requests[2], hook);
	put_text(&requests[2], NFTA_CHAIN_TYPE, "nat");

	begin(&requests[3], NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK);
	put_text(&requests[3], NFTA_RULE_TABLE, TABLE);
	put_text(&requests[3], NFTA_RULE_CHAIN, CHAIN);
	put_rule(&requests[3], port);

	begin_batch(&requests[4], NFNL_MSG_BATCH_END);
}

/* A batch is applied as a whole or not at all. Each message but its borders is acknowledged. */
static int send_batch(int fd, struct netlink_request requests[static MESSAGES])
{
	struct iovec parts[MESSAGES];
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = MESSAGES };
	union {
		struct nlmsghdr header;
		char bytes[8192];
	} answer;
	int acknowledged = 0;

	for (uint32_t i = 0; i < MESSAGES; i++) {
		requests[i].header.nlmsg_seq = i;
		parts[i] = (struct iovec){ requests[i].bytes,
			NLMSG_ALIGN(requests[i].header.nlmsg_len) };
	}
	if (sendmsg(fd, &message, 0) < 0)
		return -errno;
	while (acknowledged < MESSAGES - 2) {
		ssize_t received = recv(fd, answer.bytes, sizeof(answer.bytes), 0);
		if (received < 0 && errno != EINTR)
			return -errno;
		unsigned int left = received < 0 ? 0 : (unsigned int)received;
		struct nlmsghdr *first = NLMSG_OK(&answer.header, left) ? &answer.header : NULL;
		for (struct nlmsghdr *m = first; m != NULL; m = netlink_next(m, &left)) {
			const struct nlmsgerr *result = NLMSG_DATA(m);

			if (m->nlmsg_type != NLMSG_ERROR)
				continue;
			if (m->nlmsg_len < NLMSG_LENGTH(sizeof(*result)))
				return -EBADMSG;
			if (result->error != 0)
				return result->error;
			acknowledged++;
		}
	}
	return 0;
}

int net_forward_make(int *ret_listener, int *ret_rules, struct error *err)
{
	struct netlink_request requests[MESSAGES];
	uint16_t port = 0;
	_cleanup_close_ int rules = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (rules < 0)
		return error_set(err, errno, "open a netlink socket for nftables");
	_cleanup_close_ int listener = listen_everywhere(&port, err);
	if (listener < 0)
		return listener;

	make_requests(requests, port);
	int status = send_batch(rules, requests);
	if (status < 0)
		return error_set(err, -status, "add a rule of nftables");
	*ret_listener = take_fd(&listener);
	*ret_rules = take_fd(&rules);
	return 0;
}

int net_forward_port(int connection)
{
	/* The option's number is the same in both families (IP6T_SO_ORIGINAL_DST). */
	struct sockaddr_in6 to = { 0 };
	socklen_t length = sizeof(to);

	if (getsockopt(connection, SOL_IP, SO_ORIGINAL_DST, &to, &length) < 0) {
		length = sizeof(to);
		if (getsockopt(connection, SOL_IPV6, SO_ORIGINAL_DST, &to, &length) < 0)
			return -errno;
	}
	int port = ntohs(to.sin6_port);
	return port > 0 ? port : -EINVAL;
}
