/* SPDX-License-Identifier: Apache-2.0 */
/* The console and the entropy device through their transport. */
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_console.h>
#include <stdio.h>
#include <sys/stat.h>

#include "runtime/vm/virtio/console.h"
#include "runtime/vm/virtio/console_log.h"
#include "runtime/vm/virtio/rng.h"
#include "tests/unit/loop_thread.h"
#include "tests/unit/virtio_driver.h"

static struct driver driver;
static struct loop_thread loop;
static struct virtio_device *device;
static char output[1 << 20];
static size_t output_length;

static void on_output(const char *text, size_t length, void *data)
{
	(void)data;
	if (length > sizeof(output) - output_length)
		length = sizeof(output) - output_length;
	memcpy(output + output_length, text, length);
	output_length += length;
}

static int set_up_console(void **state)
{
	(void)state;
	output_length = 0;
	assert_int_equal(loop_new(&loop.loop, NULL), 0);
	driver_init(&driver);
	assert_int_equal(
		virtio_console_new(loop.loop, &driver.memory, on_output, NULL, &device, NULL), 0);
	assert_int_equal(virtio_mmio_attach(&driver.slot, device), 0);
	driver_start(&driver, 2, 64, 0);
	loop_thread_start(&loop);
	return 0;
}

static int set_up_rng(void **state)
{
	(void)state;
	assert_int_equal(loop_new(&loop.loop, NULL), 0);
	driver_init(&driver);
	assert_int_equal(virtio_rng_new(loop.loop, &driver.memory, &device, NULL), 0);
	assert_int_equal(virtio_mmio_attach(&driver.slot, device), 0);
	driver_start(&driver, 1, 8, 0);
	loop_thread_start(&loop);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	loop_thread_stop(&loop);
	driver_fini(&driver);
	loop_free(loop.loop);
	return 0;
}

static void test_output(void **state)
{
	uint64_t a = driver_alloc(&driver, 16);
	struct driver_buffer b[] = { { a, 6, false }, { a + 6, 6, false } };

	(void)state;
	memcpy(driver_at(&driver, a), "hello guest\n", 12);
	assert_int_equal(driver_request(&driver, 1, b, 2), 0);
	assert_int_equal(output_length, 12);
	assert_memory_equal(output, "hello guest\n", 12);
}

static void test_one_chain_cannot_flood_the_host(void **state)
{
	uint64_t a = driver_alloc(&driver, 1 << 20);
	struct driver_buffer b[60];

	(void)state;
	for (int i = 0; i < 60; i++)
		b[i] = (struct driver_buffer){ a, 1 << 20, false };
	driver_request(&driver, 1, b, 60);
	assert_true(output_length <= 66000);
}

static void do_input(void *data)
{
	*(size_t *)data = virtio_console_input(device, "abcdef", 6);
}

static void do_large_input(void *data)
{
	static char text[5000];

	*(size_t *)data = virtio_console_input(device, text, sizeof(text));
}

static void test_input_waits_for_the_guest_and_is_bounded(void **state)
{
	uint64_t a = driver_alloc(&driver, 16);
	struct driver_buffer b = { a, 4, true };
	size_t taken;

	(void)state;
	loop_thread_do(&loop, do_input, &taken);
	assert_int_equal(taken, 6);
	assert_int_equal(driver_request(&driver, 0, &b, 1), 4);
	assert_memory_equal(driver_at(&driver, a), "abcd", 4);
	assert_int_equal(driver_request(&driver, 0, &b, 1), 2);
	assert_memory_equal(driver_at(&driver, a), "ef", 2);
	driver_add(&driver, 0, &b, 1);
	loop_thread_do(&loop, do_input, &taken);
	assert_int_equal(driver_wait(&driver, 0, NULL), 4);
	loop_thread_do(&loop, do_large_input, &taken);
	assert_int_equal(taken, 4096 - 2);
}

static struct virtio_mmio_state saved;
static struct virtio_mmio elsewhere;

static void do_move(void *data)
{
	virtio_mmio_save(&driver.slot, &saved);
	virtio_mmio_init(&elsewhere, driver_interrupt, &driver);
	assert_int_equal(virtio_mmio_attach(&elsewhere, data), 0);
	assert_int_equal(virtio_mmio_restore(&elsewhere, &saved), 0);
}

static void do_remove(void *data)
{
	(void)data;
	virtio_mmio_destroy(&elsewhere);
}

/* What was typed and not taken comes out of the console that goes on. */
static void test_a_snapshot_keeps_what_was_typed(void **state)
{
	uint64_t a = driver_alloc(&driver, 16);
	struct driver_buffer b = { a, 16, true };
	struct virtio_device *other;
	size_t taken;

	(void)state;
	loop_thread_do(&loop, do_input, &taken);
	assert_int_equal(taken, 6);
	assert_int_equal(
		virtio_console_new(loop.loop, &driver.memory, on_output, NULL, &other, NULL), 0);
	loop_thread_do(&loop, do_move, other);
	driver_add(&driver, 0, &b, 1);
	eventfd_write(virtio_mmio_kick_fd(&elsewhere, 0), 1);
	assert_int_equal(driver_wait(&driver, 0, NULL), 6);
	assert_memory_equal(driver_at(&driver, a), "abcdef", 6);
	loop_thread_do(&loop, do_remove, NULL);
}

static void do_resize(void *data)
{
	(void)data;
	virtio_console_resize(device, 132, 43);
}

static void test_resize(void **state)
{
	(void)state;
	assert_int_equal(driver_config(&driver, 0, 2), 80);
	loop_thread_do(&loop, do_resize, NULL);
	assert_int_equal(driver_config(&driver, 0, 2), 132);
	assert_int_equal(driver_config(&driver, 2, 2), 43);
	assert_int_equal(driver_read(&driver, VIRTIO_MMIO_INTERRUPT_STATUS) & 2, 2);
}

static void test_random_bytes(void **state)
{
	uint64_t a = driver_alloc(&driver, 4096);
	struct driver_buffer b = { a, 4096, true };
	uint8_t zeroes[64] = { 0 };
	uint32_t got;

	(void)state;
	got = driver_request(&driver, 0, &b, 1);
	assert_in_range(got, 64, 1024);
	assert_memory_not_equal(driver_at(&driver, a), zeroes, 64);
	assert_memory_equal((char *)driver_at(&driver, a) + 1024, zeroes, 64);
	for (int i = 0; i < 100; i++)
		assert_in_range(driver_request(&driver, 0, &b, 1), 64, 1024);
}

static void do_log_line(void *data)
{
	char line[1000];

	memset(line, 'x', sizeof(line));
	console_log_write(line, sizeof(line), data);
}

static void test_log_never_blocks_and_says_what_is_lost(void **state)
{
	char *back = calloc(1, 1 << 20);
	struct console_log *log;
	int pipe_fds[2];
	size_t got = 0;

	(void)state;
	assert_int_equal(loop_new(&loop.loop, NULL), 0);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(console_log_new(loop.loop, pipe_fds[1], 16384, 0, &log, NULL), 0);
	loop_thread_start(&loop);
	/* Nobody reads: 64 KiB of pipe and 16 KiB of buffer take what they can. */
	for (int i = 0; i < 1000; i++)
		loop_thread_do(&loop, do_log_line, log);
	assert_int_equal(fcntl(pipe_fds[1], F_GETFL) & O_NONBLOCK, 0);
	fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 100; i++) {
		ssize_t n = read(pipe_fds[0], back + got, (1 << 20) - 1 - got);

		if (n > 0)
			got += (size_t)n;
		else
			usleep(2000);
	}
	assert_in_range(got, 64 << 10, 90 << 10);
	assert_non_null(strstr(back, "bytes of the guest's console lost]"));
	loop_thread_stop(&loop);
	console_log_free(log, 100);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	loop_free(loop.loop);
	free(back);
}

/* The state directory is in memory: a guest that writes without end must not fill it. */
static void test_log_file_is_bounded_and_keeps_the_last_words(void **state)
{
	struct console_log *log;
	FILE *file = tmpfile();
	char back[16384], line[32];
	size_t largest = 0;
	struct stat st;

	(void)state;
	assert_non_null(file);
	assert_int_equal(fcntl(fileno(file), F_SETFL, O_APPEND), 0);
	assert_int_equal(loop_new(&loop.loop, NULL), 0);
	assert_int_equal(console_log_new(loop.loop, fileno(file), 4096, 16384, &log, NULL), 0);
	for (int i = 0; i < 100000; i++) {
		int n = snprintf(line, sizeof(line), "line %d\n", i);

		console_log_write(line, (size_t)n, log);
		assert_int_equal(fstat(fileno(file), &st), 0);
		if ((size_t)st.st_size > largest)
			largest = (size_t)st.st_size;
	}
	assert_in_range(largest, 16384 - sizeof(line), 16384);
	console_log_write("Kernel panic\n", 13, log);
	console_log_free(log, 100);
	memset(back, 0, sizeof(back));
	assert_true(pread(fileno(file), back, sizeof(back) - 1, 0) > 2048);
	assert_true(strstr(back, "bytes of the guest's console dropped]\n") < back + 50);
	assert_string_equal(strstr(back, "line 99998\n"), "line 99998\nline 99999\nKernel panic\n");
	/* Nothing is missing between what was kept and the end. */
	int expected = atoi(strstr(back, "\nline ") + 6);
	for (char *at = strstr(back, "\nline "); at != NULL; at = strstr(at + 1, "\nline "))
		assert_int_equal(atoi(at + 6), expected++);
	fclose(file);
	loop_free(loop.loop);
}

int main(void)
{
#define CONSOLE(name) cmocka_unit_test_setup_teardown(name, set_up_console, tear_down)
	const struct CMUnitTest tests[] = {
		CONSOLE(test_output),
		CONSOLE(test_one_chain_cannot_flood_the_host),
		CONSOLE(test_input_waits_for_the_guest_and_is_bounded),
		CONSOLE(test_resize),
		CONSOLE(test_a_snapshot_keeps_what_was_typed),
		cmocka_unit_test_setup_teardown(test_random_bytes, set_up_rng, tear_down),
		cmocka_unit_test(test_log_never_blocks_and_says_what_is_lost),
		cmocka_unit_test(test_log_file_is_bounded_and_keeps_the_last_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
