/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A FUSE server (protocol 7.38, and what there is of it down to 7.31) over exports: file
 * descriptors of detached mount trees, or of single files, which appear as the entries of one
 * synthetic root directory. It knows no transport: a request comes in as iovecs and its answer goes
 * out as iovecs, so that a virtqueue and /dev/fuse can both carry it. Contents are read and written
 * straight between files and those iovecs.
 *
 * The client is hostile. It names files only by numbers that it was given and by single names below
 * them; no path of its making is ever resolved, no symbolic link is followed, and no device, fifo
 * or socket is opened. What it may do to a file is checked by the client's own kernel
 * (default_permissions), so whoever controls that kernel can do to an export whatever its own uid 0
 * may do there; what is not exported stays out of reach.
 *
 * What a client of a protocol below 7.38 loses: submounts (7.32; inode numbers of several mounts
 * below one export can collide), dropping of setuid bits by the server (7.33; such clients do it
 * themselves, with a race), the ACL rule for setgid (7.33), syncfs(2) as far as the host's disk
 * (7.34), flags above bit 31 (7.36), unnamed temporary files (7.37), supplementary groups on create
 * (7.38).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct error;
struct fuse_server;
struct fuse_thread;

/*
 * How long the client may rely on what it has seen: not at all (names, attributes and contents are
 * looked at again each time), for a second, or as long as it likes (nobody else changes the files).
 */
enum fuse_cache { FUSE_CACHE_NEVER, FUSE_CACHE_AUTO, FUSE_CACHE_ALWAYS };

struct fuse_export_options {
	bool read_only; /* enforced here, whatever the mount says */
	enum fuse_cache cache;
};

struct fuse_server_options {
	unsigned int nodes_max; /* inodes that the client may know at once; 0 means 262144 */
	unsigned int fds_max;	/* file descriptors in use at once; 0: what the hard limit leaves */
	int proc_self_fd; /* a directory fd of this process's /proc/self/fd, or negative: opened
			     here */
};

/* The largest read or write, in bytes. */
#define FUSE_TRANSFER_MAX (1u << 20)

/* `ret` is given back by fuse_server_free(). */
int fuse_server_new(
	const struct fuse_server_options *options, struct fuse_server **ret, struct error *err);

/* No thread handles a request any more. NULL is ignored. */
void fuse_server_free(struct fuse_server *server);

/* Forgets everything that the client knows and has open; exports stay. As above. */
void fuse_server_reset(struct fuse_server *server);

/*
 * Adds an export while the server runs: `fd` (O_PATH will do) is a directory or a regular file, and
 * is taken over on success; `name` is a file name, unique. Returns 0; -EEXIST, -EINVAL.
 */
int fuse_server_add_export(struct fuse_server *server, const char *name, int fd,
	const struct fuse_export_options *options, struct error *err);

/* Takes it away: what the client still knows of it is stale. Returns 0 or -ENOENT. */
int fuse_server_remove_export(struct fuse_server *server, const char *name, struct error *err);

/*
 * What a thread that handles requests needs. To be made in that thread, which gets a working
 * directory and umask of its own, loses its supplementary groups and takes on the ids of requests.
 */
int fuse_thread_new(struct fuse_server *server, struct fuse_thread **ret, struct error *err);

/* In the same thread, or after its end. */
void fuse_thread_free(struct fuse_thread *thread);

/*
 * Handles one request: reads it from `in`, writes the answer into `out`. Returns the answer's
 * length, 0 where there is none. Never fails: what is wrong with a request is its answer.
 */
size_t fuse_server_handle(struct fuse_thread *thread, const struct iovec *in, unsigned int in_count,
	const struct iovec *out, unsigned int out_count);

struct fuse_server_usage {
	unsigned int nodes, handles, fds;
};

/* How much the client makes the server hold at this moment. */
struct fuse_server_usage fuse_server_usage(struct fuse_server *server);
