/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/stand_in/stand_in.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "agent/protocol.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/notify.h"
#include "runtime/ns/seccomp.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/stand_in/client.h"
#include "runtime/vm/stand_in/stdio.h"

/* A process that left others behind with its stdout is not waited for longer (docs/). */
#define DRAIN_NS (2 * UINT64_C(1000000000))

struct stand_in {
	struct stand_in_options options;
	struct client *client;
	struct stdio *stdio;
	struct loop_source *signal_source, *drain_source, *drain_timer;
	int signals;
	bool started, ended, drained, gone;
	uint64_t oom_limit; /* 0: none was reached */
	int status;
};

static void stop_if_done(struct stand_in *stand_in)
{
	if ((stand_in->ended && stand_in->drained) || stand_in->gone)
		loop_stop(stand_in->options.loop);
}

static void on_drained(uint32_t events, void *data)
{
	struct stand_in *stand_in = data;

	(void)events;
	loop_remove(stand_in->drain_source);
	stand_in->drain_source = NULL;
	stand_in->drained = true;
	stop_if_done(stand_in);
}

static void on_drain_timeout(void *data)
{
	struct stand_in *stand_in = data;

	stand_in->drained = true;
	stop_if_done(stand_in);
}

/* The guest's words are data: no more than a warning, and one line. */
static void pass_on_log(const struct protocol_message *message)
{
	const char *text = json_string(json_get(&message->json, "message"));

	if (text != NULL && strpbrk(text, "\n\r\033") == NULL)
		log_warning("%s", text);
}

static void on_event(const char *event, const struct protocol_message *message, void *data)
{
	struct stand_in *stand_in = data;
	int64_t status;

	if (strcmp(event, "log") == 0) {
		pass_on_log(message);
		return;
	}
	if (strcmp(event, "oom") == 0) {
		if (json_uint64(json_get(&message->json, "limit"), &stand_in->oom_limit) < 0 ||
			stand_in->oom_limit == 0)
			stand_in->oom_limit = UINT64_MAX;
		return;
	}
	if (strcmp(event, "ready") == 0) {
		if (stand_in->options.notify)
			notify_say_ready();
		return;
	}
	if (strcmp(event, "exit") != 0 || stand_in->ended ||
		json_int64(json_get(&message->json, "status"), &status) < 0)
		return;
	stand_in->status = (int)(status & 0xff);
	stand_in->ended = true;
	loop_set_timer(stand_in->drain_timer, DRAIN_NS);
	stop_if_done(stand_in);
}

static void on_end(void *data)
{
	struct stand_in *stand_in = data;

	stand_in->gone = true;
	stop_if_done(stand_in);
}

static void post_size(struct stand_in *stand_in)
{
	struct json_writer writer;
	struct winsize size;

	if (!stand_in->options.terminal || ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0 ||
		protocol_begin(&writer, "op", "resize", NULL) < 0)
		return;
	json_write_int_member(&writer, "rows", size.ws_row);
	json_write_int_member(&writer, "columns", size.ws_col);
	client_post(stand_in->client, &writer, NULL);
}

static void post_signal(struct stand_in *stand_in, unsigned int number)
{
	struct json_writer writer;

	if (protocol_begin(&writer, "op", "signal", NULL) < 0)
		return;
	json_write_int_member(&writer, "signal", number);
	client_post(stand_in->client, &writer, NULL);
}

/* Before the program runs there is nobody for a signal: SIGKILL alone ends a created container. */
static void on_signal(uint32_t events, void *data)
{
	struct stand_in *stand_in = data;
	struct signalfd_siginfo info;

	(void)events;
	while (read(stand_in->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGWINCH && stand_in->options.terminal)
			post_size(stand_in);
		else if (stand_in->started && !stand_in->ended && info.ssi_signo != SIGCHLD)
			post_signal(stand_in, info.ssi_signo);
	}
}

static int take_signals(struct stand_in *stand_in, struct error *err)
{
	static const int own[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		sigdelset(&set, own[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	stand_in->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (stand_in->signals < 0)
		return error_set(err, errno, "take over the program's signals");
	return loop_add(stand_in->options.loop, stand_in->signals, EPOLLIN, on_signal, stand_in,
		&stand_in->signal_source, err);
}

/* The line discipline is the guest's: here bytes pass as they are. */
static int make_raw(struct error *err)
{
	struct termios modes;

	if (tcgetattr(STDIN_FILENO, &modes) < 0)
		return error_set(err, errno, "read the terminal's mode");
	cfmakeraw(&modes);
	if (tcsetattr(STDIN_FILENO, TCSANOW, &modes) < 0)
		return error_set(err, errno, "put the terminal into raw mode");
	return 0;
}

/* One raw connection: the token says of which process, the number of which stream. */
static int open_stream(struct stand_in *stand_in, const char *token, int number, struct error *err)
{
	struct client *client;
	struct json_writer writer;
	_cleanup_close_ int connection = stand_in->options.dial(stand_in->options.data, err);
	if (connection < 0)
		return connection;
	/* The client closes what it was given: the stream lives on in a copy. */
	_cleanup_close_ int stream = fcntl(connection, F_DUPFD_CLOEXEC, 3);
	if (stream < 0)
		return error_set(err, errno, "open a stream to the guest");
	int status = client_new(
		stand_in->options.loop, connection, on_event, NULL, stand_in, &client, err);
	if (status < 0)
		return status;
	take_fd(&connection);
	status = protocol_begin(&writer, "op", "stream", err);
	if (status == 0) {
		json_write_string_member(&writer, "token", token);
		json_write_int_member(&writer, "fd", number);
		status = client_call(
			client, &writer, NULL, 0, stand_in->options.timeout, NULL, err);
	}
	client_free(client);
	return status < 0 ? status : take_fd(&stream);
}

static int open_streams(struct stand_in *stand_in, const char *token, struct error *err)
{
	int host[STDIO_STREAMS] = { -EBADF, -EBADF, -EBADF };
	int guest[STDIO_STREAMS] = { -EBADF, -EBADF, -EBADF };
	int count = stand_in->options.terminal ? 2 : STDIO_STREAMS, status = 0;

	for (int i = 0; i < count && status >= 0; i++) {
		status = guest[i] = open_stream(stand_in, token, i, err);
		if (status >= 0)
			host[i] = fcntl(i, F_DUPFD_CLOEXEC, 3); /* a closed one ends at once */
	}
	if (status >= 0)
		status = stdio_start(host, guest, &stand_in->stdio, err);
	for (int i = 0; i < count && status < 0; i++) {
		close_fd(host[i]);
		close_fd(guest[i]);
	}
	if (status < 0)
		return status;
	return loop_add(stand_in->options.loop, stdio_drained_fd(stand_in->stdio), EPOLLIN,
		on_drained, stand_in, &stand_in->drain_source, err);
}

static int open_process(struct stand_in *stand_in, struct error *err)
{
	_cleanup_(protocol_message_free) struct protocol_message answer = { 0 };
	struct json_writer writer;
	_cleanup_close_ int connection = stand_in->options.dial(stand_in->options.data, err);
	if (connection < 0)
		return connection;
	int status = client_new(stand_in->options.loop, connection, on_event, on_end, stand_in,
		&stand_in->client, err);
	if (status < 0)
		return status;
	take_fd(&connection);
	status = protocol_begin(&writer, "op", "open", err);
	if (status == 0)
		status = client_call(stand_in->client, &writer, NULL, 0, stand_in->options.timeout,
			&answer, err);
	if (status < 0)
		return status;
	const char *token = json_string(json_get(&answer.json, "token"));
	if (token == NULL)
		return error_say(err, EPROTO, "the guest's agent gave no token");
	return open_streams(stand_in, token, err);
}

int stand_in_new(const struct stand_in_options *options, struct stand_in **ret, struct error *err)
{
	struct stand_in *stand_in = calloc(1, sizeof(*stand_in));

	if (stand_in == NULL)
		return error_set(err, ENOMEM, "stand in for a process of the guest");
	stand_in->options = *options;
	stand_in->signals = -EBADF;
	int status = take_signals(stand_in, err);
	if (status == 0 && options->terminal)
		status = make_raw(err);
	if (status == 0)
		status = loop_add_timer(
			options->loop, on_drain_timeout, stand_in, &stand_in->drain_timer, err);
	if (status == 0)
		status = open_process(stand_in, err);
	if (status < 0) {
		stand_in_free(stand_in);
		return status;
	}
	*ret = stand_in;
	return 0;
}

void stand_in_free(struct stand_in *stand_in)
{
	if (stand_in == NULL)
		return;
	loop_remove(stand_in->signal_source);
	loop_remove(stand_in->drain_source);
	loop_remove(stand_in->drain_timer);
	stdio_free(stand_in->stdio);
	client_free(stand_in->client);
	close_fd(stand_in->signals);
	free(stand_in);
}

/* Sends a request that may carry a compiled filter. */
static int call_with_filter(struct stand_in *stand_in, struct json_writer *writer,
	const struct seccomp_filter *filter, struct error *err)
{
	const void *bytes = NULL;
	size_t n_bytes = 0;

	if (filter != NULL) {
		json_write_uint_member(writer, "seccompFlags", filter->flags);
		bytes = filter->instructions;
		n_bytes = filter->count * sizeof(*filter->instructions);
	}
	return client_call(
		stand_in->client, writer, bytes, n_bytes, stand_in->options.timeout, NULL, err);
}

int stand_in_create(struct stand_in *stand_in, const char *id, const char *bundle,
	const char *config, unsigned int files, const struct seccomp_filter *filter,
	struct error *err)
{
	struct json_writer writer;
	int status = protocol_begin(&writer, "op", "create", err);

	if (status < 0)
		return status;
	json_write_string_member(&writer, "id", id);
	json_write_string_member(&writer, "bundle", bundle);
	json_write_string_member(&writer, "config", config);
	json_write_bool_member(&writer, "exports", files & STAND_IN_EXPORTS);
	json_write_bool_member(&writer, "image", files & STAND_IN_IMAGE);
	json_write_bool_member(&writer, "notify", stand_in->options.notify);
	status = call_with_filter(stand_in, &writer, filter, err);
	if (status == 0)
		post_size(stand_in);
	return status;
}

int stand_in_start(struct stand_in *stand_in, struct error *err)
{
	struct json_writer writer;
	int status = protocol_begin(&writer, "op", "start", err);

	if (status == 0)
		status = client_call(
			stand_in->client, &writer, NULL, 0, stand_in->options.timeout, NULL, err);
	stand_in->started = status == 0;
	return status;
}

int stand_in_exec(struct stand_in *stand_in, const char *id, const char *process,
	const char *cgroup, const struct seccomp_filter *filter, struct error *err)
{
	struct json_writer writer;
	int status = protocol_begin(&writer, "op", "exec", err);

	if (status < 0)
		return status;
	json_write_string_member(&writer, "id", id);
	json_write_string_member(&writer, "process", process);
	if (cgroup != NULL)
		json_write_string_member(&writer, "cgroup", cgroup);
	status = call_with_filter(stand_in, &writer, filter, err);
	stand_in->started = status == 0;
	if (status == 0)
		post_size(stand_in);
	return status;
}

int stand_in_run(struct stand_in *stand_in, uint64_t *ret_oom_limit, struct error *err)
{
	while (!(stand_in->ended && stand_in->drained) && !stand_in->gone) {
		int status = loop_run(stand_in->options.loop, err);

		if (status < 0)
			return status;
		if (!(stand_in->ended && stand_in->drained) && !stand_in->gone)
			return error_say(err, ECANCELED, "the guest ended");
	}
	if (ret_oom_limit != NULL)
		*ret_oom_limit = stand_in->oom_limit;
	if (stand_in->ended)
		return stand_in->status;
	return client_gone(stand_in->client, err);
}
