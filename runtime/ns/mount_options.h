/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of one mount (config.md, "Linux mount options"; mount(8)), sorted into what the
 * kernel's interfaces want: attributes of the mount, flags of the file system, propagation, options
 * of the runtime's own, and the rest, which is the file system's data. Pure: no system call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define MOUNT_OPTIONS_PROPAGATIONS_MAX 8

enum mount_idmap {
	MOUNT_IDMAP_NONE,
	MOUNT_IDMAP_PLAIN,     /* idmap: the mount itself */
	MOUNT_IDMAP_RECURSIVE, /* ridmap: the mounts below it too */
};

struct mount_options {
	uint64_t set, clear; /* MOUNT_ATTR_… of the mount itself, for mount_setattr(2) */
	uint64_t recursive_set, recursive_clear; /* … and of those below it: rro, rnosuid … */
	unsigned long superblock_set;		 /* MS_SYNCHRONOUS, MS_DIRSYNC … */
	unsigned long superblock_clear;		 /* async, nomand, nolazytime … */
	struct {
		unsigned long type; /* MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE */
		bool recursive;
	} propagation[MOUNT_OPTIONS_PROPAGATIONS_MAX]; /* in this order */
	size_t n_propagations;
	enum mount_idmap idmap;
	const char *idmap_mappings; /* what follows "idmap=", else NULL */
	bool bind, recursive_bind;
	bool remount;
	bool tmpcopyup;		   /* tmpfs begins with what the mount point holds */
	bool copy_symlink;	   /* a source that is a link is made anew, not mounted */
	bool source_nofollow;	   /* a source that is a link is itself mounted */
	bool destination_nofollow; /* … and a mount point that is a link is itself mounted upon */
	const char **data;	   /* the file system's own, "key=value" or "flag" */
	size_t n_data;
};

/*
 * Sorts `count` options; of two that contradict each other, the later counts. The strings are
 * pointed to, not copied. `ret` is given back by mount_options_free(). Errors: -EINVAL, -ENOMEM.
 */
int mount_options_parse(
	char *const *options, size_t count, struct mount_options *ret, struct error *err);

void mount_options_free(struct mount_options *options);

/* The flags of mount(2) that say the same as set, clear, superblock_set and bind. */
unsigned long mount_options_flags(const struct mount_options *options);

/* The names of all options that are not a file system's own, sorted; NULL behind the last. */
const char *const *mount_options_known(void);

/* Propagation by its name ("rslave"): MS_… with MS_REC, or 0 for a name that is none. */
unsigned long mount_propagation_by_name(const char *name);
