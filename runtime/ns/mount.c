/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/ns/mount_options.h"

/* fsconfig(2) takes strings shorter than this. */
#define FSCONFIG_STRING_MAX 256

/* mount(2) takes one page of data. */
#define MOUNT_DATA_MAX 4096

/*
 * File systems without a device: "ro" is the mount's attribute alone, because some of them have one
 * superblock for many mounts, and containers that share a namespace share it (sysfs, mqueue).
 */
static bool has_shared_superblock(const char *type)
{
	static const char *const types[] = { "cgroup", "cgroup2", "devpts", "mqueue", "proc",
		"sysfs", "tmpfs" };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(type, types[i]) == 0)
			return true;
	}
	return false;
}

/* The file system's own words about the failure of `what`, where it has some. */
static int set_context_error(
	struct error *err, int context, int errnum, const char *what, const char *argument)
{
	char message[512];
	ssize_t length;

	while ((length = read(context, message, sizeof(message) - 1)) > 0) {
		message[length] = '\0';
		if (length > 2 && message[0] == 'e')
			return error_set(err, errnum, "%s%s%s (%s)", what, *argument ? " " : "",
				argument, message + 2);
	}
	return error_set(err, errnum, "%s%s%s", what, *argument ? " " : "", argument);
}

static int set_flag(int context, const char *name, struct error *err)
{
	if (fsconfig(context, FSCONFIG_SET_FLAG, name, NULL, 0) < 0)
		return set_context_error(err, context, errno, "option", name);
	return 0;
}

/* One option of the file system, "key=value" or "flag"; `text` is changed. */
static int set_parameter(int context, char *text, struct error *err)
{
	char *value = strchr(text, '=');
	size_t length;

	if (value == NULL)
		return set_flag(context, text, err);
	*value++ = '\0';
	length = strlen(value);
	if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
		value[length - 1] = '\0';
		value++;
	}
	if (fsconfig(context, FSCONFIG_SET_STRING, text, value, 0) < 0) {
		int errnum = errno;

		value[-1] = '=';
		return set_context_error(err, context, errnum, "option", text);
	}
	return 0;
}

/* Ends the option at `text` at its comma, outside of quotes; returns where the next begins. */
static char *split_option(char *text)
{
	bool quoted = false;

	for (; *text != '\0'; text++) {
		if (*text == '"')
			quoted = !quoted;
		if (*text == ',' && !quoted) {
			*text = '\0';
			return text + 1;
		}
	}
	return NULL;
}

/* Options with commas between them; `text` is changed. */
static int set_parameters(int context, char *text, struct error *err)
{
	int r = 0;

	while (r >= 0 && text != NULL) {
		char *next = split_option(text);

		if (*text != '\0')
			r = set_parameter(context, text, err);
		text = next;
	}
	return r;
}

static int set_data(int context, const struct mount_options *options, struct error *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < options->n_data; i++) {
		char *copy = strdup(options->data[i]);

		if (copy == NULL)
			return error_set(err, ENOMEM, "mount options");
		r = set_parameters(context, copy, err);
		free(copy);
	}
	return r;
}

static int set_superblock_flags(
	int context, const char *type, const struct mount_options *options, struct error *err)
{
	static const struct {
		unsigned long flag;
		const char *name;
	} names[] = {
		{ MS_SYNCHRONOUS, "sync" },
		{ MS_DIRSYNC, "dirsync" },
		{ MS_MANDLOCK, "mand" },
		{ MS_LAZYTIME, "lazytime" },
	};
	int r = 0;

	if ((options->set & MOUNT_ATTR_RDONLY) && !has_shared_superblock(type))
		r = set_flag(context, "ro", err);
	for (size_t i = 0; r >= 0 && i < sizeof(names) / sizeof(names[0]); i++) {
		if (options->superblock_set & names[i].flag)
			r = set_flag(context, names[i].name, err);
	}
	return r;
}

static bool needs_classic(const struct mount_options *options)
{
	if (options->superblock_set & (MS_SILENT | MS_I_VERSION))
		return true;
	for (size_t i = 0; i < options->n_data; i++) {
		if (strlen(options->data[i]) >= FSCONFIG_STRING_MAX)
			return true;
	}
	return false;
}

int mount_new_filesystem(const char *type, const char *source, const struct mount_options *options,
	const char *label, struct error *err)
{
	_cleanup_close_ int context = -EBADF;
	int fd, r;

	if (needs_classic(options) || (source != NULL && strlen(source) >= FSCONFIG_STRING_MAX))
		return error_say(err, EOPNOTSUPP, "options for mount(2)");
	context = fsopen(type, FSOPEN_CLOEXEC);
	if (context < 0 && errno == ENODEV)
		return error_say(err, ENODEV, "this kernel has no file system type %s", type);
	if (context < 0)
		return error_set(err, errno, "open the file system type %s", type);
	if (source != NULL && fsconfig(context, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return set_context_error(err, context, errno, "source", source);
	r = set_superblock_flags(context, type, options, err);
	if (r >= 0)
		r = set_data(context, options, err);
	if (r < 0)
		return r;
	if (label != NULL && fsconfig(context, FSCONFIG_SET_STRING, "context", label, 0) < 0)
		return set_context_error(err, context, errno, "context", label);
	if (fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return set_context_error(err, context, errno, "mount a new", type);
	fd = fsmount(context, FSMOUNT_CLOEXEC, (unsigned int)options->set);
	if (fd < 0)
		return set_context_error(err, context, errno, "mount a new", type);
	return fd;
}

int mount_new_tmpfs(const char *mode, uint64_t attributes, struct error *err)
{
	char *option = (char *)mode;
	struct mount_options options = { 0 };
	int tree = mount_options_parse(&option, 1, &options, err);

	if (tree < 0)
		return tree;
	options.set = attributes;
	tree = mount_new_filesystem("tmpfs", NULL, &options, NULL, err);
	mount_options_free(&options);
	return tree;
}

int mount_classic(const char *type, const char *source, const struct mount_options *options,
	const char *label, int target, struct error *err)
{
	char data[MOUNT_DATA_MAX] = "";
	unsigned long flags = mount_options_flags(options);
	size_t used = 0;

	for (size_t i = 0; i < options->n_data; i++) {
		int length = snprintf(data + used, sizeof(data) - used, "%s%s", used > 0 ? "," : "",
			options->data[i]);

		if (length < 0 || (size_t)length >= sizeof(data) - used)
			return error_say(
				err, E2BIG, "options longer than %d bytes", MOUNT_DATA_MAX - 1);
		used += (size_t)length;
	}
	if (label != NULL) {
		int length = snprintf(data + used, sizeof(data) - used, "%scontext=\"%s\"",
			used > 0 ? "," : "", label);

		if (length < 0 || (size_t)length >= sizeof(data) - used)
			return error_say(
				err, E2BIG, "options longer than %d bytes", MOUNT_DATA_MAX - 1);
	}
	if (options->remount)
		flags |= MS_REMOUNT;
	if (fchdir(target) < 0)
		return error_set(err, errno, "enter the mount point");
	if (mount(source, ".", type, flags, data) < 0)
		return error_set(err, errno, "%s %s", options->remount ? "remount" : "mount a new",
			type != NULL ? type : "file system");
	return 0;
}

int mount_set_attributes(
	int tree, bool recursive, uint64_t set, uint64_t clear, unsigned long propagation)
{
	struct mount_attr attributes = {
		.attr_set = set,
		.attr_clr = clear,
		.propagation = propagation,
	};
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	return mount_setattr(tree, "", flags, &attributes, sizeof(attributes)) < 0 ? -errno : 0;
}

static int set_attributes(int tree, bool recursive, const struct mount_attr *attributes,
	const char *what, struct error *err)
{
	struct mount_attr copy = *attributes;
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);

	if (copy.attr_set == 0 && copy.attr_clr == 0 && copy.propagation == 0)
		return 0;
	if (mount_setattr(tree, "", flags, &copy, sizeof(copy)) == 0)
		return 0;
	if (errno == ENOSYS)
		return error_say(
			err, ENOSYS, "this kernel lacks mount_setattr(2): Linux 5.12 is needed");
	if (errno == EINVAL && (copy.attr_set & MOUNT_ATTR_IDMAP))
		return error_say(err, EINVAL,
			"the source's file system (or this kernel for it) can't be idmapped");
	return error_set(err, errno, "set the %s of the mount", what);
}

/*
 * All propagation changes in their order, less those that a later one undoes: what is private or
 * unbindable with everything below it has forgotten what it was before.
 */
static int apply_propagation(int tree, const struct mount_options *options, unsigned long initial,
	struct mount_attr *all, struct error *err)
{
	size_t first = 0;
	struct mount_attr one = { .propagation = initial & ~(unsigned long)MS_REC };
	bool forgotten = initial == 0;
	int r = 0;

	for (size_t i = 0; i < options->n_propagations; i++) {
		if (options->propagation[i].recursive &&
			(options->propagation[i].type & (MS_PRIVATE | MS_UNBINDABLE))) {
			first = i;
			forgotten = true;
		}
	}
	if (!forgotten && options->n_propagations == 0 && (initial & MS_REC)) {
		all->propagation = one.propagation;
		return 0;
	}
	if (!forgotten)
		r = set_attributes(tree, initial & MS_REC, &one, "propagation", err);
	for (size_t i = first; r >= 0 && i < options->n_propagations; i++) {
		one.propagation = options->propagation[i].type;
		if (i + 1 == options->n_propagations && options->propagation[i].recursive)
			all->propagation = one.propagation;
		else
			r = set_attributes(
				tree, options->propagation[i].recursive, &one, "propagation", err);
	}
	return r;
}

/*
 * Lifted by name, as with runc and crun. "rw" is not among them: engines say it of every volume,
 * and what the host mounted read-only would be written to.
 */
#define LIFTED_BY_NAME \
	(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW)

/* A mount that another user namespace owns keeps its locks (mount_namespaces(7)). */
static int set_own_attributes(int tree, struct mount_attr *own, bool remount, struct error *err)
{
	const struct mount_attr wanted = { .attr_clr = own->attr_clr & LIFTED_BY_NAME };

	if (!remount) {
		own->attr_clr &= ~(uint64_t)LIFTED_BY_NAME;
		if (wanted.attr_clr != 0 &&
			mount_set_attributes(tree, false, 0, wanted.attr_clr, 0) == -EPERM)
			log_warning("a bind mount's suid, dev or exec: its source forbids it, and "
				    "locks that against this user namespace");
	}
	return set_attributes(tree, false, own, "attributes", err);
}

int mount_apply_options(int tree, const struct mount_options *options, unsigned long propagation,
	int user_namespace, bool remount, struct error *err)
{
	struct mount_attr all = {
		.attr_set = options->recursive_set,
		.attr_clr = options->recursive_clear,
	};
	struct mount_attr own = {
		.attr_set = options->set,
		.attr_clr = options->clear &
			(remount ? ~UINT64_C(0) : MOUNT_ATTR__ATIME | LIFTED_BY_NAME),
	};
	int r;

	if (user_namespace >= 0) {
		struct mount_attr *mapped = options->idmap == MOUNT_IDMAP_RECURSIVE ? &all : &own;

		mapped->attr_set |= MOUNT_ATTR_IDMAP;
		mapped->userns_fd = (uint64_t)user_namespace;
	}
	r = apply_propagation(tree, options, propagation, &all, err);
	if (r >= 0)
		r = set_own_attributes(tree, &own, remount, err);
	if (r >= 0)
		r = set_attributes(tree, true, &all, "attributes", err);
	return r;
}

static bool is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

int mount_attach(int tree, int target, struct error *err)
{
	const unsigned int flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
	int errnum;

	if (move_mount(tree, "", target, "", flags) == 0)
		return 0;
	errnum = errno;
	if (is_directory(tree) != is_directory(target))
		return error_say(err, ENOTDIR, "a %s can't be mounted on a %s",
			is_directory(tree) ? "directory" : "file",
			is_directory(target) ? "directory" : "file");
	return error_set(err, errnum, "move the mount to its mount point");
}

int mount_clone(int fd, bool recursive, struct error *err)
{
	int tree = open_tree(fd, "",
		AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
			(recursive ? AT_RECURSIVE : 0));

	return tree < 0 ? error_set(err, errno, "copy a mount") : tree;
}
