/* SPDX-License-Identifier: Apache-2.0 */
/* The namespace isolation: the container's first process becomes the user's program. */
#include "runtime/isolation.h"

#include <errno.h>
#include <sched.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "runtime/channel.h"
#include "runtime/init.h"
#include "runtime/ns/credentials.h"

/* A filter may notify its agent of every system call: the creator takes the listener by its number.
 */
static int announce_listener(int fd, void *data, struct error *err)
{
	const struct container_init *init = data;
	int status = channel_send(init->child.channel[1], CHANNEL_LISTENER, fd, NULL, -EBADF);

	return status < 0 ? error_set(err, -status, "announce the seccomp listener") : 0;
}

static int become(struct container_init *init, struct error *err)
{
	_cleanup_close_ int listener = -EBADF;

	init->setup = (struct process_setup){
		.process = &init->config->process,
		.linux = &init->config->linux,
		.seccomp = init->filter,
		.procfs = init->procfs,
		.keyring_name = init->options->no_new_keyring ? NULL : init->keyring,
		.keep_groups = ids_keep_groups(init->config, init->runtime->rootless),
		.keep_oom_score = namespaces_has(&init->namespaces, CLONE_NEWUSER) ||
			init->runtime->rootless,
		.extra_fds = init->options->preserve_fds,
		.extra_env = init->extra_env,
		.announce_listener = announce_listener,
		.announce_data = init,
	};
	return process_prepare(&init->setup, &init->program, &listener, err);
}

static int run(struct container_init *init, struct error *err)
{
	return process_execute(&init->setup, init->program, err);
}

const struct isolation namespace_isolation = {
	.name = "namespace",
	.become = become,
	.run = run,
};
