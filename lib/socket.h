/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unix sockets: addresses below a directory fd (sun_path holds 108 bytes, a path may be longer),
 * and descriptors that travel with a message (unix(7), SCM_RIGHTS).
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct error;

#define SOCKET_MAX_FDS 16

/*
 * Connects a new socket of `type` (SOCK_STREAM, SOCK_SEQPACKET …) to `path`, taken relative to the
 * directory `dirfd` (AT_FDCWD: the working directory) unless it is absolute. Long paths work.
 * Returns the socket, close-on-exec.
 */
int socket_connect_at(int dirfd, const char *path, int type, struct error *err);

/*
 * Binds a new socket to `name` in the directory `dirfd` with mode 0600 from the start, and listens
 * where `backlog` is above 0. Returns the socket, close-on-exec.
 */
int socket_bind_at(int dirfd, const char *name, int type, int backlog, struct error *err);

/*
 * Sends `length` (at least 1) bytes of `data` with `n_fds` descriptors beside the first of them;
 * never raises SIGPIPE. All bytes are sent, or it fails.
 */
int socket_send_fds(int socket, const void *data, size_t length, const int *fds, size_t n_fds,
	struct error *err);

/*
 * Receives one message of up to `size` bytes into `data` and up to `*n_fds` descriptors
 * (close-on-exec, the caller's) into `fds`; *n_fds says how many came. Returns the bytes received,
 * 0 at the end of the stream. A message with more descriptors than fit is an error (-EMSGSIZE),
 * and none is kept.
 */
ssize_t socket_receive_fds(
	int socket, void *data, size_t size, int *fds, size_t *n_fds, struct error *err);
