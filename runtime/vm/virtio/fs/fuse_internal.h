/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the FUSE server share: nodes, handles, exports, requests.
 *
 * Locking: server->lock protects the tables and the fields of nodes and handles that are marked so;
 * no system call that can wait is made under it. A node or handle in use by a request is kept by a
 * reference.
 */
#pragma once

#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "runtime/vm/virtio/fs/fuse_server.h"
#include "runtime/vm/virtio/queue.h"

#define FUSE_ARGUMENTS_MAX (68u << 10) /* the largest request but a write: an xattr's value */
#define FUSE_SCRATCH (64u << 10)
#define FUSE_FDS_RESERVE 256u /* left to the rest of the monitor (CVE-2020-10717) */

/* What makes an inode the same one when it is met again. */
struct fuse_identity {
	uint64_t device, inode;
	int64_t birth_seconds;
	uint32_t birth_nanoseconds;
};

struct fuse_export {
	struct fuse_export *next;
	char *name;
	int fd;
	struct fuse_export_options options;
	struct fuse_identity identity;
	uint64_t mount;
	mode_t type;
	bool first;	    /* the server's first one: a container's root */
	bool removed;	    /* protected by server->lock */
	unsigned int users; /* nodes, and the list; protected by server->lock */
};

struct fuse_node {
	uint64_t id; /* never used twice */
	struct fuse_node *id_next, *identity_next;
	struct fuse_export *export; /* NULL for the synthetic root */
	struct fuse_identity identity;
	mode_t type; /* S_IFMT bits */
	uint64_t mount;

	/* Protected by server->lock. */
	struct fuse_node *parent; /* kept by a reference; NULL for the root and for the nameless */
	char *name;		  /* below the parent, when last heard of */
	uint64_t lookups;	  /* what the client will forget */
	unsigned int references;  /* children, handles, requests */
	int fd;			  /* O_PATH, or -EBADF while it is not open */
	unsigned int fd_users;
	bool pinned; /* has no name to be reopened by: its fd stays */
	struct fuse_node *lru_previous, *lru_next;
};

struct fuse_handle {
	struct fuse_node *node;
	int fd;
	bool writable, directory;
	unsigned int references;       /* protected by server->lock */
	pthread_mutex_t position_lock; /* of a directory's fd, and of the next field */
	uint64_t position; /* where that fd stands, UINT64_MAX where that is not known */
	uint32_t generation;
};

struct fuse_handle_slot {
	struct fuse_handle *handle;
	uint32_t generation;
	uint32_t next_free;
};

struct fuse_server {
	pthread_mutex_t lock;
	int proc_self_fd;
	unsigned int nodes_max, fds_max;

	struct fuse_node root;
	struct fuse_export *exports;
	bool had_export;

	struct fuse_node **by_id, **by_identity; /* `buckets` heads each */
	unsigned int buckets, node_count;
	uint64_t next_id;
	struct fuse_node *lru_first, *lru_last; /* most and least recently used */
	unsigned int lru_count, pinned_count;

	struct fuse_handle_slot *handles;
	unsigned int handle_slots, handle_count;
	uint32_t free_handle; /* index + 1, 0 for none */

	_Atomic uint64_t features; /* negotiated FUSE_… flags */
	atomic_bool initialized;
};

struct fuse_thread {
	struct fuse_server *server;
	uid_t base_uid;
	gid_t base_gid;
	bool can_set_groups;
	bool set_id_kept;      /* CAP_FSETID is effective */
	uint64_t capabilities; /* effective ones to come back to */
	/* Structures are read from both. */
	_Alignas(16) char arguments[FUSE_ARGUMENTS_MAX + 1];
	_Alignas(16) char scratch[FUSE_SCRATCH];
};

struct fuse_request {
	struct fuse_server *server;
	struct fuse_thread *thread;
	struct fuse_in_header header;
	char *arguments;	/* a private copy, with a NUL behind it */
	size_t length;		/* of the arguments */
	const struct iovec *in; /* the whole request, for a write's payload */
	unsigned int in_count;
	const struct iovec *out;
	unsigned int out_count;
	size_t room;		/* bytes of payload that the answer can have */
	size_t replied;		/* bytes of payload that it has */
	struct fuse_node *node; /* header.nodeid, referenced */
};

/*
 * Bytes of extensions at the end of a request. Headers before 7.38 have no name for the place, and
 * later ones use that name for what is behind it.
 */
static inline size_t fuse_extensions_length(const struct fuse_in_header *header)
{
	uint16_t units;

	_Static_assert(sizeof(*header) == 40, "the protocol's header");
	memcpy(&units, (const char *)header + 36, sizeof(units));
	return (size_t)units * 8;
}

#define FUSE_NO_REPLY 1 /* what an operation returns for a request that is not answered */

/* Returns the structure at the start of the arguments, or NULL where they are too short. */
#define fuse_argument(request, type) \
	((const type *)((request)->length >= sizeof(type) ? (void *)(request)->arguments : NULL))

/*
 * The name at `*offset` of the arguments, which moves behind it: one component, neither empty nor
 * "." nor ".." nor with a slash. Returns NULL with *ret_error set.
 */
const char *fuse_take_name(struct fuse_request *request, size_t *offset, int *ret_error);

/* The string at `*offset`, whatever it says; NULL where it does not end. */
const char *fuse_take_string(struct fuse_request *request, size_t *offset);

/* Appends to the answer. Returns 0, or -EIO where the client left no room. */
int fuse_reply(struct fuse_request *request, const void *data, size_t length);

/* Nodes (fuse_nodes.c). */
int fuse_nodes_init(struct fuse_server *server);
void fuse_nodes_clear(struct fuse_server *server);
void fuse_nodes_fini(struct fuse_server *server);

/* Returns the node with a reference, or NULL. */
struct fuse_node *fuse_node_get(struct fuse_server *server, uint64_t id);
void fuse_node_put(struct fuse_server *server, struct fuse_node *node);
void fuse_node_forget(struct fuse_server *server, uint64_t id, uint64_t lookups);

/*
 * Finds or makes the node of what statx() says about `name` below `parent`, and counts a lookup.
 * Returns it with a reference, NULL when there are too many.
 */
struct fuse_node *fuse_node_enter(struct fuse_server *server, struct fuse_node *parent,
	const char *name, const struct statx *stat);

/* The same for an inode without a name, whose O_PATH `fd` is taken over. */
struct fuse_node *fuse_node_enter_unnamed(
	struct fuse_server *server, struct fuse_export *export, int fd, const struct statx *stat);

/*
 * Descriptors of nodes (fuse_node_fds.c). These four are called with the lock held. The first takes
 * a node's fd out of the books, to be closed without the lock.
 */
int fuse_node_detach_fd(struct fuse_server *server, struct fuse_node *node);
/* It has lost its name: its fd stays open, as long as there are enough left. */
void fuse_node_pin(struct fuse_server *server, struct fuse_node *node);
/* The fd, taken over, is all that there is to find the node by. */
void fuse_node_give_pinned(struct fuse_server *server, struct fuse_node *node, int fd);
/* It can be opened again by a name. */
void fuse_node_unpin(struct fuse_server *server, struct fuse_node *node);

/*
 * Returns an O_PATH fd of the node, which stays open until fuse_node_close(); -ESTALE where the
 * node is not found where it was, or is another one now.
 */
int fuse_node_open(struct fuse_server *server, struct fuse_node *node);
void fuse_node_close(struct fuse_server *server, struct fuse_node *node);

/* statx() of the node, compared with what it was: -ESTALE where it is another. */
int fuse_node_stat(struct fuse_server *server, struct fuse_node *node, struct statx *ret);

/* Closes fds that can be opened again; at least half of them. */
void fuse_nodes_shrink(struct fuse_server *server);

/*
 * The name is about to go: a known node that has it keeps its fd from here on. Returns that node
 * with a reference, or NULL.
 */
struct fuse_node *fuse_node_pin_named(
	struct fuse_server *server, struct fuse_node *parent, const char *name);

/* After the removal went well (`gone`) or not. `node` may be NULL; its reference is given back. */
void fuse_node_unname(struct fuse_server *server, struct fuse_node *node, struct fuse_node *parent,
	const char *name, bool gone);

/* After a rename: the node that had the old name has the new one. */
void fuse_node_rename(struct fuse_server *server, struct fuse_node *old_parent,
	const char *old_name, struct fuse_node *new_parent, const char *new_name, bool exchange);

/* An export's node goes from the tables' view; see fuse_exports.c. */
void fuse_export_put(struct fuse_server *server, struct fuse_export *export);

/* Handles (fuse_handles.c). `fd` is taken over on success. */
int fuse_handle_new(struct fuse_server *server, struct fuse_node *node, int fd, bool writable,
	bool directory, uint64_t *ret);
struct fuse_handle *fuse_handle_get(struct fuse_server *server, uint64_t number, bool directory);
void fuse_handle_put(struct fuse_server *server, struct fuse_handle *handle);
int fuse_handle_release(struct fuse_server *server, uint64_t number, bool directory);
int fuse_handle_sync(struct fuse_server *server, uint64_t number, bool directory, bool data_only);
void fuse_handles_clear(struct fuse_server *server);

/* True when one more handle or pinned node may be had; called with the lock held. */
bool fuse_fds_left(const struct fuse_server *server);

/* Ids and capabilities of the calling thread (fuse_credentials.c). */
int fuse_credentials_init(struct fuse_thread *thread);
/* Creates what follows as the request's user; -EPERM where that id cannot be taken on. */
int fuse_credentials_assume(struct fuse_request *request);
void fuse_credentials_restore(struct fuse_request *request);
/* With `kill`, the kernel drops set-id bits when this thread writes, as it does for users. */
void fuse_credentials_set_kill(struct fuse_thread *thread, bool kill);

/* Attributes (fuse_attributes.c). */
struct fuse_identity fuse_identity_of(const struct statx *stat);
bool fuse_identity_equal(const struct fuse_identity *a, const struct fuse_identity *b);
#define FUSE_STATX_MASK (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)
int fuse_statx(int fd, const char *name, struct statx *ret);
void fuse_fill_attributes(const struct fuse_request *request, const struct fuse_node *node,
	const struct statx *stat, struct fuse_attr *ret);
void fuse_fill_entry(const struct fuse_request *request, const struct fuse_node *node,
	const struct statx *stat, struct fuse_entry_out *ret);
uint64_t fuse_timeout(const struct fuse_node *node);
/* Looks a name up, as FUSE_LOOKUP does: 0 with a counted lookup. */
int fuse_lookup_name(struct fuse_request *request, struct fuse_node *parent, const char *name,
	struct fuse_entry_out *ret);

/* True when the node lies in an export that may be written; else -EROFS is to be answered. */
static inline bool fuse_node_writable(const struct fuse_node *node)
{
	return node->export != NULL && !node->export->options.read_only;
}

/* Opens the node's file for contents; only regular files and directories are ever opened. */
int fuse_open_contents(struct fuse_request *request, struct fuse_node *node, int flags);

/* The synthetic root (fuse_exports.c). */
int fuse_root_lookup(struct fuse_request *request, const char *name, struct fuse_entry_out *ret);
void fuse_root_stat(const struct fuse_server *server, struct statx *ret);
/* The export at `index`: its node with a reference and its name copied, or false at the end. */
bool fuse_root_entry(struct fuse_server *server, uint64_t index, char name[256],
	uint64_t *ret_inode, mode_t *ret_type);

/* The operations, by opcode. */
int fuse_do_lookup(struct fuse_request *request);
int fuse_do_forget(struct fuse_request *request);
int fuse_do_batch_forget(struct fuse_request *request);
int fuse_do_getattr(struct fuse_request *request);
int fuse_do_setattr(struct fuse_request *request);
int fuse_do_readlink(struct fuse_request *request);
int fuse_do_statfs(struct fuse_request *request);
int fuse_do_access(struct fuse_request *request);
int fuse_do_symlink(struct fuse_request *request);
int fuse_do_mknod(struct fuse_request *request);
int fuse_do_mkdir(struct fuse_request *request);
int fuse_do_unlink(struct fuse_request *request);
int fuse_do_rmdir(struct fuse_request *request);
int fuse_do_rename(struct fuse_request *request);
int fuse_do_rename2(struct fuse_request *request);
int fuse_do_link(struct fuse_request *request);
int fuse_do_create(struct fuse_request *request);
int fuse_do_tmpfile(struct fuse_request *request);
int fuse_do_open(struct fuse_request *request);
int fuse_do_read(struct fuse_request *request);
int fuse_do_write(struct fuse_request *request);
int fuse_do_release(struct fuse_request *request);
int fuse_do_fsync(struct fuse_request *request);
int fuse_do_fallocate(struct fuse_request *request);
int fuse_do_lseek(struct fuse_request *request);
int fuse_do_copy_file_range(struct fuse_request *request);
int fuse_do_syncfs(struct fuse_request *request);
int fuse_do_opendir(struct fuse_request *request);
int fuse_do_readdir(struct fuse_request *request);
int fuse_do_readdirplus(struct fuse_request *request);
int fuse_do_releasedir(struct fuse_request *request);
int fuse_do_fsyncdir(struct fuse_request *request);
int fuse_do_setxattr(struct fuse_request *request);
int fuse_do_getxattr(struct fuse_request *request);
int fuse_do_listxattr(struct fuse_request *request);
int fuse_do_removexattr(struct fuse_request *request);
int fuse_do_init(struct fuse_request *request);
int fuse_do_destroy(struct fuse_request *request);
