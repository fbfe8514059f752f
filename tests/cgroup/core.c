/* SPDX-License-Identifier: Apache-2.0 */
/* What cgroup v2 can do without any controller: directories, processes, freezing, devices. */
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/error.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/events.h"
#include "runtime/cgroup/stats.h"
#include "tests/cgroup/check.h"

static void create_and_destroy(void)
{
	struct made made = make("a/b/c", NULL);

	CHECK(cgroup_populated(made.fd) == 0);
	CHECK(cgroup_frozen(made.fd) == 0);
	destroy(&made);
	rmdir("/sys/fs/cgroup/caisson-check/a/b");
	rmdir("/sys/fs/cgroup/caisson-check/a");
}

static void destroy_of_gone_succeeds(void)
{
	struct cgroup_location location = { .path = (char *)"/caisson-check/never" };
	struct error err = ERROR_INIT;

	CHECK_OK(cgroup_destroy(&location, &err));
	CHECK_FAILS(cgroup_open(&location, &err), ENOENT, "never");
}

static void failure_leaves_nothing(void)
{
	struct optional_u64 out_of_range = { true, 17 };
	struct oci_resources resources = { .set = true };
	struct cgroup_location location = { 0 };
	struct error err = ERROR_INIT;
	int fd = -1, holder = -1;
	struct key_value unified = { (char *)"cgroup.max.depth", (char *)"nonsense" };
	struct cgroup_request request = {
		.cgroups_path = "/caisson-check/x/y/z", .id = "z", .resources = &resources
	};

	resources.unified.items = &unified;
	resources.unified.count = 1;
	CHECK_OK(cgroup_locate(&request, &location, &err));
	CHECK_FAILS(cgroup_create(&location, &request, &fd, &holder, &err), EINVAL,
		"cgroup.max.depth: cannot set nonsense");
	CHECK(access("/sys/fs/cgroup/caisson-check/x", F_OK) < 0);
	resources.cpu.period = out_of_range;
	CHECK_FAILS(cgroup_create(&location, &request, &fd, &holder, &err), EINVAL,
		"cpu.period: 17 is out of range");
	CHECK(fd == -1 && holder == -1);
	cgroup_location_free(&location);
}

static void populated_is_refused(void)
{
	struct made made = make("busy", NULL);
	struct cgroup_request request = { .cgroups_path = "/caisson-check/busy", .id = "busy" };
	pid_t pid = spawn(made.fd, sleep_forever, NULL);
	struct error err = ERROR_INIT;
	int fd, holder;

	CHECK_FAILS(cgroup_create(&made.location, &request, &fd, &holder, &err), EBUSY,
		"has processes in it");
	CHECK(cgroup_populated(made.fd) == 1);
	destroy(&made);
	CHECK(wait_for(pid) == 128 + SIGKILL);
}

/* What a creation that was killed may clear: what has its mark, and an empty directory. */
static void unfinished_spares_others(void)
{
	struct made made = make("unfinished", NULL);
	struct cgroup_request request = { .cgroups_path = "/caisson-check/marked",
		.id = "marked",
		.mark = "marked 2026-11-21T00:00:00Z" };
	struct cgroup_location marked = { 0 };
	pid_t pid = spawn(made.fd, sleep_forever, NULL);
	struct error err = ERROR_INIT;
	int fd, holder;

	CHECK_OK(cgroup_destroy_unfinished(&made.location, "another", &err));
	CHECK(cgroup_populated(made.fd) == 1);
	destroy(&made);
	CHECK(wait_for(pid) == 128 + SIGKILL);
	CHECK_OK(cgroup_locate(&request, &marked, &err));
	CHECK_OK(cgroup_create(&marked, &request, &fd, &holder, &err));
	pid = spawn(fd, sleep_forever, NULL);
	CHECK_OK(cgroup_destroy_unfinished(&marked, "marked 2026-11-21T00:00:01Z", &err));
	CHECK(cgroup_populated(fd) == 1);
	CHECK_OK(cgroup_destroy_unfinished(&marked, request.mark, &err));
	CHECK(wait_for(pid) == 128 + SIGKILL);
	CHECK(access("/sys/fs/cgroup/caisson-check/marked", F_OK) < 0);
	close(fd);
	/* Gone, and empty: as if the creation had taken it over. */
	CHECK_OK(cgroup_destroy_unfinished(&marked, request.mark, &err));
	CHECK(mkdir("/sys/fs/cgroup/caisson-check/marked", 0755) == 0);
	CHECK_OK(cgroup_destroy_unfinished(&marked, request.mark, &err));
	CHECK(access("/sys/fs/cgroup/caisson-check/marked", F_OK) < 0);
	cgroup_location_free(&marked);
}

static void freeze_and_kill(void)
{
	struct made made = make("frozen", NULL);
	pid_t pid = spawn(made.fd, sleep_forever, NULL);
	struct error err = ERROR_INIT;

	CHECK_OK(cgroup_freeze(made.fd, true, &err));
	CHECK(cgroup_frozen(made.fd) == 1);
	/* Frozen processes die of SIGKILL, and destroy does not wait for a thaw. */
	destroy(&made);
	CHECK(wait_for(pid) == 128 + SIGKILL);
}

static void freeze_and_thaw(void)
{
	struct made made = make("thawed", NULL);
	pid_t pid = spawn(made.fd, sleep_forever, NULL);
	struct error err = ERROR_INIT;

	CHECK_OK(cgroup_freeze(made.fd, true, &err));
	CHECK_OK(cgroup_freeze(made.fd, false, &err));
	CHECK(cgroup_frozen(made.fd) == 0);
	CHECK_OK(cgroup_signal(made.fd, SIGTERM, &err));
	CHECK(wait_for(pid) == 128 + SIGTERM);
	CHECK(cgroup_frozen(made.fd) == 0);
	destroy(&made);
}

static void attach_and_list(void)
{
	struct made made = make("list", NULL);
	struct error err = ERROR_INIT;
	struct pid_list list;
	pid_t pids[3];

	CHECK(mkdirat(made.fd, "one", 0755) == 0 && mkdirat(made.fd, "one/two", 0755) == 0);
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0)
			_exit(sleep_forever(NULL));
	}
	CHECK_OK(cgroup_attach(made.fd, NULL, pids[0], &err));
	CHECK_OK(cgroup_attach(made.fd, "one", pids[1], &err));
	CHECK_OK(cgroup_attach(made.fd, "one/two", pids[2], &err));
	CHECK_FAILS(cgroup_attach(made.fd, "../list", pids[2], &err), EINVAL, "..");
	/* From the container's own on, as runc has it. */
	CHECK_OK(cgroup_attach(made.fd, "/one", pids[2], &err));
	CHECK_FAILS(cgroup_attach(made.fd, "three", pids[2], &err), ENOENT, "three");
	CHECK_OK(cgroup_processes(made.fd, &list, &err));
	CHECK(list.count == 3);
	for (int i = 0; i < 3; i++)
		CHECK(list.items[i] == pids[0] || list.items[i] == pids[1] ||
			list.items[i] == pids[2]);
	pid_list_free(&list);
	destroy(&made);
	for (int i = 0; i < 3; i++)
		CHECK(wait_for(pids[i]) == 128 + SIGKILL);
}

static void threaded_subtree(void)
{
	struct made made = make("threads", NULL);
	struct error err = ERROR_INIT;
	struct pid_list list;
	pid_t pid;
	int fd;

	CHECK(mkdirat(made.fd, "t", 0755) == 0);
	fd = openat(made.fd, "t/cgroup.type", O_WRONLY);
	CHECK(fd >= 0 && write(fd, "threaded", 8) == 8);
	close(fd);
	pid = spawn(made.fd, sleep_forever, NULL);
	CHECK_OK(cgroup_processes(made.fd, &list, &err));
	CHECK(list.count == 1 && list.items[0] == pid);
	pid_list_free(&list);
	/* Moved by thread, it is still in the list of the domain above. */
	char text[16];
	snprintf(text, sizeof(text), "%d", (int)pid);
	fd = openat(made.fd, "t/cgroup.threads", O_WRONLY);
	CHECK(fd >= 0 && write(fd, text, strlen(text)) > 0);
	close(fd);
	CHECK_OK(cgroup_processes(made.fd, &list, &err));
	CHECK(list.count == 1 && list.items[0] == pid);
	pid_list_free(&list);
	destroy(&made);
	CHECK(wait_for(pid) == 128 + SIGKILL);
}

static void deep_and_wide(void)
{
	struct made made = make("deep", NULL);
	int here = dup(made.fd);
	double start;

	/* Deeper than descriptors or a path could follow. */
	for (int i = 0; i < 1200; i++) {
		CHECK(mkdirat(here, "nested", 0755) == 0);
		int next = openat(here, "nested", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		CHECK(next >= 0);
		close(here);
		here = next;
	}
	close(here);
	for (int i = 0; i < 100; i++) {
		char name[16];

		snprintf(name, sizeof(name), "wide%d", i);
		CHECK(mkdirat(made.fd, name, 0755) == 0);
	}
	start = milliseconds();
	destroy(&made);
	printf("    1300 cgroups below: destroyed in %.1f ms\n", milliseconds() - start);
}

static int try_open(void *data)
{
	const unsigned int *what = data; /* type, major, minor, flags */
	char path[64];

	snprintf(path, sizeof(path), "/tmp/caisson-check-%d", (int)getpid());
	if (mknod(path, what[0] | 0600, makedev(what[1], what[2])) < 0)
		return 3;

	int fd = open(path, (int)what[3] | O_NONBLOCK | O_CLOEXEC);
	int errnum = fd < 0 ? errno : 0;

	unlink(path);
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : errnum == EPERM ? 1 : 2;
}

/* 0: opened, 1: refused by the filter, 2: another error (there is no such device), 3: no mknod. */
static int open_inside(
	int fd, unsigned int type, unsigned int major, unsigned int minor, unsigned int flags)
{
	unsigned int what[] = { type, major, minor, flags };

	return wait_for(spawn(fd, try_open, what));
}

static void devices_default(void)
{
	struct made made = make("devices", NULL);

	CHECK(open_inside(made.fd, S_IFCHR, 1, 3, O_RDWR) == 0);
	CHECK(open_inside(made.fd, S_IFCHR, 1, 9, O_RDONLY) == 0);
	/* ptmx has no pts beside it here, but the filter lets it pass. */
	CHECK(open_inside(made.fd, S_IFCHR, 5, 2, O_RDWR) != 1);
	CHECK(open_inside(made.fd, S_IFCHR, 1, 11, O_RDONLY) == 1); /* kmsg */
	CHECK(open_inside(made.fd, S_IFCHR, 10, 229, O_RDWR) == 1); /* fuse */
	CHECK(open_inside(made.fd, S_IFBLK, 1, 3, O_RDONLY) == 1);
	destroy(&made);
}

static void devices_rules(void)
{
	struct oci_device_rule rules[] = {
		{ .allow = false, .type = 'a', .read = true, .write = true, .mknod = true },
		{ .allow = true,
			.type = 'c',
			.major = { true, 1 },
			.minor = { true, 11 },
			.read = true },
		{ .allow = true, .type = 'c', .major = { true, 10 }, .read = true, .write = true },
		{ .allow = false,
			.type = 'c',
			.major = { true, 10 },
			.minor = { true, 229 },
			.write = true },
		/* The default devices stay, whatever the rules say. */
		{ .allow = false,
			.type = 'c',
			.major = { true, 1 },
			.minor = { true, 3 },
			.read = true,
			.write = true,
			.mknod = true },
	};
	struct oci_resources resources = { .set = true, .devices = rules, .n_devices = 5 };
	struct made made = make("rules", &resources);
	struct error err = ERROR_INIT;

	CHECK(open_inside(made.fd, S_IFCHR, 1, 3, O_RDWR) == 0);
	CHECK(open_inside(made.fd, S_IFCHR, 1, 11, O_RDONLY) == 0);
	CHECK(open_inside(made.fd, S_IFCHR, 1, 11, O_WRONLY) == 1);
	CHECK(open_inside(made.fd, S_IFCHR, 1, 11, O_RDWR) == 1);
	CHECK(open_inside(made.fd, S_IFCHR, 10, 229, O_RDONLY) != 1);
	CHECK(open_inside(made.fd, S_IFCHR, 10, 229, O_RDWR) == 1);
	CHECK(open_inside(made.fd, S_IFCHR, 10, 235, O_RDWR) != 1);

	/* An update takes the old filter's place. */
	struct oci_device_rule more[] = { { .allow = true,
		.type = 'c',
		.major = { true, 10 },
		.minor = { true, 229 },
		.read = true,
		.write = true } };
	struct oci_resources update = { .set = true, .devices = more, .n_devices = 1 };

	CHECK_OK(cgroup_update(made.fd, &made.location, &update, false, &err));
	CHECK(open_inside(made.fd, S_IFCHR, 10, 229, O_RDWR) != 1);
	CHECK(open_inside(made.fd, S_IFCHR, 1, 11, O_RDONLY) == 1);
	CHECK(open_inside(made.fd, S_IFCHR, 1, 3, O_RDWR) == 0);

	/* And one that allows everything takes it away. */
	more[0] = (struct oci_device_rule){
		.allow = true, .type = 'a', .read = true, .write = true, .mknod = true
	};
	CHECK_OK(cgroup_update(made.fd, &made.location, &update, false, &err));
	CHECK(open_inside(made.fd, S_IFCHR, 1, 11, O_RDONLY) == 0);
	more[0].allow = false;
	CHECK_OK(cgroup_update(made.fd, &made.location, &update, false, &err));
	CHECK(open_inside(made.fd, S_IFCHR, 1, 11, O_RDONLY) == 1);
	destroy(&made);
}

static void delegated_to_owner(void)
{
	struct cgroup_request request = { .cgroups_path = "/caisson-check/owned",
		.id = "owned",
		.owner_set = true,
		.owner_uid = 100000,
		.owner_gid = 100001 };
	struct made made = { 0 };
	struct error err = ERROR_INIT;
	struct stat status;
	int holder;

	CHECK_OK(cgroup_locate(&request, &made.location, &err));
	CHECK_OK(cgroup_create(&made.location, &request, &made.fd, &holder, &err));
	CHECK(fstat(made.fd, &status) == 0 && status.st_uid == 100000 && status.st_gid == 100001);
	CHECK(fstatat(made.fd, "cgroup.procs", &status, 0) == 0 && status.st_uid == 100000);
	CHECK(fstatat(made.fd, "cgroup.subtree_control", &status, 0) == 0 &&
		status.st_uid == 100000);
	/* What limits the container is not the container's. */
	CHECK(fstatat(made.fd, "cgroup.max.depth", &status, 0) == 0 && status.st_uid == 0);
	CHECK(fstatat(made.fd, "cgroup.freeze", &status, 0) == 0 && status.st_uid == 0);
	destroy(&made);
}

static void last_process_gone_is_told(void)
{
	struct made made = make("watched", NULL);
	pid_t pid = spawn(made.fd, sleep_forever, NULL);
	struct cgroup_watch watch;
	struct error err = ERROR_INIT;

	CHECK_OK(cgroup_watch_open(made.fd, &watch, &err));
	CHECK(cgroup_watch_read(&watch) == 0);

	struct pollfd ready = { .fd = watch.fd, .events = POLLIN };

	CHECK(poll(&ready, 1, 0) == 0);
	CHECK(kill(pid, SIGKILL) == 0 && wait_for(pid) == 128 + SIGKILL);
	CHECK(poll(&ready, 1, 5000) == 1);
	CHECK(cgroup_watch_read(&watch) == CGROUP_EVENT_EMPTY);
	destroy(&made);
	CHECK(cgroup_watch_read(&watch) == CGROUP_EVENT_EMPTY);
	cgroup_watch_close(&watch);
}

static int spin(void *data)
{
	double end = milliseconds() + *(double *)data;

	while (milliseconds() < end)
		;
	return 0;
}

static void cpu_time_is_read(void)
{
	struct made made = make("stats", NULL);
	struct cgroup_stats stats;
	struct error err = ERROR_INIT;
	double how_long = 30;

	CHECK(wait_for(spawn(made.fd, spin, &how_long)) == 0);
	CHECK_OK(cgroup_stats_read(made.fd, &stats, &err));
	CHECK(stats.cpu.usage > 5000000 && stats.cpu.usage < 10000000000);
	CHECK(stats.cpu.usage >= stats.cpu.user);
	cgroup_stats_free(&stats);
	/* A cgroup that is gone is an error, not zeros. */
	int fd = dup(made.fd);
	destroy(&made);
	CHECK_FAILS(cgroup_stats_read(fd, &stats, &err), err.errnum, "cgroup: read");
	close(fd);
}

/* How many programs the kernel has loaded. */
static int count_programs(void)
{
	union bpf_attr attr = { .start_id = 0 };
	int count = 0;

	while (syscall(SYS_bpf, BPF_PROG_GET_NEXT_ID, &attr, sizeof(attr)) == 0) {
		attr.start_id = attr.next_id;
		count++;
	}
	return count;
}

static void thousand_cycles(void)
{
	int programs = count_programs();
	struct oci_device_rule rule = { .type = 'a', .read = true, .write = true, .mknod = true };
	struct oci_resources resources = { .set = true, .devices = &rule, .n_devices = 1 };
	double start = milliseconds();

	for (int i = 0; i < 1000; i++) {
		struct made made = make("cycle", &resources);

		destroy(&made);
	}
	printf("    create and destroy: %.1f us each\n", milliseconds() - start);
	/* The kernel frees programs with a cgroup, a little later. */
	for (int i = 0; i < 50 && count_programs() > programs; i++)
		usleep(100000);
	CHECK(count_programs() <= programs);
	/* No descriptor is left: the next one has the lowest number. */
	int fd = dup(0);
	CHECK(fd == 3);
	close(fd);
}

const struct check core_checks[] = {
	{ "create_and_destroy", create_and_destroy },
	{ "destroy_of_gone_succeeds", destroy_of_gone_succeeds },
	{ "failure_leaves_nothing", failure_leaves_nothing },
	{ "populated_is_refused", populated_is_refused },
	{ "unfinished_spares_others", unfinished_spares_others },
	{ "freeze_and_kill", freeze_and_kill },
	{ "freeze_and_thaw", freeze_and_thaw },
	{ "attach_and_list", attach_and_list },
	{ "threaded_subtree", threaded_subtree },
	{ "deep_and_wide", deep_and_wide },
	{ "devices_default", devices_default },
	{ "devices_rules", devices_rules },
	{ "delegated_to_owner", delegated_to_owner },
	{ "last_process_gone_is_told", last_process_gone_is_told },
	{ "cpu_time_is_read", cpu_time_is_read },
	{ "thousand_cycles", thousand_cycles },
	{ NULL, NULL },
};
