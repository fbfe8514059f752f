/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sd_notify(3) across the container's wall: the program finds a socket at /run/notify/notify.sock;
 * what it says of being ready goes on to the caller's own NOTIFY_SOCKET, with the pid as the host
 * knows it. Nothing else is passed on: the container is not the service manager's to trust. For a
 * virtual machine this happens twice: its agent listens in the guest, its monitor says what the
 * program would say.
 */
#pragma once

#include <sys/types.h>

struct error;
struct process_identity;

/* In the container: the directory STATE_NOTIFY of its state is at /run/notify. */
#define NOTIFY_SOCKET_PATH "/run/notify/notify.sock"

struct notify {
	int socket; /* the container's side, -EBADF: none */
	int host;   /* connected to the caller's NOTIFY_SOCKET, -EBADF: none */
};

#define NOTIFY_INIT ((struct notify){ .socket = -EBADF, .host = -EBADF })

/* Binds the container's socket in the state directory `dir`; `host` is the caller's NOTIFY_SOCKET.
 */
int notify_open(int dir, const char *host, struct notify *ret, struct error *err);

/* The container's socket alone, for who passes on what it says in another way. */
int notify_listen(int dir, struct notify *ret, struct error *err);

/* Takes one message, without waiting. Returns 1 for READY=1, 0 for anything else, or -errno. */
int notify_receive(const struct notify *notify);

/* In the container: says READY=1, as its program would. Nobody may be listening. */
void notify_say_ready(void);

/*
 * Handles what has arrived. Returns 1 once READY=1 was passed on with MAINPID=pid, 0 for anything
 * else, a negative errno when the socket is broken.
 */
int notify_handle(struct notify *notify, pid_t pid);

/* Waits for READY=1, or for the container's end, which is no error. */
int notify_wait_ready(
	struct notify *notify, const struct process_identity *process, struct error *err);

void notify_close(struct notify *notify);
