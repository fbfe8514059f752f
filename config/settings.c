/* SPDX-License-Identifier: Apache-2.0 */
#include "config/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/decode.h"
#include "config/format.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"

#define MAX_SIZE ((size_t)1024 * 1024)
#define MEBIBYTE (UINT64_C(1) << 20)

static const struct name_value isolation_names[] = {
	{ "namespace", SETTINGS_ISOLATION_NAMESPACE },
	{ "vm", SETTINGS_ISOLATION_VM },
	{ "auto", SETTINGS_ISOLATION_AUTO },
	{ NULL, 0 },
};

static const struct name_value cgroup_manager_names[] = {
	{ "cgroupfs", SETTINGS_CGROUP_CGROUPFS },
	{ "systemd", SETTINGS_CGROUP_SYSTEMD },
	{ "disabled", SETTINGS_CGROUP_DISABLED },
	{ NULL, 0 },
};

static const struct name_value log_level_names[] = {
	{ "error", LOG_LEVEL_ERROR },
	{ "warning", LOG_LEVEL_WARNING },
	{ "info", LOG_LEVEL_INFO },
	{ "debug", LOG_LEVEL_DEBUG },
	{ NULL, 0 },
};

static const char unknown[] = "no such setting; remove it or mend its name";

#define VM(member) offsetof(struct settings_vm, member)

static const struct field vm_fields[] = {
	ROW("kernel", FIELD_STRING, VM(kernel), .format = format_absolute_path),
	ROW("initrd", FIELD_STRING, VM(initrd), .format = format_absolute_path),
	ROW("kernel_parameters", FIELD_STRINGS, VM(kernel_parameters)),
	ROW("memory", FIELD_U64, VM(memory), .min = 16 * MEBIBYTE, .max = UINT64_C(1) << 46),
	ROW("vcpus", FIELD_U32, VM(vcpus), .min = 1, .max = 1024),
	ROW("memory_max", FIELD_U64, VM(memory_max), .max = UINT64_C(1) << 46),
	ROW("vcpus_max", FIELD_U32, VM(vcpus_max), .min = 1, .max = 1024),
	ROW("overhead", FIELD_U64, VM(overhead), .max = UINT64_C(1) << 40),
	ROW("timeout", FIELD_U32, VM(timeout), .min = 1, .max = 3600),
	ROW("container_paths", FIELD_BOOL, VM(container_paths)),
};

static const struct object_type vm_type = {
	OBJECT_FIELDS(vm_fields, struct settings_vm),
	.unknown = unknown,
};

#define AT(member) offsetof(struct settings, member)

static const struct field settings_fields[] = {
	ROW("isolation", FIELD_ENUM, AT(isolation), .names = isolation_names),
	ROW("cgroup_manager", FIELD_ENUM, AT(cgroup_manager), .names = cgroup_manager_names),
	ROW("root", FIELD_STRING, AT(root), .format = format_absolute_path),
	ROW("log_level", FIELD_ENUM, AT(log_level), .names = log_level_names),
	ROW("allowed_annotations", FIELD_STRINGS, AT(allowed_annotations),
		.format = format_not_empty),
	ROW("vm", FIELD_OBJECT, AT(vm), .object = &vm_type),
};

static const struct object_type settings_type = {
	OBJECT_FIELDS(settings_fields, struct settings),
	.unknown = unknown,
};

void settings_default(struct settings *ret)
{
	*ret = (struct settings){
		.log_level = LOG_LEVEL_WARNING,
		.vm = { .memory = 256 * MEBIBYTE,
			.vcpus = 1,
			.vcpus_max = 4,
			.overhead = 64 * MEBIBYTE,
		},
	};
}

int settings_decode(const char *text, size_t length, struct settings *ret, struct error *err)
{
	struct arena arena = { 0 };
	struct settings settings;
	struct decoder decoder = { .arena = &arena, .err = err };

	settings_default(&settings);
	settings_default(ret);
	int status = decode_document(&decoder, &settings_type, text, length, &settings);
	if (status != 0) {
		arena_free(&arena);
		return status;
	}
	settings.arena = arena;
	*ret = settings;
	return 0;
}

/* Reads a whole file of at most MAX_SIZE bytes. */
static int read_file(
	int fd, const char *path, char **ret_text, size_t *ret_length, struct error *err)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set(err, errno, "examine %s", path);
	if (!S_ISREG(status.st_mode))
		return error_say(err, EINVAL, "%s: not a regular file", path);
	if ((size_t)status.st_size > MAX_SIZE)
		return error_say(err, E2BIG, "%s: larger than %zu bytes", path, MAX_SIZE);

	_cleanup_free_ char *text = malloc((size_t)status.st_size + 1);
	size_t length = 0;
	if (text == NULL)
		return error_set(err, ENOMEM, "read %s", path);
	while (length < (size_t)status.st_size) {
		ssize_t n = read(fd, text + length, (size_t)status.st_size - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_set(err, errno, "read %s", path);
		if (n == 0)
			break;
		length += (size_t)n;
	}
	*ret_text = take_ptr(&text);
	*ret_length = length;
	return 0;
}

int settings_load(const char *path, struct settings *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t length = 0;

	settings_default(ret);
	/* A fifo must not hold the runtime up. */
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return error_set(err, errno, "open %s", path);

	int status = read_file(fd, path, &text, &length, err);
	if (status != 0)
		return status;
	status = settings_decode(text, length, ret, err);
	return status != 0 ? error_prefix(err, "%s", path) : 0;
}

bool settings_annotation_allowed(const struct settings *settings, const char *key)
{
	for (size_t i = 0; i < settings->allowed_annotations.count; i++) {
		const char *allowed = settings->allowed_annotations.items[i];
		size_t length = strlen(allowed);

		if (allowed[length - 1] == '*' ? strncmp(allowed, key, length - 1) == 0
					       : strcmp(allowed, key) == 0)
			return true;
	}
	return false;
}

void settings_free(struct settings *settings)
{
	arena_free(&settings->arena);
	*settings = (struct settings){ 0 };
}
