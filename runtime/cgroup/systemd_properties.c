/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, device rules and annotations as properties of a systemd unit (systemd.h). */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/oci.h"
#include "lib/error.h"
#include "runtime/cgroup/file.h"
#include "runtime/cgroup/resources.h"
#include "runtime/cgroup/systemd.h"

/* The highest CPU or memory node that a bit mask is made for. */
#define BITS_MOST 8192

void cgroup_properties_free(struct cgroup_properties *properties)
{
	free(properties->items);
	arena_free(&properties->arena);
	*properties = (struct cgroup_properties){ 0 };
}

int cgroup_properties_add(
	struct cgroup_properties *properties, struct error *err, const char *format, ...)
{
	va_list args;
	char *text = NULL;

	if (properties->count + 2 > properties->room) {
		size_t room = properties->room > 0 ? 2 * properties->room : 32;
		char **more = reallocarray(properties->items, room, sizeof(*more));

		if (more == NULL)
			return error_set(err, ENOMEM, "systemd: properties");
		properties->items = more;
		properties->room = room;
	}
	va_start(args, format);
	int length = vasprintf(&text, format, args);
	va_end(args);
	if (length < 0)
		return error_set(err, ENOMEM, "systemd: properties");
	properties->items[properties->count] = arena_strndup(
		&properties->arena, text, (size_t)length);
	free(text);
	if (properties->items[properties->count] == NULL)
		return error_set(err, ENOMEM, "systemd: properties");
	properties->items[++properties->count] = NULL;
	return 0;
}

/* A number or "max", which systemd has as the highest number. */
static int add_number(struct cgroup_properties *properties, const char *name,
	const struct cgroup_write *write, const char *value, struct error *err)
{
	uint64_t number;

	if (cgroup_text_number(value, &number) == NULL)
		return error_say(err, EINVAL,
			"%s: cannot set %.128s (linux.resources.%s) through systemd: not a number",
			write->file, value, write->field);
	return cgroup_properties_add(properties, err, "%s=t %" PRIu64, name, number);
}

/* "QUOTA [PERIOD]". */
static int add_cpu_max(
	struct cgroup_properties *properties, const struct cgroup_write *write, struct error *err)
{
	uint64_t quota, period = 100000, product;
	const char *rest = cgroup_text_number(write->value, &quota);

	if (rest != NULL && *rest == ' ' && cgroup_text_number(rest + 1, &period) == NULL)
		rest = NULL;
	if (rest == NULL || period == 0)
		return error_say(err, EINVAL,
			"cpu.max: cannot set %.128s (linux.resources.%s) through systemd: expected "
			"a "
			"quota and a period",
			write->value, write->field);
	if (quota != UINT64_MAX) {
		if (__builtin_mul_overflow(quota, 1000000, &product))
			return error_say(
				err, EINVAL, "cpu.max: %.128s is out of range", write->value);
		/* systemd keeps whole percents: rounded up, a cgroup below has room for its own. */
		quota = (product / period + 9999) / 10000 * 10000;
	}
	if (*rest == ' ') {
		int status = cgroup_properties_add(
			properties, err, "CPUQuotaPeriodUSec=t %" PRIu64, period);

		if (status < 0)
			return status;
	}
	return cgroup_properties_add(properties, err, "CPUQuotaPerSecUSec=t %" PRIu64, quota);
}

/* Sets the bits of a list such as "0-3,7". Returns the number of bytes, or -1. */
static int parse_list(const char *list, unsigned char *bits)
{
	int bytes = 0;

	while (*list != '\0') {
		unsigned long first, last;
		char *end;

		list += strspn(list, ", \t\n");
		if (*list == '\0')
			break;
		if (!isdigit((unsigned char)*list))
			return -1;
		first = last = strtoul(list, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoul(end + 1, &end, 10);
		if ((*end != '\0' && strchr(", \t\n", *end) == NULL) || last < first ||
			last >= BITS_MOST)
			return -1;
		for (unsigned long i = first; i <= last; i++) {
			bits[i / 8] |= (unsigned char)(1U << i % 8);
			if ((int)(i / 8) >= bytes)
				bytes = (int)(i / 8) + 1;
		}
		list = end;
	}
	return bytes;
}

static int add_list(struct cgroup_properties *properties, const char *name,
	const struct cgroup_write *write, struct error *err)
{
	unsigned char bits[BITS_MOST / 8] = { 0 };
	char hex[sizeof(bits) * 2 + 1] = "";
	int bytes = parse_list(write->value, bits);

	if (bytes < 0)
		return error_say(err, EINVAL,
			"%s: cannot set %.128s (linux.resources.%s) through systemd: expected a "
			"list "
			"such as 0-3,7",
			write->file, write->value, write->field);
	for (int i = 0; i < bytes; i++)
		snprintf(hex + 2 * i, 3, "%02x", bits[i]);
	return cgroup_properties_add(properties, err, "%s=ay %s", name, hex);
}

/* "MAJOR:MINOR key=value…": each limit of a device is a list of its own to systemd. */
static int add_io_max(
	struct cgroup_properties *properties, const struct cgroup_write *write, struct error *err)
{
	static const struct {
		const char *key, *name;
	} limits[] = {
		{ "rbps=", "IOReadBandwidthMax" },
		{ "wbps=", "IOWriteBandwidthMax" },
		{ "riops=", "IOReadIOPSMax" },
		{ "wiops=", "IOWriteIOPSMax" },
	};
	size_t device = strcspn(write->value, " ");
	const char *word = write->value + device;

	while (*word == ' ') {
		word += strspn(word, " ");
		for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
			size_t n = strlen(limits[i].key);
			uint64_t number;
			int status;

			if (strncmp(word, limits[i].key, n) != 0 ||
				cgroup_text_number(word + n, &number) == NULL)
				continue;
			status = cgroup_properties_add(properties, err,
				"%s=a(st) /dev/block/%.*s %" PRIu64, limits[i].name, (int)device,
				write->value, number);
			if (status < 0)
				return status;
		}
		word += strcspn(word, " ");
	}
	return 0;
}

/* "default WEIGHT", "WEIGHT" or "MAJOR:MINOR WEIGHT" of io.weight. */
static int add_io_weight(struct cgroup_properties *properties, const struct cgroup_write *write,
	const char *value, struct error *err)
{
	size_t n = strcspn(value, " ");
	const char *number = value[n] == ' ' ? value + n + 1 : value;

	if (memchr(value, ':', n) == NULL)
		return add_number(properties, "IOWeight", write, number, err);
	return cgroup_properties_add(
		properties, err, "IODeviceWeight=a(st) /dev/block/%.*s %s", (int)n, value, number);
}

static int add_write(
	struct cgroup_properties *properties, const struct cgroup_write *write, struct error *err)
{
	static const struct {
		const char *file, *name;
	} numbers[] = {
		{ "memory.max", "MemoryMax" },
		{ "memory.high", "MemoryHigh" },
		{ "memory.low", "MemoryLow" },
		{ "memory.min", "MemoryMin" },
		{ "memory.swap.max", "MemorySwapMax" },
		{ "cpu.weight", "CPUWeight" },
		{ "pids.max", "TasksMax" },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(write->file, numbers[i].file) == 0)
			return add_number(properties, numbers[i].name, write, write->value, err);
	}
	if (strcmp(write->file, "cpu.max") == 0)
		return add_cpu_max(properties, write, err);
	/* systemd's weight 0 is idle. */
	if (strcmp(write->file, "cpu.idle") == 0 && strcmp(write->value, "1") == 0)
		return cgroup_properties_add(properties, err, "CPUWeight=t 0");
	if (strcmp(write->file, "cpu.idle") == 0)
		return cgroup_properties_add(properties, err, "CPUWeight=t 100");
	if (strcmp(write->file, "cpuset.cpus") == 0)
		return add_list(properties, "AllowedCPUs", write, err);
	if (strcmp(write->file, "cpuset.mems") == 0)
		return add_list(properties, "AllowedMemoryNodes", write, err);
	if (strcmp(write->file, "io.max") == 0)
		return add_io_max(properties, write, err);
	if (strcmp(write->file, "io.weight") == 0)
		return add_io_weight(properties, write, write->value, err);
	/* systemd derives BFQ's weight from its own by the scale that made other_value. */
	if (write->other_file != NULL && strcmp(write->other_file, "io.weight") == 0)
		return add_io_weight(properties, write, write->other_value, err);
	return 0;
}

int cgroup_properties_add_plan(
	struct cgroup_properties *properties, const struct cgroup_plan *plan, struct error *err)
{
	for (size_t i = 0; i < plan->count; i++) {
		int status = add_write(properties, &plan->writes[i], err);

		if (status < 0)
			return status;
	}
	return 0;
}

/* What config-linux.md gives every container, and mknod of all, in systemd.resource-control(5). */
static const char *const default_devices[] = { "char-* m", "block-* m", "/dev/char/1:3 rwm",
	"/dev/char/1:5 rwm", "/dev/char/1:7 rwm", "/dev/char/1:8 rwm", "/dev/char/1:9 rwm",
	"/dev/char/5:0 rwm", "/dev/char/5:1 rwm", "/dev/char/5:2 rwm", "/dev/char/10:200 rwm",
	"char-136 rwm" };

static int add_device(struct cgroup_properties *properties, const char *type,
	const struct oci_device_rule *rule, struct error *err)
{
	char letters[4] = "", *end = letters;
	int64_t major = rule->major.set ? rule->major.value : -1;
	int64_t minor = rule->minor.set ? rule->minor.value : -1;

	if (rule->read)
		*end++ = 'r';
	if (rule->write)
		*end++ = 'w';
	if (rule->mknod)
		*end++ = 'm';
	*end = '\0';
	if (*letters == '\0')
		return 0;
	if (major == -1)
		return cgroup_properties_add(
			properties, err, "DeviceAllow=a(ss) %s-* %s", type, letters);
	if (minor == -1)
		return cgroup_properties_add(properties, err, "DeviceAllow=a(ss) %s-%" PRId64 " %s",
			type, major, letters);
	return cgroup_properties_add(properties, err,
		"DeviceAllow=a(ss) /dev/%s/%" PRId64 ":%" PRId64 " %s", type, major, minor,
		letters);
}

int cgroup_properties_add_devices(struct cgroup_properties *properties,
	const struct oci_resources *resources, bool reset, struct error *err)
{
	size_t count = resources != NULL ? resources->n_devices : 0;
	int status = cgroup_properties_add(properties, err, "DevicePolicy=s strict");

	if (status == 0 && reset)
		status = cgroup_properties_add(properties, err, "DeviceAllow=a(ss)");
	for (size_t i = 0; status == 0 && i < sizeof(default_devices) / sizeof(default_devices[0]);
		i++)
		status = cgroup_properties_add(
			properties, err, "DeviceAllow=a(ss) %s", default_devices[i]);
	for (size_t i = 0; status == 0 && i < count; i++) {
		const struct oci_device_rule *rule = &resources->devices[i];

		if (!rule->allow)
			continue;
		if (rule->type != 'c')
			status = add_device(properties, "block", rule, err);
		if (status == 0 && rule->type != 'b')
			status = add_device(properties, "char", rule, err);
	}
	return status;
}

/* Taken by a transient unit as well, but the runtime's to say. */
static bool is_ours(const char *name)
{
	static const char *const ours[] = { "PIDs", "PIDFDs", "Slice", "Delegate", "Scope" };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (strcmp(name, ours[i]) == 0)
			return true;
	}
	return false;
}

int cgroup_properties_add_annotations(struct cgroup_properties *properties,
	const struct key_value_list *annotations, struct error *err)
{
	static const char prefix[] = "org.systemd.property.";
	size_t n = sizeof(prefix) - 1;

	for (size_t i = 0; annotations != NULL && i < annotations->count; i++) {
		const char *key = annotations->items[i].key, *name = key + n;
		size_t letters;
		int status;

		if (strncmp(key, prefix, n) != 0)
			continue;
		for (letters = 0; isalpha((unsigned char)name[letters]); letters++)
			;
		if (letters < 3 || letters > 64 || name[letters] != '\0')
			return error_say(err, EINVAL,
				"annotations: '%.128s' does not name a property of a systemd unit",
				key);
		if (is_ours(name))
			return error_say(err, EINVAL,
				"annotations: '%.128s' is set by the runtime, and cannot be set "
				"here",
				key);
		status = cgroup_properties_add(
			properties, err, "%s=v %s", name, annotations->items[i].value);
		if (status < 0)
			return status;
	}
	return 0;
}
