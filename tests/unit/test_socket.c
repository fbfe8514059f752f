/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/error.h"

static char base[] = "/tmp/caisson-test-socket-XXXXXX";
/* Longer than any sun_path. */
static char deep[512];

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(base));
	snprintf(deep, sizeof(deep), "%s", base);
	for (int i = 0; i < 3; i++) {
		size_t used = strlen(deep);

		snprintf(deep + used, sizeof(deep) - used, "/%0100d", i);
		assert_int_equal(mkdir(deep, 0700), 0);
	}
	return 0;
}

static int tear_down(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

static void a_path_may_be_long(void **state)
{
	struct error err = ERROR_INIT;
	struct stat st;
	char path[600], byte = 0;
	int dir = open(deep, O_PATH | O_DIRECTORY | O_CLOEXEC);
	mode_t before = umask(0);

	(void)state;
	int server = socket_bind_at(dir, "s", SOCK_STREAM, 4, &err);
	umask(before);
	if (server < 0)
		fail_msg("%s", err.message);
	assert_int_equal(fstatat(dir, "s", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	snprintf(path, sizeof(path), "%s/s", deep);
	int absolute = socket_connect_at(AT_FDCWD, path, SOCK_STREAM, &err);
	assert_true(absolute >= 0);
	int relative = socket_connect_at(dir, "s", SOCK_STREAM, &err);
	assert_true(relative >= 0);
	int peer = accept(server, NULL, NULL);
	assert_int_equal(write(absolute, "a", 1), 1);
	assert_int_equal(read(peer, &byte, 1), 1);
	assert_int_equal(byte, 'a');

	assert_int_equal(socket_bind_at(dir, "s", SOCK_STREAM, 4, &err), -EADDRINUSE);
	assert_int_equal(socket_bind_at(dir, "../s", SOCK_STREAM, 4, &err), -EINVAL);
	assert_int_equal(socket_connect_at(dir, "none", SOCK_STREAM, &err), -ENOENT);
	assert_string_equal(err.message, "connect to socket none: No such file or directory");
	close(peer);
	close(relative);
	close(absolute);
	close(server);
	close(dir);
}

static int count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 200; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void descriptors_travel(void **state)
{
	struct error err = ERROR_INIT;
	int ends[2], fds[4], sent[3];
	size_t n_fds = 4;
	char text[16] = "";

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	for (int i = 0; i < 3; i++)
		sent[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int before = count_fds();
	assert_int_equal(socket_send_fds(ends[0], "abc", 3, sent, 3, &err), 0);
	assert_int_equal(socket_receive_fds(ends[1], text, sizeof(text), fds, &n_fds, &err), 3);
	assert_string_equal(text, "abc");
	assert_int_equal(n_fds, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		close(fds[i]);
	}

	/* More than wanted: an error, and nothing stays open. */
	n_fds = 1;
	assert_int_equal(socket_send_fds(ends[0], "x", 1, sent, 3, &err), 0);
	assert_int_equal(
		socket_receive_fds(ends[1], text, sizeof(text), fds, &n_fds, &err), -EMSGSIZE);
	assert_int_equal(count_fds(), before);

	n_fds = 4;
	assert_int_equal(socket_send_fds(ends[0], "y", 1, NULL, 0, &err), 0);
	assert_int_equal(socket_receive_fds(ends[1], text, sizeof(text), fds, &n_fds, &err), 1);
	assert_int_equal(n_fds, 0);
	assert_int_equal(socket_send_fds(ends[0], "", 0, sent, 1, &err), -EINVAL);

	close(ends[1]);
	assert_int_equal(socket_send_fds(ends[0], "z", 1, sent, 1, &err), -EPIPE);
	for (int i = 0; i < 3; i++)
		close(sent[i]);
	close(ends[0]);
}

static void the_end_of_the_stream_is_no_error(void **state)
{
	struct error err = ERROR_INIT;
	int ends[2], fds[1];
	size_t n_fds = 1;
	char text[4];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	close(ends[0]);
	assert_int_equal(socket_receive_fds(ends[1], text, sizeof(text), fds, &n_fds, &err), 0);
	assert_int_equal(n_fds, 0);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_may_be_long),
		cmocka_unit_test(descriptors_travel),
		cmocka_unit_test(the_end_of_the_stream_is_no_error),
	};

	return cmocka_run_group_tests_name("socket", tests, set_up, tear_down);
}
