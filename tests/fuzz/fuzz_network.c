/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What describes a network: the kernel's netlink messages, and the JSON that the agent gets. The
 * first byte chooses. What was read can be written, and reads back the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/netlink.h>

#include "lib/error.h"
#include "lib/netlink.h"
#include "runtime/vm/network/net_description.h"
#include "runtime/vm/network/net_inspect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *write_text(const struct net_description *description)
{
	struct error err = ERROR_INIT;
	char *text = NULL;

	if (net_description_write(description, &text, &err) < 0)
		abort();
	return text;
}

static void read_back(const struct net_description *description)
{
	struct net_description again = { 0 };
	struct error err = ERROR_INIT;
	char *first = write_text(description), *second;

	if (net_description_read(first, strlen(first), &again, &err) < 0) {
		free(first);
		return;
	}
	second = write_text(&again);
	if (strcmp(first, second) != 0)
		abort();
	net_description_free(&again);
	free(first);
	free(second);
}

static void try_json(const uint8_t *data, size_t size)
{
	struct net_description description = { 0 };
	struct error err = ERROR_INIT;

	if (net_description_read((const char *)data, size, &description, &err) < 0) {
		if (err.errnum == 0 || err.message[0] == '\0' ||
			description.n_interfaces + description.n_routes > 0)
			abort();
		return;
	}
	read_back(&description);
	net_description_free(&description);
}

static void try_messages(const uint8_t *data, size_t size)
{
	struct net_namespace namespace = { 0 };
	/* Aligned as recv(2)'s buffer is. */
	struct nlmsghdr *messages = malloc(size + sizeof(*messages));
	unsigned int left = (unsigned int)size;

	memcpy(messages, data, size);
	struct nlmsghdr *first = NLMSG_OK(messages, left) ? messages : NULL;
	for (struct nlmsghdr *m = first; m != NULL; m = netlink_next(m, &left))
		net_take_message(m, &namespace);
	read_back(&namespace.description);
	net_namespace_free(&namespace);
	free(messages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > 65536)
		return 0;
	if (data[0] == 'J')
		try_json(data + 1, size - 1);
	else
		try_messages(data + 1, size - 1);
	return 0;
}
