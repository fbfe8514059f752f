/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/oci.h"
#include "lib/error.h"
#include "lib/socket.h"
#include "runtime/ns/seccomp_notify.h"
#include "runtime/ns/seccomp_shrink.h"

/* Decodes a config.json with this linux.seccomp. */
static void decode(const char *seccomp, struct oci_config *ret)
{
	struct error err = ERROR_INIT;
	char *text;
	int length = asprintf(&text,
		"{\"ociVersion\":\"1.0.0\",\"root\":{\"path\":\"r\"},\"process\":{\"cwd\":\"/\","
		"\"args\":[\"a\"],\"user\":{\"uid\":0,\"gid\":0}},\"linux\":{\"seccomp\":%s}}",
		seccomp);

	assert_true(length > 0);
	if (oci_config_decode(text, (size_t)length, ret, &err) < 0)
		fail_msg("%s", err.message);
	free(text);
}

static struct seccomp_filter compile(const char *seccomp)
{
	struct oci_config config = { 0 };
	struct seccomp_filter filter = { 0 };
	struct error err = ERROR_INIT;

	decode(seccomp, &config);
	if (seccomp_filter_get(&config.linux.seccomp, -1, &filter, &err) < 0)
		fail_msg("%s", err.message);
	oci_config_free(&config);
	return filter;
}

static char *read_podman_profile(void)
{
	char *text = calloc(1, 65536);
	FILE *file = fopen("tests/bench/podman-seccomp.json", "re");

	assert_non_null(file);
	assert_true(fread(text, 1, 65535, file) > 1000);
	fclose(file);
	return text;
}

static uint32_t decision(const struct seccomp_filter *filter, uint32_t arch, long number)
{
	uint32_t ret = 12345;

	seccomp_constant_decision(
		filter->instructions, filter->count, arch, (uint32_t)number, &ret);
	return ret;
}

static void the_podman_profile_is_small_and_right(void **state)
{
	char *text = read_podman_profile();
	struct seccomp_filter filter = compile(text);

	(void)state;
	assert_in_range(filter.count, 50, 400);
	assert_false(filter.listener);
	assert_int_equal(filter.flags, SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	assert_int_equal(decision(&filter, AUDIT_ARCH_X86_64, SYS_read), SECCOMP_RET_ALLOW);
	assert_int_equal(decision(&filter, AUDIT_ARCH_X86_64, SYS_execve), SECCOMP_RET_ALLOW);
	assert_int_equal(
		decision(&filter, AUDIT_ARCH_X86_64, SYS_swapon), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(decision(&filter, AUDIT_ARCH_X86_64, 2000), SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(decision(&filter, AUDIT_ARCH_I386, 3), SECCOMP_RET_ALLOW);
	assert_int_equal(decision(&filter, AUDIT_ARCH_I386, 87), SECCOMP_RET_ERRNO | EPERM);
	assert_int_equal(
		decision(&filter, AUDIT_ARCH_X86_64, 0x40000000 + SYS_write), SECCOMP_RET_ALLOW);
	assert_int_equal(decision(&filter, AUDIT_ARCH_AARCH64, 1), SECCOMP_RET_KILL_THREAD);
	/* It looks at the argument. */
	assert_int_equal(decision(&filter, AUDIT_ARCH_X86_64, SYS_personality), 12345);
	seccomp_filter_free(&filter);
	free(text);
}

static void newer_calls_end_in_enosys(void **state)
{
	static const struct {
		const char *profile;
		uint32_t newer, refused;
	} cases[] = {
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,\"syscalls\":[{"
		  "\"names\":[\"read\",\"statx\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
			SECCOMP_RET_ERRNO | ENOSYS, SECCOMP_RET_ERRNO | EPERM },
		{ "{\"defaultAction\":\"SCMP_ACT_KILL_PROCESS\",\"syscalls\":[{\"names\":["
		  "\"read\",\"statx\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
			SECCOMP_RET_ERRNO | ENOSYS, SECCOMP_RET_KILL_PROCESS },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mount\","
		  "\"statx\"],\"action\":\"SCMP_ACT_ERRNO\"}]}",
			SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW },
		{ "{\"defaultAction\":\"SCMP_ACT_LOG\",\"syscalls\":[{\"names\":[\"statx\"],"
		  "\"action\":\"SCMP_ACT_ALLOW\"}]}",
			SECCOMP_RET_LOG, SECCOMP_RET_LOG },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seccomp_filter filter = compile(cases[i].profile);

		assert_int_equal(
			decision(&filter, AUDIT_ARCH_X86_64, SYS_statx + 1), cases[i].newer);
		assert_int_equal(decision(&filter, AUDIT_ARCH_X86_64, SYS_chdir), cases[i].refused);
		seccomp_filter_free(&filter);
	}
}

static void actions_flags_and_operators(void **state)
{
	struct seccomp_filter filter = compile(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_LOG\","
		"\"SECCOMP_FILTER_FLAG_TSYNC\",\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"],"
		"\"listenerPath\":\"/s\",\"syscalls\":["
		"{\"names\":[\"no_such_call\",\"mount\"],\"action\":\"SCMP_ACT_KILL\"},"
		"{\"names\":[\"umount2\"],\"action\":\"SCMP_ACT_KILL_PROCESS\"},"
		"{\"names\":[\"chdir\"],\"action\":\"SCMP_ACT_TRACE\",\"errnoRet\":7},"
		"{\"names\":[\"chroot\"],\"action\":\"SCMP_ACT_TRAP\"},"
		"{\"names\":[\"link\"],\"action\":\"SCMP_ACT_LOG\"},"
		"{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"},"
		"{\"names\":[\"rmdir\"],\"action\":\"SCMP_ACT_ERRNO\"}]}");

	(void)state;
	assert_true(filter.listener);
	assert_int_equal(filter.flags,
		SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_TSYNC |
			SECCOMP_FILTER_FLAG_TSYNC_ESRCH | SECCOMP_FILTER_FLAG_NEW_LISTENER |
			(1U << 5));
	assert_int_equal(decision(&filter, AUDIT_ARCH_X86_64, SYS_mount), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(
		decision(&filter, AUDIT_ARCH_X86_64, SYS_umount2), SECCOMP_RET_KILL_PROCESS);
	assert_int_equal(decision(&filter, AUDIT_ARCH_X86_64, SYS_chdir), SECCOMP_RET_TRACE | 7);
	assert_int_equal(decision(&filter, AUDIT_ARCH_X86_64, SYS_chroot), SECCOMP_RET_TRAP);
	assert_int_equal(decision(&filter, AUDIT_ARCH_X86_64, SYS_link), SECCOMP_RET_LOG);
	assert_int_equal(decision(&filter, AUDIT_ARCH_X86_64, SYS_mkdir), SECCOMP_RET_USER_NOTIF);
	assert_int_equal(
		decision(&filter, AUDIT_ARCH_X86_64, SYS_rmdir), SECCOMP_RET_ERRNO | EPERM);
	seccomp_filter_free(&filter);
}

static void notify_needs_a_listener_path(void **state)
{
	struct oci_seccomp profile = { .set = true, .default_action = (char *)"SCMP_ACT_NOTIFY" };
	struct seccomp_filter filter;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(seccomp_filter_get(&profile, -1, &filter, &err), -EINVAL);
	assert_non_null(strstr(err.message, "linux.seccomp.listenerPath"));
}

/* Runs in a child with the filter loaded; exits with 0 when the program behaves. */
static int load_and(const struct seccomp_filter *filter, int (*program)(void))
{
	int status, listener;
	pid_t pid = fork();

	if (pid == 0) {
		struct error err = ERROR_INIT;

		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (seccomp_filter_load(filter, &listener, &err) < 0) {
			dprintf(2, "%s\n", err.message);
			_exit(99);
		}
		_exit(program());
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int failed_with(long result, int errnum)
{
	return result == -1 && errno == errnum;
}

static int behave_under_podman(void)
{
	if (!failed_with(syscall(SYS_swapon, "", 0), EPERM))
		return 1;
	if (!failed_with(syscall(1000), ENOSYS))
		return 2;
	if (!failed_with(syscall(SYS_personality, 1), ENOSYS))
		return 3;
	if (syscall(SYS_personality, 0xffffffff) != 0)
		return 4;
	if (!failed_with(syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 9), EINVAL))
		return 5;
	int fd = (int)syscall(SYS_socket, AF_NETLINK, SOCK_RAW, 0);
	return fd < 0 ? 6 : 0;
}

static void the_kernel_obeys(void **state)
{
	char *text = read_podman_profile();
	struct seccomp_filter filter = compile(text);

	(void)state;
	assert_int_equal(load_and(&filter, behave_under_podman), 0);
	seccomp_filter_free(&filter);
	free(text);
}

static int behave_with_two_conditions(void)
{
	/* Two conditions on one argument: either is enough. */
	if (!failed_with(syscall(SYS_personality, 0x10), EDOM) ||
		!failed_with(syscall(SYS_personality, 0x20), EDOM))
		return 1;
	return syscall(SYS_personality, 0xffffffff) == 0 ? 0 : 2;
}

static void conditions_on_one_argument_are_alternatives(void **state)
{
	struct seccomp_filter filter = compile(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"personality\"],"
		"\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":33,\"args\":["
		"{\"index\":0,\"value\":16,\"op\":\"SCMP_CMP_EQ\"},"
		"{\"index\":0,\"value\":32,\"op\":\"SCMP_CMP_EQ\"}]}]}");

	(void)state;
	assert_int_equal(load_and(&filter, behave_with_two_conditions), 0);
	seccomp_filter_free(&filter);
}

/* ---- cache ---- */

static char cache_path[] = "/tmp/caisson-test-seccomp-XXXXXX";
static int cache;

static int make_cache(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(cache_path));
	cache = open(cache_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return cache < 0;
}

static int remove_cache(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", cache_path);
	close(cache);
	return system(command);
}

static int entry_name(char *name, size_t size)
{
	char command[128];
	int count = 0;

	snprintf(command, sizeof(command), "ls %s", cache_path);
	FILE *list = popen(command, "re");
	while (fgets(name, (int)size, list) != NULL)
		count++;
	pclose(list);
	name[strcspn(name, "\n")] = '\0';
	return count;
}

static void get_cached(const struct oci_config *config, struct seccomp_filter *ret)
{
	struct error err = ERROR_INIT;

	if (seccomp_filter_get(&config->linux.seccomp, cache, ret, &err) < 0)
		fail_msg("%s", err.message);
}

static void a_cached_filter_is_the_same(void **state)
{
	char *text = read_podman_profile(), name[64];
	struct oci_config config = { 0 };
	struct seccomp_filter first = { 0 }, second = { 0 };

	(void)state;
	decode(text, &config);
	get_cached(&config, &first);
	assert_int_equal(entry_name(name, sizeof(name)), 1);
	get_cached(&config, &second);
	assert_int_equal(entry_name(name, sizeof(name)), 1);
	assert_int_equal(first.count, second.count);
	assert_memory_equal(first.instructions, second.instructions, first.count * 8U);

	struct stat st;
	assert_int_equal(fstatat(cache, name, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	seccomp_filter_free(&first);
	seccomp_filter_free(&second);
	oci_config_free(&config);
	free(text);
}

static void a_damaged_entry_is_not_used_and_mended(void **state)
{
	char *text = read_podman_profile(), name[64];
	struct oci_config config = { 0 };
	struct seccomp_filter good = { 0 }, filter = { 0 };
	struct stat st;

	(void)state;
	decode(text, &config);
	get_cached(&config, &good);
	assert_int_equal(entry_name(name, sizeof(name)), 1);
	assert_int_equal(fstatat(cache, name, &st, 0), 0);
	/* Cut, grown, and a byte changed at places all over the file. */
	for (off_t at = -2; at < st.st_size; at += at < 0 ? 1 : 97) {
		int fd = openat(cache, name, O_RDWR);
		char byte;

		assert_true(fd >= 0);
		if (at == -2) {
			assert_int_equal(ftruncate(fd, st.st_size - 8), 0);
		} else if (at == -1) {
			assert_int_equal(pwrite(fd, "12345678", 8, st.st_size), 8);
		} else {
			assert_int_equal(pread(fd, &byte, 1, at), 1);
			byte ^= 1;
			assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		}
		close(fd);
		get_cached(&config, &filter);
		assert_int_equal(filter.count, good.count);
		assert_memory_equal(filter.instructions, good.instructions, good.count * 8U);
		seccomp_filter_free(&filter);

		struct stat mended;
		assert_int_equal(fstatat(cache, name, &mended, 0), 0);
		assert_int_equal(mended.st_size, st.st_size);
		if (at > 200)
			at += 911; /* each try compiles */
	}
	seccomp_filter_free(&good);
	oci_config_free(&config);
	free(text);
}

static void other_profiles_have_other_entries(void **state)
{
	static const char *const profiles[] = {
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mount\"],"
		"\"action\":\"SCMP_ACT_ERRNO\"}]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mount\"],"
		"\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":2}]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mount\"],"
		"\"action\":\"SCMP_ACT_ERRNO\",\"args\":[{\"index\":1,\"value\":0,\"op\":"
		"\"SCMP_CMP_EQ\"}]}]}",
	};
	uint32_t expected[] = { SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ERRNO | ENOENT, 12345 };

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < 3; i++) {
			struct oci_config config = { 0 };
			struct seccomp_filter filter = { 0 };

			decode(profiles[i], &config);
			get_cached(&config, &filter);
			assert_int_equal(
				decision(&filter, AUDIT_ARCH_X86_64, SYS_mount), expected[i]);
			seccomp_filter_free(&filter);
			oci_config_free(&config);
		}
	}
}

/* ---- listener ---- */

/*
 * The child announces a number and loads a filter that notifies everything; the parent takes the
 * listener and lets the child's calls go on.
 */
static void a_filter_may_notify_what_hands_over_its_listener(void **state)
{
	/* What a child could hand its listener over with, and what it does from here on. */
	struct seccomp_filter filter = compile(
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/s\",\"syscalls\":[{"
		"\"names\":[\"sendmsg\",\"close\",\"getppid\",\"exit_group\"],"
		"\"action\":\"SCMP_ACT_NOTIFY\"}]}");
	struct error err = ERROR_INIT;
	int numbers[2], status, calls = 0;

	(void)state;
	assert_int_equal(pipe2(numbers, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		int next = fcntl(0, F_DUPFD_CLOEXEC, 0), listener;

		close(next);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		if (write(numbers[1], &next, sizeof(next)) != sizeof(next) ||
			seccomp_filter_load(&filter, &listener, NULL) < 0)
			_exit(99);
		_exit(listener == next && getppid() > 0 ? 7 : 98);
	}
	int number, pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_int_equal(read(numbers[0], &number, sizeof(number)), sizeof(number));
	int listener = seccomp_listener_take(pidfd, number, 5000, &err);
	if (listener < 0)
		fail_msg("%s", err.message);
	for (;;) {
		struct seccomp_notif notification = { 0 };
		struct seccomp_notif_resp answer = { .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };

		if (waitpid(pid, &status, WNOHANG) == pid)
			break;
		struct timeval wait = { .tv_usec = 10000 };
		fd_set set;
		FD_ZERO(&set);
		FD_SET(listener, &set);
		if (select(listener + 1, &set, NULL, NULL, &wait) <= 0)
			continue;
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notification) < 0)
			continue;
		calls++;
		answer.id = notification.id;
		ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
	}
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_true(calls >= 2);
	close(listener);
	close(pidfd);
	close(numbers[0]);
	close(numbers[1]);
	seccomp_filter_free(&filter);
}

static void a_listener_that_never_comes_is_an_error(void **state)
{
	struct error err = ERROR_INIT;
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	(void)state;
	assert_int_equal(seccomp_listener_take(pidfd, 900, 20, &err), -ETIMEDOUT);
	/* An fd that is there and no listener. */
	assert_int_equal(seccomp_listener_take(pidfd, 0, 20, &err), -ETIMEDOUT);
	close(pidfd);
}

static void the_agent_hears_of_the_container(void **state)
{
	struct oci_seccomp profile = { .listener_metadata = (char *)"a \"b\"" };
	struct error err = ERROR_INIT;
	char path[128], text[512] = "";
	int fds[2];
	size_t n_fds = 2;

	(void)state;
	snprintf(path, sizeof(path), "%s/agent", cache_path);
	profile.listener_path = path;
	assert_int_equal(seccomp_notify_send(&profile, "{\"id\":\"x\"}", 42, 0, &err), -ENOENT);
	assert_non_null(strstr(err.message, "linux.seccomp.listenerPath"));

	int server = socket_bind_at(cache, "agent", SOCK_STREAM, 1, &err);
	assert_true(server >= 0);
	assert_int_equal(seccomp_notify_send(&profile, "{\"id\":\"x\"}", 42, 0, &err), 0);
	int client = accept(server, NULL, NULL);
	assert_true(socket_receive_fds(client, text, sizeof(text) - 1, fds, &n_fds, &err) > 0);
	assert_int_equal(n_fds, 1);
	assert_string_equal(text,
		"{\"ociVersion\":\"" OCI_VERSION
		"\",\"fds\":[\"seccompFd\"],\"pid\":42,\"metadata\":\"a \\\"b\\\"\","
		"\"state\":{\"id\":\"x\"}}");
	close(fds[0]);
	close(client);
	close(server);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_podman_profile_is_small_and_right),
		cmocka_unit_test(newer_calls_end_in_enosys),
		cmocka_unit_test(actions_flags_and_operators),
		cmocka_unit_test(notify_needs_a_listener_path),
		cmocka_unit_test(the_kernel_obeys),
		cmocka_unit_test(conditions_on_one_argument_are_alternatives),
		cmocka_unit_test(a_cached_filter_is_the_same),
		cmocka_unit_test(a_damaged_entry_is_not_used_and_mended),
		cmocka_unit_test(other_profiles_have_other_entries),
		cmocka_unit_test(a_filter_may_notify_what_hands_over_its_listener),
		cmocka_unit_test(a_listener_that_never_comes_is_an_error),
		cmocka_unit_test(the_agent_hears_of_the_container),
	};

	return cmocka_run_group_tests_name("seccomp", tests, make_cache, remove_cache);
}
