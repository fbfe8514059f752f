/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guests of a few instructions on the real /dev/kvm: exits, ends, kicks, pauses, saved state,
 * confinement. Each guest is a kernel file of its own, loaded as any other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/accel/accel.h"
#include "runtime/vm/accel/state.h"
#include "runtime/vm/monitor/confine.h"
#include "runtime/vm/monitor/guest_memory.h"
#include "runtime/vm/monitor/loop.h"
#include "runtime/vm/monitor/machine.h"
#include "runtime/vm/monitor/vcpu.h"
#include "runtime/vm/x86/cpuid.h"
#include "runtime/vm/x86/start.h"
#include "tests/unit/tiny_guest.h"

#define ENTRY TINY_GUEST_ENTRY
#define MEMORY (32ULL << 20)

struct result {
	struct loop *loop;
	int ends;
	enum machine_end end;
	char message[256];
};

static int device = -1;

static int open_device(void **state)
{
	struct error err = ERROR_INIT;

	(void)state;
	device = accel_open_device(&err);
	if (device < 0)
		fprintf(stderr, "%s: guests are not tried\n", err.message);
	return 0;
}

static void need_kvm(void)
{
	if (device < 0)
		skip();
}

static void on_end(enum machine_end end, const char *message, void *data)
{
	struct result *result = data;

	result->ends++;
	result->end = end;
	snprintf(result->message, sizeof(result->message), "%s", message);
	loop_stop(result->loop);
}

static struct machine *start(struct result *result, const uint8_t *code, size_t size, int serial)
{
	const struct machine_options options = {
		.kvm = device,
		.memory = MEMORY,
		.cpus = 1,
		.cpus_max = 2,
		.serial = serial,
		.confine = true,
	};
	_cleanup_close_ int kernel = tiny_guest_kernel(code, size);
	struct error err = ERROR_INIT;
	struct machine *machine;

	assert_int_equal(loop_new(&result->loop, &err), 0);
	if (machine_new(result->loop, &options, on_end, result, &machine, &err) < 0 ||
		machine_start(machine, kernel, -1, "", &err) < 0)
		fail_msg("%s", err.message);
	return machine;
}

static void stop(struct result *result, struct machine *machine)
{
	machine_free(machine);
	loop_free(result->loop);
}

/* Runs a guest to its end. */
static void run(struct result *result, const uint8_t *code, size_t size, int serial)
{
	struct machine *machine = start(result, code, size, serial);
	struct error err = ERROR_INIT;

	assert_int_equal(loop_run(result->loop, &err), 0);
	assert_int_equal(result->ends, 1);
	stop(result, machine);
}

#define RUN(result, serial, ...)                                \
	do {                                                    \
		static const uint8_t code_[] = { __VA_ARGS__ }; \
		run((result), code_, sizeof(code_), (serial));  \
	} while (0)

#define OUT(port, value) 0x66, 0xba, (port)&0xff, (port) >> 8, 0xb0, (value), 0xee

static void keyboard_controller_resets(void **state)
{
	struct result result = { 0 };

	(void)state;
	need_kvm();
	RUN(&result, -1, OUT(0x64, 0xfe), 0xf4, 0xeb, 0xfe);
	assert_int_equal(result.end, MACHINE_RESET);
}

static void reset_register_resets(void **state)
{
	struct result result = { 0 };

	(void)state;
	need_kvm();
	RUN(&result, -1, OUT(0xcf9, 0x02), OUT(0xcf9, 0x06), 0xf4);
	assert_int_equal(result.end, MACHINE_RESET);
}

static void sleep_register_powers_off(void **state)
{
	struct result result = { 0 };

	(void)state;
	need_kvm();
	RUN(&result, -1, OUT(0x600, 5 << 2), OUT(0x600, 5 << 2 | 0x20), 0xf4);
	assert_int_equal(result.end, MACHINE_POWER_OFF);
}

/* lidt of an empty table, then an undefined instruction. */
static void triple_fault_is_a_shutdown(void **state)
{
	struct result result = { 0 };

	(void)state;
	need_kvm();
	RUN(&result, -1, 0x0f, 0x01, 0x1c, 0x25, 0x00, 0x01, 0x00, 0x01, 0x0f, 0x0b);
	assert_int_equal(result.end, MACHINE_SHUTDOWN);
}

static void serial_port_writes_to_its_fd(void **state)
{
	struct result result = { 0 };
	int pipe_fds[2];
	char text[8] = "";

	(void)state;
	need_kvm();
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	RUN(&result, pipe_fds[1], OUT(0x3f8, 'h'), OUT(0x3f8, 'i'), OUT(0x64, 0xfe));
	assert_int_equal(result.end, MACHINE_RESET);
	assert_int_equal(read(pipe_fds[0], text, sizeof(text) - 1), 2);
	assert_string_equal(text, "hi");
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

/* What reads back tells which byte goes to the reset port: mismatch leaves the guest in a triple
 * fault.
 *	mov $0xd0000000, %ebx; mov (%rbx), %eax; cmp $0x74726976, %eax  ("virt")
 *	jne bad; mov 8(%rbx), %eax; test %eax, %eax; jne bad; reset
 */
static void empty_slot_answers_device_id_zero(void **state)
{
	struct result result = { 0 };

	(void)state;
	need_kvm();
	RUN(&result, -1, 0xbb, 0, 0, 0, 0xd0, 0x8b, 0x03, 0x3d, 0x76, 0x69, 0x72, 0x74, 0x75, 0x0e,
		0x8b, 0x43, 0x08, 0x85, 0xc0, 0x75, 0x07, OUT(0x64, 0xfe), 0x0f, 0x0b);
	assert_int_equal(result.end, MACHINE_RESET);
}

/* An address without anything reads as ones:  mov $0xe0000000, %ebx; cmpb $0xff, (%rbx); jne */
static void empty_bus_reads_as_ones(void **state)
{
	struct result result = { 0 };

	(void)state;
	need_kvm();
	RUN(&result, -1, 0xbb, 0, 0, 0, 0xe0, 0x8a, 0x03, 0x3c, 0xff, 0x75, 0x07, OUT(0x64, 0xfe),
		0x0f, 0x0b);
	assert_int_equal(result.end, MACHINE_RESET);
}

static const uint8_t spin[] = { 0xff, 0x04, 0x25, 0x00, 0x80, 0x00, 0x01, 0xeb, 0xf7 };

static uint32_t counter(struct machine *machine)
{
	const uint32_t *at = guest_memory_at(machine_memory(machine), ENTRY + 0x8000, 4);

	return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void sleep_ms(long milliseconds)
{
	nanosleep(&(struct timespec){ .tv_nsec = milliseconds * 1000000 }, NULL);
}

/* incl 0x1008000; jmp */
static void pause_stops_between_instructions_and_resume_goes_on(void **state)
{
	struct result result = { 0 };
	struct machine *machine;
	uint32_t before = 0;

	(void)state;
	need_kvm();
	machine = start(&result, spin, sizeof(spin), -1);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 500 && counter(machine) == before; i++)
			sleep_ms(1);
		assert_int_not_equal(counter(machine), before);
		machine_pause(machine);
		before = counter(machine);
		sleep_ms(5);
		assert_int_equal(counter(machine), before);
		machine_resume(machine);
	}
	stop(&result, machine);
	assert_int_equal(result.ends, 0);
}

static void a_running_guest_can_be_taken_down(void **state)
{
	(void)state;
	need_kvm();
	for (int i = 0; i < 10; i++) {
		struct result result = { 0 };
		struct machine *machine = start(&result, spin, sizeof(spin), -1);

		stop(&result, machine);
	}
}

static void more_processors_come_up_to_the_maximum(void **state)
{
	struct result result = { 0 };
	struct error err = ERROR_INIT;
	struct machine *machine;

	(void)state;
	need_kvm();
	machine = start(&result, spin, sizeof(spin), -1);
	assert_int_equal(machine_add_cpus(machine, 2, &err), -EINVAL);
	assert_int_equal(machine_add_cpus(machine, 1, &err), 0);
	assert_int_equal(machine_add_cpus(machine, 1, &err), -EINVAL);
	/* It waits to be started by the guest: a pause reaches it all the same. */
	machine_pause(machine);
	machine_resume(machine);
	stop(&result, machine);
}

/* The kick's number, sent by a person, arrives at the main thread as any other signal. */
static void a_signal_of_the_kick_s_number_is_passed_on(void **state)
{
	struct result result = { 0 };
	struct signalfd_siginfo info = { 0 };
	struct machine *machine;
	sigset_t set;

	(void)state;
	need_kvm();
	machine = start(&result, spin, sizeof(spin), -1);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	_cleanup_close_ int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	assert_int_equal(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 42 }), 0);
	for (int i = 0; i < 1000; i++) {
		if (read(fd, &info, sizeof(info)) == sizeof(info))
			break;
		sleep_ms(1);
	}
	assert_int_equal(info.ssi_signo, SIGRTMIN);
	assert_int_equal(info.ssi_code, SI_QUEUE);
	assert_int_equal(info.ssi_int, 42);
	/* Kicks are never seen there. */
	machine_pause(machine);
	machine_resume(machine);
	assert_int_equal(read(fd, &info, sizeof(info)), -1);
	stop(&result, machine);
}

static struct accel *bare_machine(
	uint8_t *memory, const uint8_t *code, size_t size, struct accel_vcpu **ret)
{
	const struct accel_options options = { .cpus_max = 1 };
	struct error err = ERROR_INIT;
	struct accel *accel;

	memcpy(memory + 0x8000, code, size);
	if (accel_new(device, &options, &accel, &err) < 0 ||
		accel_set_memory(accel, 0, 0, 1 << 20, memory, &err) < 0 ||
		accel_create_controllers(accel, &err) < 0)
		fail_msg("%s", err.message);
	{
		static struct x86_cpuid cpuid;

		if (accel_supported_cpuid(device, &cpuid, &err) < 0 ||
			accel_vcpu_new(accel, 0, &cpuid, ret, &err) < 0 ||
			accel_vcpu_set_entry(*ret, 0x8000, &err) < 0)
			fail_msg("%s", err.message);
	}
	return accel;
}

static uint8_t run_to_output(struct accel_vcpu *vcpu)
{
	struct error err = ERROR_INIT;
	struct accel_exit exit;

	if (accel_vcpu_run(vcpu, &exit, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(exit.reason, ACCEL_EXIT_IO);
	assert_true(exit.write);
	return exit.data[0];
}

/* mov $1, %al; again: out %al, $0x80; inc %al; jmp again, in the middle of which it moves. */
static void a_processor_goes_on_in_another_machine(void **state)
{
	static const uint8_t code[] = { 0xb0, 1, 0xe6, 0x80, 0xfe, 0xc0, 0xeb, 0xfa };
	static struct accel_vcpu_state saved, again;
	struct accel_vm_state vm;
	struct accel_vcpu *first = NULL, *second = NULL;
	struct accel *one, *two;
	struct error err = ERROR_INIT;
	struct guest_memory guest = { 0 };
	uint8_t *memory;

	(void)state;
	need_kvm();
	memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	assert_int_equal(guest_memory_add(&guest, 0, 1 << 20, memory, &err), 0);
	assert_int_equal(x86_start_write_tables(&guest, &err), 0);
	one = bare_machine(memory, code, sizeof(code), &first);
	assert_int_equal(run_to_output(first), 1);
	assert_int_equal(run_to_output(first), 2);
	if (accel_vcpu_get_state(first, &saved, &err) < 0 || accel_get_state(one, &vm, &err) < 0)
		fail_msg("%s", err.message);
	accel_vcpu_free(first);
	accel_free(one);

	two = bare_machine(memory, code, sizeof(code), &second);
	if (accel_set_state(two, &vm, &err) < 0 || accel_vcpu_set_state(second, &saved, &err) < 0)
		fail_msg("%s", err.message);
	if (accel_vcpu_get_state(second, &again, &err) < 0)
		fail_msg("%s", err.message);
	assert_memory_equal(&again.regs, &saved.regs, sizeof(saved.regs));
	assert_memory_equal(&again.lapic, &saved.lapic, sizeof(saved.lapic));
	assert_int_equal(run_to_output(second), 3);
	accel_vcpu_free(second);
	accel_free(two);
	munmap(memory, 1 << 20);
}

struct attempt {
	enum confine_kind kind;
	int errors[10];
};

static void *try_what_is_forbidden(void *data)
{
	struct attempt *attempt = data;
	int *errors = attempt->errors;
	struct error err = ERROR_INIT;
	int fd;

	errors[0] = confine_thread(attempt->kind, &err);
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	errors[1] = fd < 0 ? errno : 0;
	errors[2] = socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
	errors[3] = syscall(SYS_execve, "/bin/true", NULL, NULL) < 0 ? errno : 0;
	errors[4] = ioctl(device, KVM_CREATE_VM, 0) < 0 ? errno : 0;
	errors[5] = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			MAP_FAILED
		? errno
		: 0;
	errors[6] = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
			MAP_FAILED
		? errno
		: 0;
	errors[7] = write(-1, "", 1) < 0 ? errno : 0;
	errors[8] = unshare(CLONE_NEWUSER) < 0 ? errno : 0;
	errors[9] = fcntl(device, F_DUPFD_CLOEXEC, 0) < 0 ? errno : 0;
	return NULL;
}

static void try_as(enum confine_kind kind, struct attempt *ret)
{
	pthread_t thread;

	*ret = (struct attempt){ .kind = kind };
	assert_int_equal(pthread_create(&thread, NULL, try_what_is_forbidden, ret), 0);
	pthread_join(thread, NULL);
	assert_int_equal(ret->errors[0], 0);
	for (int i = 2; i <= 5; i++)
		assert_int_equal(ret->errors[i], EPERM);
	assert_int_equal(ret->errors[6], 0);
	assert_int_equal(ret->errors[7], EBADF);
	assert_int_equal(ret->errors[8], EPERM);
}

static void a_vcpu_thread_cannot_open_a_file(void **state)
{
	struct attempt attempt;

	(void)state;
	try_as(CONFINE_VCPU, &attempt);
	assert_int_equal(attempt.errors[1], EPERM);
	assert_int_equal(attempt.errors[9], EPERM);
	/* The others keep what they had. */
	_cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
}

static void a_devices_thread_does_what_its_device_does(void **state)
{
	struct attempt attempt;

	(void)state;
	try_as(CONFINE_DISK, &attempt);
	assert_int_equal(attempt.errors[1], EPERM);
	assert_int_equal(attempt.errors[9], EPERM);
	try_as(CONFINE_NETWORK, &attempt);
	assert_int_equal(attempt.errors[1], EPERM);
	assert_int_equal(attempt.errors[9], EPERM);
	try_as(CONFINE_FILES, &attempt);
	assert_int_equal(attempt.errors[1], 0);
	assert_int_not_equal(attempt.errors[9], EPERM);
}

static void *nothing(void *data)
{
	return data;
}

/* Returns 0, or the number of the first attempt that went otherwise. */
static int try_as_main_thread(void)
{
	struct error err = ERROR_INIT;
	pthread_t thread;

	if (confine_main_thread(&err) < 0)
		return 1;
	if (fork() >= 0 || errno != EPERM)
		return 2;
	if (unshare(CLONE_NEWUSER) == 0 || errno != EPERM)
		return 3;
	if (syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0) >= 0 || errno != EPERM)
		return 4;
	if (syscall(SYS_execve, "/bin/true", NULL, NULL) == 0 || errno != EPERM)
		return 5;
	if (setns(device, 0) == 0 || errno != EPERM)
		return 6;
	/* What hot-plugged processors and shares need. */
	if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
		return 7;
	return unshare(CLONE_FS) == 0 ? 0 : 8;
}

static void the_monitor_makes_threads_and_no_process(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		_exit(try_as_main_thread());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/*
 * Each thread of a running guest has a filter (mode 2) and no capability: the processor's, and the
 * one that newer kernels make for their own book-keeping at a first run.
 */
static void a_running_processor_is_confined(void **state)
{
	struct result result = { 0 };
	struct machine *machine;
	char path[64], line[256], name[] = "/proc/self/task";
	unsigned int threads = 0, confined = 0;

	(void)state;
	need_kvm();
	machine = start(&result, spin, sizeof(spin), -1);
	while (counter(machine) == 0)
		sleep_ms(1);
	for (pid_t tid = gettid() + 1; tid < gettid() + 4000; tid++) {
		_cleanup_fclose_ FILE *file = NULL;
		bool filter = false, powerless = false;

		snprintf(path, sizeof(path), "%s/%d/status", name, tid);
		file = fopen(path, "re");
		if (file == NULL)
			continue;
		while (fgets(line, sizeof(line), file) != NULL) {
			filter = filter || strcmp(line, "Seccomp:\t2\n") == 0;
			powerless = powerless || strcmp(line, "CapEff:\t0000000000000000\n") == 0;
		}
		threads++;
		confined += filter && powerless;
	}
	assert_true(threads >= 1);
	assert_int_equal(confined, threads);
	stop(&result, machine);
}

static void wrong_options_are_said(void **state)
{
	const struct machine_options wrong[] = {
		{ .kvm = device, .memory = MEMORY, .cpus = 0, .cpus_max = 1, .serial = -1 },
		{ .kvm = device, .memory = MEMORY, .cpus = 2, .cpus_max = 1, .serial = -1 },
		{ .kvm = device, .memory = MEMORY, .cpus = 1, .cpus_max = 255, .serial = -1 },
		{ .kvm = device, .memory = 0, .cpus = 1, .cpus_max = 1, .serial = -1 },
		{ .kvm = device, .memory = MEMORY + 4096, .cpus = 1, .cpus_max = 1, .serial = -1 },
	};
	struct result result = { 0 };
	struct error err = ERROR_INIT;
	struct machine *machine;

	(void)state;
	assert_int_equal(loop_new(&result.loop, &err), 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		err = ERROR_INIT;
		assert_true(
			machine_new(result.loop, &wrong[i], on_end, &result, &machine, &err) < 0);
		assert_true(err.message[0] != '\0');
	}
	loop_free(result.loop);
}

/* What a file that is no KVM answers. */
static void a_device_that_is_not_kvm_is_refused(void **state)
{
	const struct accel_options options = { .cpus_max = 1 };
	struct error err = ERROR_INIT;
	struct accel *accel;

	(void)state;
	_cleanup_close_ int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(accel_new(fd, &options, &accel, &err) < 0);
	assert_true(err.message[0] != '\0');
}

struct lacking {
	unsigned int request, argument; /* of the ioctl that answers `answer` */
	unsigned int answer;
	int result;
	struct error err;
};

/* A host without a capability: the thread's ioctl is answered by its filter (0: not there). */
static void *make_where_something_lacks(void *data)
{
	struct lacking *lacking = data;
	const struct accel_options options = { .cpus_max = 1 };
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, lacking->request, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, lacking->argument, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | lacking->answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };
	struct accel *accel = NULL;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		return NULL;
	lacking->result = accel_new(device, &options, &accel, &lacking->err);
	accel_free(accel);
	return NULL;
}

static void expect_refusal(
	unsigned int request, unsigned int argument, unsigned int answer, const char *names)
{
	struct lacking lacking = { request, argument, answer, 0, ERROR_INIT };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, make_where_something_lacks, &lacking), 0);
	pthread_join(thread, NULL);
	if (lacking.result >= 0 || strstr(lacking.err.message, names) == NULL ||
		strchr(lacking.err.message, '\n') != NULL)
		fail_msg("%s: %d %s", names, lacking.result, lacking.err.message);
}

static void each_capability_that_lacks_is_named(void **state)
{
	static const struct {
		unsigned int number;
		const char *name;
	} needed[] = {
		{ KVM_CAP_USER_MEMORY, "lacks KVM_CAP_USER_MEMORY (" },
		{ KVM_CAP_IRQCHIP, "lacks KVM_CAP_IRQCHIP (" },
		{ KVM_CAP_IRQ_ROUTING, "lacks KVM_CAP_IRQ_ROUTING (" },
		{ KVM_CAP_IRQFD, "lacks KVM_CAP_IRQFD (" },
		{ KVM_CAP_IOEVENTFD, "lacks KVM_CAP_IOEVENTFD (" },
		{ KVM_CAP_SET_TSS_ADDR, "lacks KVM_CAP_SET_TSS_ADDR (" },
		{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "lacks KVM_CAP_SET_IDENTITY_MAP_ADDR (" },
		{ KVM_CAP_EXT_CPUID, "lacks KVM_CAP_EXT_CPUID (" },
		{ KVM_CAP_MP_STATE, "lacks KVM_CAP_MP_STATE (" },
		{ KVM_CAP_VCPU_EVENTS, "lacks KVM_CAP_VCPU_EVENTS (" },
		{ KVM_CAP_XSAVE, "lacks KVM_CAP_XSAVE (" },
		{ KVM_CAP_XCRS, "lacks KVM_CAP_XCRS (" },
		{ KVM_CAP_ADJUST_CLOCK, "lacks KVM_CAP_ADJUST_CLOCK (" },
		{ KVM_CAP_IMMEDIATE_EXIT, "lacks KVM_CAP_IMMEDIATE_EXIT (" },
	};

	(void)state;
	need_kvm();
	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		expect_refusal(KVM_CHECK_EXTENSION, needed[i].number, 0, needed[i].name);
	expect_refusal(KVM_GET_API_VERSION, 0, 11, "ask /dev/kvm for its version");
	expect_refusal(KVM_GET_API_VERSION, 0, 0, "speaks version 0, not 12");
	expect_refusal(KVM_CREATE_VM, 0, ENOMEM, "make a virtual machine on /dev/kvm");
}

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void the_probe_answers_quickly(void **state)
{
	struct error err = ERROR_INIT;
	uint64_t best = UINT64_MAX;
	int r = -1;

	(void)state;
	need_kvm();
	for (int i = 0; i < 5; i++) {
		uint64_t before = now_ms(), took;

		r = accel_probe(device, &err);
		took = now_ms() - before;
		best = took < best ? took : best;
	}
	assert_true(r == 0 || r == 1);
	assert_int_equal(r == 0, err.message[0] != '\0');
	/* 5 to 15 ms on a quiet host; an emulated kernel would take minutes to fail. */
	assert_true(best < 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keyboard_controller_resets),
		cmocka_unit_test(reset_register_resets),
		cmocka_unit_test(sleep_register_powers_off),
		cmocka_unit_test(triple_fault_is_a_shutdown),
		cmocka_unit_test(serial_port_writes_to_its_fd),
		cmocka_unit_test(empty_slot_answers_device_id_zero),
		cmocka_unit_test(empty_bus_reads_as_ones),
		cmocka_unit_test(pause_stops_between_instructions_and_resume_goes_on),
		cmocka_unit_test(a_running_guest_can_be_taken_down),
		cmocka_unit_test(more_processors_come_up_to_the_maximum),
		cmocka_unit_test(a_signal_of_the_kick_s_number_is_passed_on),
		cmocka_unit_test(a_processor_goes_on_in_another_machine),
		cmocka_unit_test(a_vcpu_thread_cannot_open_a_file),
		cmocka_unit_test(a_devices_thread_does_what_its_device_does),
		cmocka_unit_test(the_monitor_makes_threads_and_no_process),
		cmocka_unit_test(a_running_processor_is_confined),
		cmocka_unit_test(wrong_options_are_said),
		cmocka_unit_test(a_device_that_is_not_kvm_is_refused),
		cmocka_unit_test(each_capability_that_lacks_is_named),
		cmocka_unit_test(the_probe_answers_quickly),
	};

	return cmocka_run_group_tests(tests, open_device, NULL);
}
