/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/stand_in/stdio.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/pump.h"

struct stdio {
	struct pump pumps[STDIO_STREAMS];
	int drained, stop; /* eventfds */
	bool running;
	pthread_t thread;
};

static void signal_event(int fd)
{
	const uint64_t one = 1;
	ssize_t written = write(fd, &one, sizeof(one));

	(void)written; /* an eventfd takes it: it is counted up at most twice */
}

static void *move(void *data)
{
	struct stdio *stdio = data;
	struct pollfd fds[2 * STDIO_STREAMS + 1];
	bool drained = false;

	for (;;) {
		for (int i = 0; i < STDIO_STREAMS; i++)
			pump_poll(&stdio->pumps[i], fds + 2 * i);
		fds[2 * STDIO_STREAMS] = (struct pollfd){ .fd = stdio->stop, .events = POLLIN };
		if (poll(fds, 2 * STDIO_STREAMS + 1, -1) < 0)
			continue; /* no signal is delivered to this thread: only ENOMEM is left */
		if (fds[2 * STDIO_STREAMS].revents != 0)
			return NULL;
		for (int i = 0; i < STDIO_STREAMS; i++)
			pump_handle(&stdio->pumps[i], fds + 2 * i);
		if (!drained && !pump_is_open(&stdio->pumps[1]) &&
			!pump_is_open(&stdio->pumps[2])) {
			drained = true;
			signal_event(stdio->drained);
		}
	}
}

/* Signals are the main thread's; a broken pipe is an error to the thread that writes. */
static int start_thread(struct stdio *stdio)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	int status = pthread_create(&stdio->thread, NULL, move, stdio);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -status;
}

int stdio_start(const int host[STDIO_STREAMS], const int guest[STDIO_STREAMS], struct stdio **ret,
	struct error *err)
{
	struct stdio *stdio = calloc(1, sizeof(*stdio));

	if (stdio == NULL)
		return error_set(err, ENOMEM, "pass on the standard streams");
	for (int i = 0; i < STDIO_STREAMS; i++)
		pump_open(
			&stdio->pumps[i], i == 0 ? host[i] : guest[i], i == 0 ? guest[i] : host[i]);
	stdio->drained = eventfd(0, EFD_CLOEXEC);
	stdio->stop = eventfd(0, EFD_CLOEXEC);
	int status = stdio->drained < 0 || stdio->stop < 0 ? -errno : start_thread(stdio);
	if (status < 0) {
		stdio_free(stdio);
		return error_set(err, -status, "pass on the standard streams");
	}
	stdio->running = true;
	*ret = stdio;
	return 0;
}

int stdio_drained_fd(const struct stdio *stdio)
{
	return stdio->drained;
}

void stdio_free(struct stdio *stdio)
{
	if (stdio == NULL)
		return;
	if (stdio->running) {
		signal_event(stdio->stop);
		pthread_join(stdio->thread, NULL);
	}
	for (int i = 0; i < STDIO_STREAMS; i++)
		pump_close(&stdio->pumps[i]);
	close_fd(stdio->drained);
	close_fd(stdio->stop);
	free(stdio);
}
