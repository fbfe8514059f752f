/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts that runtime/cgroup/ parses: control files, linux.cgroupsPath, and linux.resources from
 * JSON to writes, properties and a device filter. The first byte says which.
 */
#include <linux/bpf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/oci.h"
#include "lib/arena.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/cgroup/controllers.h"
#include "runtime/cgroup/devices.h"
#include "runtime/cgroup/file.h"
#include "runtime/cgroup/location.h"
#include "runtime/cgroup/resources.h"
#include "runtime/cgroup/stats.h"
#include "runtime/cgroup/systemd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* A refusal says why, in one line. */
static void check(int status, const struct error *err)
{
	require((status < 0) == (err->errnum != 0));
	require(status >= 0 || (err->message[0] != '\0' && strchr(err->message, '\n') == NULL));
}

static void statistics(const char *text)
{
	struct cgroup_stats stats = { 0 };
	struct json_writer writer;
	const char *json;
	size_t length;
	uint64_t value;

	cgroup_stats_parse_cpu(text, &stats);
	cgroup_stats_parse_memory_events(text, &stats.memory.events);
	require(cgroup_stats_parse_memory(text, &stats) == 0);
	require(cgroup_stats_parse_io(text, &stats) == 0);
	require(cgroup_stats_parse_rdma(text, &stats) == 0);
	cgroup_stats_parse_pressure(text, &stats.cpu.pressure);
	cgroup_controllers_parse(text);
	cgroup_text_find(text, "oom_kill", &value);
	stats.memory.set = true;
	require(json_writer_open(&writer, false, NULL) == 0);
	cgroup_stats_write(&writer, &stats);
	require(json_writer_text(&writer, &json, &length, NULL) == 0);
	json_writer_close(&writer);
	cgroup_stats_free(&stats);
}

/* What comes out stays below the mount point. */
static void check_path(const char *path)
{
	require(path[0] == '/' && path[1] != '\0' && strlen(path) < 4096);
	for (const char *p = path; p != NULL; p = strchr(p + 1, '/'))
		require(p[1] != '/' && p[1] != '\0' && strcmp(p, "/..") != 0 &&
			strncmp(p, "/../", 4) != 0);
}

static void location(const char *text)
{
	const char *second = strchrnul(text, '\n');
	struct cgroup_location scope = { 0 };
	struct error err = ERROR_INIT;
	size_t length = 0;
	const char *own = cgroup_own_path(text, &length);
	char *path = NULL;
	int status = cgroup_path_cgroupfs(text, "id", own != NULL ? own : second,
		own != NULL ? length : strlen(second), &path, &err);

	check(status, &err);
	if (status == 0)
		check_path(path);
	free(path);

	err = ERROR_INIT;
	status = cgroup_path_systemd(text, "id", &scope, &err);
	check(status, &err);
	if (status == 0) {
		require(strchr(scope.unit, '/') == NULL && strlen(scope.unit) < 256);
		err = ERROR_INIT;
		path = cgroup_slice_path(scope.slice, &err);
		check(path == NULL ? -1 : 0, &err);
		if (path != NULL && path[1] != '\0')
			check_path(path);
		free(path);
	}
	cgroup_location_free(&scope);
}

static void resources(const char *text, size_t size)
{
	struct cgroup_present present = { .memory_max = 4096, .cpu_quota = "1000" };
	struct cgroup_properties properties = { 0 };
	struct oci_resources decoded = { 0 };
	struct arena arena = { 0 };
	struct cgroup_plan plan = { 0 };
	struct bpf_insn *insns = NULL;
	struct error err = ERROR_INIT;
	size_t count = 0;
	int status = oci_resources_decode(text, size, &arena, &decoded, &err);

	check(status, &err);
	if (status == 0)
		status = cgroup_plan_make(&decoded, &present, &plan, &err);
	check(status, &err);
	for (size_t i = 0; i < plan.count; i++)
		require(strchr(plan.writes[i].file, '/') == NULL && plan.writes[i].file[0] != '.' &&
			plan.writes[i].value != NULL && strchr(plan.writes[i].value, '\n') == NULL);
	if (status == 0)
		check(cgroup_properties_add_plan(&properties, &plan, &err), &err);
	err = ERROR_INIT;
	if (status == 0) {
		status = cgroup_devices_program(&decoded, &insns, &count, &err);
		check(status, &err);
	}
	/* Every jump stays inside the program. */
	for (size_t i = 0; i < count; i++)
		require(insns[i].off >= 0 &&
			(BPF_CLASS(insns[i].code) == BPF_LDX ||
				i + 1 + (size_t)insns[i].off < count ||
				insns[i].code == (BPF_JMP | BPF_EXIT)));
	free(insns);
	cgroup_properties_free(&properties);
	cgroup_plan_free(&plan);
	arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size == 0)
		return 0;
	text = malloc(size);
	require(text != NULL);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	switch (data[0] % 3) {
	case 0:
		statistics(text);
		break;
	case 1:
		location(text);
		break;
	default:
		resources(text, size - 1);
		break;
	}
	free(text);
	return 0;
}
