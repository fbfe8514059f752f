/* SPDX-License-Identifier: Apache-2.0 */
/* Exports, and the synthetic root directory whose entries they are. */
#include "runtime/vm/virtio/fs/fuse_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"

/* With the server's lock held, or before anyone else can see it. */
void fuse_export_put(struct fuse_server *server, struct fuse_export *export)
{
	(void)server;
	if (export == NULL || --export->users > 0)
		return;
	close_fd(export->fd);
	free(export->name);
	free(export);
}

static bool name_is_good(const char *name)
{
	return name[0] != '\0' && strlen(name) <= NAME_MAX && strchr(name, '/') == NULL &&
		strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* With the lock held. */
static struct fuse_export *find(struct fuse_server *server, const char *name)
{
	struct fuse_export *export = server->exports;

	while (export != NULL && strcmp(export->name, name) != 0)
		export = export->next;
	return export;
}

int fuse_server_add_export(struct fuse_server *server, const char *name, int fd,
	const struct fuse_export_options *options, struct error *err)
{
	struct fuse_export *export, **end;
	struct statx stat;
	int r = fuse_statx(fd, "", &stat);

	if (r < 0)
		return error_set(err, -r, "share \"%s\" with the guest", name);
	if (!name_is_good(name) || (!S_ISDIR(stat.stx_mode) && !S_ISREG(stat.stx_mode)))
		return error_say(err, EINVAL,
			"share \"%s\" with the guest: only a directory or a regular file can be "
			"shared, under the name of a file",
			name);
	export = calloc(1, sizeof(*export));
	if (export == NULL || (export->name = strdup(name)) == NULL) {
		free(export);
		return error_set(err, ENOMEM, "share \"%s\" with the guest", name);
	}
	export->options = *options;
	export->identity = fuse_identity_of(&stat);
	export->mount = stat.stx_mnt_id;
	export->type = stat.stx_mode & S_IFMT;
	export->users = 1;
	export->fd = -EBADF;
	pthread_mutex_lock(&server->lock);
	if (find(server, name) != NULL) {
		r = -EEXIST;
	} else {
		export->first = !server->had_export;
		server->had_export = true;
		for (end = &server->exports; *end != NULL; end = &(*end)->next)
			;
		export->fd = fd;
		*end = export;
	}
	pthread_mutex_unlock(&server->lock);
	if (r < 0) {
		fuse_export_put(server, export);
		return error_set(err, EEXIST, "share \"%s\" with the guest", name);
	}
	/* cppcheck-suppress memleak; it is in the list */
	return 0;
}

int fuse_server_remove_export(struct fuse_server *server, const char *name, struct error *err)
{
	struct fuse_export *export, **link;

	pthread_mutex_lock(&server->lock);
	export = find(server, name);
	if (export != NULL) {
		for (link = &server->exports; *link != export; link = &(*link)->next)
			;
		*link = export->next;
		export->removed = true;
		fuse_export_put(server, export);
	}
	pthread_mutex_unlock(&server->lock);
	if (export == NULL)
		return error_set(err, ENOENT, "stop sharing \"%s\" with the guest", name);
	return 0;
}

void fuse_root_stat(const struct fuse_server *server, struct statx *ret)
{
	(void)server;
	memset(ret, 0, sizeof(*ret));
	ret->stx_mask = STATX_BASIC_STATS;
	ret->stx_mode = S_IFDIR | 0555;
	ret->stx_nlink = 2;
	ret->stx_ino = FUSE_ROOT_ID;
	ret->stx_blksize = 4096;
}

/* The export's own node is made over a copy of its fd, and never closed before it is forgotten. */
static struct fuse_node *enter_export(
	struct fuse_server *server, const char *name, struct statx *ret_stat, int *ret_error)
{
	struct fuse_export *export;
	struct fuse_node *node = NULL;
	int fd = -EBADF;

	pthread_mutex_lock(&server->lock);
	export = find(server, name);
	if (export != NULL) {
		export->users++;
		fd = fcntl(export->fd, F_DUPFD_CLOEXEC, 0);
	}
	pthread_mutex_unlock(&server->lock);
	*ret_error = export == NULL ? -ENOENT : fd < 0 ? -ENFILE : fuse_statx(fd, "", ret_stat);
	if (*ret_error == 0) {
		node = fuse_node_enter_unnamed(server, export, fd, ret_stat);
		if (node == NULL)
			*ret_error = -ENFILE;
		else
			fd = -EBADF;
	}
	close_fd(fd);
	pthread_mutex_lock(&server->lock);
	if (node != NULL && node->parent == NULL) {
		node->parent = &server->root;
		server->root.references++;
	}
	fuse_export_put(server, export);
	pthread_mutex_unlock(&server->lock);
	return node;
}

int fuse_root_lookup(struct fuse_request *request, const char *name, struct fuse_entry_out *ret)
{
	struct statx stat;
	struct fuse_node *node;
	int r;

	node = enter_export(request->server, name, &stat, &r);
	if (node == NULL)
		return r;
	fuse_fill_entry(request, node, &stat, ret);
	fuse_node_put(request->server, node);
	return 0;
}

bool fuse_root_entry(struct fuse_server *server, uint64_t index, char name[256],
	uint64_t *ret_inode, mode_t *ret_type)
{
	const struct fuse_export *export;

	pthread_mutex_lock(&server->lock);
	for (export = server->exports; export != NULL && index > 0; index--)
		export = export->next;
	if (export != NULL) {
		strcpy(name, export->name);
		*ret_inode = export->identity.inode;
		*ret_type = export->type;
	}
	pthread_mutex_unlock(&server->lock);
	return export != NULL;
}
