/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals of a devpts of the test's own, in children with a mount namespace. Needs root. */
#include "runtime/ns/console.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/oci.h"
#include "lib/error.h"
#include "lib/socket.h"
#include "runtime/ns/path.h"
#include "runtime/ns/terminal_relay.h"

#define CHECK(condition)                                                   \
	do {                                                               \
		if (!(condition)) {                                        \
			dprintf(2, "line %d: %s\n", __LINE__, #condition); \
			_exit(1);                                          \
		}                                                          \
	} while (0)

/* Runs `body` in a child; its assertions are CHECK(). */
static void in_child(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(20);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("the child ended with status 0x%x", status);
}

/* A root with a devpts, at /mnt. */
static int make_root(void)
{
	CHECK(unshare(CLONE_NEWNS) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0);
	CHECK(mkdir("/mnt/dev", 0755) == 0 && mkdir("/mnt/dev/pts", 0755) == 0);
	CHECK(mount("devpts", "/mnt/dev/pts", "devpts", 0, "newinstance,ptmxmode=0666,mode=620") ==
		0);
	CHECK(symlink("pts/ptmx", "/mnt/dev/ptmx") == 0);
	return open("/mnt", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static const struct oci_process sized = {
	.terminal = true,
	.console_size = { .set = true, .height = 33, .width = 111 },
};

static void open_take_and_talk(void)
{
	struct error err = ERROR_INIT;
	int master, terminal, procfs = path_open_procfs(&err), root = make_root();
	struct winsize size;
	char text[64] = "";

	CHECK(console_open(root, procfs, &sized, &master, &terminal, &err) == 0);
	CHECK(fcntl(master, F_GETFD) == FD_CLOEXEC && fcntl(terminal, F_GETFD) == FD_CLOEXEC);
	CHECK(ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_row == 33 && size.ws_col == 111);
	pid_t pid = fork();
	if (pid == 0) {
		CHECK(setsid() > 0);
		CHECK(console_take(terminal, &err) == 0);
		for (int fd = 0; fd < 3; fd++)
			CHECK(isatty(fd) && fcntl(fd, F_GETFD) == 0);
		CHECK(tcgetpgrp(0) == getpgrp());
		CHECK(fcntl(terminal, F_GETFD) < 0);
		CHECK(open("/dev/tty", O_RDWR) >= 0);
		CHECK(write(1, "hello\n", 6) == 6);
		_exit(0);
	}
	close(terminal);
	CHECK(read(master, text, sizeof(text) - 1) > 0);
	if (strcmp(text, "hello\r\n") != 0)
		dprintf(2, "%s\n", text);
	CHECK(strcmp(text, "hello\r\n") == 0);
	int status;
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void a_terminal_of_the_container(void **state)
{
	(void)state;
	in_child(open_take_and_talk);
}

/* What stands at /dev/pts/ptmx decides; no attempt may open anything of the host's. */
static void refuse_what_is_no_devpts(void)
{
	struct error err = ERROR_INIT;
	int master = -7, terminal = -7, procfs = path_open_procfs(&err), root = make_root();

	CHECK(mknod("/mnt/null", S_IFCHR | 0666, makedev(1, 3)) == 0);
	CHECK(mknod("/mnt/ptmx", S_IFCHR | 0666, makedev(5, 2)) == 0);
	CHECK(mount("/mnt/null", "/mnt/dev/pts/ptmx", NULL, MS_BIND, NULL) == 0);
	CHECK(console_open(root, procfs, &sized, &master, &terminal, &err) == -ENXIO);
	CHECK(strstr(err.message, "is not the multiplexer of a devpts") != NULL);
	CHECK(umount("/mnt/dev/pts/ptmx") == 0);
	/* The right number, but not on a devpts. */
	CHECK(mount("/mnt/ptmx", "/mnt/dev/pts/ptmx", NULL, MS_BIND, NULL) == 0);
	CHECK(console_open(root, procfs, &sized, &master, &terminal, &err) == -ENXIO);
	CHECK(umount("/mnt/dev/pts/ptmx") == 0);
	CHECK(umount("/mnt/dev/pts") == 0);
	CHECK(console_open(root, procfs, &sized, &master, &terminal, &err) == -ENOENT);
	CHECK(strstr(err.message, "needs a devpts mounted at /dev/pts") != NULL);
	/* A link is not followed, not even to a real one. */
	CHECK(mkdir("/mnt/real", 0755) == 0);
	CHECK(mount("devpts", "/mnt/real", "devpts", 0, "newinstance,ptmxmode=0666") == 0);
	CHECK(symlink("/real/ptmx", "/mnt/dev/pts/ptmx") == 0);
	CHECK(console_open(root, procfs, &sized, &master, &terminal, &err) < 0);
	CHECK(master == -7 && terminal == -7);
}

static void cve_2025_52565_ptmx_is_checked(void **state)
{
	(void)state;
	in_child(refuse_what_is_no_devpts);
}

static void the_master_goes_over_a_socket(void **state)
{
	struct error err = ERROR_INIT;
	int ends[2], fds[4];
	size_t n_fds = 4;
	char name[128] = "";
	int sent = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(console_send(ends[0], sent, &err), 0);
	assert_int_equal(socket_receive_fds(ends[1], name, sizeof(name) - 1, fds, &n_fds, &err), 9);
	assert_string_equal(name, "/dev/ptmx");
	assert_int_equal(n_fds, 1);
	close(fds[0]);
	close(sent);
	close(ends[0]);
	close(ends[1]);
}

/* ---- the relay: a caller's terminal, us, a container's terminal ---- */

struct ends {
	int user;	/* the person's side of the caller's terminal, or of pipes */
	int user_input; /* where the person's input goes: `user`, or a pipe */
	int inside;	/* the program's side of the container's terminal */
	struct terminal_relay relay;
};

static void open_pty(int *master, int *slave)
{
	int unlock = 0;

	*master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(*master >= 0 && ioctl(*master, TIOCSPTLCK, &unlock) == 0);
	*slave = ioctl(*master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	CHECK(*slave >= 0);
}

static void open_relay(struct ends *ends, bool terminal)
{
	struct error err = ERROR_INIT;
	struct winsize size = { .ws_row = 12, .ws_col = 34 };
	int master;

	open_pty(&master, &ends->inside);
	if (terminal) {
		int own;

		open_pty(&ends->user, &own);
		CHECK(ioctl(own, TIOCSWINSZ, &size) == 0);
		for (int fd = 0; fd < 2; fd++)
			CHECK(dup2(own, fd) == fd);
		ends->user_input = ends->user;
	} else {
		int in[2], out[2];

		CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
		CHECK(dup2(in[0], 0) == 0 && dup2(out[1], 1) == 1);
		close(in[0]);
		close(out[1]);
		ends->user_input = in[1];
		ends->user = out[0];
	}
	CHECK(terminal_relay_open(&ends->relay, master, &err) == 0);
}

/* Turns the loop until nothing moves for 10 ms. Returns how often it turned. */
static int turn(struct terminal_relay *relay)
{
	struct pollfd fds[TERMINAL_RELAY_FDS];
	int rounds = 0;

	for (;; rounds++) {
		int n = terminal_relay_poll(relay, fds);

		CHECK(n == TERMINAL_RELAY_FDS);
		if (poll(fds, (nfds_t)n, 10) <= 0)
			return rounds;
		terminal_relay_handle(relay, fds);
		CHECK(rounds < 100000);
	}
}

static const char *read_some(int fd)
{
	static char text[65536];
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	ssize_t n = poll(&ready, 1, 1000) > 0 ? read(fd, text, sizeof(text) - 1) : 0;

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void relay_terminal(void)
{
	struct ends ends;
	struct termios modes;
	struct winsize size = { .ws_row = 50, .ws_col = 60 }, seen;

	open_relay(&ends, true);
	CHECK(tcgetattr(0, &modes) == 0 && !(modes.c_lflag & (ICANON | ECHO | ISIG)));
	CHECK(!(fcntl(0, F_GETFL) & O_NONBLOCK) && !(fcntl(1, F_GETFL) & O_NONBLOCK));
	CHECK(ioctl(ends.inside, TIOCGWINSZ, &seen) == 0 && seen.ws_row == 12 && seen.ws_col == 34);
	CHECK(ioctl(ends.user, TIOCSWINSZ, &size) == 0);
	terminal_relay_resize(&ends.relay);
	CHECK(ioctl(ends.inside, TIOCGWINSZ, &seen) == 0 && seen.ws_row == 50 && seen.ws_col == 60);

	CHECK(write(ends.inside, "prompt\n", 7) == 7);
	turn(&ends.relay);
	CHECK(strcmp(read_some(ends.user), "prompt\r\n") == 0);
	CHECK(write(ends.user_input, "typed\r", 6) == 6);
	turn(&ends.relay);
	CHECK(strcmp(read_some(ends.inside), "typed\n") == 0);
	/* The container's terminal echoes, not the caller's. */
	CHECK(strcmp(read_some(ends.user), "typed\r\n") == 0);
	/* ^C is a byte here and the container's business. */
	CHECK(write(ends.user_input, "\003", 1) == 1);
	turn(&ends.relay);
	CHECK(strcmp(read_some(ends.user), "^C") == 0);

	CHECK(write(ends.inside, "last", 4) == 4);
	close(ends.inside);
	terminal_relay_close(&ends.relay);
	terminal_relay_close(&ends.relay);
	CHECK(strcmp(read_some(ends.user), "last") == 0);
	CHECK(tcgetattr(0, &modes) == 0 && (modes.c_lflag & (ICANON | ECHO | ISIG)));
}

static void the_callers_terminal_is_relayed_and_restored(void **state)
{
	(void)state;
	in_child(relay_terminal);
}

static void relay_pipes(void)
{
	struct ends ends;

	open_relay(&ends, false);
	CHECK(write(ends.user_input, "line\nrest", 9) == 9);
	turn(&ends.relay);
	CHECK(strcmp(read_some(ends.inside), "line\n") == 0);
	close(ends.user_input);
	turn(&ends.relay);
	/* The first end-of-file hands over the unfinished line, the second one ends the input. */
	CHECK(strcmp(read_some(ends.inside), "rest") == 0);
	CHECK(read(ends.inside, &(char){ 0 }, 1) == 0);
	CHECK(strcmp(read_some(ends.user), "line\r\nrest") == 0);

	/* When nobody reads, the program goes on. */
	close(ends.user);
	for (int i = 0; i < 100; i++) {
		CHECK(write(ends.inside, "xxxxxxxxxxxxxxxxxxxx\n", 21) == 21);
		turn(&ends.relay);
	}
	close(ends.inside);
	CHECK(turn(&ends.relay) < 100);
	CHECK(ends.relay.master < 0);
	terminal_relay_close(&ends.relay);
}

static void pipes_end_and_break(void **state)
{
	(void)state;
	in_child(relay_pipes);
}

static void relay_slow_reader(void)
{
	struct ends ends;
	size_t written = 0, seen = 0;

	open_relay(&ends, false);
	/* 300 KB into a pipe of 64 KB that nobody reads yet. */
	CHECK(fcntl(ends.inside, F_SETFL, O_NONBLOCK) == 0);
	for (int idle = 0; idle < 3;) {
		ssize_t n = write(ends.inside, "0123456789abcdef", 16);

		if (n > 0) {
			written += (size_t)n;
			idle = 0;
			if (written >= 300000)
				break;
		} else {
			idle += turn(&ends.relay) == 0;
		}
	}
	/* It stopped by itself, holds what it has, and does not spin. */
	CHECK(written < 200000 && written > 65536);
	CHECK(turn(&ends.relay) == 0);
	CHECK(fcntl(ends.user, F_SETFL, O_NONBLOCK) == 0);
	for (int idle = 0; idle < 3;) {
		static char buffer[65536];
		ssize_t n = read(ends.user, buffer, sizeof(buffer));

		if (n > 0) {
			for (ssize_t i = 0; i < n; i++)
				CHECK(buffer[i] == "0123456789abcdef"[(seen + (size_t)i) % 16]);
			seen += (size_t)n;
		}
		idle = turn(&ends.relay) == 0 && n <= 0 ? idle + 1 : 0;
	}
	CHECK(seen == written);
	terminal_relay_close(&ends.relay);
}

static void a_slow_reader_holds_the_program_and_loses_nothing(void **state)
{
	(void)state;
	in_child(relay_slow_reader);
}

static void die_by(int signal_number)
{
	int user, own, status;
	struct termios modes;

	open_pty(&user, &own);
	pid_t pid = fork();
	if (pid == 0) {
		struct error err = ERROR_INIT;
		struct terminal_relay relay;
		int master, inside;

		open_pty(&master, &inside);
		/* cmocka has handlers of its own. */
		if (signal_number != 0)
			signal(signal_number, SIG_DFL);
		CHECK(dup2(own, 0) == 0 && dup2(own, 1) == 1);
		CHECK(terminal_relay_open(&relay, master, &err) == 0);
		CHECK(tcgetattr(0, &modes) == 0 && !(modes.c_lflag & ICANON));
		if (signal_number == 0)
			exit(3);
		raise(signal_number);
		_exit(4);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(signal_number == 0 ? WEXITSTATUS(status) == 3 : WTERMSIG(status) == signal_number);
	CHECK(tcgetattr(own, &modes) == 0 && (modes.c_lflag & ICANON));
}

static void die_in_many_ways(void)
{
	die_by(0);
	die_by(SIGTERM);
	die_by(SIGSEGV);
	die_by(SIGABRT);
}

static void the_terminal_is_restored_however_the_caller_ends(void **state)
{
	(void)state;
	in_child(die_in_many_ways);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_terminal_of_the_container),
		cmocka_unit_test(cve_2025_52565_ptmx_is_checked),
		cmocka_unit_test(the_master_goes_over_a_socket),
		cmocka_unit_test(the_callers_terminal_is_relayed_and_restored),
		cmocka_unit_test(pipes_end_and_break),
		cmocka_unit_test(a_slow_reader_holds_the_program_and_loses_nothing),
		cmocka_unit_test(the_terminal_is_restored_however_the_caller_ends),
	};

	return cmocka_run_group_tests_name("console", tests, NULL, NULL);
}
