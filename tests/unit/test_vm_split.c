/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who applies what of a config.json: the test has a row for every field of the specification, as
 * docs/vm.md has one. What the guest's agent gets is read back as JSON.
 */
#include "runtime/vm/plan/split.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/image.h"
#include "lib/arena.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/vm/plan/split_resources.h"

#define TEXT_MAX 16384
#define PART_MAX 1024

/* A config.json with one more member in one of its objects. */
static const char *make(const char *top, const char *process, const char *linux_,
	const char *mounts, const char *resources)
{
	static char text[TEXT_MAX];

	int length = snprintf(text, sizeof(text),
		"{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"%s},"
		"\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\",\"user\":{\"uid\":7,\"gid\":8}%s},"
		"\"mounts\":[%s],"
		"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":"
		"\"ipc\"},"
		"{\"type\":\"uts\"},{\"type\":\"network\"},{\"type\":\"user\"},{\"type\":"
		"\"cgroup\"},"
		"{\"type\":\"time\"}],"
		"\"uidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}],"
		"\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":10}],"
		"\"resources\":{\"pids\":{\"limit\":5}%s}%s}}",
		top, process, mounts, resources, linux_);
	assert_in_range(length, 1, sizeof(text) - 1);
	return text;
}

static int split_root_text(
	const char *text, bool image_root, struct vm_split *split, struct error *err)
{
	struct oci_config config = { 0 };

	if (oci_config_decode(text, strlen(text), &config, err) < 0)
		fail_msg("%s\n%s", err->message, text);
	int status = vm_split(text, strlen(text), &config, image_root, split, err);
	oci_config_free(&config);
	return status;
}

static int split_text(const char *text, struct vm_split *split, struct error *err)
{
	return split_root_text(text, false, split, err);
}

/* The value below dots and numbers, such as "process.user.uid" or "mounts.0.type"; or NULL. */
static const struct json_value *look_up(const struct json_value *value, const char *path)
{
	char part[64];

	while (*path != '\0' && value != NULL) {
		size_t length = strcspn(path, "/");

		snprintf(part, sizeof(part), "%.*s", (int)length, path);
		if (value->type == JSON_ARRAY) {
			unsigned long index = strtoul(part, NULL, 10);

			value = index < value->count ? &value->items[index] : NULL;
		} else {
			value = json_get(value, part);
		}
		path += length + (path[length] == '/');
	}
	return value;
}

/* Whether the guest's config has a value at the path. */
static bool guest_has(const char *text, const char *path)
{
	struct arena arena = { 0 };
	struct vm_split split = { 0 };
	struct json_value document;
	struct error err = ERROR_INIT;
	struct oci_config guest = { 0 };

	if (split_text(text, &split, &err) < 0)
		fail_msg("%s\n%s", err.message, text);
	assert_int_equal(
		json_parse(split.guest_config, strlen(split.guest_config), &arena, &document, &err),
		0);
	bool found = look_up(&document, path) != NULL;
	/* Whatever goes to the agent is a config.json that it takes. */
	if (oci_config_decode(split.guest_config, strlen(split.guest_config), &guest, &err) < 0)
		fail_msg("the agent refuses it: %s\n%s", err.message, split.guest_config);
	oci_config_free(&guest);
	vm_split_free(&split);
	arena_free(&arena);
	return found;
}

enum place { TOP, ROOT, PROCESS, LINUX, RESOURCES };

static const char *with(enum place place, const char *member)
{
	static char part[PART_MAX];

	int length = snprintf(part, sizeof(part), ",%s", member);
	assert_in_range(length, 1, sizeof(part) - 1);
	switch (place) {
	case TOP:
		length = snprintf(part, sizeof(part), "},%s,\"x\":{\"y\":0", member);
		assert_in_range(length, 1, sizeof(part) - 1);
		return make(part, "", "", "", "");
	case ROOT:
		return make(part, "", "", "", "");
	case PROCESS:
		return make("", part, "", "", "");
	case LINUX:
		return make("", "", part, "", "");
	case RESOURCES:
		return make("", "", "", "", part);
	}
	return NULL;
}

static const struct {
	enum place place;
	const char *member, *path;
	bool guest;
} fields[] = {
	{ TOP, "\"hostname\":\"box\"", "hostname", true },
	{ TOP, "\"domainname\":\"example.org\"", "domainname", true },
	{ TOP, "\"annotations\":{\"a\":\"b\"}", "annotations/a", true },
	{ TOP, "\"hooks\":{\"prestart\":[{\"path\":\"/h\"}]}", "hooks/prestart", false },
	{ TOP, "\"hooks\":{\"createRuntime\":[{\"path\":\"/h\"}]}", "hooks/createRuntime", false },
	{ TOP, "\"hooks\":{\"createContainer\":[{\"path\":\"/h\"}]}", "hooks/createContainer",
		false },
	{ TOP, "\"hooks\":{\"startContainer\":[{\"path\":\"/h\"}]}", "hooks/startContainer/0/path",
		true },
	{ TOP, "\"hooks\":{\"poststart\":[{\"path\":\"/h\"}]}", "hooks/poststart", false },
	{ TOP, "\"hooks\":{\"poststop\":[{\"path\":\"/h\"}]}", "hooks/poststop", false },
	{ TOP,
		"\"vm\":{\"kernel\":{\"path\":\"/"
		"k\"},\"hwConfig\":{\"vcpus\":2,\"memory\":67108864}}",
		"vm", false },
	{ ROOT, "\"readonly\":true", "root/readonly", true },
	{ PROCESS, "\"terminal\":true", "process/terminal", true },
	{ PROCESS, "\"consoleSize\":{\"height\":25,\"width\":80}", "process/consoleSize/width",
		true },
	{ PROCESS, "\"env\":[\"A=b\"]", "process/env/0", true },
	{ PROCESS, "\"env\":[]", "process/args/0", true },
	{ PROCESS, "\"env\":[]", "process/cwd", true },
	{ PROCESS, "\"env\":[]", "process/user/uid", true },
	{ PROCESS, "\"env\":[]", "process/user/gid", true },
	{ PROCESS, "\"capabilities\":{\"bounding\":[\"CAP_KILL\"]}",
		"process/capabilities/bounding/0", true },
	{ PROCESS, "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":2}]",
		"process/rlimits/0/soft", true },
	{ PROCESS, "\"noNewPrivileges\":true", "process/noNewPrivileges", true },
	{ PROCESS, "\"oomScoreAdj\":5", "process/oomScoreAdj", true },
	{ PROCESS, "\"scheduler\":{\"policy\":\"SCHED_BATCH\"}", "process/scheduler", true },
	{ PROCESS, "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_IDLE\",\"priority\":0}",
		"process/ioPriority", true },
	{ PROCESS, "\"apparmorProfile\":\"p\"", "process/apparmorProfile", false },
	{ PROCESS, "\"selinuxLabel\":\"l\"", "process/selinuxLabel", false },
	{ PROCESS, "\"execCPUAffinity\":{\"initial\":\"0\"}", "process/execCPUAffinity", false },
	{ LINUX, "\"maskedPaths\":[\"/proc/kcore\"]", "linux/maskedPaths/0", true },
	{ LINUX, "\"readonlyPaths\":[\"/proc/sys\"]", "linux/readonlyPaths/0", true },
	{ LINUX, "\"devices\":[{\"path\":\"/dev/fuse\",\"type\":\"c\",\"major\":10,\"minor\":229}]",
		"linux/devices/0", true },
	{ LINUX, "\"sysctl\":{\"net.ipv4.ping_group_range\":\"0 0\"}",
		"linux/sysctl/net.ipv4.ping_group_range", true },
	{ LINUX, "\"sysctl\":{\"kernel.shmmax\":\"1\"}", "linux/sysctl/kernel.shmmax", true },
	{ LINUX, "\"timeOffsets\":{\"boottime\":{\"secs\":1}}", "linux/timeOffsets/boottime",
		true },
	{ LINUX, "\"personality\":{\"domain\":\"LINUX32\"}", "linux/personality/domain", true },
	{ LINUX, "\"cgroupsPath\":\"/a\"", "linux/cgroupsPath", false },
	{ LINUX, "\"mountLabel\":\"l\"", "linux/mountLabel", false },
	{ LINUX, "\"rootfsPropagation\":\"slave\"", "linux/rootfsPropagation", false },
	{ LINUX, "\"netDevices\":{\"eth0\":{}}", "linux/netDevices", false },
	{ LINUX, "\"intelRdt\":{\"closID\":\"c\"}", "linux/intelRdt", false },
	{ LINUX, "\"memoryPolicy\":{\"mode\":\"MPOL_LOCAL\",\"nodes\":\"\"}", "linux/memoryPolicy",
		false },
	{ LINUX, "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", "linux/seccomp", false },
	{ LINUX, "\"x\":0", "linux/uidMappings", false },
	{ LINUX, "\"x\":0", "linux/gidMappings", false },
	{ RESOURCES, "\"x\":0", "linux/resources/pids/limit", true },
	{ RESOURCES, "\"memory\":{\"limit\":67108864}", "linux/resources/memory/limit", true },
	{ RESOURCES, "\"devices\":[{\"allow\":false}]", "linux/resources/devices/0", true },
	{ RESOURCES, "\"cpu\":{\"shares\":5}", "linux/resources/cpu/shares", true },
	{ RESOURCES, "\"cpu\":{\"quota\":5000}", "linux/resources/cpu/quota", true },
	{ RESOURCES, "\"cpu\":{\"cpus\":\"0\"}", "linux/resources/cpu/cpus", false },
	{ RESOURCES, "\"cpu\":{\"mems\":\"0\"}", "linux/resources/cpu/mems", false },
	{ RESOURCES, "\"blockIO\":{\"weight\":10}", "linux/resources/blockIO", false },
	{ RESOURCES, "\"hugepageLimits\":[{\"pageSize\":\"2MB\",\"limit\":1}]",
		"linux/resources/hugepageLimits", false },
	{ RESOURCES, "\"rdma\":{\"m\":{\"hcaObjects\":1}}", "linux/resources/rdma", false },
	{ RESOURCES, "\"unified\":{\"memory.high\":\"1\"}", "linux/resources/unified/memory.high",
		true },
	{ RESOURCES, "\"unified\":{\"pids.max\":\"1\"}", "linux/resources/unified/pids.max", true },
	{ RESOURCES, "\"unified\":{\"cpu.weight\":\"1\"}", "linux/resources/unified/cpu.weight",
		true },
	{ RESOURCES, "\"unified\":{\"cgroup.max.depth\":\"1\"}",
		"linux/resources/unified/cgroup.max.depth", true },
	{ RESOURCES, "\"unified\":{\"cpuset.cpus\":\"0\"}", "linux/resources/unified/cpuset.cpus",
		false },
	{ RESOURCES, "\"unified\":{\"io.max\":\"8:0 rbps=1\"}", "linux/resources/unified/io.max",
		false },
	{ RESOURCES, "\"network\":{\"classID\":1}", "linux/resources/network", false },
};

static void each_field_goes_where_it_belongs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
		const char *text = with(fields[i].place, fields[i].member);

		if (guest_has(text, fields[i].path) != fields[i].guest)
			fail_msg("%s is %s the guest's config", fields[i].path,
				fields[i].guest ? "not in" : "in");
	}
}

/* ---- refused -------------------------------------------------------------------------------- */

static void assert_refused(const char *text, const char *part)
{
	struct vm_split split = { 0 };
	struct error err = ERROR_INIT;

	assert_int_equal(split_text(text, &split, &err), -ENOTSUP);
	if (strstr(err.message, part) == NULL)
		fail_msg("\"%s\" is not in: %s", part, err.message);
	assert_null(split.guest_config);
}

static void what_a_guest_cannot_honour_is_refused(void **state)
{
	static const struct {
		enum place place;
		const char *member, *error;
	} refused[] = {
		{ LINUX,
			"\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/l\","
			"\"syscalls\":[{\"names\":[\"mknod\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}",
			"linux.seccomp.syscalls[0].action: SCMP_ACT_NOTIFY" },
		{ LINUX, "\"sysctl\":{\"user.max_user_namespaces\":\"5\"}",
			"linux.sysctl.user.max_user_namespaces" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		assert_refused(with(refused[i].place, refused[i].member), refused[i].error);
}

static void a_user_without_a_mapping_is_refused(void **state)
{
	const struct oci_user users[] = { { .uid = 10 }, { .gid = 10 }, { .uid = 4 },
		{ .additional_gids = (gid_t[]){ 15, 9, 20 }, .n_additional_gids = 3 } };
	static const char *const errors[] = { "process.user.uid: 10 has no mapping",
		"process.user.gid: 10 has no mapping", "process.user.uid: 4 has no mapping",
		"process.user.additionalGids: 9 has no mapping" };
	static struct oci_id_mapping mappings[] = { { 0, 1000, 1 }, { 5, 2000, 4 }, { 15, 1, 9 } };
	const struct oci_linux linux_ = { .uid_mappings = { mappings, 3 },
		.gid_mappings = { mappings, 3 } };
	const struct oci_linux joined = { 0 };
	const struct oci_user last = { .uid = 8, .gid = 23 };

	(void)state;
	for (size_t i = 0; i < sizeof(users) / sizeof(*users); i++) {
		struct error err = ERROR_INIT;

		assert_int_equal(vm_check_user(&linux_, &users[i], &err), -EINVAL);
		if (strstr(err.message, errors[i]) == NULL)
			fail_msg("\"%s\" is not in: %s", errors[i], err.message);
		assert_int_equal(vm_check_user(&joined, &users[i], &err), 0);
	}
	assert_int_equal(vm_check_user(&linux_, &last, NULL), 0);
}

static const char *with_namespaces(const char *list)
{
	static char text[TEXT_MAX];

	int length = snprintf(text, sizeof(text),
		"{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"},\"process\":{\"args\":["
		"\"sh\"],"
		"\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}},\"linux\":{\"namespaces\":[%s]}}",
		list);
	assert_in_range(length, 1, sizeof(text) - 1);
	return text;
}

static void namespaces_of_others(void **state)
{
	(void)state;
	assert_refused(with_namespaces("{\"type\":\"mount\"}"), "the host's network");
	assert_refused(
		with_namespaces(
			"{\"type\":\"network\"},{\"type\":\"pid\",\"path\":\"/proc/1/ns/pid\"}"),
		"cannot join the pid namespace /proc/1/ns/pid");
	assert_refused(
		with_namespaces(
			"{\"type\":\"network\"},{\"type\":\"mount\",\"path\":\"/proc/1/ns/mnt\"}"),
		"cannot join the mount namespace");
	assert_refused(
		with_namespaces(
			"{\"type\":\"network\"},{\"type\":\"time\",\"path\":\"/proc/1/ns/time\"}"),
		"cannot join the time namespace");
	/* A pod's ipc and uts namespaces are joined by the monitor; the guest has its own. */
	const char *pod = with_namespaces(
		"{\"type\":\"network\",\"path\":\"/run/netns/x\"},{\"type\":\"ipc\",\"path\":\"/"
		"a\"},"
		"{\"type\":\"uts\",\"path\":\"/b\"},{\"type\":\"mount\"}");
	assert_true(guest_has(pod, "linux/namespaces/2/type"));
	assert_false(guest_has(pod, "linux/namespaces/1/path"));
	assert_false(guest_has(pod, "linux/namespaces/4"));
	/* A mount namespace is there without being asked for; the network is PID 1's. */
	const char *bare = with_namespaces("{\"type\":\"network\"}");
	assert_true(guest_has(bare, "linux/namespaces/0/path"));
	assert_true(guest_has(bare, "linux/namespaces/1/type"));
	assert_false(guest_has(bare, "linux/namespaces/2"));
}

/* ---- mounts --------------------------------------------------------------------------------- */

static const char *with_mounts(const char *mounts)
{
	return make("", "", "", mounts, "");
}

static void mounts_keep_their_order(void **state)
{
	struct vm_split split = { 0 };
	struct arena arena = { 0 };
	struct json_value guest;
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(
		split_text(
			with_mounts(
				"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
				"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
				"\"options\":[\"mode=755\"]},"
				"{\"destination\":\"/dev/x\",\"source\":\"/"
				"volume\",\"options\":[\"rbind\","
				"\"ro\"]},"
				"{\"destination\":\"/etc/hosts\",\"type\":\"bind\",\"source\":\"/"
				"h\","
				"\"options\":[\"bind\",\"rprivate\"]}"),
			&split, &err),
		0);
	assert_int_equal(split.n_exports, 3);
	assert_int_equal(split.exports[0].mount, VM_EXPORT_ROOT);
	assert_string_equal(split.exports[0].name, "root");
	assert_false(split.exports[0].read_only);
	assert_int_equal(split.exports[1].mount, 2);
	assert_true(split.exports[1].read_only);
	assert_int_equal(split.exports[2].mount, 3);
	assert_false(split.exports[2].read_only);

	assert_int_equal(
		json_parse(split.guest_config, strlen(split.guest_config), &arena, &guest, &err),
		0);
	assert_string_equal(json_string(look_up(&guest, "root/path")), "/exports/root");
	assert_string_equal(json_string(look_up(&guest, "mounts/0/type")), "proc");
	assert_string_equal(json_string(look_up(&guest, "mounts/1/options/0")), "mode=755");
	assert_string_equal(json_string(look_up(&guest, "mounts/2/source")), "/exports/2");
	assert_string_equal(json_string(look_up(&guest, "mounts/2/options/1")), "ro");
	assert_string_equal(json_string(look_up(&guest, "mounts/3/source")), "/exports/3");
	assert_null(look_up(&guest, "mounts/4"));
	arena_free(&arena);
	vm_split_free(&split);
}

static void a_read_only_root_is_so_on_the_host(void **state)
{
	struct vm_split split = { 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(split_text(with(ROOT, "\"readonly\":true"), &split, &err), 0);
	assert_true(split.exports[0].read_only);
	vm_split_free(&split);
}

static void an_image_is_no_export(void **state)
{
	struct vm_split split = { 0 };
	struct error err = ERROR_INIT;
	const char *bind = "{\"destination\":\"/d\",\"source\":\"/srv\",\"options\":[\"bind\"]}";

	(void)state;
	assert_int_equal(split_root_text(with_mounts(bind), true, &split, &err), 0);
	assert_int_equal(split.n_exports, 1);
	assert_int_equal(split.exports[0].mount, 0);
	assert_non_null(strstr(split.guest_config, "\"path\":\"" AGENT_IMAGE_ROOT "\""));
	vm_split_free(&split);
}

static void an_idmapped_bind_is_mapped_by_the_host_alone(void **state)
{
	const char *text = with_mounts(
		"{\"destination\":\"/v\",\"source\":\"/volume\",\"options\":[\"rbind\",\"idmap\"],"
		"\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}],"
		"\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]}");

	(void)state;
	assert_false(guest_has(text, "mounts/0/uidMappings"));
	assert_false(guest_has(text, "mounts/0/gidMappings"));
	assert_true(guest_has(text, "mounts/0/options/0"));
	assert_false(guest_has(text, "mounts/0/options/1"));
}

static void the_hosts_kernel_file_systems_are_not_shared(void **state)
{
	const char *sys = with_mounts(
		"{\"destination\":\"/sys\",\"source\":\"/sys\",\"options\":[\"rbind\"]}");
	struct vm_split split = { 0 };
	struct error err = ERROR_INIT;

	(void)state;
	assert_int_equal(split_text(sys, &split, &err), 0);
	assert_int_equal(split.n_exports, 1); /* the guest's own sysfs takes its place */
	assert_non_null(strstr(split.guest_config, "\"sysfs\""));
	vm_split_free(&split);
	assert_refused(with_mounts("{\"destination\":\"/x\",\"source\":\"/sys/fs/cgroup\","
				   "\"options\":[\"bind\"]}"),
		"mounts[0] (/x): /sys/fs/cgroup is a part of the host's sysfs");
	assert_refused(with_mounts("{\"destination\":\"/x\",\"source\":\"/proc/sys\","
				   "\"options\":[\"bind\"]}"),
		"mounts[0] (/x)");
	/* Only a name that begins the same. */
	assert_int_equal(split_text(with_mounts("{\"destination\":\"/x\",\"source\":\"/system\","
						"\"options\":[\"bind\"]}"),
				 &split, &err),
		0);
	assert_int_equal(split.n_exports, 2);
	vm_split_free(&split);
	assert_refused(with_mounts("{\"destination\":\"/x\",\"source\":\"/v\","
				   "\"options\":[\"rbind\",\"rshared\"]}"),
		"shared propagation");
}

/* ---- the host's side ------------------------------------------------------------------------ */

static void the_hosts_limits_have_room_for_the_monitor(void **state)
{
	struct oci_device_rule rule = { 0 };
	const struct oci_resources wanted = {
		.set = true,
		.memory = { .limit = { true, 1000 },
			.reservation = { true, 500 },
			.swap = { true, -1 } },
		.cpu = { .quota = { true, 50000 } },
		.pids_limit = { true, 10 },
		.devices = &rule,
		.n_devices = 1,
	};
	struct oci_resources host;
	struct arena arena = { 0 };

	(void)state;
	assert_int_equal(vm_split_resources(&wanted, 64, &arena, &host, NULL), 0);
	assert_int_equal(host.memory.limit.value, 1064);
	assert_int_equal(host.memory.reservation.value, 564);
	assert_int_equal(host.memory.swap.value, -1); /* unlimited stays so */
	assert_int_equal(host.cpu.quota.value, 50000);
	assert_int_equal(host.pids_limit.value, 512 + 4 * 10); /* threads, not processes */
	assert_int_equal(host.n_devices, 0);

	const struct oci_resources huge = { .memory.limit = { true, INT64_MAX - 1 },
		.pids_limit = { true, 4000000 } };
	assert_int_equal(vm_split_resources(&huge, 64, &arena, &host, NULL), 0);
	assert_int_equal(host.memory.limit.value, INT64_MAX);
	assert_int_equal(host.pids_limit.value, -1);
	assert_int_equal(
		vm_split_resources(&(struct oci_resources){ 0 }, 64, &arena, &host, NULL), 0);
	assert_false(host.memory.limit.set);
	assert_false(host.pids_limit.set);
	arena_free(&arena);
}

static void files_of_unified_have_room_for_the_monitor(void **state)
{
	static const struct {
		const char *file, *wanted, *host; /* NULL: not on the host */
	} files[] = {
		{ "memory.max", "1000", "1064" },
		{ "memory.high", "1K", "1088" },
		{ "memory.low", "max", "max" },
		{ "memory.min", "0", "0" },
		{ "memory.max", "99999999999999999999", "99999999999999999999" },
		{ "memory.high", "nonsense", "nonsense" },
		{ "memory.swap.max", "1000", "1000" },
		{ "memory.oom.group", "1", "1" },
		{ "pids.max", "10", "552" },
		{ "pids.max", "max", "max" },
		{ "pids.max", "5000000", "max" },
		{ "cgroup.max.depth", "3", NULL },
		{ "io.max", "8:0 rbps=1", "8:0 rbps=1" },
		{ "cpu.max", "10 20", "10 20" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		struct key_value item = { (char *)files[i].file, (char *)files[i].wanted };
		const struct oci_resources wanted = { .unified = { &item, 1 } };
		struct oci_resources host;
		struct arena arena = { 0 };

		assert_int_equal(vm_split_resources(&wanted, 64, &arena, &host, NULL), 0);
		assert_int_equal(host.unified.count, files[i].host != NULL);
		if (files[i].host != NULL) {
			assert_string_equal(host.unified.items[0].key, files[i].file);
			assert_string_equal(host.unified.items[0].value, files[i].host);
		}
		arena_free(&arena);
	}
}

/* ---- warnings ------------------------------------------------------------------------------- */

static char last_warning[1024];

static void keep_warning(enum log_level level, const char *message, void *data)
{
	(void)data;
	if (level == LOG_LEVEL_WARNING)
		snprintf(last_warning, sizeof(last_warning), "%s", message);
}

static void what_is_left_out_is_said(void **state)
{
	static const struct {
		enum place place;
		const char *member, *warning;
	} said[] = {
		{ PROCESS, "\"execCPUAffinity\":{\"initial\":\"0\"}",
			"process.execCPUAffinity is not applied" },
	};
	struct vm_split split = { 0 };
	struct error err = ERROR_INIT;

	(void)state;
	log_set_sink(keep_warning, NULL, LOG_LEVEL_WARNING);
	for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++) {
		last_warning[0] = '\0';
		assert_int_equal(split_text(with(said[i].place, said[i].member), &split, &err), 0);
		if (strstr(last_warning, said[i].warning) == NULL)
			fail_msg("\"%s\" was not said", said[i].warning);
		vm_split_free(&split);
	}
	last_warning[0] = '\0';
	assert_int_equal(split_text(with(PROCESS, "\"apparmorProfile\":\"p\""), &split, &err), 0);
	assert_string_equal(last_warning, "");
	vm_split_free(&split);
	log_set_sink(NULL, NULL, LOG_LEVEL_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_field_goes_where_it_belongs),
		cmocka_unit_test(what_a_guest_cannot_honour_is_refused),
		cmocka_unit_test(namespaces_of_others),
		cmocka_unit_test(mounts_keep_their_order),
		cmocka_unit_test(a_read_only_root_is_so_on_the_host),
		cmocka_unit_test(an_image_is_no_export),
		cmocka_unit_test(an_idmapped_bind_is_mapped_by_the_host_alone),
		cmocka_unit_test(the_hosts_kernel_file_systems_are_not_shared),
		cmocka_unit_test(the_hosts_limits_have_room_for_the_monitor),
		cmocka_unit_test(files_of_unified_have_room_for_the_monitor),
		cmocka_unit_test(what_is_left_out_is_said),
		cmocka_unit_test(a_user_without_a_mapping_is_refused),
	};

	return cmocka_run_group_tests_name("vm_split", tests, NULL, NULL);
}
