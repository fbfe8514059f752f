/* SPDX-License-Identifier: Apache-2.0 */
/* One request: checked, sent to its operation, answered. */
#include "runtime/vm/virtio/fs/fuse_server.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/vm/virtio/fs/fuse_internal.h"

#define NODES_DEFAULT 262144u
#define FDS_MIN 64u
#define FDS_LIMIT (1u << 20)
#define MINOR_OLDEST 31u
#define MINOR_NEWEST 38u
#define PAGES_MAX (FUSE_TRANSFER_MAX / 4096)

/* Newer than the headers that this is built with may be. */
#define CREATE_SUPPLEMENTARY_GROUP (UINT64_C(1) << 34)

#define FEATURES                                                                          \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES | FUSE_DONT_MASK |       \
		FUSE_AUTO_INVAL_DATA | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |      \
		FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL | FUSE_MAX_PAGES | \
		FUSE_CACHE_SYMLINKS | FUSE_SUBMOUNTS | FUSE_HANDLE_KILLPRIV_V2 |          \
		FUSE_SETXATTR_EXT | FUSE_INIT_EXT | CREATE_SUPPLEMENTARY_GROUP)

/* As many as this process may have, less a reserve; the soft limit is raised for that. */
static unsigned int default_fds(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return FDS_MIN;
	if (limit.rlim_cur < limit.rlim_max) {
		rlim_t before = limit.rlim_cur;

		limit.rlim_cur = limit.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
			limit.rlim_cur = before;
	}
	if (limit.rlim_cur > FDS_LIMIT)
		return FDS_LIMIT;
	return limit.rlim_cur > FDS_MIN + FUSE_FDS_RESERVE
		? (unsigned int)limit.rlim_cur - FUSE_FDS_RESERVE
		: FDS_MIN;
}

int fuse_server_new(
	const struct fuse_server_options *options, struct fuse_server **ret, struct error *err)
{
	struct fuse_server *server = calloc(1, sizeof(*server));

	if (server == NULL)
		return error_set(err, ENOMEM, "make a file server");
	server->proc_self_fd = -EBADF;
	pthread_mutex_init(&server->lock, NULL);
	if (fuse_nodes_init(server) < 0) {
		fuse_server_free(server);
		return error_set(err, ENOMEM, "make a file server");
	}
	server->nodes_max = options->nodes_max > 0 ? options->nodes_max : NODES_DEFAULT;
	server->fds_max = options->fds_max > 0 ? options->fds_max : default_fds();
	server->proc_self_fd = options->proc_self_fd;
	if (server->proc_self_fd < 0)
		server->proc_self_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (server->proc_self_fd < 0) {
		int r = error_set(err, errno, "make a file server: open /proc/self/fd");

		fuse_server_free(server);
		return r;
	}
	*ret = server;
	return 0;
}

void fuse_server_reset(struct fuse_server *server)
{
	fuse_handles_clear(server);
	fuse_nodes_clear(server);
	atomic_store(&server->features, 0);
	atomic_store(&server->initialized, false);
}

void fuse_server_free(struct fuse_server *server)
{
	if (server == NULL)
		return;
	fuse_handles_clear(server);
	fuse_nodes_fini(server);
	while (server->exports != NULL) {
		struct fuse_export *export = server->exports;

		server->exports = export->next;
		fuse_export_put(server, export);
	}
	free(server->handles);
	if (server->proc_self_fd >= 0)
		close_fd(server->proc_self_fd);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

struct fuse_server_usage fuse_server_usage(struct fuse_server *server)
{
	struct fuse_server_usage usage;

	pthread_mutex_lock(&server->lock);
	usage.nodes = server->node_count;
	usage.handles = server->handle_count;
	usage.fds = server->handle_count + server->pinned_count + server->lru_count;
	pthread_mutex_unlock(&server->lock);
	return usage;
}

int fuse_thread_new(struct fuse_server *server, struct fuse_thread **ret, struct error *err)
{
	struct fuse_thread *thread = malloc(sizeof(*thread));
	int r;

	if (thread == NULL)
		return error_set(err, ENOMEM, "make a thread of the file server");
	thread->server = server;
	/* A working directory and umask of its own, and through the first, names for O_PATH fds. */
	if (unshare(CLONE_FS) < 0 || fchdir(server->proc_self_fd) < 0) {
		r = error_set(err, errno, "make a thread of the file server");
		free(thread);
		return r;
	}
	umask(0);
	r = fuse_credentials_init(thread);
	if (r < 0) {
		free(thread);
		return error_set(err, -r, "read the capabilities of a thread");
	}
	*ret = thread;
	return 0;
}

void fuse_thread_free(struct fuse_thread *thread)
{
	free(thread);
}

const char *fuse_take_string(struct fuse_request *request, size_t *offset)
{
	const char *string = request->arguments + *offset;
	const char *end;

	if (*offset >= request->length)
		return NULL;
	end = memchr(string, '\0', request->length - *offset);
	if (end == NULL)
		return NULL;
	*offset += (size_t)(end - string) + 1;
	return string;
}

const char *fuse_take_name(struct fuse_request *request, size_t *offset, int *ret_error)
{
	const char *name = fuse_take_string(request, offset);

	*ret_error = -EINVAL;
	if (name == NULL || name[0] == '\0' || strchr(name, '/') != NULL ||
		strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return NULL;
	*ret_error = -ENAMETOOLONG;
	return strlen(name) <= NAME_MAX ? name : NULL;
}

int fuse_reply(struct fuse_request *request, const void *data, size_t length)
{
	if (length > request->room - request->replied)
		return -EIO;
	if (iov_copy_in(request->out, request->out_count,
		    sizeof(struct fuse_out_header) + request->replied, data, length) != length)
		return -EIO;
	request->replied += length;
	return 0;
}

int fuse_do_init(struct fuse_request *request)
{
	const struct fuse_init_in *in = (const void *)request->arguments;
	struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION, .minor = MINOR_NEWEST };
	uint64_t features;

	/* The structure grew in 7.36; what an old client does not send reads as zero. */
	if (request->length < 16)
		return -EINVAL;
	memset(request->arguments + request->length, 0,
		request->length < sizeof(*in) ? sizeof(*in) - request->length : 0);
	if (in->major > FUSE_KERNEL_VERSION)
		return fuse_reply(request, &out, sizeof(out));
	if (in->major < FUSE_KERNEL_VERSION || in->minor < MINOR_OLDEST)
		return -EPROTO;
	/* A client that was mounted again knows nothing of what an earlier one had. */
	features = in->flags;
	if (in->flags & FUSE_INIT_EXT)
		features |= (uint64_t)in->flags2 << 32;
	features &= FEATURES;
	out.minor = in->minor < MINOR_NEWEST ? in->minor : MINOR_NEWEST;
	out.max_readahead = in->max_readahead;
	out.flags = (uint32_t)features;
	out.flags2 = (uint32_t)(features >> 32);
	out.max_background = 64;
	out.congestion_threshold = 48;
	out.max_write = FUSE_TRANSFER_MAX;
	out.time_gran = 1;
	out.max_pages = PAGES_MAX;
	atomic_store(&request->server->features, features);
	atomic_store(&request->server->initialized, true);
	return fuse_reply(request, &out, sizeof(out));
}

int fuse_do_destroy(struct fuse_request *request)
{
	(void)request;
	return 0;
}

static int do_interrupt(struct fuse_request *request)
{
	(void)request;
	/* No request waits for anything that an interrupt could cut short. */
	return FUSE_NO_REPLY;
}

static const struct {
	int (*function)(struct fuse_request *request);
	bool needs_node;
} operations[] = {
	[FUSE_LOOKUP] = { fuse_do_lookup, true },
	[FUSE_FORGET] = { fuse_do_forget, false },
	[FUSE_GETATTR] = { fuse_do_getattr, true },
	[FUSE_SETATTR] = { fuse_do_setattr, true },
	[FUSE_READLINK] = { fuse_do_readlink, true },
	[FUSE_SYMLINK] = { fuse_do_symlink, true },
	[FUSE_MKNOD] = { fuse_do_mknod, true },
	[FUSE_MKDIR] = { fuse_do_mkdir, true },
	[FUSE_UNLINK] = { fuse_do_unlink, true },
	[FUSE_RMDIR] = { fuse_do_rmdir, true },
	[FUSE_RENAME] = { fuse_do_rename, true },
	[FUSE_LINK] = { fuse_do_link, true },
	[FUSE_OPEN] = { fuse_do_open, true },
	[FUSE_READ] = { fuse_do_read, false },
	[FUSE_WRITE] = { fuse_do_write, false },
	[FUSE_STATFS] = { fuse_do_statfs, true },
	[FUSE_RELEASE] = { fuse_do_release, false },
	[FUSE_FSYNC] = { fuse_do_fsync, false },
	[FUSE_SETXATTR] = { fuse_do_setxattr, true },
	[FUSE_GETXATTR] = { fuse_do_getxattr, true },
	[FUSE_LISTXATTR] = { fuse_do_listxattr, true },
	[FUSE_REMOVEXATTR] = { fuse_do_removexattr, true },
	[FUSE_INIT] = { fuse_do_init, false },
	[FUSE_OPENDIR] = { fuse_do_opendir, true },
	[FUSE_READDIR] = { fuse_do_readdir, true },
	[FUSE_RELEASEDIR] = { fuse_do_releasedir, false },
	[FUSE_FSYNCDIR] = { fuse_do_fsyncdir, true },
	[FUSE_ACCESS] = { fuse_do_access, true },
	[FUSE_CREATE] = { fuse_do_create, true },
	[FUSE_INTERRUPT] = { do_interrupt, false },
	[FUSE_DESTROY] = { fuse_do_destroy, false },
	[FUSE_BATCH_FORGET] = { fuse_do_batch_forget, false },
	[FUSE_FALLOCATE] = { fuse_do_fallocate, false },
	[FUSE_READDIRPLUS] = { fuse_do_readdirplus, true },
	[FUSE_RENAME2] = { fuse_do_rename2, true },
	[FUSE_LSEEK] = { fuse_do_lseek, false },
	[FUSE_COPY_FILE_RANGE] = { fuse_do_copy_file_range, false },
	[FUSE_SYNCFS] = { fuse_do_syncfs, true },
	[FUSE_TMPFILE] = { fuse_do_tmpfile, true },
	/*
	 * Answered with ENOSYS, once: FUSE_FLUSH (nothing is held back here), locks (the guest's
	 * own), FUSE_BMAP, FUSE_IOCTL, FUSE_POLL.
	 */
};

static int perform(struct fuse_request *request)
{
	uint32_t opcode = request->header.opcode;
	int r;

	if (opcode >= sizeof(operations) / sizeof(operations[0]) ||
		operations[opcode].function == NULL)
		return -ENOSYS;
	if (!atomic_load(&request->server->initialized) && opcode != FUSE_INIT)
		return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET ? FUSE_NO_REPLY : -EIO;
	if (!operations[opcode].needs_node)
		return operations[opcode].function(request);
	request->node = fuse_node_get(request->server, request->header.nodeid);
	if (request->node == NULL)
		return -ESTALE;
	if (request->node->export != NULL && request->node->export->removed)
		r = -ESTALE;
	else
		r = operations[opcode].function(request);
	fuse_node_put(request->server, request->node);
	return r;
}

/* Copies the arguments; of a write only the structure, its payload stays where it is. */
static int take_arguments(struct fuse_request *request)
{
	size_t given = iov_length(request->in, request->in_count);
	size_t length = request->header.len;

	if (length < sizeof(request->header) || length > given)
		return -EINVAL;
	length -= sizeof(request->header);
	if (request->header.opcode == FUSE_WRITE && length > sizeof(struct fuse_write_in))
		length = sizeof(struct fuse_write_in);
	if (length > FUSE_ARGUMENTS_MAX && request->header.opcode == FUSE_BATCH_FORGET)
		length = FUSE_ARGUMENTS_MAX;
	if (length > FUSE_ARGUMENTS_MAX)
		return -E2BIG;
	request->arguments = request->thread->arguments;
	request->length = iov_copy_out(request->in, request->in_count, sizeof(request->header),
		request->arguments, length);
	request->arguments[request->length] = '\0';
	return 0;
}

size_t fuse_server_handle(struct fuse_thread *thread, const struct iovec *in, unsigned int in_count,
	const struct iovec *out, unsigned int out_count)
{
	struct fuse_request request = { .server = thread->server,
		.thread = thread,
		.in = in,
		.in_count = in_count,
		.out = out,
		.out_count = out_count };
	struct fuse_out_header header = { 0 };
	size_t room = iov_length(out, out_count);
	int r;

	if (iov_copy_out(in, in_count, 0, &request.header, sizeof(request.header)) !=
		sizeof(request.header))
		return 0;
	request.room = room > sizeof(header) ? room - sizeof(header) : 0;
	r = take_arguments(&request);
	if (r == 0)
		r = perform(&request);
	if (r == FUSE_NO_REPLY || room < sizeof(header))
		return 0;
	header.unique = request.header.unique;
	header.error = r;
	header.len = (uint32_t)(sizeof(header) + (r < 0 ? 0 : request.replied));
	iov_copy_in(out, out_count, 0, &header, sizeof(header));
	return header.len;
}
