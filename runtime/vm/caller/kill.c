/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/vm.h"

#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>

#include "agent/protocol.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/cgroup/cgroup.h"
#include "runtime/container.h"

/* A guest that cannot answer, because it hangs or is frozen, is killed as it is. */
static void let_guest_sync(struct container *container)
{
	_cleanup_(protocol_message_free) struct protocol_message answer = { 0 };
	struct json_writer writer;
	struct error err = ERROR_INIT;

	if (container_status(container) != CONTAINER_RUNNING)
		return;
	int status = protocol_begin(&writer, "op", "kill", &err);
	if (status == 0) {
		json_write_string_member(&writer, "id", container->state.id);
		status = vm_request(container, &writer, NULL, 0, VM_KILL_TIMEOUT_MS, &answer, &err);
	}
	if (status < 0)
		log_debug("the guest is killed without a sync: %s", err.message);
}

static int signal_all(struct container *container, int signal, struct error *err)
{
	_cleanup_(protocol_message_free) struct protocol_message answer = { 0 };
	struct json_writer writer;
	int status = protocol_begin(&writer, "op", "signal", err);

	if (status < 0)
		return status;
	json_write_string_member(&writer, "id", container->state.id);
	json_write_int_member(&writer, "signal", signal);
	json_write_bool_member(&writer, "all", true);
	return vm_request(container, &writer, NULL, 0, VM_AGENT_TIMEOUT_MS, &answer, err);
}

int vm_kill(struct container *container, int signal, bool all, struct error *err)
{
	_cleanup_close_ int pidfd = process_open(&container->state.init, err);

	if (pidfd < 0)
		return pidfd;
	if (signal == SIGKILL) {
		/* All of the guest ends with its monitor. */
		let_guest_sync(container);
	} else if (all && container_status(container) == CONTAINER_RUNNING) {
		return signal_all(container, signal, err);
	}
	if (pidfd_send_signal(pidfd, signal, NULL, 0) < 0 && errno != ESRCH)
		return error_set(
			err, errno, "send signal %d to container %s", signal, container->state.id);
	return 0;
}
