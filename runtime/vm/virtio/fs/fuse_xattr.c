/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes, ACLs among them. This thread works in /proc/self/fd, where fds have names.
 */
#include "runtime/vm/virtio/fs/fuse_internal.h"

#include <errno.h>
#include <limits.h>
#include <linux/limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

/* What older clients send as struct fuse_setxattr_in. */
#define SETXATTR_IN_OLD 8

#define ACL_PREFIX "system.posix_acl_"

struct path {
	char name[16];
};

/* Opens the node for a path-taking call. Pairs with fuse_node_close(). */
static int open_path(struct fuse_request *request, struct path *ret)
{
	int fd;

	if (request->node->export == NULL)
		return -EOPNOTSUPP;
	fd = fuse_node_open(request->server, request->node);
	if (fd < 0)
		return fd;
	snprintf(ret->name, sizeof(ret->name), "%d", fd);
	return 0;
}

/* An ACL set by a user who is not in the file's group takes the setgid bit away (7.33). */
static void drop_setgid(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && (st.st_mode & S_ISGID))
		(void)!chmod(path, st.st_mode & 07777 & ~(mode_t)S_ISGID);
}

int fuse_do_setxattr(struct fuse_request *request)
{
	const struct fuse_setxattr_in *in = (const void *)request->arguments;
	bool extended = atomic_load(&request->server->features) & FUSE_SETXATTR_EXT;
	size_t offset = extended ? sizeof(*in) : SETXATTR_IN_OLD;
	struct path path;
	const char *name;
	int r;

	if (request->length < offset)
		return -EINVAL;
	name = fuse_take_string(request, &offset);
	if (name == NULL || in->size > request->length - offset)
		return -EINVAL;
	if (!fuse_node_writable(request->node))
		return -EROFS;
	r = open_path(request, &path);
	if (r < 0)
		return r;
	fuse_credentials_set_kill(request->thread, false);
	r = setxattr(path.name, name, request->arguments + offset, in->size, (int)in->flags) < 0
		? -errno
		: 0;
	if (r == 0 && extended && (in->setxattr_flags & FUSE_SETXATTR_ACL_KILL_SGID))
		drop_setgid(path.name);
	fuse_node_close(request->server, request->node);
	return r;
}

/* Answers with the size of a value, or with the value. */
static int reply_value(struct fuse_request *request, ssize_t n, uint32_t size)
{
	struct fuse_getxattr_out out = { 0 };

	if (n < 0)
		return (int)n;
	if (size > 0)
		return (size_t)n > size ? -ERANGE
					: fuse_reply(request, request->thread->scratch, (size_t)n);
	out.size = (uint32_t)n;
	return fuse_reply(request, &out, sizeof(out));
}

/*
 * Linux takes any answer about an ACL but "none" for a failure of the file that was asked for: so
 * on a file system that has no ACLs nobody but the owner could do anything.
 */
static bool is_missing_acl(const char *name, ssize_t n)
{
	return n == -EOPNOTSUPP && strncmp(name, ACL_PREFIX, strlen(ACL_PREFIX)) == 0;
}

int fuse_do_getxattr(struct fuse_request *request)
{
	const struct fuse_getxattr_in *in = fuse_argument(request, struct fuse_getxattr_in);
	size_t offset = sizeof(*in);
	struct path path;
	const char *name;
	ssize_t n;
	int r;

	if (in == NULL)
		return -EINVAL;
	name = fuse_take_string(request, &offset);
	if (name == NULL)
		return -EINVAL;
	r = open_path(request, &path);
	if (r < 0)
		return is_missing_acl(name, r) ? -ENODATA : r;
	n = getxattr(path.name, name, request->thread->scratch, FUSE_SCRATCH);
	if (n < 0)
		n = -errno;
	fuse_node_close(request->server, request->node);
	return is_missing_acl(name, n) ? -ENODATA : reply_value(request, n, in->size);
}

int fuse_do_listxattr(struct fuse_request *request)
{
	const struct fuse_getxattr_in *in = fuse_argument(request, struct fuse_getxattr_in);
	struct path path;
	ssize_t n;
	int r;

	if (in == NULL)
		return -EINVAL;
	if (request->node->export == NULL)
		return reply_value(request, 0, in->size);
	r = open_path(request, &path);
	if (r < 0)
		return r;
	n = listxattr(path.name, request->thread->scratch, FUSE_SCRATCH);
	if (n < 0)
		n = -errno;
	fuse_node_close(request->server, request->node);
	return reply_value(request, n, in->size);
}

int fuse_do_removexattr(struct fuse_request *request)
{
	struct path path;
	size_t offset = 0;
	const char *name = fuse_take_string(request, &offset);
	int r;

	if (name == NULL)
		return -EINVAL;
	if (!fuse_node_writable(request->node))
		return -EROFS;
	r = open_path(request, &path);
	if (r < 0)
		return r;
	r = removexattr(path.name, name) < 0 ? -errno : 0;
	fuse_node_close(request->server, request->node);
	return r;
}
