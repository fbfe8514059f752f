/* SPDX-License-Identifier: Apache-2.0 */
/* The host's end of a control connection: each answer is for the request that it answers. */
#include "runtime/vm/stand_in/client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/protocol.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "runtime/vm/monitor/loop.h"

#define HELD_MAX 8

/* The agent's end: answers with the request's name, in order, once it is not to hold answers back.
 */
static struct {
	int connection;
	struct protocol_reader reader;
	struct loop_source *source;
	bool hold, post;
	char held[HELD_MAX][16];
	size_t n_held;
} agent;
static struct loop *loop;
static struct client *client;
static unsigned int events, ends;

static void post(const char *op)
{
	struct json_writer writer;

	assert_int_equal(protocol_begin(&writer, "op", op, NULL), 0);
	assert_int_equal(client_post(client, &writer, NULL), 0);
}

static void answer_held(void)
{
	for (size_t i = 0; i < agent.n_held; i++) {
		struct json_writer writer;

		assert_int_equal(protocol_begin(&writer, "to", agent.held[i], NULL), 0);
		json_write_end(&writer);
		assert_int_equal(protocol_send(agent.connection, &writer, NULL, 0, NULL), 0);
	}
	agent.n_held = 0;
}

static void on_request(uint32_t what, void *data)
{
	struct protocol_message message;

	(void)what, (void)data;
	while (protocol_read(agent.connection, &agent.reader, &message, NULL) == 1) {
		const char *op = json_string(json_get(&message.json, "op"));

		assert_true(agent.n_held < HELD_MAX);
		strncpy(agent.held[agent.n_held++], op, sizeof(*agent.held) - 1);
		protocol_message_free(&message);
		/* A signal arrives while the answer is waited for. */
		if (agent.post) {
			agent.post = false;
			post("resize");
		}
	}
	if (!agent.hold)
		answer_held();
}

static void on_event(const char *event, const struct protocol_message *message, void *data)
{
	(void)event, (void)message, (void)data;
	events++;
}

static void on_end(void *data)
{
	(void)data;
	ends++;
}

static int set_up(void **state)
{
	int pair[2];

	(void)state;
	memset(&agent, 0, sizeof(agent));
	events = ends = 0;
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	agent.connection = pair[1];
	assert_int_equal(loop_new(&loop, NULL), 0);
	assert_int_equal(
		loop_add(loop, pair[1], EPOLLIN, on_request, NULL, &agent.source, NULL), 0);
	return client_new(loop, pair[0], on_event, on_end, NULL, &client, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	client_free(client);
	loop_remove(agent.source);
	if (agent.connection >= 0)
		close(agent.connection);
	protocol_reader_free(&agent.reader);
	loop_free(loop);
	return 0;
}

/* Calls `op`; the answer must be to that. */
static int call(const char *op, int timeout)
{
	struct protocol_message answer = { 0 };
	struct json_writer writer;

	assert_int_equal(protocol_begin(&writer, "op", op, NULL), 0);
	int status = client_call(client, &writer, NULL, 0, timeout, &answer, NULL);
	if (status == 0) {
		assert_non_null(json_get(&answer.json, "to"));
		assert_string_equal(json_string(json_get(&answer.json, "to")), op);
		protocol_message_free(&answer);
	}
	return status;
}

static void test_answers_to_posts_before_a_call_are_dropped(void **state)
{
	(void)state;
	post("one");
	post("two");
	assert_int_equal(call("open", 5000), 0);
	assert_int_equal(call("start", 5000), 0);
}

/* A terminal whose size is set while `exec -t` opens its process. */
static void test_a_post_while_a_call_waits_does_not_take_its_answer(void **state)
{
	(void)state;
	agent.post = true;
	assert_int_equal(call("open", 5000), 0);
	assert_int_equal(call("start", 5000), 0);
	agent.post = true;
	assert_int_equal(call("exec", 5000), 0);
	post("three");
	assert_int_equal(call("stop", 5000), 0);
}

static void test_an_answer_that_comes_too_late_is_nobodys(void **state)
{
	(void)state;
	agent.hold = true;
	agent.post = true;
	assert_int_equal(call("slow", 20), -ETIMEDOUT);
	agent.hold = false;
	assert_int_equal(call("next", 5000), 0);
}

static void test_the_connections_end_is_told_once(void **state)
{
	(void)state;
	loop_remove(agent.source);
	agent.source = NULL;
	close(agent.connection);
	agent.connection = -1;
	assert_int_equal(call("open", 5000), -EPIPE);
	assert_int_equal(call("start", 5000), -EPIPE);
	assert_true(ends <= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_answers_to_posts_before_a_call_are_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_post_while_a_call_waits_does_not_take_its_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_answer_that_comes_too_late_is_nobodys, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_the_connections_end_is_told_once, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("vm client", tests, NULL, NULL);
}
