/* SPDX-License-Identifier: Apache-2.0 */
/* Names to inodes, and what inodes say of themselves. */
#include "runtime/vm/virtio/fs/fuse_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "lib/cleanup.h"

struct fuse_identity fuse_identity_of(const struct statx *stat)
{
	struct fuse_identity identity = {
		.device = (uint64_t)stat->stx_dev_major << 32 | stat->stx_dev_minor,
		.inode = stat->stx_ino,
	};

	/* Where the file system has no time of birth, a reused inode number is not told apart. */
	if (stat->stx_mask & STATX_BTIME) {
		identity.birth_seconds = stat->stx_btime.tv_sec;
		identity.birth_nanoseconds = stat->stx_btime.tv_nsec;
	}
	return identity;
}

bool fuse_identity_equal(const struct fuse_identity *a, const struct fuse_identity *b)
{
	return a->device == b->device && a->inode == b->inode &&
		a->birth_seconds == b->birth_seconds &&
		a->birth_nanoseconds == b->birth_nanoseconds;
}

int fuse_statx(int fd, const char *name, struct statx *ret)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (name[0] == '\0' ? AT_EMPTY_PATH : 0);

	if (statx(fd, name, flags, FUSE_STATX_MASK, ret) < 0)
		return -errno;
	return 0;
}

/*
 * A mount point gets a device number of its own in the guest, so that inode numbers fit. The first
 * export has the one of the synthetic root, with whose few numbers its own are never compared:
 * Linux asks for security.capability before each write to a file of a submount, because it does
 * not pass SB_NOSEC on to it.
 */
static bool begins_mount(
	const struct fuse_server *server, const struct fuse_node *node, const struct statx *stat)
{
	if (node->parent == NULL)
		return false;
	if (node->parent == &server->root)
		return !node->export->first;
	return node->parent->mount != stat->stx_mnt_id;
}

void fuse_fill_attributes(const struct fuse_request *request, const struct fuse_node *node,
	const struct statx *stat, struct fuse_attr *ret)
{
	*ret = (struct fuse_attr){
		.ino = stat->stx_ino,
		.size = stat->stx_size,
		.blocks = stat->stx_blocks,
		.atime = (uint64_t)stat->stx_atime.tv_sec,
		.mtime = (uint64_t)stat->stx_mtime.tv_sec,
		.ctime = (uint64_t)stat->stx_ctime.tv_sec,
		.atimensec = stat->stx_atime.tv_nsec,
		.mtimensec = stat->stx_mtime.tv_nsec,
		.ctimensec = stat->stx_ctime.tv_nsec,
		.mode = stat->stx_mode,
		.nlink = stat->stx_nlink,
		.uid = stat->stx_uid,
		.gid = stat->stx_gid,
		.rdev = (uint32_t)makedev(stat->stx_rdev_major, stat->stx_rdev_minor),
		.blksize = stat->stx_blksize,
	};
	if ((atomic_load(&request->server->features) & FUSE_SUBMOUNTS) && S_ISDIR(stat->stx_mode) &&
		node != NULL && begins_mount(request->server, node, stat))
		ret->flags |= FUSE_ATTR_SUBMOUNT;
}

uint64_t fuse_timeout(const struct fuse_node *node)
{
	if (node->export == NULL || node->export->options.cache == FUSE_CACHE_NEVER)
		return 0;
	return node->export->options.cache == FUSE_CACHE_AUTO ? 1 : 86400;
}

void fuse_fill_entry(const struct fuse_request *request, const struct fuse_node *node,
	const struct statx *stat, struct fuse_entry_out *ret)
{
	*ret = (struct fuse_entry_out){
		.nodeid = node->id,
		.generation = 0,
		.entry_valid = fuse_timeout(node),
		.attr_valid = fuse_timeout(node),
	};
	fuse_fill_attributes(request, node, stat, &ret->attr);
}

int fuse_lookup_name(struct fuse_request *request, struct fuse_node *parent, const char *name,
	struct fuse_entry_out *ret)
{
	struct fuse_server *server = request->server;
	struct fuse_node *node;
	struct statx stat;
	int fd, r;

	if (parent == &server->root)
		return fuse_root_lookup(request, name, ret);
	if (!S_ISDIR(parent->type))
		return -ENOTDIR;
	fd = fuse_node_open(server, parent);
	if (fd < 0)
		return fd;
	r = fuse_statx(fd, name, &stat);
	fuse_node_close(server, parent);
	if (r < 0)
		return r;
	node = fuse_node_enter(server, parent, name, &stat);
	if (node == NULL)
		return -ENFILE;
	fuse_fill_entry(request, node, &stat, ret);
	fuse_node_put(server, node);
	return 0;
}

int fuse_do_lookup(struct fuse_request *request)
{
	struct fuse_entry_out out;
	size_t offset = 0;
	int r;
	const char *name = fuse_take_name(request, &offset, &r);

	if (name == NULL)
		return r;
	r = fuse_lookup_name(request, request->node, name, &out);
	/* Where nobody else changes the files, that there is none may be remembered too. */
	if (r == -ENOENT && request->node->export != NULL &&
		request->node->export->options.cache == FUSE_CACHE_ALWAYS) {
		out = (struct fuse_entry_out){ .entry_valid = fuse_timeout(request->node) };
		r = 0;
	}
	return r < 0 ? r : fuse_reply(request, &out, sizeof(out));
}

int fuse_do_forget(struct fuse_request *request)
{
	const struct fuse_forget_in *in = fuse_argument(request, struct fuse_forget_in);

	if (in != NULL)
		fuse_node_forget(request->server, request->header.nodeid, in->nlookup);
	return FUSE_NO_REPLY;
}

int fuse_do_batch_forget(struct fuse_request *request)
{
	const struct fuse_batch_forget_in *in = fuse_argument(request, struct fuse_batch_forget_in);
	size_t at = sizeof(*in);

	if (in == NULL)
		return FUSE_NO_REPLY;
	for (uint32_t i = 0; i < in->count; i++, at += sizeof(struct fuse_forget_one)) {
		struct fuse_forget_one one;

		if (request->length - at < sizeof(one))
			break;
		memcpy(&one, request->arguments + at, sizeof(one));
		fuse_node_forget(request->server, one.nodeid, one.nlookup);
	}
	return FUSE_NO_REPLY;
}

/* The handle that a request names for its node, with a reference; or NULL. */
static struct fuse_handle *handle_of_node(struct fuse_request *request, bool named, uint64_t number)
{
	struct fuse_handle *handle = NULL;

	if (named)
		handle = fuse_handle_get(request->server, number, false);
	if (handle != NULL && handle->node != request->node) {
		fuse_handle_put(request->server, handle);
		handle = NULL;
	}
	return handle;
}

/* `handle` may be NULL. */
static int reply_attributes(struct fuse_request *request, const struct fuse_handle *handle)
{
	struct fuse_attr_out out = { .attr_valid = fuse_timeout(request->node) };
	struct statx stat;
	int r = handle != NULL ? fuse_statx(handle->fd, "", &stat)
			       : fuse_node_stat(request->server, request->node, &stat);

	if (r < 0)
		return r;
	fuse_fill_attributes(request, request->node, &stat, &out.attr);
	return fuse_reply(request, &out, sizeof(out));
}

int fuse_do_getattr(struct fuse_request *request)
{
	const struct fuse_getattr_in *in = fuse_argument(request, struct fuse_getattr_in);
	struct fuse_handle *handle = handle_of_node(
		request, in != NULL && (in->getattr_flags & FUSE_GETATTR_FH), in ? in->fh : 0);
	int r = reply_attributes(request, handle);

	if (handle != NULL)
		fuse_handle_put(request->server, handle);
	return r;
}

static int set_mode(int fd, mode_t mode)
{
	char name[16];

	/* An O_PATH fd has no fchmod(2); this thread works in /proc/self/fd. */
	snprintf(name, sizeof(name), "%d", fd);
	return fchmodat(AT_FDCWD, name, mode & 07777, 0) < 0 ? -errno : 0;
}

/*
 * Set-id bits go as the host's kernel has it. Whether the user is in the group, which keeps a
 * setgid bit that nobody can use to run the file, is not said: it goes.
 */
static int set_owner(struct fuse_request *request, const struct fuse_setattr_in *in, int fd)
{
	uid_t uid = in->valid & FATTR_UID ? in->uid : (uid_t)-1;
	gid_t gid = in->valid & FATTR_GID ? in->gid : (gid_t)-1;

	fuse_credentials_set_kill(request->thread, request->header.uid != 0);
	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int set_size(struct fuse_request *request, const struct fuse_setattr_in *in,
	const struct fuse_handle *handle)
{
	_cleanup_close_ int fd = -EBADF;

	if (in->size > INT64_MAX)
		return -EFBIG;
	fuse_credentials_set_kill(request->thread, in->valid & FATTR_KILL_SUIDGID);
	if (handle != NULL && handle->writable)
		return ftruncate(handle->fd, (off_t)in->size) < 0 ? -errno : 0;
	fd = fuse_open_contents(request, request->node, O_WRONLY);
	if (fd < 0)
		return fd;
	return ftruncate(fd, (off_t)in->size) < 0 ? -errno : 0;
}

static int set_times(int fd, const struct fuse_setattr_in *in)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_OMIT } };

	if (in->valid & FATTR_ATIME_NOW)
		times[0].tv_nsec = UTIME_NOW;
	else if (in->valid & FATTR_ATIME)
		times[0] = (struct timespec){ (time_t)in->atime, in->atimensec };
	if (in->valid & FATTR_MTIME_NOW)
		times[1].tv_nsec = UTIME_NOW;
	else if (in->valid & FATTR_MTIME)
		times[1] = (struct timespec){ (time_t)in->mtime, in->mtimensec };
	return utimensat(fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int set_attributes(struct fuse_request *request, const struct fuse_setattr_in *in,
	const struct fuse_handle *handle, int fd)
{
	int r = 0;

	fuse_credentials_set_kill(request->thread, false);
	if (in->valid & FATTR_MODE)
		r = S_ISLNK(request->node->type) ? -EOPNOTSUPP : set_mode(fd, in->mode);
	if (r == 0 && (in->valid & (FATTR_UID | FATTR_GID)))
		r = set_owner(request, in, fd);
	if (r == 0 && (in->valid & FATTR_SIZE))
		r = set_size(request, in, handle);
	if (r == 0 && (in->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)))
		r = set_times(fd, in);
	return r;
}

int fuse_do_setattr(struct fuse_request *request)
{
	const struct fuse_setattr_in *in = fuse_argument(request, struct fuse_setattr_in);
	struct fuse_handle *handle;
	int fd, r;

	if (in == NULL)
		return -EINVAL;
	if (!fuse_node_writable(request->node))
		return -EROFS;
	handle = handle_of_node(request, in->valid & FATTR_FH, in->fh);
	if (handle != NULL) {
		r = set_attributes(request, in, handle, handle->fd);
	} else {
		fd = fuse_node_open(request->server, request->node);
		if (fd < 0)
			return fd;
		r = set_attributes(request, in, NULL, fd);
		fuse_node_close(request->server, request->node);
	}
	if (r == 0)
		r = reply_attributes(request, handle);
	if (handle != NULL)
		fuse_handle_put(request->server, handle);
	return r;
}

int fuse_do_readlink(struct fuse_request *request)
{
	int fd = fuse_node_open(request->server, request->node);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", request->thread->scratch, PATH_MAX);
	if (n < 0)
		n = -errno;
	fuse_node_close(request->server, request->node);
	return n < 0 ? (int)n : fuse_reply(request, request->thread->scratch, (size_t)n);
}

int fuse_do_statfs(struct fuse_request *request)
{
	struct fuse_statfs_out out = { .st = { .bsize = 4096, .namelen = NAME_MAX } };
	struct statfs fs;
	int fd, r;

	if (request->node->export == NULL)
		return fuse_reply(request, &out, sizeof(out));
	fd = fuse_node_open(request->server, request->node);
	if (fd < 0)
		return fd;
	r = fstatfs(fd, &fs) < 0 ? -errno : 0;
	fuse_node_close(request->server, request->node);
	if (r < 0)
		return r;
	out.st = (struct fuse_kstatfs){
		.blocks = fs.f_blocks,
		.bfree = fs.f_bfree,
		.bavail = fs.f_bavail,
		.files = fs.f_files,
		.ffree = fs.f_ffree,
		.bsize = (uint32_t)fs.f_bsize,
		.namelen = (uint32_t)fs.f_namelen,
		.frsize = (uint32_t)fs.f_frsize,
	};
	return fuse_reply(request, &out, sizeof(out));
}

/* Only a client without default_permissions asks; answered from the mode, as a kernel does. */
int fuse_do_access(struct fuse_request *request)
{
	const struct fuse_access_in *in = fuse_argument(request, struct fuse_access_in);
	struct statx stat;
	unsigned int want, mode;
	int r;

	if (in == NULL)
		return -EINVAL;
	r = fuse_node_stat(request->server, request->node, &stat);
	if (r < 0)
		return r;
	want = in->mask & 7;
	mode = stat.stx_mode;
	if ((want & W_OK) && !fuse_node_writable(request->node))
		return -EROFS;
	if (request->header.uid == 0)
		return (want & X_OK) && !S_ISDIR(mode) && !(mode & 0111) ? -EACCES : 0;
	if (request->header.uid == stat.stx_uid)
		mode >>= 6;
	else if (request->header.gid == stat.stx_gid)
		mode >>= 3;
	return (want & ~mode) != 0 ? -EACCES : 0;
}
