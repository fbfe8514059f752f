/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/file.h"
#include "lib/json.h"
#include "runtime/container.h"

enum limit_type {
	LIMIT_SIGNED,	/* struct optional_i64 */
	LIMIT_BYTES,	/* struct optional_i64, with a unit: 512m */
	LIMIT_UNSIGNED, /* struct optional_u64 */
	LIMIT_WEIGHT,	/* struct optional_u32 */
	LIMIT_LIST,	/* char * */
};

/* One row a flag: what it is called, where it goes. */
static const struct {
	const char *flag, *argument, *help;
	enum limit_type type;
	size_t offset;
} limits[] = {
#define FIELD(member) offsetof(struct oci_resources, member)
	{ "memory", "BYTES", "memory limit, -1 for none", LIMIT_BYTES, FIELD(memory.limit) },
	{ "memory-reservation", "BYTES", "memory that is not reclaimed below", LIMIT_BYTES,
		FIELD(memory.reservation) },
	{ "memory-swap", "BYTES", "memory and swap together, -1 for no limit", LIMIT_BYTES,
		FIELD(memory.swap) },
	{ "kernel-memory", "BYTES", NULL, LIMIT_BYTES, FIELD(memory.kernel) },
	{ "kernel-memory-tcp", "BYTES", NULL, LIMIT_BYTES, FIELD(memory.kernel_tcp) },
	{ "cpu-share", "SHARES", "relative weight, 2 to 262144", LIMIT_UNSIGNED,
		FIELD(cpu.shares) },
	{ "cpu-quota", "USEC", "CPU time in a period, -1 for no limit", LIMIT_SIGNED,
		FIELD(cpu.quota) },
	{ "cpu-period", "USEC", "length of a period", LIMIT_UNSIGNED, FIELD(cpu.period) },
	{ "cpu-burst", "USEC", "unused quota that may be saved up", LIMIT_UNSIGNED,
		FIELD(cpu.burst) },
	{ "cpu-idle", "0|1", "run only where nobody else wants to", LIMIT_SIGNED, FIELD(cpu.idle) },
	{ "cpu-rt-runtime", "USEC", NULL, LIMIT_SIGNED, FIELD(cpu.realtime_runtime) },
	{ "cpu-rt-period", "USEC", NULL, LIMIT_UNSIGNED, FIELD(cpu.realtime_period) },
	{ "cpuset-cpus", "LIST", "CPUs, such as 0-3,7", LIMIT_LIST, FIELD(cpu.cpus) },
	{ "cpuset-mems", "LIST", "memory nodes", LIMIT_LIST, FIELD(cpu.mems) },
	{ "pids-limit", "N", "processes and threads, -1 for no limit", LIMIT_SIGNED,
		FIELD(pids_limit) },
	{ "blkio-weight", "WEIGHT", "block I/O weight, 10 to 1000", LIMIT_WEIGHT,
		FIELD(block_io.weight) },
#undef FIELD
};

/* A decimal number with an optional binary unit (b, k, m, g, t), whole and in range. */
static int parse_bytes(const char *text, bool units, int64_t *ret)
{
	static const char letters[] = "bkmgt";
	char *end;
	int64_t scale = 1;

	errno = 0;
	long long number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || number < -1)
		return -EINVAL;
	if (units && *end != '\0' && number >= 0) {
		const char *unit = strchr(letters, *end | 0x20);

		if (unit == NULL ||
			(end[1] != '\0' && strcasecmp(end + 1, "b") != 0 &&
				strcasecmp(end + 1, "ib") != 0))
			return -EINVAL;
		scale = INT64_C(1) << (10 * (unit - letters));
	} else if (*end != '\0') {
		return -EINVAL;
	}
	return __builtin_mul_overflow((int64_t)number, scale, ret) ? -ERANGE : 0;
}

static int set_limit(
	struct oci_resources *resources, size_t row, const char *text, struct error *err)
{
	void *field = (char *)resources + limits[row].offset;
	int64_t number = 0;
	int status = 0;

	if (limits[row].type != LIMIT_LIST)
		status = parse_bytes(text, limits[row].type == LIMIT_BYTES, &number);
	if (number < 0 && limits[row].type != LIMIT_SIGNED && limits[row].type != LIMIT_BYTES)
		status = -EINVAL;
	if (limits[row].type == LIMIT_WEIGHT && number > UINT32_MAX)
		status = -ERANGE;
	if (status < 0)
		return error_say(err, EINVAL, "--%s %s: not a valid value", limits[row].flag, text);
	switch (limits[row].type) {
	case LIMIT_SIGNED:
	case LIMIT_BYTES:
		*(struct optional_i64 *)field = (struct optional_i64){ true, number };
		break;
	case LIMIT_UNSIGNED:
		*(struct optional_u64 *)field = (struct optional_u64){ true, (uint64_t)number };
		break;
	case LIMIT_WEIGHT:
		*(struct optional_u32 *)field = (struct optional_u32){ true, (uint32_t)number };
		break;
	case LIMIT_LIST:
		*(char **)field = (char *)text;
		break;
	}
	return 0;
}

static int load_resources(
	const char *path, struct arena *arena, struct oci_resources *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t length;
	int status = strcmp(path, "-") == 0
		? read_fd(STDIN_FILENO, "standard input", JSON_MAX_SIZE, &text, &length, err)
		: read_file(AT_FDCWD, path, JSON_MAX_SIZE, &text, &length, err);

	if (status == 0)
		status = oci_resources_decode(text, length, arena, ret, err);
	return status < 0 ? error_prefix(err, "--resources") : 0;
}

static int run_update(struct cli *cli, int argc, char **argv)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	_cleanup_(arena_free) struct arena arena = { 0 };
	struct cli_option options[CLI_COUNT(limits) + 1];
	const char *values[CLI_COUNT(limits)] = { NULL };
	const char *file = NULL;
	struct oci_resources resources = { 0 };
	struct error err = ERROR_INIT;
	int status;

	for (size_t i = 0; i < CLI_COUNT(limits); i++)
		options[i] = (struct cli_option){ limits[i].flag, 0, limits[i].argument,
			limits[i].help, CLI_STRING, &values[i] };
	options[CLI_COUNT(limits)] = (struct cli_option){ "resources", 'r', "FILE",
		"a linux.resources object (JSON); '-' for standard input", CLI_STRING, &file };
	int first = cli_parse(
		&command_update, options, CLI_COUNT(options), argc, argv, 1, 1, &status);
	if (first < 0)
		return status;
	if (file != NULL && load_resources(file, &arena, &resources, &err) < 0)
		return cli_fail(&err);
	for (size_t i = 0; i < CLI_COUNT(limits); i++) {
		if (values[i] != NULL && set_limit(&resources, i, values[i], &err) < 0)
			return cli_fail(&err);
	}
	resources.set = true;
	if (cli_open_runtime(cli, false, &err) < 0 ||
		container_open(&cli->runtime, argv[first], &container, &err) < 0 ||
		container_update(&container, &resources, &err) < 0)
		return cli_fail(&err);
	return EXIT_SUCCESS;
}

const struct command command_update = {
	.name = "update",
	.arguments = "[options] ID",
	.summary = "change the limits of a container",
	.run = run_update,
};
