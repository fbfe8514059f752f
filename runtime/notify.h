/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify(3) across the container's wall: the program finds a socket at /run/notify/notify.sock;
 * what it says of being ready goes on to the caller's own NOTIFY_SOCKET, with the pid as the host
 * knows it. Nothing else is passed on: the container is not the service manager's to trust.
 */
#pragma once

#include <sys/types.h>

struct error;
struct process_identity;

struct notify {
	int socket; /* the container's side, -EBADF: none */
	int host;   /* connected to the caller's NOTIFY_SOCKET */
};

#define NOTIFY_INIT ((struct notify){ .socket = -EBADF, .host = -EBADF })

/* Binds the container's socket in the state directory `dir`; `host` is the caller's NOTIFY_SOCKET.
 */
int notify_open(int dir, const char *host, struct notify *ret, struct error *err);

/*
 * Handles what has arrived. Returns 1 once READY=1 was passed on with MAINPID=pid, 0 for anything
 * else, a negative errno when the socket is broken.
 */
int notify_handle(struct notify *notify, pid_t pid);

/* Waits for READY=1, or for the container's end, which is no error. */
int notify_wait_ready(
	struct notify *notify, const struct process_identity *process, struct error *err);

void notify_close(struct notify *notify);
