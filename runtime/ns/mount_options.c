/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/mount_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

#include "lib/error.h"

enum kind {
	IGNORED,
	ATTRIBUTE,     /* value: MOUNT_ATTR_… to be set */
	NO_ATTRIBUTE,  /* value: … to be cleared */
	ACCESS_TIME,   /* value: one of the values of the field MOUNT_ATTR__ATIME */
	ALL_ATTRIBUTE, /* the same three, for the mounts below too */
	ALL_NO_ATTRIBUTE,
	ALL_ACCESS_TIME,
	SUPERBLOCK, /* value: MS_… to be set */
	NO_SUPERBLOCK,
	PROPAGATION, /* value: MS_… with MS_REC */
	BIND,	     /* value: recursive */
	IDMAP,	     /* value: enum mount_idmap */
	SWITCH,	     /* value: offset of a bool */
};

struct option {
	const char *name;
	enum kind kind;
	uint64_t value;
};

#define MEMBER(name) offsetof(struct mount_options, name)

/* Sorted by name, for bsearch(3). */
static const struct option table[] = {
	{ "async", NO_SUPERBLOCK, MS_SYNCHRONOUS },
	{ "atime", ACCESS_TIME, MOUNT_ATTR_RELATIME },
	{ "bind", BIND, false },
	{ "copy-symlink", SWITCH, MEMBER(copy_symlink) },
	{ "defaults", IGNORED, 0 },
	{ "dest-nofollow", SWITCH, MEMBER(destination_nofollow) },
	{ "dev", NO_ATTRIBUTE, MOUNT_ATTR_NODEV },
	{ "diratime", NO_ATTRIBUTE, MOUNT_ATTR_NODIRATIME },
	{ "dirsync", SUPERBLOCK, MS_DIRSYNC },
	{ "exec", NO_ATTRIBUTE, MOUNT_ATTR_NOEXEC },
	{ "idmap", IDMAP, MOUNT_IDMAP_PLAIN },
	{ "iversion", SUPERBLOCK, MS_I_VERSION },
	{ "lazytime", SUPERBLOCK, MS_LAZYTIME },
	{ "loud", NO_SUPERBLOCK, MS_SILENT },
	{ "mand", SUPERBLOCK, MS_MANDLOCK },
	{ "noatime", ACCESS_TIME, MOUNT_ATTR_NOATIME },
	{ "nodev", ATTRIBUTE, MOUNT_ATTR_NODEV },
	{ "nodiratime", ATTRIBUTE, MOUNT_ATTR_NODIRATIME },
	{ "noexec", ATTRIBUTE, MOUNT_ATTR_NOEXEC },
	{ "noiversion", NO_SUPERBLOCK, MS_I_VERSION },
	{ "nolazytime", NO_SUPERBLOCK, MS_LAZYTIME },
	{ "nomand", NO_SUPERBLOCK, MS_MANDLOCK },
	{ "norelatime", ACCESS_TIME, MOUNT_ATTR_RELATIME },
	{ "nostrictatime", ACCESS_TIME, MOUNT_ATTR_RELATIME },
	{ "nosuid", ATTRIBUTE, MOUNT_ATTR_NOSUID },
	{ "nosymfollow", ATTRIBUTE, MOUNT_ATTR_NOSYMFOLLOW },
	{ "private", PROPAGATION, MS_PRIVATE },
	{ "ratime", ALL_ACCESS_TIME, MOUNT_ATTR_RELATIME },
	{ "rbind", BIND, true },
	{ "rdev", ALL_NO_ATTRIBUTE, MOUNT_ATTR_NODEV },
	{ "rdiratime", ALL_NO_ATTRIBUTE, MOUNT_ATTR_NODIRATIME },
	{ "relatime", ACCESS_TIME, MOUNT_ATTR_RELATIME },
	{ "remount", SWITCH, MEMBER(remount) },
	{ "rexec", ALL_NO_ATTRIBUTE, MOUNT_ATTR_NOEXEC },
	{ "ridmap", IDMAP, MOUNT_IDMAP_RECURSIVE },
	{ "rnoatime", ALL_ACCESS_TIME, MOUNT_ATTR_NOATIME },
	{ "rnodev", ALL_ATTRIBUTE, MOUNT_ATTR_NODEV },
	{ "rnodiratime", ALL_ATTRIBUTE, MOUNT_ATTR_NODIRATIME },
	{ "rnoexec", ALL_ATTRIBUTE, MOUNT_ATTR_NOEXEC },
	{ "rnorelatime", ALL_ACCESS_TIME, MOUNT_ATTR_RELATIME },
	{ "rnostrictatime", ALL_ACCESS_TIME, MOUNT_ATTR_RELATIME },
	{ "rnosuid", ALL_ATTRIBUTE, MOUNT_ATTR_NOSUID },
	{ "rnosymfollow", ALL_ATTRIBUTE, MOUNT_ATTR_NOSYMFOLLOW },
	{ "ro", ATTRIBUTE, MOUNT_ATTR_RDONLY },
	{ "rprivate", PROPAGATION, MS_PRIVATE | MS_REC },
	{ "rrelatime", ALL_ACCESS_TIME, MOUNT_ATTR_RELATIME },
	{ "rro", ALL_ATTRIBUTE, MOUNT_ATTR_RDONLY },
	{ "rrw", ALL_NO_ATTRIBUTE, MOUNT_ATTR_RDONLY },
	{ "rshared", PROPAGATION, MS_SHARED | MS_REC },
	{ "rslave", PROPAGATION, MS_SLAVE | MS_REC },
	{ "rstrictatime", ALL_ACCESS_TIME, MOUNT_ATTR_STRICTATIME },
	{ "rsuid", ALL_NO_ATTRIBUTE, MOUNT_ATTR_NOSUID },
	{ "rsymfollow", ALL_NO_ATTRIBUTE, MOUNT_ATTR_NOSYMFOLLOW },
	{ "runbindable", PROPAGATION, MS_UNBINDABLE | MS_REC },
	{ "rw", NO_ATTRIBUTE, MOUNT_ATTR_RDONLY },
	{ "shared", PROPAGATION, MS_SHARED },
	{ "silent", SUPERBLOCK, MS_SILENT },
	{ "slave", PROPAGATION, MS_SLAVE },
	{ "src-nofollow", SWITCH, MEMBER(source_nofollow) },
	{ "strictatime", ACCESS_TIME, MOUNT_ATTR_STRICTATIME },
	{ "suid", NO_ATTRIBUTE, MOUNT_ATTR_NOSUID },
	{ "symfollow", NO_ATTRIBUTE, MOUNT_ATTR_NOSYMFOLLOW },
	{ "sync", SUPERBLOCK, MS_SYNCHRONOUS },
	{ "tmpcopyup", SWITCH, MEMBER(tmpcopyup) },
	{ "unbindable", PROPAGATION, MS_UNBINDABLE },
};

#define TABLE_SIZE (sizeof(table) / sizeof(table[0]))

static int compare(const void *name, const void *option)
{
	return strcmp(name, ((const struct option *)option)->name);
}

static const struct option *find(const char *name)
{
	return bsearch(name, table, TABLE_SIZE, sizeof(table[0]), compare);
}

static void change(uint64_t *set, uint64_t *clear, uint64_t bits, bool on)
{
	*set = on ? *set | bits : *set & ~bits;
	*clear = on ? *clear & ~bits : *clear | bits;
}

/* mount_setattr(2) wants the whole field cleared before one of its values is set. */
static void change_access_time(uint64_t *set, uint64_t *clear, uint64_t value)
{
	*set = (*set & ~(uint64_t)MOUNT_ATTR__ATIME) | value;
	*clear |= MOUNT_ATTR__ATIME;
}

static int add_propagation(struct mount_options *to, unsigned long value, struct error *err)
{
	if (to->n_propagations == MOUNT_OPTIONS_PROPAGATIONS_MAX)
		return error_say(err, EINVAL, "more than %d propagation options",
			MOUNT_OPTIONS_PROPAGATIONS_MAX);
	to->propagation[to->n_propagations].type = value & ~(unsigned long)MS_REC;
	to->propagation[to->n_propagations++].recursive = value & MS_REC;
	return 0;
}

static int apply(struct mount_options *to, const struct option *option, struct error *err)
{
	uint64_t value = option->value;

	switch (option->kind) {
	case IGNORED:
		break;
	case ATTRIBUTE:
	case NO_ATTRIBUTE:
		change(&to->set, &to->clear, value, option->kind == ATTRIBUTE);
		break;
	case ACCESS_TIME:
		change_access_time(&to->set, &to->clear, value);
		break;
	case ALL_ATTRIBUTE:
	case ALL_NO_ATTRIBUTE:
		change(&to->recursive_set, &to->recursive_clear, value,
			option->kind == ALL_ATTRIBUTE);
		break;
	case ALL_ACCESS_TIME:
		change_access_time(&to->recursive_set, &to->recursive_clear, value);
		break;
	case SUPERBLOCK:
		to->superblock_set |= value;
		to->superblock_clear &= ~value;
		break;
	case NO_SUPERBLOCK:
		to->superblock_clear |= value;
		to->superblock_set &= ~value;
		break;
	case PROPAGATION:
		return add_propagation(to, value, err);
	case BIND:
		to->bind = true;
		to->recursive_bind |= value;
		break;
	case IDMAP:
		to->idmap = (enum mount_idmap)value;
		to->idmap_mappings = NULL;
		break;
	case SWITCH:
		*(bool *)((char *)to + value) = true;
		break;
	}
	return 0;
}

static bool parse_idmap(struct mount_options *to, const char *option)
{
	if (strncmp(option, "idmap=", 6) == 0)
		to->idmap = MOUNT_IDMAP_PLAIN;
	else if (strncmp(option, "ridmap=", 7) == 0)
		to->idmap = MOUNT_IDMAP_RECURSIVE;
	else
		return false;
	to->idmap_mappings = strchr(option, '=') + 1;
	return true;
}

int mount_options_parse(
	char *const *options, size_t count, struct mount_options *ret, struct error *err)
{
	struct mount_options parsed = { 0 };

	if (count > 0) {
		parsed.data = calloc(count, sizeof(*parsed.data));
		if (parsed.data == NULL)
			return error_set(err, ENOMEM, "mount options");
	}
	for (size_t i = 0; i < count; i++) {
		const struct option *option = find(options[i]);
		int r;

		if (option != NULL) {
			r = apply(&parsed, option, err);
			if (r < 0) {
				mount_options_free(&parsed);
				return r;
			}
		} else if (options[i][0] != '\0' && strncmp(options[i], "x-", 2) != 0 &&
			!parse_idmap(&parsed, options[i])) {
			parsed.data[parsed.n_data++] = options[i];
		}
	}
	*ret = parsed;
	return 0;
}

void mount_options_free(struct mount_options *options)
{
	free(options->data);
	*options = (struct mount_options){ 0 };
}

unsigned long mount_options_flags(const struct mount_options *options)
{
	static const struct {
		uint64_t attribute;
		unsigned long flag;
	} same[] = {
		{ MOUNT_ATTR_RDONLY, MS_RDONLY },
		{ MOUNT_ATTR_NOSUID, MS_NOSUID },
		{ MOUNT_ATTR_NODEV, MS_NODEV },
		{ MOUNT_ATTR_NOEXEC, MS_NOEXEC },
		{ MOUNT_ATTR_NOATIME, MS_NOATIME },
		{ MOUNT_ATTR_STRICTATIME, MS_STRICTATIME },
		{ MOUNT_ATTR_NODIRATIME, MS_NODIRATIME },
		{ MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW },
	};
	unsigned long flags = options->superblock_set;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		if (options->set & same[i].attribute)
			flags |= same[i].flag;
	}
	if ((options->clear & MOUNT_ATTR__ATIME) != 0 && (options->set & MOUNT_ATTR__ATIME) == 0)
		flags |= MS_RELATIME;
	if (options->bind)
		flags |= MS_BIND | (options->recursive_bind ? MS_REC : 0);
	return flags;
}

const char *const *mount_options_known(void)
{
	static const char *names[TABLE_SIZE + 1];

	for (size_t i = 0; i < TABLE_SIZE; i++)
		names[i] = table[i].name;
	return names;
}

unsigned long mount_propagation_by_name(const char *name)
{
	const struct option *option = find(name);

	return option != NULL && option->kind == PROPAGATION ? option->value : 0;
}
