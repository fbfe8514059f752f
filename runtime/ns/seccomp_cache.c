/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/seccomp_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "config/oci.h"
#include "lib/cleanup.h"
#include "lib/log.h"

/* Changes with the compiler in seccomp_compile.c and what follows it. */
#define GENERATION "caisson-seccomp-1"
/* Callers with a profile for each container must not fill the disk. */
#define MAX_ENTRIES 128

struct header {
	uint64_t key_length;
	uint64_t count;
	uint64_t checksum; /* of the instructions: a crash may leave a file with holes */
};

struct builder {
	char *bytes;
	size_t used, size;
	bool failed;
};

static void append(struct builder *builder, const void *data, size_t length)
{
	if (builder->size - builder->used < length) {
		size_t size = builder->size * 2 + length;
		char *bytes = builder->failed ? NULL : realloc(builder->bytes, size);

		if (bytes == NULL) {
			builder->failed = true;
			return;
		}
		builder->bytes = bytes;
		builder->size = size;
	}
	memcpy(builder->bytes + builder->used, data, length);
	builder->used += length;
}

static void append_number(struct builder *builder, uint64_t number)
{
	append(builder, &number, sizeof(number));
}

/* With the NUL, which no string of a document holds: no two lists look alike. */
static void append_string(struct builder *builder, const char *text)
{
	append(builder, text, strlen(text) + 1);
}

static void append_list(struct builder *builder, const struct string_list *list)
{
	append_number(builder, list->count);
	for (size_t i = 0; i < list->count; i++)
		append_string(builder, list->items[i]);
}

static void append_optional(struct builder *builder, const struct optional_u32 *number)
{
	append_number(builder, number->set ? number->value : UINT64_MAX);
}

static void append_rule(struct builder *builder, const struct oci_seccomp_rule *rule)
{
	append_list(builder, &rule->names);
	append_string(builder, rule->action);
	append_optional(builder, &rule->errno_ret);
	append_number(builder, rule->n_args);
	for (size_t i = 0; i < rule->n_args; i++) {
		append_number(builder, rule->args[i].index);
		append_number(builder, rule->args[i].value);
		append_number(builder, rule->args[i].value_two);
		append_string(builder, rule->args[i].op);
	}
}

bool seccomp_key_make(const struct oci_seccomp *profile, struct seccomp_key *ret)
{
	const struct scmp_version *version = seccomp_version();
	struct builder builder = { .size = 16 * 1024 };
	struct header header = { 0 };
	struct utsname kernel;

	builder.bytes = malloc(builder.size);
	if (builder.bytes == NULL || uname(&kernel) < 0) {
		free(builder.bytes);
		return false;
	}
	append(&builder, &header, sizeof(header));
	append_string(&builder, GENERATION);
	append_number(&builder, version->major);
	append_number(&builder, version->minor);
	append_number(&builder, version->micro);
	append_string(&builder, kernel.release);
	append_string(&builder, kernel.machine);
	append_string(&builder, profile->default_action);
	append_optional(&builder, &profile->default_errno_ret);
	append_list(&builder, &profile->architectures);
	append_number(&builder, profile->n_syscalls);
	for (size_t i = 0; i < profile->n_syscalls; i++)
		append_rule(&builder, &profile->syscalls[i]);
	/* The hash reads words. */
	while (!builder.failed && builder.used % sizeof(uint64_t) != 0)
		append(&builder, "", 1);
	if (builder.failed) {
		free(builder.bytes);
		return false;
	}
	header.key_length = builder.used - sizeof(header);
	memcpy(builder.bytes, &header, sizeof(header));
	ret->bytes = builder.bytes;
	ret->length = builder.used;
	return true;
}

/* Names a file and finds accidents; what must not be confused is compared in full. */
static uint64_t hash_words(const void *data, size_t length)
{
	const char *bytes = data;
	uint64_t hash = 0x9e3779b97f4a7c15 ^ length;

	for (size_t i = 0; i + sizeof(uint64_t) <= length; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, bytes + i, sizeof(word));
		hash = (hash ^ word) * 0xff51afd7ed558ccd;
		hash ^= hash >> 32;
	}
	return hash;
}

static void name_entry(const struct seccomp_key *key, char *name, size_t size)
{
	uint64_t hash = hash_words(
		key->bytes + sizeof(struct header), key->length - sizeof(struct header));

	snprintf(name, size, "%016" PRIx64, hash);
}

static bool is_entry(const struct seccomp_key *key, const char *found, size_t length,
	const struct sock_filter *instructions, unsigned short *ret_count)
{
	struct header header;

	if (length <= key->length)
		return false;
	memcpy(&header, found, sizeof(header));
	if (header.key_length != key->length - sizeof(header) ||
		memcmp(found + sizeof(header), key->bytes + sizeof(header), header.key_length) != 0)
		return false;

	size_t program = length - key->length;
	if (header.count > BPF_MAXINSNS || program != header.count * sizeof(*instructions) ||
		header.checksum != hash_words(instructions, program))
		return false;
	*ret_count = (unsigned short)header.count;
	return true;
}

bool seccomp_cache_get(
	int cache, struct seccomp_key *key, struct sock_filter **ret, unsigned short *ret_count)
{
	char name[32];

	name_entry(key, name, sizeof(name));
	_cleanup_close_ int fd = openat(
		cache, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false;

	_cleanup_free_ char *found = malloc(key->length);
	/* One more, so that a longer file is noticed. */
	_cleanup_free_ struct sock_filter *instructions = malloc(
		(BPF_MAXINSNS + 1) * sizeof(*instructions));
	if (found == NULL || instructions == NULL)
		return false;
	struct iovec parts[] = {
		{ .iov_base = found, .iov_len = key->length },
		{ .iov_base = instructions, .iov_len = (BPF_MAXINSNS + 1) * sizeof(*instructions) },
	};
	ssize_t length = readv(fd, parts, 2);
	if (length < 0 || !is_entry(key, found, (size_t)length, instructions, ret_count))
		return false;
	*ret = take_ptr(&instructions);
	return true;
}

/* A full cache starts again from nothing: rarer and simpler than choosing. */
static void limit_entries(int cache)
{
	size_t count = 0;
	int fd = openat(cache, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_closedir_ DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL) {
		close_fd(fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
		count += entry->d_name[0] != '.';
	if (count < MAX_ENTRIES)
		return;
	rewinddir(dir);
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (entry->d_name[0] != '.')
			unlinkat(cache, entry->d_name, 0);
	}
}

static int publish(int cache, int fd, const char *name)
{
	char link[32];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, link, cache, name, AT_SYMLINK_FOLLOW) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	/* Another process was first, or the old entry is damaged: ours is right in both cases. */
	unlinkat(cache, name, 0);
	if (linkat(AT_FDCWD, link, cache, name, AT_SYMLINK_FOLLOW) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

void seccomp_cache_put(int cache, struct seccomp_key *key, const struct sock_filter *instructions,
	unsigned short count)
{
	size_t program = count * sizeof(*instructions);
	struct header header = { .key_length = key->length - sizeof(header),
		.count = count,
		.checksum = hash_words(instructions, program) };
	char name[32];

	limit_entries(cache);
	_cleanup_close_ int fd = openat(cache, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0) {
		log_debug("seccomp cache: make an entry: %s", strerror(errno));
		return;
	}
	memcpy(key->bytes, &header, sizeof(header));
	struct iovec parts[] = {
		{ .iov_base = key->bytes, .iov_len = key->length },
		{ .iov_base = (void *)instructions, .iov_len = program },
	};
	ssize_t written = writev(fd, parts, 2);
	if (written < 0 || (size_t)written != key->length + program) {
		log_debug("seccomp cache: write an entry: %s",
			written < 0 ? strerror(errno) : "no space left");
		return;
	}
	name_entry(key, name, sizeof(name));
	int status = publish(cache, fd, name);
	if (status < 0)
		log_debug("seccomp cache: name entry %s: %s", name, strerror(-status));
}
