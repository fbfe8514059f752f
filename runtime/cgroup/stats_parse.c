/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of control files as numbers (stats.h). */
#include <errno.h>
#include <string.h>

#include "runtime/cgroup/file.h"
#include "runtime/cgroup/stats.h"

/* A hierarchy with more devices than this is not listed whole: the kernel has no such limit. */
#define DEVICES_MOST 4096

static const char *next_line(const char *line)
{
	line = strchrnul(line, '\n');
	return *line == '\n' ? line + 1 : line;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text = next_line(text))
		n++;
	return n < DEVICES_MOST ? n : DEVICES_MOST;
}

/* Microseconds as nanoseconds, stopping at the highest number. */
static uint64_t nanoseconds(uint64_t microseconds)
{
	uint64_t result;

	return __builtin_mul_overflow(microseconds, 1000, &result) ? UINT64_MAX : result;
}

/* A table from keys of a flat keyed file to the numbers they set. */
struct field {
	const char *key;
	uint64_t *value;
};

/* Sets the field of each line's key; a key that is not in the table is left out. */
static void parse_flat(const char *text, const struct field *fields, size_t n_fields)
{
	for (; *text != '\0'; text = next_line(text)) {
		size_t n = strcspn(text, " \n");

		for (size_t i = 0; text[n] == ' ' && i < n_fields; i++) {
			if (strncmp(text, fields[i].key, n) == 0 && fields[i].key[n] == '\0') {
				cgroup_text_number(text + n + 1, fields[i].value);
				break;
			}
		}
	}
}

#define N(array) (sizeof(array) / sizeof((array)[0]))

void cgroup_stats_parse_cpu(const char *text, struct cgroup_stats *stats)
{
	uint64_t usage = 0, user = 0, system = 0, throttled = 0, burst = 0;
	const struct field fields[] = {
		{ "usage_usec", &usage },
		{ "user_usec", &user },
		{ "system_usec", &system },
		{ "nr_periods", &stats->cpu.periods },
		{ "nr_throttled", &stats->cpu.throttled_periods },
		{ "throttled_usec", &throttled },
		{ "nr_bursts", &stats->cpu.bursts },
		{ "burst_usec", &burst },
	};

	parse_flat(text, fields, N(fields));
	stats->cpu.usage = nanoseconds(usage);
	stats->cpu.user = nanoseconds(user);
	stats->cpu.system = nanoseconds(system);
	stats->cpu.throttled = nanoseconds(throttled);
	stats->cpu.burst = nanoseconds(burst);
}

void cgroup_stats_parse_memory_events(const char *text, struct cgroup_memory_events *ret)
{
	const struct field fields[] = {
		{ "low", &ret->low },
		{ "high", &ret->high },
		{ "max", &ret->max },
		{ "oom", &ret->oom },
		{ "oom_kill", &ret->oom_kill },
		{ "oom_group_kill", &ret->oom_group_kill },
	};

	parse_flat(text, fields, N(fields));
}

int cgroup_stats_parse_memory(const char *text, struct cgroup_stats *stats)
{
	size_t room = count_lines(text), count = 0;
	struct cgroup_counter *raw = arena_alloc(&stats->arena, room, sizeof(*raw));

	if (raw == NULL && room > 0)
		return -ENOMEM;
	for (; *text != '\0' && count < room; text = next_line(text)) {
		size_t n = strcspn(text, " \n");
		uint64_t value;

		if (n == 0 || text[n] != ' ' || cgroup_text_number(text + n + 1, &value) == NULL)
			continue;
		raw[count].name = arena_strndup(&stats->arena, text, n);
		if (raw[count].name == NULL)
			return -ENOMEM;
		if (strcmp(raw[count].name, "file") == 0)
			stats->memory.cache = value;
		raw[count++].value = value;
	}
	stats->memory.raw = raw;
	stats->memory.n_raw = count;
	return 0;
}

/* Parses the "key=value" words of a line; a key that is not in the table is left out. */
static void parse_words(const char *line, const struct field *fields, size_t n_fields)
{
	while (*line != '\0' && *line != '\n') {
		size_t word = strcspn(line, " \n"), key = strcspn(line, "= \n");

		for (size_t i = 0; line[key] == '=' && i < n_fields; i++) {
			if (strncmp(line, fields[i].key, key) == 0 && fields[i].key[key] == '\0')
				cgroup_text_number(line + key + 1, fields[i].value);
		}
		line += word;
		line += strspn(line, " ");
	}
}

/* "8:0", followed by a space. Returns what follows, or NULL. */
static const char *parse_device(const char *line, struct cgroup_io_device *device)
{
	uint64_t number[2] = { 0, 0 };

	for (int i = 0; i < 2; i++) {
		const char *start = line;

		for (; *line >= '0' && *line <= '9'; line++) {
			number[i] = number[i] * 10 + (uint64_t)(*line - '0');
			if (number[i] > UINT32_MAX)
				return NULL;
		}
		if (line == start || *line++ != (i == 0 ? ':' : ' '))
			return NULL;
	}
	device->major = (uint32_t)number[0];
	device->minor = (uint32_t)number[1];
	return line;
}

int cgroup_stats_parse_io(const char *text, struct cgroup_stats *stats)
{
	size_t room = count_lines(text), count = 0;
	struct cgroup_io_device *devices = arena_alloc(&stats->arena, room, sizeof(*devices));

	if (devices == NULL && room > 0)
		return -ENOMEM;
	for (; *text != '\0' && count < room; text = next_line(text)) {
		struct cgroup_io_device *device = &devices[count];
		const char *words = parse_device(text, device);
		const struct field fields[] = {
			{ "rbytes", &device->read_bytes },
			{ "wbytes", &device->write_bytes },
			{ "rios", &device->reads },
			{ "wios", &device->writes },
			{ "dbytes", &device->discard_bytes },
			{ "dios", &device->discards },
		};

		if (words == NULL)
			continue;
		parse_words(words, fields, N(fields));
		count++;
	}
	stats->io.devices = devices;
	stats->io.n_devices = count;
	return 0;
}

int cgroup_stats_parse_rdma(const char *text, struct cgroup_stats *stats)
{
	size_t room = count_lines(text), count = 0;
	struct cgroup_rdma_use *uses = arena_alloc(&stats->arena, room, sizeof(*uses));

	if (uses == NULL && room > 0)
		return -ENOMEM;
	for (; *text != '\0' && count < room; text = next_line(text)) {
		size_t n = strcspn(text, " \n");
		struct cgroup_rdma_use *use = &uses[count];
		const struct field fields[] = {
			{ "hca_handle", &use->handles },
			{ "hca_object", &use->objects },
		};

		if (n == 0 || text[n] != ' ')
			continue;
		use->device = arena_strndup(&stats->arena, text, n);
		if (use->device == NULL)
			return -ENOMEM;
		parse_words(text + n + 1, fields, N(fields));
		count++;
	}
	stats->rdma = uses;
	stats->n_rdma = count;
	return 0;
}

/* "12.34" as 1234; what is no such number as 0. */
static uint32_t parse_hundredths(const char *text)
{
	uint32_t value = 0;
	int decimals = -1;

	for (; (*text >= '0' && *text <= '9') || (*text == '.' && decimals < 0); text++) {
		if (*text == '.') {
			decimals = 0;
			continue;
		}
		if (value > UINT32_MAX / 1000 || decimals == 2)
			break;
		value = value * 10 + (uint32_t)(*text - '0');
		decimals += decimals >= 0;
	}
	for (decimals = decimals < 0 ? 0 : decimals; decimals < 2; decimals++)
		value *= 10;
	return value;
}

static void parse_stall(const char *line, struct cgroup_stall *stall)
{
	const struct {
		const char *key;
		uint32_t *value;
	} averages[] = {
		{ "avg10=", &stall->avg10 },
		{ "avg60=", &stall->avg60 },
		{ "avg300=", &stall->avg300 },
	};
	const struct field total = { "total", &stall->total };

	parse_words(line, &total, 1);
	while (*line != '\0' && *line != '\n') {
		for (size_t i = 0; i < N(averages); i++) {
			size_t n = strlen(averages[i].key);

			if (strncmp(line, averages[i].key, n) == 0)
				*averages[i].value = parse_hundredths(line + n);
		}
		line += strcspn(line, " \n");
		line += strspn(line, " ");
	}
}

void cgroup_stats_parse_pressure(const char *text, struct cgroup_pressure *ret)
{
	for (; *text != '\0'; text = next_line(text)) {
		if (strncmp(text, "some ", 5) == 0) {
			parse_stall(text + 5, &ret->some);
			ret->set = true;
		} else if (strncmp(text, "full ", 5) == 0) {
			parse_stall(text + 5, &ret->full);
			ret->set = true;
		}
	}
}
