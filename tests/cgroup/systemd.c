/* SPDX-License-Identifier: Apache-2.0 */
/* The systemd driver, against a running systemd; caisson-systemd lies beside this program. */
#include "tests/cgroup/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/error.h"

#define SET_TO(x)                         \
	{                                 \
		.set = true, .value = (x) \
	}
#define I64(x) ((struct optional_i64)SET_TO(x))
#define U64(x) ((struct optional_u64)SET_TO(x))

struct scope {
	struct cgroup_location location;
	int fd, holder;
};

static struct cgroup_request request_for(const char *path, const struct oci_resources *resources)
{
	return (struct cgroup_request){ .manager = CGROUP_MANAGER_SYSTEMD,
		.cgroups_path = path,
		.id = "check",
		.rootless = geteuid() != 0,
		.resources = resources };
}

static struct scope make_scope(const struct cgroup_request *request)
{
	struct scope scope = { .fd = -1, .holder = -1 };
	struct error err = ERROR_INIT;

	CHECK_OK(cgroup_locate(request, &scope.location, &err));
	CHECK_OK(cgroup_create(&scope.location, request, &scope.fd, &scope.holder, &err));
	CHECK(scope.holder >= 0);
	CHECK(cgroup_populated(scope.fd) == 1);
	return scope;
}

/* The property's value as systemctl shows it. */
static const char *show(const struct scope *scope, const char *property)
{
	static char text[4096];
	char command[512];
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command), "systemctl %s show -P %s %s",
		scope->location.user_manager ? "--user" : "", property, scope->location.unit);
	pipe = popen(command, "r");
	CHECK(pipe != NULL);
	n = fread(text, 1, sizeof(text) - 1, pipe);
	pclose(pipe);
	while (n > 0 && text[n - 1] == '\n')
		n--;
	text[n] = '\0';
	return text;
}

static void shows(const struct scope *scope, const char *property, const char *expected)
{
	const char *value = show(scope, property);

	if (strcmp(value, expected) != 0)
		check_failed(
			__FILE__, __LINE__, "%s: '%s' instead of '%s'", property, value, expected);
}

static void holds(const struct scope *scope, const char *file, const char *expected)
{
	const char *value = value_of(scope->location.path, file);

	if (strcmp(value, expected) != 0)
		check_failed(__FILE__, __LINE__, "%s: '%s' instead of '%s'", file, value, expected);
}

static void reload(const struct scope *scope)
{
	CHECK(system(scope->location.user_manager ? "systemctl --user daemon-reload"
						  : "systemctl daemon-reload") == 0);
}

static void destroy_scope(struct scope *scope)
{
	struct error err = ERROR_INIT;
	char path[512];

	close(scope->fd);
	CHECK_OK(cgroup_destroy(&scope->location, &err));
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s", scope->location.path);
	CHECK(access(path, F_OK) < 0 && errno == ENOENT);
	shows(scope, "LoadState", "not-found");
	/* What is gone is destroyed. */
	CHECK_OK(cgroup_destroy(&scope->location, &err));
	cgroup_location_free(&scope->location);
}

static struct oci_resources some_limits(void)
{
	static char zero[] = "0";
	struct oci_resources resources = { .set = true };

	resources.memory.limit = I64(64 << 20);
	resources.memory.reservation = I64(32 << 20);
	resources.memory.swap = I64(96 << 20);
	resources.cpu.shares = U64(1024);
	resources.cpu.quota = I64(12345);
	resources.cpu.period = U64(50000);
	resources.cpu.cpus = zero;
	resources.cpu.mems = zero;
	resources.pids_limit = I64(1);
	return resources;
}

static void check_files(const struct scope *scope)
{
	holds(scope, "memory.max", "67108864");
	holds(scope, "memory.low", "33554432");
	holds(scope, "cpu.weight", "100");
	holds(scope, "cpuset.cpus", "0");
	holds(scope, "cpuset.mems", "0");
}

static void systemd_whole_life(void)
{
	struct oci_resources resources = some_limits();
	struct cgroup_request request = request_for("system.slice:caisson-check:whole", &resources);
	struct scope scope = make_scope(&request);

	CHECK(strcmp(scope.location.path, "/system.slice/caisson-check-whole.scope") == 0);
	check_files(&scope);
	holds(&scope, "cpu.max", "12345 50000");

	/* The limit of one task is the container's, although the holder is in the scope too. */
	pid_t pid = spawn(scope.fd, sleep_forever, NULL);

	cgroup_creation_done(scope.holder);
	holds(&scope, "pids.max", "1");
	holds(&scope, "pids.current", "1");
	shows(&scope, "ActiveState", "active");
	shows(&scope, "MemoryMax", "67108864");
	shows(&scope, "MemoryLow", "33554432");
	shows(&scope, "MemorySwapMax", "33554432");
	shows(&scope, "CPUWeight", "100");
	shows(&scope, "CPUQuotaPerSecUSec", "250ms");
	shows(&scope, "CPUQuotaPeriodUSec", "50ms");
	shows(&scope, "AllowedCPUs", "0");
	shows(&scope, "TasksMax", "1");
	shows(&scope, "DevicePolicy", "strict");
	reload(&scope);
	check_files(&scope);
	holds(&scope, "pids.max", "1");
	destroy_scope(&scope);
	CHECK(wait_for(pid) == 128 + SIGKILL);
}

static void systemd_update(void)
{
	struct oci_resources resources = some_limits(), update = { .set = true };
	struct cgroup_request request = request_for("system.slice::caisson-update", &resources);
	struct scope scope = make_scope(&request);
	struct error err = ERROR_INIT;
	char far[] = "4000";
	pid_t pid = spawn(scope.fd, sleep_forever, NULL);

	cgroup_creation_done(scope.holder);
	update.memory.limit = I64(48 << 20);
	update.cpu.quota = I64(25001);
	update.pids_limit = I64(20);
	CHECK_OK(cgroup_update(scope.fd, &scope.location, &update, false, &err));
	holds(&scope, "memory.max", "50331648");
	holds(&scope, "cpu.max", "25001 50000");
	shows(&scope, "MemoryMax", "50331648");
	shows(&scope, "TasksMax", "20");
	reload(&scope);
	holds(&scope, "memory.max", "50331648");
	holds(&scope, "pids.max", "20");

	update.memory.limit = I64(40 << 20);
	update.cpu.cpus = far;
	CHECK_FAILS(cgroup_update(scope.fd, &scope.location, &update, false, &err), err.errnum,
		"cpuset.cpus: cannot set 4000");
	holds(&scope, "memory.max", "50331648");
	shows(&scope, "MemoryMax", "50331648");
	destroy_scope(&scope);
	CHECK(wait_for(pid) == 128 + SIGKILL);
}

static int eat_too_much(void *data)
{
	size_t bytes = 32 << 20;
	char *memory = mmap(
		NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)data;
	for (size_t i = 0; i < bytes; i += 4096)
		memory[i] = 1;
	return 0;
}

/* A scope whose process was killed for memory must not stay, nor be in the next one's way. */
static void systemd_after_oom(void)
{
	struct oci_resources resources = { .set = true };
	struct cgroup_request request = request_for("system.slice:caisson-check:oom", &resources);

	resources.memory.limit = I64(4 << 20);
	resources.memory.swap = I64(4 << 20);
	for (int i = 0; i < 3; i++) {
		struct scope scope = make_scope(&request);
		pid_t pid = spawn(scope.fd, eat_too_much, NULL);

		cgroup_creation_done(scope.holder);
		CHECK(wait_for(pid) == 128 + SIGKILL);
		if (i == 1)
			usleep(300000);
		destroy_scope(&scope);
	}
}

static int open_device(void *data)
{
	const unsigned int *number = data;
	int fd;

	if (mknod("/tmp/caisson-check-device", S_IFCHR | 0600, makedev(number[0], number[1])) < 0)
		return 3;
	fd = open("/tmp/caisson-check-device", O_RDONLY | O_NONBLOCK);
	int errnum = fd < 0 ? errno : 0;

	unlink("/tmp/caisson-check-device");
	return fd >= 0 ? 0 : errnum == EPERM ? 1 : 2;
}

static int open_inside(const struct scope *scope, unsigned int major, unsigned int minor)
{
	unsigned int number[] = { major, minor };

	return wait_for(spawn(scope->fd, open_device, number));
}

static void systemd_devices(void)
{
	struct oci_device_rule rules[] = {
		{ .type = 'a', .read = true, .write = true, .mknod = true },
		{ .allow = true,
			.type = 'c',
			.major = { true, 1 },
			.minor = { true, 11 },
			.read = true },
		{ .allow = true, .type = 'c', .major = { true, 10 }, .read = true },
		{ .type = 'c', .major = { true, 10 }, .minor = { true, 229 }, .read = true },
	};
	struct oci_resources resources = { .set = true, .devices = rules, .n_devices = 4 };
	struct cgroup_request request = request_for("system.slice:caisson-check:dev", &resources);
	struct scope scope = make_scope(&request);
	struct error err = ERROR_INIT;

	for (int i = 0; i < 2; i++) {
		CHECK(open_inside(&scope, 1, 3) == 0);
		CHECK(open_inside(&scope, 1, 11) == 0);
		CHECK(open_inside(&scope, 10, 229) == 1);
		CHECK(open_inside(&scope, 10, 235) != 1);
		CHECK(open_inside(&scope, 4, 64) == 1);
		reload(&scope);
	}
	resources.n_devices = 1;
	CHECK_OK(cgroup_update(scope.fd, &scope.location, &resources, false, &err));
	CHECK(open_inside(&scope, 1, 3) == 0);
	CHECK(open_inside(&scope, 1, 11) == 1);
	cgroup_creation_done(scope.holder);
	destroy_scope(&scope);
}

static void systemd_annotations(void)
{
	char keep[] = "org.systemd.property.TimeoutStopSec", five[] = "uint64 5",
	     mode[] = "org.systemd.property.CollectMode", value[] = "'inactive-or-failed'",
	     after[] = "org.systemd.property.After", units[] = "['basic.target', 'sysinit.target']",
	     memory[] = "org.systemd.property.MemoryHigh", bytes[] = "uint64 8388608",
	     no_variant[] = "[1]", bad[] = "org.systemd.property.Nonsense",
	     pids[] = "org.systemd.property.PIDs";
	struct key_value items[] = { { keep, five }, { mode, value }, { after, units },
		{ memory, bytes } };
	struct key_value_list annotations = { items, 4 };
	struct cgroup_request request = request_for("system.slice:caisson-check:ann", NULL);
	struct error err = ERROR_INIT;
	int fd, holder;

	request.annotations = &annotations;

	struct scope scope = make_scope(&request);

	shows(&scope, "TimeoutStopUSec", "5s");
	CHECK(has_text(show(&scope, "After"), "basic.target"));
	holds(&scope, "memory.high", "8388608");
	cgroup_creation_done(scope.holder);
	destroy_scope(&scope);

	CHECK_OK(cgroup_locate(&request, &scope.location, &err));
	items[0].key = bad;
	CHECK_FAILS(cgroup_create(&scope.location, &request, &fd, &holder, &err), err.errnum,
		"systemd: caisson-check-ann.scope: ");
	printf("    %s\n", err.message);
	items[0].value = no_variant;
	CHECK_FAILS(cgroup_create(&scope.location, &request, &fd, &holder, &err), EINVAL,
		"property Nonsense=v [1]");
	items[0].key = pids;
	CHECK_FAILS(cgroup_create(&scope.location, &request, &fd, &holder, &err), EINVAL,
		"set by the runtime");
	cgroup_location_free(&scope.location);
}

static void systemd_name_taken(void)
{
	struct cgroup_request request = request_for("system.slice:caisson-check:same", NULL);
	struct scope scope = make_scope(&request);
	struct error err = ERROR_INIT;
	int fd, holder;

	CHECK_FAILS(cgroup_create(&scope.location, &request, &fd, &holder, &err), err.errnum,
		"already");
	printf("    %s\n", err.message);
	CHECK(cgroup_populated(scope.fd) == 1);
	cgroup_creation_done(scope.holder);
	destroy_scope(&scope);
}

/* A creation that fails after systemd made the scope leaves no unit. */
static void systemd_failure_leaves_nothing(void)
{
	char key[] = "memory.nonsense", value[] = "1";
	struct key_value item = { key, value };
	struct oci_resources resources = { .set = true, .unified = { &item, 1 } };
	struct cgroup_request request = request_for("system.slice:caisson-check:fail", &resources);
	struct scope scope = { .fd = -1 };
	struct error err = ERROR_INIT;
	int fd = -1, holder = -1;

	CHECK_OK(cgroup_locate(&request, &scope.location, &err));
	CHECK_FAILS(cgroup_create(&scope.location, &request, &fd, &holder, &err), ENOTSUP,
		"memory.nonsense");
	shows(&scope, "LoadState", "not-found");
	CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	cgroup_location_free(&scope.location);
}

static void systemd_slice_of_its_own(void)
{
	struct cgroup_request request = request_for("caisson-check-slices.slice:p:n", NULL);
	struct scope scope = make_scope(&request);

	CHECK(strcmp(scope.location.path,
		      "/caisson.slice/caisson-check.slice/caisson-check-slices.slice/p-n.scope") ==
		0);
	cgroup_creation_done(scope.holder);
	destroy_scope(&scope);
	CHECK(system("systemctl stop caisson.slice") == 0);
}

static void systemd_cycles(void)
{
	struct oci_resources resources = some_limits();
	struct cgroup_request request = request_for("system.slice:caisson-check:cycle", &resources);
	double start = milliseconds();

	for (int i = 0; i < 10; i++) {
		struct scope scope = make_scope(&request);
		struct error err = ERROR_INIT;

		cgroup_creation_done(scope.holder);
		close(scope.fd);
		CHECK_OK(cgroup_destroy(&scope.location, &err));
		cgroup_location_free(&scope.location);
	}
	printf("    scope made and destroyed: %.1f ms each\n", (milliseconds() - start) / 10);
	CHECK(system("systemctl list-units --all --no-legend 'caisson-check*' | grep .") != 0);
}

const struct check systemd_checks[] = {
	{ "systemd_whole_life", systemd_whole_life },
	{ "systemd_update", systemd_update },
	{ "systemd_after_oom", systemd_after_oom },
	{ "systemd_devices", systemd_devices },
	{ "systemd_annotations", systemd_annotations },
	{ "systemd_name_taken", systemd_name_taken },
	{ "systemd_failure_leaves_nothing", systemd_failure_leaves_nothing },
	{ "systemd_slice_of_its_own", systemd_slice_of_its_own },
	{ "systemd_cycles", systemd_cycles },
	{ NULL, NULL },
};

/* As a user who is logged in: the user's own manager. */
static void user_whole_life(void)
{
	struct oci_resources resources = { .set = true };
	struct cgroup_request request = request_for("user.slice:caisson-check:mine", &resources);

	resources.memory.limit = I64(64 << 20);
	resources.pids_limit = I64(5);

	struct scope scope = make_scope(&request);
	struct error err = ERROR_INIT;

	CHECK(scope.location.user_manager);
	CHECK(has_text(scope.location.path, "/user.slice/caisson-check-mine.scope"));
	holds(&scope, "memory.max", "67108864");

	pid_t pid = spawn(scope.fd, sleep_forever, NULL);

	cgroup_creation_done(scope.holder);
	holds(&scope, "pids.max", "5");
	reload(&scope);
	holds(&scope, "memory.max", "67108864");
	resources.memory.limit = I64(48 << 20);
	CHECK_OK(cgroup_update(scope.fd, &scope.location, &resources, true, &err));
	holds(&scope, "memory.max", "50331648");
	destroy_scope(&scope);
	CHECK(wait_for(pid) == 128 + SIGKILL);
}

/* Without a cgroup of the user's own to make one in: no cgroup, or an error where limits are. */
static void user_cgroupfs(void)
{
	struct oci_resources resources = { .set = true };
	struct cgroup_request request = {
		.id = "rootless", .rootless = true, .resources = &resources
	};
	struct cgroup_location location = { 0 };
	struct error err = ERROR_INIT;
	int fd = 0, holder = 0;

	request.cgroups_path = "/caisson-rootless";
	CHECK_OK(cgroup_locate(&request, &location, &err));
	CHECK(strcmp(location.path, "") == 0);
	CHECK_OK(cgroup_create(&location, &request, &fd, &holder, &err));
	CHECK(fd < 0 && holder < 0);
	CHECK_OK(cgroup_destroy(&location, &err));
	CHECK_FAILS(cgroup_open(&location, &err), ENOTSUP, "no cgroup of its own");
	cgroup_location_free(&location);
	resources.memory.limit = I64(64 << 20);
	CHECK_FAILS(cgroup_locate(&request, &location, &err), EACCES, "--systemd-cgroup");
}

const struct check user_checks[] = {
	{ "user_whole_life", user_whole_life },
	{ "user_cgroupfs", user_cgroupfs },
	{ NULL, NULL },
};
