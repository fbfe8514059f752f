/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's control socket: requests that are carried out, and whatever else may be sent there,
 * of which nothing may stay open. And answers as a guest might send them that has taken its monitor
 * over.
 */
#include "runtime/vm/control/server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/socket.h"
#include "runtime/vm/control/ask.h"
#include "runtime/vm/control/control.h"
#include "runtime/vm/monitor/growth.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/vm.h"
#include "tests/unit/loop_thread.h"

#define MIB (UINT64_C(1) << 20)
#define CONNECTIONS_MAX 8
#define FDS_SENT_MAX 32
#define ROUNDS 20000

static const struct vm_size booted = {
	.memory = 256 * MIB, .spare = 128 * MIB, .cpus = 1, .cpus_max = 4
};

/* A monitor without a guest: nothing that is asked here comes as far. */
static struct monitor {
	struct loop_thread thread;
	struct growth *growth;
	struct control *control;
	struct control_server *server; /* instead of `control` */
	int dir, fds;
} monitor;

static int count_fds(void)
{
	_cleanup_closedir_ DIR *list = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(list);
	while (readdir(list) != NULL)
		count++;
	return count;
}

static int open_monitor(const control_function *functions)
{
	struct error err = ERROR_INIT;

	assert_int_equal(loop_new(&monitor.thread.loop, &err), 0);
	unlinkat(monitor.dir, VM_CONTROL, 0);
	int listener = socket_bind_at(
		monitor.dir, VM_CONTROL, SOCK_SEQPACKET | SOCK_NONBLOCK, 16, &err);
	assert_true(listener >= 0);
	if (functions != NULL)
		return control_server_new(
			monitor.thread.loop, listener, functions, &monitor, &monitor.server, &err);
	assert_int_equal(growth_new(monitor.thread.loop, NULL, &booted, &monitor.growth, &err), 0);
	return control_new(
		monitor.thread.loop, NULL, monitor.growth, listener, &monitor.control, &err);
}

static int set_up(void **state)
{
	(void)state;
	monitor.fds = count_fds();
	return open_monitor(NULL);
}

static void turn(void)
{
	while (loop_turn(monitor.thread.loop))
		;
}

/* Nothing is left of what a test has sent. */
static int tear_down(void **state)
{
	(void)state;
	turn();
	control_free(monitor.control);
	control_server_free(monitor.server);
	growth_free(monitor.growth);
	loop_free(monitor.thread.loop);
	monitor.control = NULL;
	monitor.server = NULL;
	monitor.growth = NULL;
	assert_int_equal(count_fds(), monitor.fds);
	return 0;
}

static int reach(void)
{
	int connection = control_connect(monitor.dir, NULL);

	assert_true(connection >= 0);
	turn();
	return connection;
}

/* Any message at all, with descriptors. */
static void send_raw(int connection, const void *bytes, size_t length, unsigned int n_fds)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * FDS_SENT_MAX)];
	} control = { 0 };
	struct iovec part = { .iov_base = (void *)bytes, .iov_len = length };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (n_fds > 0) {
		message.msg_control = &control;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		for (unsigned int i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &null, sizeof(int));
	}
	assert_int_equal(sendmsg(connection, &message, MSG_NOSIGNAL), length);
}

/* Sends it and returns the error of the answer; 0 where it was carried out, -1 for no answer. */
static int answer_to(int connection, const void *bytes, size_t length, unsigned int n_fds)
{
	struct control_answer answer;
	int fds = count_fds();

	send_raw(connection, bytes, length, n_fds);
	turn();
	ssize_t received = recv(connection, &answer, sizeof(answer), MSG_DONTWAIT);
	if (received <= 0)
		return -1;
	assert_int_equal(received, sizeof(answer));
	assert_int_equal(count_fds(), fds);
	return answer.error.errnum;
}

static void the_size_is_told_and_more_than_once(void **state)
{
	const struct control_request request = { .kind = CONTROL_SIZE };
	struct control_answer answer = { .error = ERROR_INIT };
	struct error err = ERROR_INIT;

	(void)state;
	_cleanup_close_ int connection = control_connect(monitor.dir, &err);
	assert_true(connection >= 0);
	loop_thread_start(&monitor.thread);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(control_ask(connection, &request, NULL, 0, &answer, &err), 0);
		assert_int_equal(answer.size.machine.memory, booted.memory);
		assert_int_equal(answer.size.machine.cpus_max, booted.cpus_max);
		assert_int_equal(answer.size.plug_slot, -1);
	}
	loop_thread_stop(&monitor.thread);
}

static void what_the_monitor_cannot_do_is_the_askers_error(void **state)
{
	const struct control_request request = { .kind = CONTROL_GROW,
		.growth = { .plug = booted.spare + 2 * MIB } };
	struct control_answer answer;
	struct error err = ERROR_INIT;

	(void)state;
	_cleanup_close_ int connection = control_connect(monitor.dir, &err);
	loop_thread_start(&monitor.thread);
	assert_int_equal(control_ask(connection, &request, NULL, 0, &answer, &err), -ERANGE);
	loop_thread_stop(&monitor.thread);
	assert_string_equal(
		err.message, "the virtual machine has room for 128 MiB more memory at most");
}

static void malformed_requests_are_refused_and_the_connection_goes_on(void **state)
{
	const struct control_request good = { .version = CONTROL_VERSION, .kind = CONTROL_SIZE };
	struct control_request later = good, unknown = good, farther = good;
	char longer[sizeof(good) + 100] = { 0 };
	_cleanup_close_ int connection = reach();

	(void)state;
	later.version++;
	unknown.kind = CONTROL_KINDS;
	farther.kind = UINT32_MAX;
	memcpy(longer, &good, sizeof(good));
	assert_int_equal(answer_to(connection, &good, 1, 0), EPROTO);
	assert_int_equal(answer_to(connection, &good, sizeof(good) - 1, 3), EPROTO);
	assert_int_equal(answer_to(connection, longer, sizeof(good) + 1, 0), EPROTO);
	assert_int_equal(answer_to(connection, longer, sizeof(longer), 2), EPROTO);
	assert_int_equal(answer_to(connection, &later, sizeof(later), 1), EPROTO);
	assert_int_equal(answer_to(connection, &unknown, sizeof(unknown), 1), EPROTO);
	assert_int_equal(answer_to(connection, &farther, sizeof(farther), 0), EPROTO);
	assert_int_equal(answer_to(connection, &good, sizeof(good), SOCKET_MAX_FDS + 1), EPROTO);
	assert_int_equal(answer_to(connection, &good, sizeof(good), FDS_SENT_MAX), EPROTO);
	/* Descriptors that nobody wants are closed. */
	assert_int_equal(answer_to(connection, &good, sizeof(good), SOCKET_MAX_FDS), 0);
	assert_int_equal(answer_to(connection, &good, sizeof(good), 0), 0);
}

/* It reads like the end of the connection, but may have descriptors. */
static void an_empty_message_ends_the_connection(void **state)
{
	_cleanup_close_ int connection = reach();

	(void)state;
	assert_int_equal(answer_to(connection, "", 0, 5), -1);
}

static void cards_have_as_many_descriptors_as_they_say(void **state)
{
	static const struct {
		uint32_t queues;
		unsigned int fds;
	} wrong[] = { { 0, 0 }, { 0, 1 }, { 1, 0 }, { 1, 3 }, { 2, 1 }, { 2, 3 }, { 3, 16 },
		{ 9, 9 }, { 16, 16 }, { 0x80000000, 0 }, { 0x80000001, 2 }, { UINT32_MAX, 15 } };
	_cleanup_close_ int connection = reach();

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		const struct control_request request = { .version = CONTROL_VERSION,
			.kind = CONTROL_CARD,
			.card = { .n_queues = wrong[i].queues } };

		assert_int_equal(
			answer_to(connection, &request, sizeof(request), wrong[i].fds), EPROTO);
	}
}

static void a_listener_comes_with_its_rules(void **state)
{
	const struct control_request request = { .version = CONTROL_VERSION,
		.kind = CONTROL_FORWARD };
	_cleanup_close_ int connection = reach();

	(void)state;
	for (unsigned int n_fds = 0; n_fds <= 3; n_fds++) {
		if (n_fds != 2)
			assert_int_equal(
				answer_to(connection, &request, sizeof(request), n_fds), EPROTO);
	}
	/* What is no listener is refused by the loop (epoll(7)), and not kept. */
	assert_int_equal(answer_to(connection, &request, sizeof(request), 2), EPERM);
}

static void the_oldest_connection_makes_room(void **state)
{
	const struct control_request good = { .version = CONTROL_VERSION, .kind = CONTROL_SIZE };
	int connections[CONNECTIONS_MAX + 1];

	(void)state;
	for (int i = 0; i <= CONNECTIONS_MAX; i++)
		connections[i] = reach();
	assert_int_equal(recv(connections[0], (char[1]){ 0 }, 1, MSG_DONTWAIT), 0);
	for (int i = 1; i <= CONNECTIONS_MAX; i++)
		assert_int_equal(answer_to(connections[i], &good, sizeof(good), 0), 0);
	for (int i = 0; i <= CONNECTIONS_MAX; i++)
		close(connections[i]);
}

/* ---- anything ------------------------------------------------------------------------------- */

static unsigned int carried_out;
static int kept[4] = { -EBADF, -EBADF, -EBADF, -EBADF };

/* Takes some, as a card does, and fails at times. */
static int take_some(void *data, const struct control_request *request, int *fds, size_t n_fds,
	struct control_answer *answer, struct error *err)
{
	assert_ptr_equal(data, &monitor);
	answer->slot = request->kind;
	for (size_t i = 0; i < n_fds && i < 4; i++) {
		close_fd(kept[i]);
		kept[i] = take_fd(&fds[i]);
	}
	return ++carried_out % 7 == 0 ? error_say(err, EBUSY, "not now") : 0;
}

/* Most of it is nearly right: pure noise is refused at the first word. */
static size_t make_noise(unsigned char *bytes, size_t size)
{
	struct control_request *request = (struct control_request *)bytes;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)random();
	request->version = random() % 8 != 0 ? CONTROL_VERSION : (uint32_t)random();
	request->kind = (uint32_t)random() % (CONTROL_KINDS + 1);
	return random() % 4 != 0 ? sizeof(*request) : (size_t)random() % (size + 1);
}

static void noise_leaves_nothing_open(void **state)
{
	static const control_function functions[CONTROL_KINDS] = { take_some, take_some, take_some,
		take_some };
	_Alignas(struct control_request) unsigned char bytes[2 * sizeof(struct control_request)];
	unsigned int refused = 0, failed = 0;
	int connection = -EBADF;

	tear_down(state);
	monitor.fds = count_fds();
	assert_int_equal(open_monitor(functions), 0);
	srandom(1);
	for (int i = 0; i < ROUNDS; i++) {
		size_t length = make_noise(bytes, sizeof(bytes));

		if (connection < 0)
			connection = reach();
		send_raw(connection, bytes, length, (unsigned int)random() % FDS_SENT_MAX);
		turn();
		struct control_answer answer;
		if (recv(connection, &answer, sizeof(answer), MSG_DONTWAIT) <= 0)
			connection = close_fd(connection);
		else if (answer.error.errnum == EPROTO)
			refused++;
		else
			failed += answer.error.errnum == EBUSY;
	}
	assert_true(refused > 100 && carried_out > 100 && failed > 10);
	close_fd(connection);
	for (size_t i = 0; i < 4; i++)
		kept[i] = close_fd(kept[i]);
}

/* ---- answers -------------------------------------------------------------------------------- */

/* What the asker makes of an answer, which lies there before it asks. */
static int ask_for(const void *bytes, size_t length, struct error *err)
{
	const struct control_request request = { .kind = CONTROL_SIZE };
	struct control_answer answer;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(send(pair[1], bytes, length, 0), length);
	int status = control_ask(pair[0], &request, NULL, 0, &answer, err);
	close(pair[0]);
	close(pair[1]);
	return status;
}

static void answers_are_checked(void **state)
{
	struct {
		struct control_answer answer;
		char more[8];
	} sent = { .answer.size.machine.memory = MIB };
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(ask_for(&sent, sizeof(sent.answer), &err), 0);
	assert_int_equal(ask_for(&sent, sizeof(sent.answer) - 1, &err), -EPROTO);
	assert_int_equal(ask_for(&sent, sizeof(sent.answer) + 1, &err), -EPROTO);
	assert_string_equal(
		err.message, "the container's monitor is of another version of caisson");
	assert_int_equal(ask_for(&sent, 4, &err), -EPROTO);
	assert_int_equal(ask_for(&sent, 0, &err), -EPROTO);
	assert_string_equal(err.message, "the container's monitor is gone");
}

static void errors_of_any_version_are_told_in_one_line(void **state)
{
	struct control_answer sent = { .error.errnum = EBUSY };
	struct error err = ERROR_INIT;

	(void)state;
	strcpy(sent.error.message, "of tomorrow\n\033[2J");
	assert_int_equal(ask_for(&sent, sizeof(sent.error), &err), -EBUSY);
	assert_string_equal(err.message, "of tomorrow??[2J");
	/* No end, and no errno. */
	memset(&sent.error, 'x', sizeof(sent.error));
	sent.error.errnum = -1;
	assert_int_equal(ask_for(&sent, sizeof(sent), &err), -EINVAL);
	assert_int_equal(strlen(err.message), ERROR_MESSAGE_MAX - 1);
}

static void without_a_monitor_the_asker_says_so(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	unlinkat(monitor.dir, VM_CONTROL, 0);
	assert_int_equal(control_connect(monitor.dir, &err), -ENOENT);
	assert_string_equal(err.message,
		"reach the container's monitor: connect to socket control: No such file or "
		"directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_size_is_told_and_more_than_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			what_the_monitor_cannot_do_is_the_askers_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			malformed_requests_are_refused_and_the_connection_goes_on, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			an_empty_message_ends_the_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			cards_have_as_many_descriptors_as_they_say, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_listener_comes_with_its_rules, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			the_oldest_connection_makes_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(noise_leaves_nothing_open, set_up, tear_down),
		cmocka_unit_test(answers_are_checked),
		cmocka_unit_test(errors_of_any_version_are_told_in_one_line),
		cmocka_unit_test(without_a_monitor_the_asker_says_so),
	};
	char directory[] = "/tmp/caisson-control-XXXXXX";

	if (mkdtemp(directory) == NULL)
		return 1;
	monitor.dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int failed = cmocka_run_group_tests_name("vm_control", tests, NULL, NULL);
	unlinkat(monitor.dir, VM_CONTROL, 0);
	rmdir(directory);
	return failed;
}
