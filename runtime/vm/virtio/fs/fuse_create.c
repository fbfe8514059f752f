/* SPDX-License-Identifier: Apache-2.0 */
/* Names that come, go and move. */
#include "runtime/vm/virtio/fs/fuse_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/cleanup.h"

/* Opens the parent of something that is to change. Pairs with fuse_node_close(). */
static int open_parent(struct fuse_request *request, struct fuse_node *parent)
{
	if (!fuse_node_writable(parent))
		return -EROFS;
	if (!S_ISDIR(parent->type))
		return -ENOTDIR;
	return fuse_node_open(request->server, parent);
}

static int reply_entry(struct fuse_request *request, const char *name)
{
	struct fuse_entry_out out;
	int r = fuse_lookup_name(request, request->node, name, &out);

	if (r < 0)
		return r;
	r = fuse_reply(request, &out, sizeof(out));
	if (r < 0)
		fuse_node_forget(request->server, out.nodeid, 1);
	return r;
}

struct creation {
	const char *name;
	mode_t mode, umask;
	const char *target; /* of a symbolic link */
};

static int create_at(int parent, const struct creation *what)
{
	int r;

	umask(what->umask & 0777);
	if (what->target != NULL)
		r = symlinkat(what->target, parent, what->name);
	else if (S_ISDIR(what->mode))
		r = mkdirat(parent, what->name, what->mode & 07777);
	else
		r = mknodat(parent, what->name, what->mode, 0);
	r = r < 0 ? -errno : 0;
	umask(0);
	return r;
}

static int create(struct fuse_request *request, const struct creation *what)
{
	int fd = open_parent(request, request->node), r;

	if (fd < 0)
		return fd;
	r = fuse_credentials_assume(request);
	if (r == 0) {
		r = create_at(fd, what);
		fuse_credentials_restore(request);
	}
	fuse_node_close(request->server, request->node);
	return r < 0 ? r : reply_entry(request, what->name);
}

int fuse_do_symlink(struct fuse_request *request)
{
	struct creation what = { 0 };
	size_t offset = 0;
	int r;

	what.name = fuse_take_name(request, &offset, &r);
	if (what.name == NULL)
		return r;
	what.target = fuse_take_string(request, &offset);
	if (what.target == NULL)
		return -EINVAL;
	return create(request, &what);
}

/* `offset`: where the name is, behind the arguments. */
static int create_inode(struct fuse_request *request, size_t offset, mode_t mode, mode_t mask)
{
	struct creation what = { .mode = mode, .umask = mask };
	int r;

	what.name = fuse_take_name(request, &offset, &r);
	return what.name == NULL ? r : create(request, &what);
}

int fuse_do_mknod(struct fuse_request *request)
{
	const struct fuse_mknod_in *in = fuse_argument(request, struct fuse_mknod_in);

	if (in == NULL)
		return -EINVAL;
	switch (in->mode & S_IFMT) {
	case 0:
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	case S_IFCHR:
		/* An overlay's whiteout is no device. */
		if (in->rdev == 0)
			break;
		return -EPERM;
	default:
		/* A node of the guest's making would be a device of the host's (CVE-2020-35517). */
		return -EPERM;
	}
	return create_inode(request, sizeof(*in), in->mode & (S_IFMT | 07777), in->umask);
}

int fuse_do_mkdir(struct fuse_request *request)
{
	const struct fuse_mkdir_in *in = fuse_argument(request, struct fuse_mkdir_in);

	if (in == NULL)
		return -EINVAL;
	return create_inode(request, sizeof(*in), S_IFDIR | (in->mode & 07777), in->umask);
}

static int remove_name(struct fuse_request *request, int flags)
{
	struct fuse_server *server = request->server;
	struct fuse_node *victim;
	size_t offset = 0;
	int fd, r;
	const char *name = fuse_take_name(request, &offset, &r);

	if (name == NULL)
		return r;
	fd = open_parent(request, request->node);
	if (fd < 0)
		return fd;
	victim = fuse_node_pin_named(server, request->node, name);
	r = unlinkat(fd, name, flags) < 0 ? -errno : 0;
	fuse_node_unname(server, victim, request->node, name, r == 0);
	fuse_node_close(server, request->node);
	return r;
}

int fuse_do_unlink(struct fuse_request *request)
{
	return remove_name(request, 0);
}

int fuse_do_rmdir(struct fuse_request *request)
{
	return remove_name(request, AT_REMOVEDIR);
}

static int rename_between(struct fuse_request *request, const char *old_name,
	struct fuse_node *parent, const char *new_name, unsigned int flags)
{
	struct fuse_server *server = request->server;
	struct fuse_node *victim = NULL;
	int from = open_parent(request, request->node), to, r;

	if (from < 0)
		return from;
	to = parent->export != request->node->export ? -EXDEV : open_parent(request, parent);
	if (to < 0) {
		fuse_node_close(server, request->node);
		return to;
	}
	if (!(flags & (RENAME_EXCHANGE | RENAME_NOREPLACE)))
		victim = fuse_node_pin_named(server, parent, new_name);
	r = renameat2(from, old_name, to, new_name, flags) < 0 ? -errno : 0;
	fuse_node_unname(server, victim, parent, new_name, r == 0);
	if (r == 0)
		fuse_node_rename(
			server, request->node, old_name, parent, new_name, flags & RENAME_EXCHANGE);
	fuse_node_close(server, parent);
	fuse_node_close(server, request->node);
	return r;
}

static int rename_common(
	struct fuse_request *request, size_t offset, uint64_t new_parent, unsigned int flags)
{
	struct fuse_node *parent;
	const char *old_name, *new_name;
	int r;

	old_name = fuse_take_name(request, &offset, &r);
	if (old_name == NULL)
		return r;
	new_name = fuse_take_name(request, &offset, &r);
	if (new_name == NULL)
		return r;
	if (flags & ~(unsigned int)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	parent = fuse_node_get(request->server, new_parent);
	if (parent == NULL)
		return -ESTALE;
	r = rename_between(request, old_name, parent, new_name, flags);
	fuse_node_put(request->server, parent);
	return r;
}

int fuse_do_rename(struct fuse_request *request)
{
	const struct fuse_rename_in *in = fuse_argument(request, struct fuse_rename_in);

	return in == NULL ? -EINVAL : rename_common(request, sizeof(*in), in->newdir, 0);
}

int fuse_do_rename2(struct fuse_request *request)
{
	const struct fuse_rename2_in *in = fuse_argument(request, struct fuse_rename2_in);

	return in == NULL ? -EINVAL : rename_common(request, sizeof(*in), in->newdir, in->flags);
}

static int link_node(struct fuse_request *request, struct fuse_node *node, const char *name)
{
	struct fuse_server *server = request->server;
	int fd, to, r;
	char source[16];

	/* The export's root is a mount point, and has no name that could be linked. */
	if (node->export != request->node->export)
		return -EXDEV;
	fd = fuse_node_open(server, node);
	if (fd < 0)
		return fd;
	to = open_parent(request, request->node);
	if (to >= 0) {
		/* The link in /proc is followed to the inode itself, and no further. */
		snprintf(source, sizeof(source), "%d", fd);
		r = linkat(AT_FDCWD, source, to, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
		fuse_node_close(server, request->node);
	} else {
		r = to;
	}
	fuse_node_close(server, node);
	return r;
}

int fuse_do_link(struct fuse_request *request)
{
	const struct fuse_link_in *in = fuse_argument(request, struct fuse_link_in);
	struct fuse_node *node;
	size_t offset = sizeof(*in);
	const char *name;
	int r;

	if (in == NULL)
		return -EINVAL;
	name = fuse_take_name(request, &offset, &r);
	if (name == NULL)
		return r;
	node = fuse_node_get(request->server, in->oldnodeid);
	if (node == NULL)
		return -ESTALE;
	if (node->export == NULL || S_ISDIR(node->type))
		r = -EPERM;
	else
		r = link_node(request, node, name);
	fuse_node_put(request->server, node);
	return r < 0 ? r : reply_entry(request, name);
}

/* What of the client's flags reaches a file that is made. */
static int create_flags(uint32_t flags)
{
	return (int)(flags & (O_ACCMODE | O_SYNC | O_DSYNC)) | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
}

/* Answers with the entry and an open handle; `fd` is taken over on success. */
static int reply_created(
	struct fuse_request *request, const struct fuse_entry_out *entry, int *fd, bool writable)
{
	struct fuse_node *node = fuse_node_get(request->server, entry->nodeid);
	struct fuse_open_out open = { 0 };
	int r;

	if (node == NULL)
		return -ESTALE;
	if (fuse_timeout(node) > 0)
		open.open_flags |= FOPEN_KEEP_CACHE;
	r = fuse_handle_new(request->server, node, *fd, writable, false, &open.fh);
	fuse_node_put(request->server, node);
	if (r < 0)
		return r;
	take_fd(fd);
	r = fuse_reply(request, entry, sizeof(*entry));
	if (r == 0)
		r = fuse_reply(request, &open, sizeof(open));
	if (r < 0)
		fuse_handle_release(request->server, open.fh, false);
	return r;
}

/*
 * Makes a new file; -EEXIST where there is one. An existing file is never opened by this name,
 * which could be a device's.
 */
static int create_file(struct fuse_request *request, const struct fuse_create_in *in,
	const char *name, int *ret_fd)
{
	int parent = open_parent(request, request->node), fd, r;

	if (parent < 0)
		return parent;
	r = fuse_credentials_assume(request);
	if (r == 0) {
		umask(in->umask & 0777);
		fd = openat(
			parent, name, create_flags(in->flags) | O_CREAT | O_EXCL, in->mode & 07777);
		r = fd < 0 ? -errno : 0;
		umask(0);
		fuse_credentials_restore(request);
		if (r == 0)
			*ret_fd = fd;
	}
	fuse_node_close(request->server, request->node);
	return r;
}

int fuse_do_create(struct fuse_request *request)
{
	const struct fuse_create_in *in = fuse_argument(request, struct fuse_create_in);
	_cleanup_close_ int fd = -EBADF;
	struct fuse_entry_out entry = { 0 };
	struct fuse_node *node;
	size_t offset = sizeof(*in);
	const char *name;
	bool existed;
	int r;

	if (in == NULL)
		return -EINVAL;
	name = fuse_take_name(request, &offset, &r);
	if (name == NULL)
		return r;
	r = create_file(request, in, name, &fd);
	if (r == -EMFILE || r == -ENFILE) {
		fuse_nodes_shrink(request->server);
		r = create_file(request, in, name, &fd);
	}
	existed = r == -EEXIST && !(in->flags & O_EXCL);
	if (r < 0 && !existed)
		return r;
	r = fuse_lookup_name(request, request->node, name, &entry);
	if (r < 0)
		return r;
	if (existed) {
		node = fuse_node_get(request->server, entry.nodeid);
		fuse_credentials_set_kill(request->thread, in->open_flags & FUSE_OPEN_KILL_SUIDGID);
		fd = node == NULL ? -ESTALE
				  : fuse_open_contents(request, node,
					    (int)(in->flags & (O_ACCMODE | O_TRUNC)));
		r = fd < 0 ? fd : 0;
		if (node != NULL)
			fuse_node_put(request->server, node);
	}
	if (r == 0)
		r = reply_created(request, &entry, &fd, (in->flags & O_ACCMODE) != O_RDONLY);
	if (r < 0)
		fuse_node_forget(request->server, entry.nodeid, 1);
	return r;
}

/* The node of an unnamed file: over an O_PATH fd of its own. */
static int enter_unnamed(struct fuse_request *request, int fd, struct fuse_entry_out *ret)
{
	_cleanup_close_ int path = -EBADF;
	struct fuse_node *node;
	struct statx stat;
	char name[16];
	int r;

	snprintf(name, sizeof(name), "%d", fd);
	path = open(name, O_PATH | O_CLOEXEC);
	if (path < 0)
		return -errno;
	r = fuse_statx(path, "", &stat);
	if (r < 0)
		return r;
	node = fuse_node_enter_unnamed(
		request->server, request->node->export, take_fd(&path), &stat);
	if (node == NULL)
		return -ENFILE;
	fuse_fill_entry(request, node, &stat, ret);
	fuse_node_put(request->server, node);
	return 0;
}

int fuse_do_tmpfile(struct fuse_request *request)
{
	const struct fuse_create_in *in = fuse_argument(request, struct fuse_create_in);
	_cleanup_close_ int fd = -EBADF;
	struct fuse_entry_out entry = { 0 };
	int parent, r;

	if (in == NULL)
		return -EINVAL;
	parent = open_parent(request, request->node);
	if (parent < 0)
		return parent;
	r = fuse_credentials_assume(request);
	if (r == 0) {
		umask(in->umask & 0777);
		fd = openat(parent, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, in->mode & 07777);
		r = fd < 0 ? -errno : 0;
		umask(0);
		fuse_credentials_restore(request);
	}
	fuse_node_close(request->server, request->node);
	if (r == 0)
		r = enter_unnamed(request, fd, &entry);
	if (r < 0)
		return r;
	r = reply_created(request, &entry, &fd, true);
	if (r < 0)
		fuse_node_forget(request->server, entry.nodeid, 1);
	return r;
}
