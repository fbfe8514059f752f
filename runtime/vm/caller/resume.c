/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/vm.h"

#include <sys/random.h>
#include <time.h>

#include "agent/protocol.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "lib/log.h"
#include "runtime/container.h"

#define ENTROPY 64

/* What was frozen goes on in any case: a clock that stays behind is no reason to fail. */
int vm_resume(struct container *container, struct error *err)
{
	_cleanup_(protocol_message_free) struct protocol_message answer = { 0 };
	unsigned char entropy[ENTROPY];
	struct json_writer writer;
	struct error problem = ERROR_INIT;
	struct timespec now;
	int status = protocol_begin(&writer, "op", "clock", err);

	if (status < 0)
		return status;
	ssize_t n = getrandom(entropy, sizeof(entropy), GRND_NONBLOCK);
	clock_gettime(CLOCK_REALTIME, &now);
	json_write_int_member(&writer, "seconds", now.tv_sec);
	json_write_int_member(&writer, "nanoseconds", now.tv_nsec);
	status = vm_request(container, &writer, entropy, n > 0 ? (size_t)n : 0, VM_AGENT_TIMEOUT_MS,
		&answer, &problem);
	if (status < 0)
		log_warning("resume container %s: set the guest's clock: %s", container->state.id,
			problem.message);
	return 0;
}
