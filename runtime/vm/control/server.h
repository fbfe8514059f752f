/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor's side of the control socket: takes connections and requests (message.h), checks
 * their form, has one of a table of functions carry each out, and answers. Who can connect is the
 * container's owner, so that this guards against mistakes and other versions: whatever comes, it
 * is answered, nothing of it stays open, and the guest runs on.
 */
#pragma once

#include <stddef.h>

#include "runtime/vm/control/message.h"

struct control_server;
struct loop;

/*
 * Carries a request out, in the loop's thread. Of the `n_fds` descriptors those that stay in use
 * are taken with take_fd(); the rest is closed behind it. What it fills in of `answer` is not the
 * error, which is `err`.
 */
typedef int (*control_function)(void *data, const struct control_request *request, int *fds,
	size_t n_fds, struct control_answer *answer, struct error *err);

/*
 * Serves `listener` (a listening, non-blocking SOCK_SEQPACKET socket, taken over on success) with
 * functions[kind](data, ...). `ret` is given back by control_server_free().
 */
int control_server_new(struct loop *loop, int listener,
	const control_function functions[CONTROL_KINDS], void *data, struct control_server **ret,
	struct error *err);
void control_server_free(struct control_server *server);
