/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/ns/bind_source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/ns/mount.h"
#include "runtime/ns/mount_options.h"

static int set_source_error(struct error *err, int errnum, const char *source, bool recursive)
{
	if (errnum == ENOENT)
		return error_say(err, ENOENT, "the source %s does not exist on the host", source);
	if (errnum == EINVAL && !recursive)
		return error_say(err, EINVAL,
			"the source %s has mounts below it that a user namespace may not uncover: "
			"use rbind",
			source);
	return error_set(err, errnum, "open the source %s", source);
}

int bind_source_open(const char *source, const struct mount_options *options,
	unsigned long propagation, int user_namespace, bool *ret_directory, struct error *err)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
		(options->recursive_bind ? AT_RECURSIVE : 0) |
		(options->source_nofollow ? AT_SYMLINK_NOFOLLOW : 0);
	_cleanup_close_ int tree = open_tree(AT_FDCWD, source, flags);
	struct stat st;
	int r;

	if (tree < 0)
		return set_source_error(err, errno, source, options->recursive_bind);
	if (fstat(tree, &st) < 0)
		return error_set(err, errno, "stat the source %s", source);
	r = mount_apply_options(tree, options, propagation, user_namespace, options->remount, err);
	if (r < 0)
		return r;
	*ret_directory = S_ISDIR(st.st_mode);
	return take_fd(&tree);
}
