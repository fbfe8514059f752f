/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of regular files. */
#include "runtime/vm/virtio/fs/fuse_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define SLICE 256	      /* iovecs in one system call */
#define COPY_MAX (128u << 20) /* bytes in one copy_file_range: a thread is busy with it */

/*
 * Of the client's flags those that mean something here. Appending is decided write by write: pages
 * of a mapping are written through the same handle, each to its own place.
 */
#define OPEN_FLAGS (O_ACCMODE | O_TRUNC | O_SYNC | O_DSYNC)

int fuse_open_contents(struct fuse_request *request, struct fuse_node *node, int flags)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
	char name[16];
	int path, fd;

	/* Opening a device or a fifo would reach past the file system (CVE-2020-35517). */
	if (S_ISDIR(node->type) && writes)
		return -EISDIR;
	if (!S_ISREG(node->type) && !S_ISDIR(node->type))
		return S_ISLNK(node->type) ? -ELOOP : -EPERM;
	if (writes && !fuse_node_writable(node))
		return -EROFS;
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	path = fuse_node_open(request->server, node);
	if (path < 0)
		return path;
	snprintf(name, sizeof(name), "%d", path);
	flags = (flags & OPEN_FLAGS) | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	fd = open(name, flags);
	if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
		fuse_nodes_shrink(request->server);
		fd = open(name, flags);
	}
	if (fd < 0)
		fd = -errno;
	fuse_node_close(request->server, node);
	return fd;
}

int fuse_do_open(struct fuse_request *request)
{
	const struct fuse_open_in *in = fuse_argument(request, struct fuse_open_in);
	struct fuse_open_out out = { 0 };
	_cleanup_close_ int fd = -EBADF;
	bool kill;
	int r;

	if (in == NULL)
		return -EINVAL;
	if (S_ISDIR(request->node->type))
		return -EISDIR;
	kill = (in->flags & O_TRUNC) && (in->open_flags & FUSE_OPEN_KILL_SUIDGID);
	if (in->flags & O_TRUNC)
		fuse_credentials_set_kill(request->thread, kill);
	fd = fuse_open_contents(request, request->node, (int)in->flags & OPEN_FLAGS);
	if (fd < 0)
		return fd;
	r = fuse_handle_new(request->server, request->node, fd, (in->flags & O_ACCMODE) != O_RDONLY,
		false, &out.fh);
	if (r < 0)
		return r;
	take_fd(&fd);
	/* Pages of an earlier opening are good until an attribute says otherwise. */
	if (fuse_timeout(request->node) > 0)
		out.open_flags |= FOPEN_KEEP_CACHE;
	r = fuse_reply(request, &out, sizeof(out));
	if (r < 0)
		fuse_handle_release(request->server, out.fh, false);
	return r;
}

enum direction { READ_FILE, WRITE_FILE, APPEND_FILE };

/*
 * Moves up to `length` bytes between the file and the iovecs from `offset` on. Returns the number
 * of bytes, or a negative errno where not one was moved.
 */
static ssize_t transfer(int fd, enum direction direction, const struct iovec *iov,
	unsigned int count, size_t offset, size_t length, off_t position)
{
	size_t done = 0;

	while (done < length) {
		struct iovec slice[SLICE];
		size_t skip = offset + done;
		size_t used = 0;
		int n = 0;
		ssize_t moved;

		for (unsigned int i = 0; i < count && n < SLICE && used < length - done; i++) {
			size_t piece;

			if (skip >= iov[i].iov_len) {
				skip -= iov[i].iov_len;
				continue;
			}
			piece = iov[i].iov_len - skip;
			if (piece > length - done - used)
				piece = length - done - used;
			slice[n++] = (struct iovec){ (char *)iov[i].iov_base + skip, piece };
			used += piece;
			skip = 0;
		}
		if (n == 0)
			break;
		if (direction == READ_FILE)
			moved = preadv(fd, slice, n, position + (off_t)done);
		else
			moved = pwritev2(fd, slice, n, position + (off_t)done,
				direction == APPEND_FILE ? RWF_APPEND : 0);
		if (moved < 0 && errno == EINTR)
			continue;
		if (moved < 0)
			return done > 0 ? (ssize_t)done : -errno;
		done += (size_t)moved;
		if ((size_t)moved < used)
			break;
	}
	return (ssize_t)done;
}

int fuse_do_read(struct fuse_request *request)
{
	const struct fuse_read_in *in = fuse_argument(request, struct fuse_read_in);
	struct fuse_handle *handle;
	size_t length;
	ssize_t n;

	if (in == NULL || in->offset > INT64_MAX)
		return -EINVAL;
	handle = fuse_handle_get(request->server, in->fh, false);
	if (handle == NULL)
		return -EBADF;
	length = in->size < request->room ? in->size : request->room;
	if (length > FUSE_TRANSFER_MAX)
		length = FUSE_TRANSFER_MAX;
	n = transfer(handle->fd, READ_FILE, request->out, request->out_count,
		sizeof(struct fuse_out_header), length, (off_t)in->offset);
	fuse_handle_put(request->server, handle);
	if (n < 0)
		return (int)n;
	request->replied = (size_t)n;
	return 0;
}

int fuse_do_write(struct fuse_request *request)
{
	const struct fuse_write_in *in = fuse_argument(request, struct fuse_write_in);
	size_t head = sizeof(request->header) + sizeof(*in);
	struct fuse_write_out out = { 0 };
	enum direction direction = WRITE_FILE;
	struct fuse_handle *handle;
	ssize_t n;

	if (in == NULL || in->offset > INT64_MAX || in->size > FUSE_TRANSFER_MAX ||
		request->header.len < head + in->size)
		return -EINVAL;
	handle = fuse_handle_get(request->server, in->fh, false);
	if (handle == NULL)
		return -EBADF;
	/* CVE-2021-20263: whoever is no file owner's root loses the set-id bits by writing. */
	fuse_credentials_set_kill(request->thread, in->write_flags & FUSE_WRITE_KILL_SUIDGID);
	if ((in->flags & O_APPEND) && !(in->write_flags & FUSE_WRITE_CACHE))
		direction = APPEND_FILE;
	n = handle->writable ? transfer(handle->fd, direction, request->in, request->in_count, head,
				       in->size, (off_t)in->offset)
			     : -EBADF;
	fuse_handle_put(request->server, handle);
	if (n < 0)
		return (int)n;
	out.size = (uint32_t)n;
	return fuse_reply(request, &out, sizeof(out));
}

int fuse_do_release(struct fuse_request *request)
{
	const struct fuse_release_in *in = fuse_argument(request, struct fuse_release_in);

	return in == NULL ? -EINVAL : fuse_handle_release(request->server, in->fh, false);
}

int fuse_do_fsync(struct fuse_request *request)
{
	const struct fuse_fsync_in *in = fuse_argument(request, struct fuse_fsync_in);

	if (in == NULL)
		return -EINVAL;
	return fuse_handle_sync(
		request->server, in->fh, false, in->fsync_flags & FUSE_FSYNC_FDATASYNC);
}

int fuse_do_fallocate(struct fuse_request *request)
{
	const struct fuse_fallocate_in *in = fuse_argument(request, struct fuse_fallocate_in);
	struct fuse_handle *handle;
	int r;

	if (in == NULL || in->offset > INT64_MAX || in->length > INT64_MAX)
		return -EINVAL;
	handle = fuse_handle_get(request->server, in->fh, false);
	if (handle == NULL)
		return -EBADF;
	/* The client's word for it is missing here and below, and it does not do it itself either.
	 */
	fuse_credentials_set_kill(request->thread, request->header.uid != 0);
	r = !handle->writable ? -EBADF
		: fallocate(handle->fd, (int)in->mode, (off_t)in->offset, (off_t)in->length) < 0
		? -errno
		: 0;
	fuse_handle_put(request->server, handle);
	return r;
}

int fuse_do_lseek(struct fuse_request *request)
{
	const struct fuse_lseek_in *in = fuse_argument(request, struct fuse_lseek_in);
	struct fuse_lseek_out out;
	struct fuse_handle *handle;
	off_t at;
	int r;

	if (in == NULL || in->offset > INT64_MAX ||
		(in->whence != SEEK_DATA && in->whence != SEEK_HOLE))
		return -EINVAL;
	handle = fuse_handle_get(request->server, in->fh, false);
	if (handle == NULL)
		return -EBADF;
	at = lseek(handle->fd, (off_t)in->offset, (int)in->whence);
	r = at < 0 ? -errno : 0;
	fuse_handle_put(request->server, handle);
	out.offset = (uint64_t)at;
	return r < 0 ? r : fuse_reply(request, &out, sizeof(out));
}

int fuse_do_copy_file_range(struct fuse_request *request)
{
	const struct fuse_copy_file_range_in *in = fuse_argument(
		request, struct fuse_copy_file_range_in);
	struct fuse_handle *from, *to;
	struct fuse_write_out out;
	loff_t from_offset, to_offset;
	ssize_t n = -EBADF;

	if (in == NULL || in->off_in > INT64_MAX || in->off_out > INT64_MAX || in->flags != 0)
		return -EINVAL;
	from = fuse_handle_get(request->server, in->fh_in, false);
	to = fuse_handle_get(request->server, in->fh_out, false);
	from_offset = (loff_t)in->off_in;
	to_offset = (loff_t)in->off_out;
	if (from != NULL && to != NULL && to->writable) {
		fuse_credentials_set_kill(request->thread, request->header.uid != 0);
		n = copy_file_range(from->fd, &from_offset, to->fd, &to_offset,
			in->len < COPY_MAX ? in->len : COPY_MAX, 0);
		if (n < 0)
			n = -errno;
	}
	if (from != NULL)
		fuse_handle_put(request->server, from);
	if (to != NULL)
		fuse_handle_put(request->server, to);
	if (n < 0)
		return (int)n;
	out = (struct fuse_write_out){ .size = (uint32_t)n };
	return fuse_reply(request, &out, sizeof(out));
}

static int sync_export(struct fuse_export *export)
{
	char name[16];
	_cleanup_close_ int fd = -EBADF;

	snprintf(name, sizeof(name), "%d", export->fd);
	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	return fd < 0 || syncfs(fd) < 0 ? -errno : 0;
}

/* The client names a node of a file system that it mounted: the export's, or the root's for all. */
int fuse_do_syncfs(struct fuse_request *request)
{
	struct fuse_server *server = request->server;
	struct fuse_export *export;
	int r = 0;

	if (request->node->export != NULL)
		return sync_export(request->node->export);
	pthread_mutex_lock(&server->lock);
	export = server->exports;
	while (export != NULL) {
		struct fuse_export *done = export;
		int s;

		export->users++;
		pthread_mutex_unlock(&server->lock);
		s = sync_export(export);
		pthread_mutex_lock(&server->lock);
		r = r < 0 ? r : s;
		/* One that was taken away meanwhile has no place to go on from. */
		export = done->removed ? NULL : done->next;
		fuse_export_put(server, done);
	}
	pthread_mutex_unlock(&server->lock);
	return r;
}
