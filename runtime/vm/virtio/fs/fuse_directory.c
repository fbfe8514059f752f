/* SPDX-License-Identifier: Apache-2.0 */
/* Reading directories, with and without a lookup of each entry. */
#include "runtime/vm/virtio/fs/fuse_internal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"

int fuse_do_opendir(struct fuse_request *request)
{
	struct fuse_open_out out = { 0 };
	_cleanup_close_ int fd = -EBADF;
	int r;

	if (!S_ISDIR(request->node->type))
		return -ENOTDIR;
	/* The synthetic root has no fd: its handle is a number only. */
	if (request->node->export != NULL) {
		fd = fuse_open_contents(request, request->node, O_RDONLY);
		if (fd < 0)
			return fd;
	}
	r = fuse_handle_new(request->server, request->node, fd, false, true, &out.fh);
	if (r < 0)
		return r;
	take_fd(&fd);
	if (request->node->export != NULL &&
		request->node->export->options.cache == FUSE_CACHE_ALWAYS)
		out.open_flags |= FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR;
	r = fuse_reply(request, &out, sizeof(out));
	if (r < 0)
		fuse_handle_release(request->server, out.fh, true);
	return r;
}

int fuse_do_releasedir(struct fuse_request *request)
{
	const struct fuse_release_in *in = fuse_argument(request, struct fuse_release_in);

	return in == NULL ? -EINVAL : fuse_handle_release(request->server, in->fh, true);
}

int fuse_do_fsyncdir(struct fuse_request *request)
{
	const struct fuse_fsync_in *in = fuse_argument(request, struct fuse_fsync_in);

	if (in == NULL)
		return -EINVAL;
	if (request->node->export == NULL)
		return 0;
	return fuse_handle_sync(
		request->server, in->fh, true, in->fsync_flags & FUSE_FSYNC_FDATASYNC);
}

struct entry {
	const char *name;
	uint64_t inode, next; /* offset behind this entry */
	unsigned int type;    /* DT_… */
};

/* Appends one entry to the answer. Returns 1, 0 when there is no room for it. */
static int reply_plain(struct fuse_request *request, const struct entry *entry, size_t limit)
{
	size_t length = strlen(entry->name);
	size_t size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + length);
	struct fuse_dirent dirent = { .ino = entry->inode,
		.off = entry->next,
		.namelen = (uint32_t)length,
		.type = entry->type };
	char record[FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET + NAME_MAX + 1)] = { 0 };

	if (length > NAME_MAX || size > limit - request->replied)
		return 0;
	memcpy(record, &dirent, FUSE_NAME_OFFSET);
	memcpy(record + FUSE_NAME_OFFSET, entry->name, length);
	return fuse_reply(request, record, size) < 0 ? 0 : 1;
}

/* The same with the entry looked up; "." and ".." are not, and count no lookup. */
static int reply_plus(struct fuse_request *request, const struct entry *entry, size_t limit)
{
	bool dots = strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0;
	size_t length = strlen(entry->name);
	size_t size = FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + length);
	struct fuse_direntplus plus = { .dirent = { .ino = entry->inode,
						.off = entry->next,
						.namelen = (uint32_t)length,
						.type = entry->type } };
	char record[FUSE_DIRENT_ALIGN(FUSE_NAME_OFFSET_DIRENTPLUS + NAME_MAX + 1)] = { 0 };

	if (length > NAME_MAX || size > limit - request->replied)
		return 0;
	/* One that is gone by now, or that is one too many, is listed without its inode. */
	if (!dots && fuse_lookup_name(request, request->node, entry->name, &plus.entry_out) < 0)
		plus.entry_out = (struct fuse_entry_out){ 0 };
	memcpy(record, &plus, FUSE_NAME_OFFSET_DIRENTPLUS);
	memcpy(record + FUSE_NAME_OFFSET_DIRENTPLUS, entry->name, length);
	if (fuse_reply(request, record, size) == 0)
		return 1;
	if (plus.entry_out.nodeid != 0)
		fuse_node_forget(request->server, plus.entry_out.nodeid, 1);
	return 0;
}

typedef int (*reply_function)(
	struct fuse_request *request, const struct entry *entry, size_t limit);

/* Offsets of the synthetic root: 1 and 2 are behind the dots, then the exports in their order. */
static int read_root(
	struct fuse_request *request, uint64_t offset, size_t limit, reply_function reply)
{
	static const char *const dots[] = { ".", ".." };
	char name[256];
	mode_t type = 0;

	for (; offset < 2; offset++) {
		struct entry entry = { dots[offset], FUSE_ROOT_ID, offset + 1, DT_DIR };

		if (!reply(request, &entry, limit))
			return 0;
	}
	for (;; offset++) {
		struct entry entry = { .name = name, .next = offset + 1 };

		if (!fuse_root_entry(request->server, offset - 2, name, &entry.inode, &type))
			return 0;
		entry.type = IFTODT(type);
		if (!reply(request, &entry, limit))
			return 0;
	}
}

/* One system call's worth of entries. Returns whether to go on. */
static int read_some(struct fuse_request *request, struct fuse_handle *handle, size_t limit,
	reply_function reply)
{
	char *buffer = request->thread->scratch;
	/* About as much as there is room for: what does not fit is read again. */
	size_t want = (limit - request->replied) / (reply == reply_plus ? 4 : 1);
	long n;

	if (want > FUSE_SCRATCH)
		want = FUSE_SCRATCH;
	if (want < 512)
		want = 512;
	n = syscall(SYS_getdents64, handle->fd, buffer, want);
	if (n < 0)
		return request->replied > 0 ? 0 : -errno;
	handle->position = UINT64_MAX;
	for (long at = 0; at < n;) {
		const struct dirent64 *d = (const void *)(buffer + at);
		struct entry entry = { d->d_name, d->d_ino, (uint64_t)d->d_off, d->d_type };

		if (!reply(request, &entry, limit))
			return 0;
		at += d->d_reclen;
		if (at == n)
			handle->position = entry.next;
	}
	return n > 0;
}

static int read_directory(struct fuse_request *request, struct fuse_handle *handle, uint64_t offset,
	size_t limit, reply_function reply)
{
	int r = 1;

	if (handle->fd < 0)
		return read_root(request, offset, limit, reply);
	pthread_mutex_lock(&handle->position_lock);
	/* The fd stands behind what was read, which may be more than what was answered. */
	if (offset != handle->position && lseek(handle->fd, (off_t)offset, SEEK_SET) < 0)
		r = -errno;
	while (r == 1)
		r = read_some(request, handle, limit, reply);
	pthread_mutex_unlock(&handle->position_lock);
	return r;
}

static int read_common(struct fuse_request *request, reply_function reply)
{
	const struct fuse_read_in *in = fuse_argument(request, struct fuse_read_in);
	struct fuse_handle *handle;
	size_t limit;
	int r;

	if (in == NULL || in->offset > INT64_MAX)
		return -EINVAL;
	handle = fuse_handle_get(request->server, in->fh, true);
	if (handle == NULL || handle->node != request->node) {
		if (handle != NULL)
			fuse_handle_put(request->server, handle);
		return -EBADF;
	}
	limit = in->size < request->room ? in->size : request->room;
	r = read_directory(request, handle, in->offset, limit, reply);
	fuse_handle_put(request->server, handle);
	return r;
}

int fuse_do_readdir(struct fuse_request *request)
{
	return read_common(request, reply_plain);
}

int fuse_do_readdirplus(struct fuse_request *request)
{
	return read_common(request, reply_plus);
}
