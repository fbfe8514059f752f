/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes that the client knows. A node is remembered by its export, parent and name, and by device,
 * inode number and time of birth; its O_PATH fd is a cache, opened again beneath the nearest
 * ancestor that has one. open_by_handle_at(2) would need no names, and needs a capability that
 * reaches every file of the file system.
 */
#include "runtime/vm/virtio/fs/fuse_internal.h"

#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define BUCKETS_FIRST 1024u
#define DEPTH_MAX 16 /* pieces of PATH_MAX that a path may need */

static unsigned int id_bucket(const struct fuse_server *server, uint64_t id)
{
	return (unsigned int)(id & (server->buckets - 1));
}

static unsigned int identity_bucket(
	const struct fuse_server *server, const struct fuse_identity *identity)
{
	uint64_t hash = (identity->inode ^ identity->device << 20) * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned int)(hash >> 32 & (server->buckets - 1));
}

int fuse_nodes_init(struct fuse_server *server)
{
	server->buckets = BUCKETS_FIRST;
	server->by_id = calloc(server->buckets, sizeof(struct fuse_node *));
	server->by_identity = calloc(server->buckets, sizeof(struct fuse_node *));
	if (server->by_id == NULL || server->by_identity == NULL)
		return -ENOMEM;
	server->next_id = FUSE_ROOT_ID + 1;
	server->root = (struct fuse_node){
		.id = FUSE_ROOT_ID, .type = S_IFDIR, .fd = -EBADF, .references = 1
	};
	return 0;
}

/* Doubles the tables; without memory they stay as they are, and chains get longer. */
static void grow(struct fuse_server *server)
{
	unsigned int old = server->buckets;
	struct fuse_node **by_id = calloc(old * 2, sizeof(struct fuse_node *));
	struct fuse_node **by_identity = calloc(old * 2, sizeof(struct fuse_node *));
	struct fuse_node **old_table = server->by_id;

	if (by_id == NULL || by_identity == NULL) {
		free(by_id);
		free(by_identity);
		return;
	}
	free(server->by_identity);
	server->buckets = old * 2;
	server->by_id = by_id;
	server->by_identity = by_identity;
	for (unsigned int i = 0; i < old; i++)
		for (struct fuse_node *node = old_table[i], *next; node != NULL; node = next) {
			unsigned int a = id_bucket(server, node->id);
			unsigned int b = identity_bucket(server, &node->identity);

			next = node->id_next;
			node->id_next = by_id[a];
			by_id[a] = node;
			node->identity_next = by_identity[b];
			by_identity[b] = node;
		}
	free(old_table);
}

static void lru_remove(struct fuse_server *server, struct fuse_node *node)
{
	if (node->lru_previous != NULL)
		node->lru_previous->lru_next = node->lru_next;
	else
		server->lru_first = node->lru_next;
	if (node->lru_next != NULL)
		node->lru_next->lru_previous = node->lru_previous;
	else
		server->lru_last = node->lru_previous;
	node->lru_previous = node->lru_next = NULL;
	server->lru_count--;
}

static void lru_insert(struct fuse_server *server, struct fuse_node *node)
{
	node->lru_previous = NULL;
	node->lru_next = server->lru_first;
	if (server->lru_first != NULL)
		server->lru_first->lru_previous = node;
	else
		server->lru_last = node;
	server->lru_first = node;
	server->lru_count++;
}

/* Takes the fd of a node out of the books, to be closed without the lock. */
static int detach_fd(struct fuse_server *server, struct fuse_node *node)
{
	int fd = take_fd(&node->fd);

	if (fd < 0)
		return fd;
	if (node->pinned)
		server->pinned_count--;
	else
		lru_remove(server, node);
	return fd;
}

/* Closes fds from the cold end until at most `keep` are open. Takes and leaves the lock. */
static void shrink_to(struct fuse_server *server, unsigned int keep)
{
	int fds[32];
	unsigned int n;

	do {
		struct fuse_node *node, *previous;

		n = 0;
		pthread_mutex_lock(&server->lock);
		for (node = server->lru_last; node != NULL && server->lru_count > keep && n < 32;
			node = previous) {
			previous = node->lru_previous;
			if (node->fd_users == 0)
				fds[n++] = detach_fd(server, node);
		}
		pthread_mutex_unlock(&server->lock);
		for (unsigned int i = 0; i < n; i++)
			close(fds[i]);
	} while (n == 32);
}

void fuse_nodes_shrink(struct fuse_server *server)
{
	unsigned int count;

	pthread_mutex_lock(&server->lock);
	count = server->lru_count;
	pthread_mutex_unlock(&server->lock);
	shrink_to(server, count / 2);
}

bool fuse_fds_left(const struct fuse_server *server)
{
	return server->handle_count + server->pinned_count < server->fds_max / 2;
}

/* Out of the tables; the caller frees it. With the lock held. */
static void unhash(struct fuse_server *server, struct fuse_node *node)
{
	struct fuse_node **link = &server->by_id[id_bucket(server, node->id)];

	while (*link != node)
		link = &(*link)->id_next;
	*link = node->id_next;
	link = &server->by_identity[identity_bucket(server, &node->identity)];
	while (*link != node)
		link = &(*link)->identity_next;
	*link = node->identity_next;
	server->node_count--;
}

/* With the lock held; the fd is closed under it, which does not wait for an O_PATH one. */
static void destroy(struct fuse_server *server, struct fuse_node *node)
{
	unhash(server, node);
	close_fd(detach_fd(server, node));
	fuse_export_put(server, node->export);
	free(node->name);
	free(node);
}

/*
 * Drops a reference; a node that nobody needs goes, and its parent's reference with it. With the
 * lock held.
 */
static void put_locked(struct fuse_server *server, struct fuse_node *node)
{
	while (node != NULL) {
		struct fuse_node *parent = node->parent;

		if (--node->references > 0 || node->lookups > 0 || node == &server->root)
			return;
		destroy(server, node);
		node = parent;
	}
}

void fuse_node_put(struct fuse_server *server, struct fuse_node *node)
{
	pthread_mutex_lock(&server->lock);
	put_locked(server, node);
	pthread_mutex_unlock(&server->lock);
}

static struct fuse_node *find_id(struct fuse_server *server, uint64_t id)
{
	struct fuse_node *node = server->by_id[id_bucket(server, id)];

	if (id == FUSE_ROOT_ID)
		return &server->root;
	while (node != NULL && node->id != id)
		node = node->id_next;
	return node;
}

struct fuse_node *fuse_node_get(struct fuse_server *server, uint64_t id)
{
	struct fuse_node *node;

	pthread_mutex_lock(&server->lock);
	node = find_id(server, id);
	if (node != NULL)
		node->references++;
	pthread_mutex_unlock(&server->lock);
	return node;
}

void fuse_node_forget(struct fuse_server *server, uint64_t id, uint64_t lookups)
{
	struct fuse_node *node;

	pthread_mutex_lock(&server->lock);
	node = find_id(server, id);
	if (node != NULL && node != &server->root) {
		node->references++;
		node->lookups -= lookups < node->lookups ? lookups : node->lookups;
		put_locked(server, node);
	}
	pthread_mutex_unlock(&server->lock);
}

static struct fuse_node *find_identity(struct fuse_server *server, const struct fuse_export *export,
	const struct fuse_identity *identity)
{
	struct fuse_node *node = server->by_identity[identity_bucket(server, identity)];

	while (node != NULL &&
		(node->export != export || !fuse_identity_equal(&node->identity, identity)))
		node = node->identity_next;
	return node;
}

static struct fuse_node *find_stat(
	struct fuse_server *server, const struct fuse_export *export, const struct statx *stat)
{
	struct fuse_identity identity = fuse_identity_of(stat);

	return find_identity(server, export, &identity);
}

/* True when `node` is `other` or above it. What others rename can turn the tree around. */
static bool is_above(const struct fuse_node *node, const struct fuse_node *other)
{
	while (other != NULL && other != node)
		other = other->parent;
	return other != NULL;
}

/* The node is at `name` below `parent` now. With the lock held. */
static void set_name(struct fuse_server *server, struct fuse_node *node, struct fuse_node *parent,
	const char *name)
{
	struct fuse_node *old = node->parent;
	char *copy;

	if (old == parent && node->name != NULL && strcmp(node->name, name) == 0)
		return;
	if (node->export != NULL && node->parent == &server->root)
		return; /* an export's own root has no other name */
	if (is_above(node, parent))
		return;
	copy = strdup(name);
	if (copy == NULL)
		return;
	free(node->name);
	node->name = copy;
	node->parent = parent;
	parent->references++;
	if (old != NULL)
		put_locked(server, old);
	/* It can be opened again by this name. */
	if (node->pinned && node->fd >= 0) {
		node->pinned = false;
		server->pinned_count--;
		lru_insert(server, node);
	}
	node->pinned = false;
}

/* A new node in the tables. With the lock held. */
static struct fuse_node *new_node(struct fuse_server *server, struct fuse_export *export,
	const struct fuse_identity *identity, const struct statx *stat)
{
	struct fuse_node *node;
	unsigned int a, b;

	if (server->node_count >= server->nodes_max)
		return NULL;
	node = calloc(1, sizeof(*node));
	if (node == NULL)
		return NULL;
	if (server->node_count >= server->buckets)
		grow(server);
	node->id = server->next_id++;
	node->identity = *identity;
	node->export = export;
	node->type = stat->stx_mode & S_IFMT;
	node->mount = stat->stx_mnt_id;
	node->fd = -EBADF;
	a = id_bucket(server, node->id);
	b = identity_bucket(server, identity);
	node->id_next = server->by_id[a];
	server->by_id[a] = node;
	node->identity_next = server->by_identity[b];
	server->by_identity[b] = node;
	server->node_count++;
	export->users++;
	return node;
}

static struct fuse_node *enter(
	struct fuse_server *server, struct fuse_export *export, const struct statx *stat)
{
	struct fuse_identity identity = fuse_identity_of(stat);
	struct fuse_node *node = find_identity(server, export, &identity);

	if (node == NULL)
		node = new_node(server, export, &identity, stat);
	if (node != NULL) {
		node->lookups++;
		node->references++;
	}
	return node;
}

struct fuse_node *fuse_node_enter(struct fuse_server *server, struct fuse_node *parent,
	const char *name, const struct statx *stat)
{
	struct fuse_node *node;

	pthread_mutex_lock(&server->lock);
	node = enter(server, parent->export, stat);
	if (node != NULL) {
		set_name(server, node, parent, name);
		if (node->parent == NULL && node->fd < 0) {
			/* No memory for a name, and nothing to find it by. */
			node->lookups--;
			put_locked(server, node);
			node = NULL;
		}
	}
	pthread_mutex_unlock(&server->lock);
	return node;
}

struct fuse_node *fuse_node_enter_unnamed(
	struct fuse_server *server, struct fuse_export *export, int fd, const struct statx *stat)
{
	struct fuse_node *node = NULL;

	pthread_mutex_lock(&server->lock);
	if (fuse_fds_left(server))
		node = enter(server, export, stat);
	if (node != NULL && node->fd < 0) {
		node->fd = fd;
		node->pinned = true;
		server->pinned_count++;
		fd = -EBADF;
	}
	pthread_mutex_unlock(&server->lock);
	if (node != NULL)
		close_fd(fd);
	return node;
}

/*
 * Writes the path of `node` from an ancestor that has an fd, or from as high up as fits. Returns
 * the ancestor with a reference and the start of the path in `buffer`; NULL where the chain is cut.
 */
static struct fuse_node *path_from_ancestor(
	struct fuse_node *node, char buffer[PATH_MAX], const char **ret)
{
	char *at = buffer + PATH_MAX - 1;

	*at = '\0';
	for (;;) {
		size_t length;

		if (node->name == NULL || node->parent == NULL)
			return NULL;
		length = strlen(node->name);
		if (at != buffer + PATH_MAX - 1)
			*--at = '/';
		at -= length;
		memcpy(at, node->name, length);
		node = node->parent;
		if (node->fd >= 0 || at - buffer < NAME_MAX + 2)
			break;
	}
	node->references++;
	*ret = at;
	return node;
}

/* Opens and compares: the inode that a name leads to may be another one by now. */
static int open_beneath(int directory, const char *path, const struct fuse_identity *identity)
{
	struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	_cleanup_close_ int fd = -EBADF;
	struct fuse_identity found;
	struct statx stat;

	for (int tries = 0; fd < 0 && tries < 3; tries++) {
		fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof(how));
		if (fd < 0 && errno != EAGAIN)
			break;
	}
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM ? -errno : -ESTALE;
	if (fuse_statx(fd, "", &stat) < 0)
		return -ESTALE;
	found = fuse_identity_of(&stat);
	if (!fuse_identity_equal(&found, identity))
		return -ESTALE;
	return take_fd(&fd);
}

static int open_node(struct fuse_server *server, struct fuse_node *node, unsigned int depth);

/* Opens a node that has no fd. */
static int reopen(struct fuse_server *server, struct fuse_node *node, unsigned int depth)
{
	_cleanup_free_ char *buffer = malloc(PATH_MAX);
	struct fuse_node *ancestor = NULL;
	const char *path;
	int directory, fd;

	if (buffer == NULL)
		return -ENOMEM;
	pthread_mutex_lock(&server->lock);
	if (depth < DEPTH_MAX)
		ancestor = path_from_ancestor(node, buffer, &path);
	pthread_mutex_unlock(&server->lock);
	if (ancestor == NULL)
		return -ESTALE;
	directory = open_node(server, ancestor, depth + 1);
	fd = directory < 0 ? directory : open_beneath(directory, path, &node->identity);
	if (fd == -EMFILE || fd == -ENFILE) {
		fuse_nodes_shrink(server);
		fd = open_beneath(directory, path, &node->identity);
	}
	if (directory >= 0)
		fuse_node_close(server, ancestor);
	fuse_node_put(server, ancestor);
	return fd;
}

static int open_node(struct fuse_server *server, struct fuse_node *node, unsigned int depth)
{
	bool crowded;
	int fd, found;

	if (node == &server->root)
		return -ESTALE;
	pthread_mutex_lock(&server->lock);
	fd = node->fd;
	if (node->export->removed)
		fd = -ESTALE;
	if (fd >= 0) {
		node->fd_users++;
		if (!node->pinned && server->lru_first != node) {
			lru_remove(server, node);
			lru_insert(server, node);
		}
	}
	pthread_mutex_unlock(&server->lock);
	if (fd >= 0 || fd == -ESTALE)
		return fd;
	found = reopen(server, node, depth);
	if (found < 0)
		return found;
	pthread_mutex_lock(&server->lock);
	if (node->fd < 0) {
		node->fd = take_fd(&found);
		/* It may have lost its name meanwhile. */
		if (node->pinned)
			server->pinned_count++;
		else
			lru_insert(server, node);
	}
	fd = node->fd;
	node->fd_users++;
	crowded = server->lru_count > server->fds_max / 2;
	pthread_mutex_unlock(&server->lock);
	close_fd(found);
	if (crowded)
		shrink_to(server, server->fds_max / 2 - server->fds_max / 16);
	return fd;
}

int fuse_node_open(struct fuse_server *server, struct fuse_node *node)
{
	return open_node(server, node, 0);
}

void fuse_node_close(struct fuse_server *server, struct fuse_node *node)
{
	pthread_mutex_lock(&server->lock);
	node->fd_users--;
	pthread_mutex_unlock(&server->lock);
}

/* The parent and a copy of the name, to look at a node without opening it. */
static struct fuse_node *parent_and_name(
	struct fuse_server *server, struct fuse_node *node, char name[NAME_MAX + 1])
{
	struct fuse_node *parent = NULL;

	pthread_mutex_lock(&server->lock);
	if (node->fd < 0 && node->parent != NULL && node->parent != &server->root &&
		!node->export->removed && strlen(node->name) <= NAME_MAX) {
		parent = node->parent;
		parent->references++;
		strcpy(name, node->name);
	}
	pthread_mutex_unlock(&server->lock);
	return parent;
}

int fuse_node_stat(struct fuse_server *server, struct fuse_node *node, struct statx *ret)
{
	char name[NAME_MAX + 1];
	struct fuse_node *parent;
	struct fuse_identity found;
	int fd, r = -ESTALE;

	if (node == &server->root) {
		fuse_root_stat(server, ret);
		return 0;
	}
	parent = parent_and_name(server, node, name);
	if (parent != NULL) {
		fd = fuse_node_open(server, parent);
		if (fd >= 0) {
			r = fuse_statx(fd, name, ret);
			fuse_node_close(server, parent);
		}
		fuse_node_put(server, parent);
	} else {
		fd = fuse_node_open(server, node);
		if (fd < 0)
			return fd;
		r = fuse_statx(fd, "", ret);
		fuse_node_close(server, node);
	}
	if (r < 0)
		return r == -ENOENT || r == -ENOTDIR ? -ESTALE : r;
	found = fuse_identity_of(ret);
	return fuse_identity_equal(&found, &node->identity) ? 0 : -ESTALE;
}

struct fuse_node *fuse_node_pin_named(
	struct fuse_server *server, struct fuse_node *parent, const char *name)
{
	struct fuse_node *node = NULL;
	struct fuse_identity identity;
	struct statx stat;
	int fd = fuse_node_open(server, parent);

	if (fd < 0)
		return NULL;
	if (fuse_statx(fd, name, &stat) == 0) {
		identity = fuse_identity_of(&stat);
		pthread_mutex_lock(&server->lock);
		node = find_identity(server, parent->export, &identity);
		if (node != NULL)
			node->references++;
		pthread_mutex_unlock(&server->lock);
	}
	fuse_node_close(server, parent);
	if (node == NULL)
		return NULL;
	/* Kept open by fd_users until fuse_node_unname(). */
	if (fuse_node_open(server, node) < 0) {
		fuse_node_put(server, node);
		return NULL;
	}
	return node;
}

void fuse_node_unname(struct fuse_server *server, struct fuse_node *node, struct fuse_node *parent,
	const char *name, bool gone)
{
	if (node == NULL)
		return;
	pthread_mutex_lock(&server->lock);
	node->fd_users--;
	if (gone && node->parent == parent && node->name != NULL && strcmp(node->name, name) == 0) {
		free(node->name);
		node->name = NULL;
		node->parent = NULL;
		if (!node->pinned && node->fd >= 0 && fuse_fds_left(server)) {
			lru_remove(server, node);
			server->pinned_count++;
			node->pinned = true;
		}
		put_locked(server, parent);
	}
	put_locked(server, node);
	pthread_mutex_unlock(&server->lock);
}

void fuse_node_rename(struct fuse_server *server, struct fuse_node *old_parent,
	const char *old_name, struct fuse_node *new_parent, const char *new_name, bool exchange)
{
	struct statx moved, other;
	int fd = fuse_node_open(server, new_parent);
	bool have_moved = fd >= 0 && fuse_statx(fd, new_name, &moved) == 0, have_other = false;

	if (fd >= 0)
		fuse_node_close(server, new_parent);
	if (exchange) {
		fd = fuse_node_open(server, old_parent);
		have_other = fd >= 0 && fuse_statx(fd, old_name, &other) == 0;
		if (fd >= 0)
			fuse_node_close(server, old_parent);
	}
	pthread_mutex_lock(&server->lock);
	if (have_moved) {
		struct fuse_node *node = find_stat(server, new_parent->export, &moved);

		if (node != NULL)
			set_name(server, node, new_parent, new_name);
	}
	if (have_other) {
		struct fuse_node *node = find_stat(server, old_parent->export, &other);

		if (node != NULL)
			set_name(server, node, old_parent, old_name);
	}
	pthread_mutex_unlock(&server->lock);
}

void fuse_nodes_clear(struct fuse_server *server)
{
	for (unsigned int i = 0; i < server->buckets; i++) {
		while (server->by_id[i] != NULL)
			destroy(server, server->by_id[i]);
	}
	server->root.references = 1;
}

void fuse_nodes_fini(struct fuse_server *server)
{
	if (server->by_id != NULL && server->by_identity != NULL)
		fuse_nodes_clear(server);
	free(server->by_id);
	free(server->by_identity);
}
