/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes that the client knows. A node is remembered by its export, parent and name, and by device,
 * inode number and time of birth. open_by_handle_at(2) would need no names, and needs a capability
 * that reaches every file of the file system.
 */
#include "runtime/vm/virtio/fs/fuse_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/cleanup.h"

#define BUCKETS_FIRST 1024u

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
	close_fd(fuse_node_detach_fd(server, node));
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
	fuse_node_unpin(server, node);
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
		fuse_node_give_pinned(server, node, take_fd(&fd));
	}
	pthread_mutex_unlock(&server->lock);
	if (node != NULL)
		close_fd(fd);
	return node;
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
		fuse_node_pin(server, node);
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
