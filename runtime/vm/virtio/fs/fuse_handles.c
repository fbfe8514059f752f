/* SPDX-License-Identifier: Apache-2.0 */
/* Open files and directories: numbers that the client gives back, each with a generation. */
#include "runtime/vm/virtio/fs/fuse_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/cleanup.h"

#define SLOTS_FIRST 64u

/* Doubles the table. With the lock held. */
static bool grow(struct fuse_server *server)
{
	unsigned int old = server->handle_slots, count = old > 0 ? old * 2 : SLOTS_FIRST;
	struct fuse_handle_slot *slots = reallocarray(
		server->handles, count, sizeof(*server->handles));

	if (slots == NULL)
		return false;
	server->handles = slots;
	server->handle_slots = count;
	for (unsigned int i = count; i-- > old;) {
		slots[i] = (struct fuse_handle_slot){ .next_free = server->free_handle };
		server->free_handle = i + 1;
	}
	return true;
}

/* Puts the handle into a slot. Returns its number, 0 without room. With the lock held. */
static uint64_t place(struct fuse_server *server, struct fuse_handle *handle)
{
	struct fuse_handle_slot *slot;
	uint32_t index;

	if (!fuse_fds_left(server) || (server->free_handle == 0 && !grow(server)))
		return 0;
	index = server->free_handle - 1;
	slot = &server->handles[index];
	server->free_handle = slot->next_free;
	slot->handle = handle;
	handle->generation = ++slot->generation;
	server->handle_count++;
	return (uint64_t)handle->generation << 32 | (index + 1);
}

int fuse_handle_new(struct fuse_server *server, struct fuse_node *node, int fd, bool writable,
	bool directory, uint64_t *ret)
{
	struct fuse_handle *handle = calloc(1, sizeof(*handle));
	uint64_t number;

	if (handle == NULL)
		return -ENOMEM;
	*handle = (struct fuse_handle){ .node = node,
		.fd = fd,
		.writable = writable,
		.directory = directory,
		.references = 1 };
	pthread_mutex_init(&handle->position_lock, NULL);
	pthread_mutex_lock(&server->lock);
	number = place(server, handle);
	if (number != 0)
		node->references++;
	pthread_mutex_unlock(&server->lock);
	if (number == 0) {
		pthread_mutex_destroy(&handle->position_lock);
		free(handle);
		return -ENFILE;
	}
	*ret = number;
	return 0;
}

/* With the lock held. */
static struct fuse_handle *find(struct fuse_server *server, uint64_t number, bool directory)
{
	uint64_t index = (number & UINT32_MAX) - 1;
	struct fuse_handle *handle;

	if (index >= server->handle_slots)
		return NULL;
	handle = server->handles[index].handle;
	if (handle == NULL || handle->generation != number >> 32 || handle->directory != directory)
		return NULL;
	return handle;
}

struct fuse_handle *fuse_handle_get(struct fuse_server *server, uint64_t number, bool directory)
{
	struct fuse_handle *handle;

	pthread_mutex_lock(&server->lock);
	handle = find(server, number, directory);
	if (handle != NULL)
		handle->references++;
	pthread_mutex_unlock(&server->lock);
	return handle;
}

void fuse_handle_put(struct fuse_server *server, struct fuse_handle *handle)
{
	bool last;

	pthread_mutex_lock(&server->lock);
	last = --handle->references == 0;
	if (last)
		server->handle_count--;
	pthread_mutex_unlock(&server->lock);
	if (!last)
		return;
	close_fd(handle->fd);
	fuse_node_put(server, handle->node);
	pthread_mutex_destroy(&handle->position_lock);
	free(handle);
}

int fuse_handle_release(struct fuse_server *server, uint64_t number, bool directory)
{
	uint32_t index = (uint32_t)(number & UINT32_MAX) - 1;
	struct fuse_handle *handle;

	pthread_mutex_lock(&server->lock);
	handle = find(server, number, directory);
	if (handle != NULL) {
		server->handles[index].handle = NULL;
		server->handles[index].next_free = server->free_handle;
		server->free_handle = index + 1;
	}
	pthread_mutex_unlock(&server->lock);
	if (handle == NULL)
		return -EBADF;
	fuse_handle_put(server, handle);
	return 0;
}

int fuse_handle_sync(struct fuse_server *server, uint64_t number, bool directory, bool data_only)
{
	struct fuse_handle *handle = fuse_handle_get(server, number, directory);
	int r;

	if (handle == NULL)
		return -EBADF;
	r = (data_only ? fdatasync(handle->fd) : fsync(handle->fd)) < 0 ? -errno : 0;
	fuse_handle_put(server, handle);
	return r;
}

void fuse_handles_clear(struct fuse_server *server)
{
	for (unsigned int i = 0; i < server->handle_slots; i++) {
		struct fuse_handle *handle = server->handles[i].handle;

		if (handle != NULL)
			fuse_handle_release(server, (uint64_t)handle->generation << 32 | (i + 1),
				handle->directory);
	}
}
