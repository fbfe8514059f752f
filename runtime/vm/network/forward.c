/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/network/forward.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/protocol.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/vm/monitor/guest.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/network/net_forward.h"

struct forward {
	struct loop *loop;
	struct guest *guest;
	struct loop_source *source;
	int listener, rules;
	uint32_t next; /* tells connections to one port apart */
};

/* A connection that cannot go on is closed: its maker sees what a closed port would show. */
static void pass_on(struct forward *forward, int connection)
{
	struct error err = ERROR_INIT;
	int port = net_forward_port(connection);
	uint32_t from;

	if (port < 0) {
		close_fd(connection);
		return;
	}
	from = protocol_forward_port(forward->next++, (uint16_t)port);
	if (guest_adopt(forward->guest, connection, from, PROTOCOL_FORWARD_PORT, &err) < 0) {
		log_debug("forward a connection to port %d: %s", port, err.message);
		close_fd(connection);
	}
}

static void on_connection(uint32_t events, void *data)
{
	struct forward *forward = data;

	(void)events;
	int connection = accept4(forward->listener, NULL, NULL, SOCK_CLOEXEC);
	if (connection >= 0)
		pass_on(forward, connection);
}

int forward_new(struct loop *loop, struct guest *guest, int listener, int rules,
	struct forward **ret, struct error *err)
{
	struct forward *forward = calloc(1, sizeof(*forward));

	if (forward == NULL)
		return error_set(err, ENOMEM, "forward connections");
	*forward = (struct forward){
		.loop = loop, .guest = guest, .listener = listener, .rules = rules
	};
	int status = loop_add(
		loop, listener, EPOLLIN, on_connection, forward, &forward->source, err);
	if (status < 0) {
		free(forward);
		return status;
	}
	*ret = forward;
	return 0;
}

void forward_free(struct forward *forward)
{
	if (forward == NULL)
		return;
	loop_remove(forward->source);
	close_fd(forward->listener);
	close_fd(forward->rules);
	free(forward);
}
