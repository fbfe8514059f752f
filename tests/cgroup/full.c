/* SPDX-License-Identifier: Apache-2.0 */
/* What needs controllers: cpu, cpuset, io, memory, pids; and a loop device for io.max. */
#include "tests/cgroup/check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "runtime/cgroup/events.h"
#include "runtime/cgroup/file.h"
#include "runtime/cgroup/stats.h"

#define SET_TO(x)                         \
	{                                 \
		.set = true, .value = (x) \
	}
#define I64(x) ((struct optional_i64)SET_TO(x))
#define U64(x) ((struct optional_u64)SET_TO(x))
#define U32(x) ((struct optional_u32)SET_TO(x))

static void holds(const struct made *made, const char *file, const char *expected)
{
	const char *value = value_of(made->location.path, file);

	if (strcmp(value, expected) != 0)
		check_failed(__FILE__, __LINE__, "%s: '%s' instead of '%s'", file, value, expected);
}

static struct oci_resources all_limits(void)
{
	static char zero[] = "0";
	struct oci_resources resources = { .set = true };

	resources.memory.limit = I64(64 << 20);
	resources.memory.reservation = I64(32 << 20);
	resources.memory.swap = I64(96 << 20);
	resources.cpu.shares = U64(1024);
	resources.cpu.quota = I64(20000);
	resources.cpu.period = U64(50000);
	resources.cpu.burst = U64(1000);
	resources.cpu.cpus = zero;
	resources.cpu.mems = zero;
	resources.pids_limit = I64(100);
	return resources;
}

static void limits_are_written(void)
{
	struct oci_resources resources = all_limits();
	struct made made = make("limits/deep/down", &resources);

	holds(&made, "memory.max", "67108864");
	holds(&made, "memory.low", "33554432");
	if (faccessat(made.fd, "memory.swap.max", F_OK, 0) == 0)
		holds(&made, "memory.swap.max", "33554432");
	holds(&made, "cpu.weight", "100");
	holds(&made, "cpu.max", "20000 50000");
	if (faccessat(made.fd, "cpu.max.burst", F_OK, 0) == 0)
		holds(&made, "cpu.max.burst", "1000");
	holds(&made, "cpuset.cpus", "0");
	holds(&made, "cpuset.mems", "0");
	holds(&made, "pids.max", "100");
	CHECK(has_text(value_of(made.location.path, "cgroup.controllers"), "io"));
	destroy(&made);
	CHECK(rmdir("/sys/fs/cgroup/caisson-check/limits/deep") == 0);
	CHECK(rmdir("/sys/fs/cgroup/caisson-check/limits") == 0);
}

static void hugetlb_and_unified(void)
{
	char size[] = "2MB", high[] = "memory.high", group[] = "memory.oom.group", one[] = "1",
	     bytes[] = "8388608", missing[] = "memory.nonsense", misc[] = "misc.max";
	struct oci_hugepage_limit limit = { size, 4194304 };
	struct key_value items[] = { { high, bytes }, { group, one } };
	struct oci_resources resources = { .set = true,
		.hugepage_limits = &limit,
		.n_hugepage_limits = 1,
		.unified = { items, 2 } };
	struct made made = make("unified", &resources);
	struct error err = ERROR_INIT;

	holds(&made, "memory.high", "8388608");
	holds(&made, "memory.oom.group", "1");
	holds(&made, "hugetlb.2MB.max", "4194304");
	holds(&made, "hugetlb.2MB.rsvd.max", "4194304");
	items[1].key = missing;
	resources.n_hugepage_limits = 0;
	items[0].value = one;
	CHECK_FAILS(cgroup_update(made.fd, &made.location, &resources, false, &err), ENOTSUP,
		"memory.nonsense: cannot set 1");
	holds(&made, "memory.high", "8388608");
	items[1].key = misc;
	CHECK_FAILS(cgroup_update(made.fd, &made.location, &resources, false, &err), EINVAL,
		"misc.max: cannot set 1");
	holds(&made, "memory.high", "8388608");
	destroy(&made);
}

static void update_is_all_or_nothing(void)
{
	struct oci_resources resources = all_limits(), update = { .set = true };
	struct made made = make("update", &resources);
	struct error err = ERROR_INIT;
	char far[] = "4000";

	update.memory.limit = I64(48 << 20);
	update.cpu.quota = I64(10000);
	update.cpu.shares = U64(2048);
	update.pids_limit = I64(7);
	CHECK_OK(cgroup_update(made.fd, &made.location, &update, false, &err));
	holds(&made, "memory.max", "50331648");
	holds(&made, "cpu.max", "10000 50000");
	holds(&made, "cpu.weight", "174");
	holds(&made, "pids.max", "7");

	/* The kernel refuses the last write: everything before it is put back. */
	update.memory.limit = I64(40 << 20);
	update.cpu.quota = I64(30000);
	update.cpu.burst = U64(25000);
	update.pids_limit = I64(9);
	update.cpu.idle = I64(1);
	update.cpu.cpus = far;
	CHECK_FAILS(cgroup_update(made.fd, &made.location, &update, false, &err), err.errnum,
		"cpuset.cpus: cannot set 4000");
	holds(&made, "memory.max", "50331648");
	holds(&made, "cpu.max", "10000 50000");
	holds(&made, "cpu.weight", "174");
	holds(&made, "pids.max", "7");
	if (faccessat(made.fd, "cpu.max.burst", F_OK, 0) == 0)
		holds(&made, "cpu.max.burst", "1000");

	/* A quota below the burst that is there, with a new burst: the order matters. */
	update = (struct oci_resources){ .set = true };
	update.cpu.quota = I64(5000);
	update.cpu.burst = U64(5000);
	CHECK_OK(cgroup_update(made.fd, &made.location, &update, false, &err));
	update.cpu.quota = I64(2000);
	update.cpu.burst = U64(0);
	CHECK_OK(cgroup_update(made.fd, &made.location, &update, false, &err));
	holds(&made, "cpu.max", "2000 50000");
	/* A period alone keeps the quota, a swap limit alone counts from the memory limit. */
	update = (struct oci_resources){ .set = true };
	update.cpu.period = U64(100000);
	update.memory.swap = I64(50331648 + 4096);
	CHECK_OK(cgroup_update(made.fd, &made.location, &update, false, &err));
	holds(&made, "cpu.max", "2000 100000");
	if (faccessat(made.fd, "memory.swap.max", F_OK, 0) == 0)
		holds(&made, "memory.swap.max", "4096");
	/* Idle, and back to a weight. */
	update = (struct oci_resources){ .set = true };
	update.cpu.idle = I64(1);
	CHECK_OK(cgroup_update(made.fd, &made.location, &update, false, &err));
	update.cpu.idle.set = false;
	update.cpu.shares = U64(1024);
	CHECK_FAILS(cgroup_update(made.fd, &made.location, &update, false, &err), EINVAL,
		"an idle cgroup has no weight");
	update.cpu.idle = I64(0);
	CHECK_OK(cgroup_update(made.fd, &made.location, &update, false, &err));
	holds(&made, "cpu.weight", "100");
	destroy(&made);
}

static int eat_memory(void *data)
{
	size_t bytes = *(size_t *)data;
	char *memory = mmap(
		NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t i = 0; i < bytes; i += 4096)
		memory[i] = 1;
	return 0;
}

static int eat_and_wait(void *data)
{
	eat_memory(data);
	return sleep_forever(NULL);
}

static void check_before_update(void)
{
	struct oci_resources resources = { .set = true };
	struct made made = make("usage", NULL);
	size_t bytes = 16 << 20;
	pid_t pid = spawn(made.fd, eat_and_wait, &bytes);
	struct error err = ERROR_INIT;
	uint64_t current = 0;

	while (current < bytes) {
		usleep(1000);
		CHECK(cgroup_file_read_number(made.fd, "memory.current", &current) == 0);
	}
	resources.memory.limit = I64(8 << 20);
	resources.memory.check_before_update.set = true;
	resources.memory.check_before_update.value = true;
	CHECK_FAILS(cgroup_update(made.fd, &made.location, &resources, false, &err), EBUSY,
		"memory.max: cannot set 8388608");
	holds(&made, "memory.max", "max");
	destroy(&made);
	CHECK(wait_for(pid) == 128 + SIGKILL);
}

static void oom_is_counted(void)
{
	struct oci_resources resources = { .set = true };
	struct cgroup_watch watch;
	struct error err = ERROR_INIT;
	size_t bytes = 16 << 20;
	uint64_t limit = 0;

	resources.memory.limit = I64(4 << 20);
	resources.memory.swap = I64(4 << 20);

	struct made made = make("oom", &resources);

	CHECK(cgroup_oom_killed(made.fd, &limit) == 0);
	CHECK(limit == 4 << 20);
	CHECK_OK(cgroup_watch_open(made.fd, &watch, &err));
	CHECK(wait_for(spawn(made.fd, eat_memory, &bytes)) == 128 + SIGKILL);
	CHECK(cgroup_oom_killed(made.fd, NULL) == 1);

	struct pollfd ready = { .fd = watch.fd, .events = POLLIN };

	CHECK(poll(&ready, 1, 5000) == 1);
	CHECK((cgroup_watch_read(&watch) & CGROUP_EVENT_OOM) != 0);
	/* Each kill is told of once. */
	CHECK((cgroup_watch_read(&watch) & CGROUP_EVENT_OOM) == 0);
	cgroup_watch_close(&watch);
	destroy(&made);
}

static void statistics_are_read(void)
{
	struct oci_resources resources = all_limits();
	struct made made = make("numbers", &resources);
	size_t bytes = 8 << 20;
	pid_t pid = spawn(made.fd, eat_and_wait, &bytes);
	struct cgroup_stats stats = { 0 };
	struct error err = ERROR_INIT;

	while (stats.memory.usage < bytes || stats.cpu.usage == 0) {
		cgroup_stats_free(&stats);
		usleep(1000);
		CHECK_OK(cgroup_stats_read(made.fd, &stats, &err));
	}
	CHECK(stats.memory.set && stats.memory.limit == 64 << 20);
	CHECK(stats.memory.n_raw > 20 && strcmp(stats.memory.raw[0].name, "anon") == 0);
	CHECK(stats.memory.peak == 0 || stats.memory.peak >= bytes);
	CHECK(stats.pids.current == 1 && stats.pids.limit == 100);
	CHECK(stats.cpu.usage > 0);
	CHECK(stats.n_hugetlb > 0);

	struct json_writer writer;
	const char *text;
	size_t length;

	CHECK_OK(json_writer_open(&writer, false, &err));
	cgroup_stats_write(&writer, &stats);
	CHECK_OK(json_writer_text(&writer, &text, &length, &err));
	printf("    %.400s\n", text);
	json_writer_close(&writer);
	cgroup_stats_free(&stats);
	destroy(&made);
	CHECK(wait_for(pid) == 128 + SIGKILL);
}

static int fork_once(void *data)
{
	(void)data;

	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 && errno == EAGAIN ? 42 : 1;
}

static void pids_limit_holds(void)
{
	struct oci_resources resources = { .set = true };

	resources.pids_limit = I64(1);

	struct made made = make("pids", &resources);

	CHECK(wait_for(spawn(made.fd, fork_once, NULL)) == 42);
	destroy(&made);
}

/* A parent with a process of its own cannot hand controllers down, and the message says so. */
static void no_internal_processes(void)
{
	struct oci_resources resources = { .set = true };
	struct cgroup_request request = { .cgroups_path = "/caisson-check/parent/child",
		.id = "child",
		.resources = &resources };
	struct cgroup_location location = { 0 };
	struct made parent;
	struct error err = ERROR_INIT;
	int fd, holder;
	pid_t pid;

	parent = make("parent", NULL);
	pid = spawn(parent.fd, sleep_forever, NULL);
	resources.memory.limit = I64(64 << 20);
	CHECK_OK(cgroup_locate(&request, &location, &err));
	CHECK_FAILS(cgroup_create(&location, &request, &fd, &holder, &err), ENOTSUP,
		"/caisson-check/parent has processes of its own");
	CHECK(access("/sys/fs/cgroup/caisson-check/parent/child", F_OK) < 0);
	/* Without a limit, nobody minds. */
	resources.memory.limit.set = false;
	CHECK_OK(cgroup_create(&location, &request, &fd, &holder, &err));
	close(fd);
	CHECK_OK(cgroup_destroy(&location, &err));
	cgroup_location_free(&location);
	destroy(&parent);
	CHECK(wait_for(pid) == 128 + SIGKILL);
}

static void entry_errors_say_why(void)
{
	struct made made = make("hands-down", NULL);
	struct error err = ERROR_INIT;
	int fd = openat(made.fd, "cgroup.subtree_control", O_WRONLY);

	CHECK(fd >= 0 && write(fd, "+memory", 7) == 7);
	close(fd);
	CHECK(mkdirat(made.fd, "t", 0755) == 0);
	CHECK_FAILS(cgroup_attach(made.fd, NULL, getpid(), &err), EBUSY,
		"hands controllers down (memory)");
	fd = openat(made.fd, "cgroup.subtree_control", O_WRONLY);
	CHECK(write(fd, "-memory", 7) == 7);
	close(fd);
	fd = openat(made.fd, "t/cgroup.type", O_WRONLY);
	CHECK(write(fd, "threaded", 8) == 8);
	close(fd);
	CHECK(mkdirat(made.fd, "t/invalid", 0755) == 0);
	CHECK_FAILS(cgroup_attach(made.fd, "t/invalid", getpid(), &err), EOPNOTSUPP,
		"type 'domain invalid'");
	destroy(&made);
}

/* Sets up a loop device over a file; returns its number, or fails the check. */
static unsigned int make_loop(int *ret_loop)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int file = open("/tmp/caisson-check.img", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int number = ioctl(control, LOOP_CTL_GET_FREE);
	char path[32];
	struct stat status;

	CHECK(control >= 0 && file >= 0 && number >= 0 && ftruncate(file, 1 << 20) == 0);
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	*ret_loop = open(path, O_RDWR | O_CLOEXEC);
	CHECK(*ret_loop >= 0 && ioctl(*ret_loop, LOOP_SET_FD, file) == 0);
	CHECK(fstat(*ret_loop, &status) == 0);
	close(control);
	close(file);
	return (unsigned int)(status.st_rdev & 0xff);
}

static void io_limits(void)
{
	struct oci_resources resources = { .set = true };
	int loop;
	struct oci_throttle_device throttle = { 7, make_loop(&loop), 1 << 20 };
	struct error err = ERROR_INIT;
	char expected[128];
	struct made made;

	resources.block_io.read_bps = (struct oci_throttle_list){ &throttle, 1 };
	made = make("io", &resources);
	snprintf(expected, sizeof(expected), "7:%d rbps=1048576 wbps=max riops=max wiops=max",
		(int)throttle.minor);
	holds(&made, "io.max", expected);
	/* An undo puts the device's line back. */
	throttle.rate = 1 << 19;
	resources.block_io.write_iops = resources.block_io.read_bps;
	struct oci_throttle_device none = { 77, 0, 5 };
	resources.block_io.write_iops.items = &none;
	CHECK_FAILS(cgroup_update(made.fd, &made.location, &resources, false, &err), ENODEV,
		"io.max: cannot set 77:0 wiops=5");
	holds(&made, "io.max", expected);
	resources.block_io.write_iops.count = 0;
	throttle.rate = 0;
	CHECK_OK(cgroup_update(made.fd, &made.location, &resources, false, &err));
	holds(&made, "io.max", "");
	destroy(&made);
	CHECK(ioctl(loop, LOOP_CLR_FD) == 0);
	close(loop);
	unlink("/tmp/caisson-check.img");
}

static void missing_controller_says_so(void)
{
	char name[] = "mlx5_0";
	struct oci_rdma rdma = { .name = name, .hca_handles = U32(1) };
	struct oci_resources resources = { .set = true, .rdma = &rdma, .n_rdma = 1 };
	struct cgroup_request request = {
		.cgroups_path = "/caisson-check/rdma", .id = "rdma", .resources = &resources
	};
	struct cgroup_location location = { 0 };
	struct error err = ERROR_INIT;
	int fd, holder, status;

	CHECK_OK(cgroup_locate(&request, &location, &err));
	/* Without the hardware the controller is missing, or there and the device unknown. */
	status = cgroup_create(&location, &request, &fd, &holder, &err);
	CHECK(status < 0);
	printf("    %s\n", err.message);
	CHECK(has_text(err.message, "rdma"));
	CHECK(access("/sys/fs/cgroup/caisson-check/rdma", F_OK) < 0);
	cgroup_location_free(&location);
}

static void cost_with_all_limits(void)
{
	struct oci_resources resources = all_limits();
	double start = milliseconds();

	for (int i = 0; i < 100; i++) {
		struct made made = make("cost", &resources);

		destroy(&made);
	}
	printf("    create and destroy with all limits: %.0f us each\n",
		(milliseconds() - start) * 10);
}

const struct check full_checks[] = {
	{ "limits_are_written", limits_are_written },
	{ "hugetlb_and_unified", hugetlb_and_unified },
	{ "update_is_all_or_nothing", update_is_all_or_nothing },
	{ "check_before_update", check_before_update },
	{ "oom_is_counted", oom_is_counted },
	{ "statistics_are_read", statistics_are_read },
	{ "pids_limit_holds", pids_limit_holds },
	{ "no_internal_processes", no_internal_processes },
	{ "entry_errors_say_why", entry_errors_say_why },
	{ "io_limits", io_limits },
	{ "missing_controller_says_so", missing_controller_says_so },
	{ "cost_with_all_limits", cost_with_all_limits },
	{ NULL, NULL },
};
