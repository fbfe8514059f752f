/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/terminal_relay.h"

#include <unistd.h>

#include "lib/cleanup.h"

int terminal_relay_open(struct terminal_relay *relay, int master, struct error *err)
{
	(void)err;
	relay->master = master;
	return 0;
}

void terminal_relay_resize(struct terminal_relay *relay)
{
	(void)relay;
}

int terminal_relay_poll(struct terminal_relay *relay, struct pollfd *fds)
{
	fds[0] = (struct pollfd){ .fd = relay->master, .events = POLLIN };
	return 1;
}

void terminal_relay_handle(struct terminal_relay *relay, struct pollfd *fds)
{
	char data[4096];

	if (fds[0].revents & POLLIN) {
		ssize_t n = read(relay->master, data, sizeof(data));
		if (n > 0)
			n = write(STDOUT_FILENO, data, (size_t)n);
	}
}

void terminal_relay_close(struct terminal_relay *relay)
{
	relay->master = close_fd(relay->master);
}
