/* SPDX-License-Identifier: Apache-2.0 */
/*
 * O_PATH fds of nodes: a cache in order of use. A node whose fd was closed is opened again beneath
 * the nearest ancestor that has one, and compared; one that has no name keeps its fd: it is pinned.
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

#define DEPTH_MAX 16 /* pieces of PATH_MAX that a path may need */

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

int fuse_node_detach_fd(struct fuse_server *server, struct fuse_node *node)
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

void fuse_node_pin(struct fuse_server *server, struct fuse_node *node)
{
	if (node->pinned || node->fd < 0 || !fuse_fds_left(server))
		return;
	lru_remove(server, node);
	server->pinned_count++;
	node->pinned = true;
}

void fuse_node_give_pinned(struct fuse_server *server, struct fuse_node *node, int fd)
{
	node->fd = fd;
	node->pinned = true;
	server->pinned_count++;
}

void fuse_node_unpin(struct fuse_server *server, struct fuse_node *node)
{
	if (node->pinned && node->fd >= 0) {
		server->pinned_count--;
		lru_insert(server, node);
	}
	node->pinned = false;
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
				fds[n++] = fuse_node_detach_fd(server, node);
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
