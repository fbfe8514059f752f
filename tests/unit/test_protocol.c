/* SPDX-License-Identifier: Apache-2.0 */
/* What host and agent say to each other: pieces, bounds, and a peer that breaks the rules. */
#include "agent/protocol.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/error.h"
#include "lib/json_write.h"

static int near = -1, far = -1;
static struct protocol_reader reader;
static struct protocol_message message;
static struct error err;

static int set_up(void **state)
{
	int pair[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	near = pair[0];
	far = pair[1];
	err = ERROR_INIT;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	protocol_message_free(&message);
	message = (struct protocol_message){ 0 };
	protocol_reader_free(&reader);
	close(near);
	close(far);
	return 0;
}

static void send_raw(const char *json, uint32_t json_length, uint32_t n_bytes)
{
	const uint32_t header[2] = { htole32(json_length), htole32(n_bytes) };

	assert_int_equal(write(far, header, sizeof(header)), sizeof(header));
	assert_int_equal(write(far, json, strlen(json)), strlen(json));
}

static int take(void)
{
	return protocol_read(near, &reader, &message, &err);
}

static void test_a_message_arrives_in_any_pieces(void **state)
{
	const unsigned char bytes[] = { 0, 255, 10 };
	unsigned char *packet;
	struct json_writer writer;
	size_t length;

	(void)state;
	assert_int_equal(protocol_begin(&writer, "op", "create", &err), 0);
	json_write_int_member(&writer, "number", -7);
	json_write_end(&writer);
	assert_int_equal(protocol_pack(&writer, bytes, sizeof(bytes), &packet, &length, &err), 0);
	for (size_t i = 0; i < length; i++) {
		assert_int_equal(take(), 0);
		assert_int_equal(write(far, packet + i, 1), 1);
	}
	assert_int_equal(take(), 1);
	assert_string_equal(json_string(json_get(&message.json, "op")), "create");
	assert_int_equal(message.n_bytes, sizeof(bytes));
	assert_memory_equal(message.bytes, bytes, sizeof(bytes));
	free(packet);
}

static void test_two_messages_in_one_piece(void **state)
{
	(void)state;
	send_raw("{\"a\": 1}", 8, 0);
	send_raw("{\"b\": 2}", 8, 0);
	assert_int_equal(take(), 1);
	assert_non_null(json_get(&message.json, "a"));
	protocol_message_free(&message);
	assert_int_equal(take(), 1);
	assert_non_null(json_get(&message.json, "b"));
	assert_int_equal(
		protocol_wait(near, &(struct protocol_reader){ 0 }, 0, &message, &err), -ETIMEDOUT);
}

static void test_impossible_sizes_are_refused_before_anything_is_allocated(void **state)
{
	static const uint32_t sizes[][2] = { { 0, 0 }, { 0, 5 }, { UINT32_MAX, 0 },
		{ PROTOCOL_JSON_MAX + 1, 0 }, { 2, UINT32_MAX }, { 2, PROTOCOL_BYTES_MAX + 1 },
		{ UINT32_MAX, UINT32_MAX }, { INT32_MAX, INT32_MAX } };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		if (i > 0)
			set_up(state);
		send_raw("{}", sizes[i][0], sizes[i][1]);
		assert_int_equal(take(), -EPROTO);
		assert_true(reader.room <= 4 * 65536);
		if (i + 1 < sizeof(sizes) / sizeof(*sizes))
			tear_down(state);
	}
}

static void test_what_is_announced_and_never_sent_takes_no_memory(void **state)
{
	(void)state;
	send_raw("{", PROTOCOL_JSON_MAX, PROTOCOL_BYTES_MAX);
	assert_int_equal(take(), 0);
	assert_true(reader.room <= 4 * 65536);
	close(far);
	far = -1;
	assert_int_equal(take(), -EPIPE);
}

static void test_what_is_no_object_breaks_the_rules(void **state)
{
	static const char *const wrong[] = { "[]", "1", "null", "\"text\"", "{", "{}{}", "{\"a\":}",
		"\xff\xfe", "{\"a\": \"\xff\"}" };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		if (i > 0)
			set_up(state);
		send_raw(wrong[i], (uint32_t)strlen(wrong[i]), 0);
		assert_int_equal(take(), -EPROTO);
		assert_true(err.message[0] != '\0');
		if (i + 1 < sizeof(wrong) / sizeof(*wrong))
			tear_down(state);
	}
}

/* The other side's words are shown to people, and its numbers become errno. */
static void test_an_error_is_one_line_with_an_errno_that_exists(void **state)
{
	static const struct {
		const char *answer;
		int errnum;
	} answers[] = {
		{ "{}", 0 },
		{ "{\"errno\": 5}", 0 },
		{ "{\"error\": 5, \"errno\": 5}", 0 },
		{ "{\"error\": \"x\", \"errno\": 13}", EACCES },
		{ "{\"error\": \"a\\nb\\u001b[2J\"}", EPROTO },
		{ "{\"error\": \"x\", \"errno\": 0}", EPROTO },
		{ "{\"error\": \"x\", \"errno\": -1}", EPROTO },
		{ "{\"error\": \"x\", \"errno\": 4096}", EPROTO },
		{ "{\"error\": \"x\", \"errno\": 1e99}", EPROTO },
		{ "{\"error\": \"x\", \"errno\": \"5\"}", EPROTO },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		send_raw(answers[i].answer, (uint32_t)strlen(answers[i].answer), 0);
		assert_int_equal(take(), 1);
		err = ERROR_INIT;
		assert_int_equal(protocol_check_answer(&message, &err), -answers[i].errnum);
		assert_null(strpbrk(err.message, "\n\r\033"));
		protocol_message_free(&message);
		message = (struct protocol_message){ 0 };
	}
}

static void test_too_large_to_send_is_an_error(void **state)
{
	static unsigned char bytes[PROTOCOL_BYTES_MAX + 1];
	struct json_writer writer;
	unsigned char *packet = NULL;
	size_t length;

	(void)state;
	assert_int_equal(protocol_begin(&writer, "op", "create", &err), 0);
	json_write_end(&writer);
	assert_int_equal(
		protocol_pack(&writer, bytes, sizeof(bytes), &packet, &length, &err), -EMSGSIZE);
	assert_null(packet);
}

/* Nobody is killed by SIGPIPE, and nobody waits for a peer that is gone. */
static void test_a_peer_that_is_gone_is_an_error(void **state)
{
	struct json_writer writer;

	(void)state;
	close(far);
	far = -1;
	assert_int_equal(protocol_begin(&writer, "op", "sync", &err), 0);
	json_write_end(&writer);
	assert_int_equal(protocol_send(near, &writer, NULL, 0, &err), -EPIPE);
	assert_int_equal(protocol_wait(near, &reader, 1000, &message, &err), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_a_message_arrives_in_any_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_two_messages_in_one_piece, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_impossible_sizes_are_refused_before_anything_is_allocated, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_is_announced_and_never_sent_takes_no_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_what_is_no_object_breaks_the_rules, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_error_is_one_line_with_an_errno_that_exists, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_too_large_to_send_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_peer_that_is_gone_is_an_error, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}
