/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carries a FUSE server over /dev/fuse instead of a virtqueue, so that the host's own kernel is the
 * client and ordinary programs can try it. In a mount namespace of the test's own.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "runtime/vm/virtio/fs/fuse_server.h"

#define FUSE_MOUNT_THREADS 4
#define FUSE_MOUNT_BUFFER (FUSE_TRANSFER_MAX + 65536)

struct fuse_mount {
	struct fuse_server *server;
	int fd;
	bool stop;
	pthread_t threads[FUSE_MOUNT_THREADS];
	char path[64];
};

static inline void *fuse_mount_thread(void *data)
{
	struct fuse_mount *m = data;
	char *in = malloc(FUSE_MOUNT_BUFFER), *out = malloc(FUSE_MOUNT_BUFFER);
	struct iovec in_iov = { in, 0 }, out_iov = { out, FUSE_MOUNT_BUFFER };
	struct fuse_thread *thread;
	size_t length;

	if (in == NULL || out == NULL || fuse_thread_new(m->server, &thread, NULL) < 0)
		abort();
	/* A test that failed may have left files open, and then the mount does not end. */
	while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
		struct pollfd p = { .fd = m->fd, .events = POLLIN };
		ssize_t n = -1;

		errno = EINTR;
		if (poll(&p, 1, 100) > 0)
			n = read(m->fd, in, FUSE_MOUNT_BUFFER);
		if (n < 0 && (errno == ENOENT || errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0)
			break;
		in_iov.iov_len = (size_t)n;
		length = fuse_server_handle(thread, &in_iov, 1, &out_iov, 1);
		if (length > 0)
			(void)!write(m->fd, out, length);
	}
	fuse_thread_free(thread);
	free(in);
	free(out);
	return NULL;
}

/* Returns 0, or -errno where this machine cannot. */
static inline int fuse_mount_start(struct fuse_mount *m, struct fuse_server *server)
{
	char options[128];

	*m = (struct fuse_mount){ .server = server, .path = "/tmp/caisson-fuse-XXXXXX" };
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	m->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (m->fd < 0 || mkdtemp(m->path) == NULL)
		return -errno;
	snprintf(options, sizeof(options),
		"fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions", m->fd);
	if (mount("caisson", m->path, "fuse", MS_NOSUID * 0, options) < 0) {
		int r = -errno;

		rmdir(m->path);
		return r;
	}
	for (int i = 0; i < FUSE_MOUNT_THREADS; i++)
		pthread_create(&m->threads[i], NULL, fuse_mount_thread, m);
	return 0;
}

static inline void fuse_mount_stop(struct fuse_mount *m)
{
	umount2(m->path, MNT_DETACH);
	__atomic_store_n(&m->stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < FUSE_MOUNT_THREADS; i++)
		pthread_join(m->threads[i], NULL);
	close(m->fd);
	rmdir(m->path);
}
