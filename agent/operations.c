/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/operations.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "agent/devices.h"
#include "agent/image.h"
#include "agent/network.h"
#include "agent/process.h"
#include "agent/process_list.h"
#include "agent/protocol.h"
#include "agent/system.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/cgroup/resources.h"
#include "runtime/cgroup/stats.h"
#include "runtime/container.h"
#include "runtime/ns/seccomp.h"

#define KILL_WAIT_MS 2000
#define DEVICE_SLOTS_MAX 64 /* more than a machine has */

/* What an op gets, and what it may add to its answer. */
struct request {
	struct agent *agent;
	struct peer *peer;
	const struct protocol_message *message;
	struct json_writer *answer; /* an open object */
};

static const char *get_string(const struct request *request, const char *key)
{
	return json_string(json_get(&request->message->json, key));
}

static int get_number(
	const struct request *request, const char *key, int64_t least, int64_t most, int64_t *ret)
{
	int64_t number;

	if (json_int64(json_get(&request->message->json, key), &number) < 0 || number < least ||
		number > most)
		return -EINVAL;
	*ret = number;
	return 0;
}

static bool get_bool(const struct request *request, const char *key)
{
	const struct json_value *value = json_get(&request->message->json, key);

	return value != NULL && value->type == JSON_BOOLEAN && value->boolean;
}

/* The bytes of a message as a filter. Its instructions are checked by the kernel when it is loaded.
 */
static int get_filter(const struct request *request, struct seccomp_filter *filter,
	const struct seccomp_filter **ret, struct error *err)
{
	const struct protocol_message *message = request->message;
	int64_t flags = 0;

	*ret = NULL;
	if (message->n_bytes == 0)
		return 0;
	if (message->n_bytes % sizeof(struct sock_filter) != 0 ||
		message->n_bytes / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return error_say(err, EPROTO, "a seccomp filter of impossible size");
	if (json_get(&message->json, "seccompFlags") != NULL &&
		get_number(request, "seccompFlags", 0, UINT32_MAX, &flags) < 0)
		return error_say(err, EPROTO, "seccomp flags that are no number");
	*filter = (struct seccomp_filter){
		.instructions = (struct sock_filter *)message->bytes,
		.count = (unsigned short)(message->n_bytes / sizeof(struct sock_filter)),
		.flags = (unsigned int)flags,
	};
	*ret = filter;
	return 0;
}

static int need_process(const struct request *request, struct error *err)
{
	if (request->peer->process == NULL)
		return error_say(err, EPROTO, "this connection stands for no process");
	return 0;
}

static int need_string(
	const struct request *request, const char *key, const char **ret, struct error *err)
{
	*ret = get_string(request, key);
	return *ret != NULL ? 0 : error_say(err, EPROTO, "the request lacks %s", key);
}

static int open_container(const struct request *request, struct container *ret, struct error *err)
{
	const char *id;
	int status = need_string(request, "id", &id, err);

	return status < 0 ? status : container_open(request->agent->runtime, id, ret, err);
}

static int op_open(struct request *request, struct error *err)
{
	struct peer *peer = request->peer;

	if (peer->process != NULL)
		return error_say(err, EPROTO, "this connection stands for a process already");
	peer->process = process_new(peer->fd);
	if (peer->process == NULL)
		return error_set(err, ENOMEM, "make a process");
	json_write_string_member(request->answer, "token", peer->process->token);
	return 0;
}

static int op_stream(struct request *request, struct error *err)
{
	struct guest_process *process;
	const char *token;
	int64_t number;
	int status = need_string(request, "token", &token, err);

	if (status < 0)
		return status;
	process = process_by_token(token);
	if (process == NULL || get_number(request, "fd", 0, PROCESS_STREAMS - 1, &number) < 0)
		return error_say(err, EPROTO, "a stream of no process");
	status = process_take_stream(process, (int)number, request->peer->fd);
	if (status < 0)
		return error_set(err, -status, "take a stream");
	request->peer->raw = true;
	return 0;
}

static int op_create(struct request *request, struct error *err)
{
	const struct seccomp_filter *filter = NULL;
	struct seccomp_filter storage;
	const char *id = NULL, *bundle = NULL, *config = NULL;
	int status = need_process(request, err);

	if (status == 0)
		status = need_string(request, "id", &id, err);
	if (status == 0)
		status = need_string(request, "bundle", &bundle, err);
	if (status == 0)
		status = need_string(request, "config", &config, err);
	if (status == 0)
		status = get_filter(request, &storage, &filter, err);
	if (status == 0 && get_bool(request, "exports"))
		status = system_mount_exports(err);
	if (status == 0 && get_bool(request, "image"))
		status = image_mount(err);
	if (status < 0)
		return status;
	return process_create(request->peer->process, request->agent->runtime, id, bundle, config,
		get_bool(request, "notify"), filter, err);
}

static int op_start(struct request *request, struct error *err)
{
	int status = need_process(request, err);

	return status < 0 ? status : process_start(request->peer->process, err);
}

static int op_exec(struct request *request, struct error *err)
{
	_cleanup_(arena_free) struct arena arena = { 0 };
	const struct seccomp_filter *filter = NULL;
	struct seccomp_filter storage;
	struct oci_process program = { 0 };
	const char *id = NULL, *text = NULL;
	int status = need_process(request, err);

	if (status == 0)
		status = need_string(request, "id", &id, err);
	if (status == 0)
		status = need_string(request, "process", &text, err);
	if (status == 0)
		status = oci_process_decode(text, strlen(text), &arena, &program, err);
	if (status == 0)
		status = get_filter(request, &storage, &filter, err);
	if (status < 0)
		return status;
	return process_exec(request->peer->process, request->agent->runtime, id, &program,
		get_string(request, "cgroup"), filter, err);
}

static int op_signal(struct request *request, struct error *err)
{
	int64_t signal;
	int status = 0;

	if (get_number(request, "signal", 0, SIGRTMAX, &signal) < 0)
		return error_say(err, EPROTO, "a signal that is none");
	if (get_string(request, "id") != NULL) {
		_cleanup_(container_close) struct container container = { .dir = -EBADF };

		status = open_container(request, &container, err);
		return status < 0
			? status
			: container_kill(&container, (int)signal, get_bool(request, "all"), err);
	}
	status = need_process(request, err);
	if (status < 0)
		return status;
	return process_signal(request->peer->process, (int)signal, get_bool(request, "all"), err);
}

static int op_resize(struct request *request, struct error *err)
{
	int64_t rows, columns;
	int status = need_process(request, err);

	if (status < 0)
		return status;
	if (get_number(request, "rows", 0, UINT16_MAX, &rows) < 0 ||
		get_number(request, "columns", 0, UINT16_MAX, &columns) < 0)
		return error_say(err, EPROTO, "a terminal's size out of range");
	return process_resize(
		request->peer->process, (unsigned short)rows, (unsigned short)columns, err);
}

/* SIGKILL, and what the container has written is on the host when the answer is sent. */
static int op_kill(struct request *request, struct error *err)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	int status = open_container(request, &container, err);

	if (status == 0)
		status = container_kill(&container, SIGKILL, true, err);
	if (status < 0)
		return status;
	_cleanup_close_ int pidfd = process_open(&container.state.init, NULL);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	if (pidfd >= 0)
		poll(&ended, 1, KILL_WAIT_MS);
	system_sync();
	return 0;
}

static int op_sync(struct request *request, struct error *err)
{
	(void)request, (void)err;
	system_sync();
	return 0;
}

static int op_processes(struct request *request, struct error *err)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	_cleanup_(pid_list_free) struct pid_list pids = { 0 };
	int status = open_container(request, &container, err);

	if (status == 0)
		status = container_processes(&container, &pids, err);
	if (status < 0)
		return status;
	process_list_write(request->answer, "processes", &pids);
	return 0;
}

static int op_stats(struct request *request, struct error *err)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	_cleanup_(cgroup_stats_free) struct cgroup_stats stats = { 0 };
	int status = open_container(request, &container, err);

	if (status == 0)
		status = container_stats(&container, &stats, err);
	if (status < 0)
		return status;
	json_write_key(request->answer, "stats");
	cgroup_stats_write(request->answer, &stats);
	json_write_uint_member(request->answer, "oomKills", stats.memory.events.oom_kill);
	return 0;
}

/* The old values, in the form of `unified`, so that the host can take an update back with another.
 */
static int write_undo(struct request *request, const struct cgroup_undo *undo, struct error *err)
{
	_cleanup_(cgroup_plan_free) struct cgroup_plan plan = { 0 };

	if (cgroup_undo_plan(undo, &plan) < 0)
		return error_set(err, ENOMEM, "keep the old limits");
	json_write_object_member(request->answer, "undo");
	for (size_t i = 0; i < plan.count; i++) {
		size_t j = i + 1;

		/* Of a file that was written twice the first value is the old one: the last here.
		 */
		while (j < plan.count && strcmp(plan.writes[i].file, plan.writes[j].file) != 0)
			j++;
		if (j == plan.count)
			json_write_string_member(
				request->answer, plan.writes[i].file, plan.writes[i].value);
	}
	json_write_end(request->answer);
	return 0;
}

static int op_update(struct request *request, struct error *err)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	_cleanup_(arena_free) struct arena arena = { 0 };
	_cleanup_(cgroup_undo_free) struct cgroup_undo undo = { 0 };
	struct oci_resources resources = { 0 };
	const char *text;
	int status = need_string(request, "resources", &text, err);

	if (status == 0)
		status = oci_resources_decode(text, strlen(text), &arena, &resources, err);
	if (status == 0)
		status = open_container(request, &container, err);
	if (status == 0)
		status = container_update_undoable(&container, &resources, &undo, err);
	return status < 0 ? status : write_undo(request, &undo, err);
}

static int op_clock(struct request *request, struct error *err)
{
	int64_t seconds, nanoseconds;

	if (get_number(request, "seconds", 0, INT64_MAX, &seconds) < 0 ||
		get_number(request, "nanoseconds", 0, 999999999, &nanoseconds) < 0)
		return error_say(err, EPROTO, "a time that is none");
	return system_set_clock(
		seconds, nanoseconds, request->message->bytes, request->message->n_bytes, err);
}

static int get_slots(const struct request *request, unsigned int *slots, size_t room,
	size_t *ret_count, struct error *err)
{
	const struct json_value *list = json_get(&request->message->json, "slots");
	uint64_t slot;

	*ret_count = 0;
	if (list == NULL)
		return 0;
	if (list->type != JSON_ARRAY || list->count > room)
		return error_say(err, EPROTO, "slots that are no list, or too many");
	for (uint32_t i = 0; i < list->count; i++) {
		if (json_uint64(&list->items[i], &slot) < 0 || slot > UINT16_MAX)
			return error_say(err, EPROTO, "a slot that is none");
		slots[(*ret_count)++] = (unsigned int)slot;
	}
	return 0;
}

static int op_network(struct request *request, struct error *err)
{
	unsigned int slots[DEVICE_SLOTS_MAX];
	const char *description = NULL;
	size_t n_slots = 0;
	int status = need_string(request, "description", &description, err);

	if (status == 0)
		status = get_slots(request, slots, DEVICE_SLOTS_MAX, &n_slots, err);
	return status < 0 ? status : network_apply(description, slots, n_slots, err);
}

/*
 * Memory comes with devices, processors with nothing but their number. With neither it says alone
 * how much memory could be taken.
 */
static int op_grow(struct request *request, struct error *err)
{
	unsigned int slots[DEVICE_SLOTS_MAX];
	size_t n_slots = 0;
	int64_t cpus = 0;
	int status = get_slots(request, slots, DEVICE_SLOTS_MAX, &n_slots, err);

	if (status == 0 && json_get(&request->message->json, "cpus") != NULL &&
		get_number(request, "cpus", 0, UINT16_MAX, &cpus) < 0)
		status = error_say(err, EPROTO, "a number of processors that is none");
	if (status == 0 && get_bool(request, "memory"))
		status = memory_use_what_comes(err);
	for (size_t i = 0; i < n_slots && status == 0; i++)
		status = device_bind(slots[i], err);
	if (status == 0)
		status = cpus_bring_up((unsigned int)cpus, err);
	if (status == 0)
		json_write_uint_member(request->answer, "available", memory_available());
	return status;
}

static const struct {
	const char *name;
	int (*run)(struct request *request, struct error *err);
} operations[] = {
	{ "open", op_open },
	{ "stream", op_stream },
	{ "create", op_create },
	{ "start", op_start },
	{ "exec", op_exec },
	{ "signal", op_signal },
	{ "resize", op_resize },
	{ "kill", op_kill },
	{ "sync", op_sync },
	{ "processes", op_processes },
	{ "stats", op_stats },
	{ "update", op_update },
	{ "network", op_network },
	{ "grow", op_grow },
	{ "clock", op_clock },
};

static int run_named(const char *name, struct request *request, struct error *err)
{
	for (size_t i = 0; name != NULL && i < sizeof(operations) / sizeof(*operations); i++) {
		if (strcmp(name, operations[i].name) == 0)
			return operations[i].run(request, err);
	}
	return error_say(err, ENOSYS, "the agent does not know the request %s",
		name != NULL ? name : "without a name");
}

/* What is said while a process is made is for whoever asked for it. */
static void log_to_peer(enum log_level level, const char *message, void *data)
{
	const struct peer *peer = data;
	struct json_writer writer;

	if (protocol_begin(&writer, "event", "log", NULL) < 0)
		return;
	json_write_int_member(&writer, "level", level);
	json_write_string_member(&writer, "message", message);
	json_write_end(&writer);
	protocol_send(peer->fd, &writer, NULL, 0, NULL);
}

int operation_run(struct agent *agent, struct peer *peer, const struct protocol_message *message,
	struct error *err)
{
	struct json_writer answer = { 0 };
	struct request request = {
		.agent = agent, .peer = peer, .message = message, .answer = &answer
	};
	struct error failure = ERROR_INIT;
	int status = json_writer_open(&answer, false, err);

	if (status < 0)
		return status;
	json_write_object(&answer);
	if (peer->process != NULL)
		log_set_sink(log_to_peer, peer, LOG_LEVEL_WARNING);
	status = run_named(json_string(json_get(&message->json, "op")), &request, &failure);
	system_log_to_console();
	if (status < 0) {
		json_writer_close(&answer);
		return protocol_answer(peer->fd, &failure, err);
	}
	json_write_end(&answer);
	return protocol_send(peer->fd, &answer, NULL, 0, err);
}
