/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/supervise.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/notify.h"
#include "runtime/ns/terminal_relay.h"

/* What the kernel sends for the caller's own doings, or what says that something is wrong with it.
 */
static void forwarded_signals(sigset_t *set)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS,
		SIGPIPE, SIGTTIN, SIGTTOU, SIGTSTP, SIGSTOP, SIGKILL };

	sigfillset(set);
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		sigdelset(set, own[i]);
}

void supervise_block_signals(sigset_t *ret_before)
{
	sigset_t forwarded;

	forwarded_signals(&forwarded);
	sigprocmask(SIG_BLOCK, &forwarded, ret_before);
}

/* Reaps children that have ended. Returns the process's exit status, or -EAGAIN while it lives. */
static int reap(pid_t pid, bool *ret_killed)
{
	int result = -EAGAIN;

	for (;;) {
		int status;
		pid_t ended = waitpid(-1, &status, WNOHANG | __WALL);

		if (ended <= 0)
			return result;
		if (ended != pid)
			continue;
		result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		*ret_killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	}
}

static void take_signals(int signals, struct supervision *supervision, struct terminal_relay *relay)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		if (info.ssi_signo == SIGWINCH && relay != NULL)
			terminal_relay_resize(relay);
		else
			pidfd_send_signal(supervision->pidfd, (int)info.ssi_signo, NULL, 0);
	}
}

/* Waits until the process has ended; its exit status, or a negative errno. */
static int loop(struct supervision *supervision, int signals, struct terminal_relay *relay,
	struct error *err)
{
	for (;;) {
		struct pollfd fds[3 + TERMINAL_RELAY_FDS] = {
			{ .fd = signals, .events = POLLIN },
			{ .fd = supervision->notify != NULL ? supervision->notify->socket : -1,
				.events = POLLIN },
		};
		nfds_t count = 2;

		if (relay != NULL)
			count += (nfds_t)terminal_relay_poll(relay, fds + count);
		int status = reap(supervision->pid, &supervision->killed);
		if (status != -EAGAIN)
			return status;
		if (poll(fds, count, -1) < 0 && errno != EINTR)
			return error_set(err, errno, "wait for the container");
		if (fds[0].revents != 0)
			take_signals(signals, supervision, relay);
		if (fds[1].revents != 0 && notify_handle(supervision->notify, supervision->pid) < 0)
			notify_close(supervision->notify);
		if (relay != NULL)
			terminal_relay_handle(relay, fds + 2);
	}
}

int supervise(struct supervision *supervision, struct error *err)
{
	struct terminal_relay relay;
	sigset_t forwarded;

	forwarded_signals(&forwarded);
	_cleanup_close_ int signals = signalfd(-1, &forwarded, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return error_set(err, errno, "wait for signals");
	if (supervision->terminal < 0)
		return loop(supervision, signals, NULL, err);

	int status = terminal_relay_open(&relay, supervision->terminal, err);
	if (status < 0)
		return status;
	status = loop(supervision, signals, &relay, err);
	/* What the program wrote last is still in the terminal. */
	terminal_relay_close(&relay);
	return status;
}
