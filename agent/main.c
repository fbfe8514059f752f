/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's PID 1. Its own words go to the console, which the monitor keeps for whoever asks why.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/server.h"
#include "agent/system.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/isolation.h"
#include "runtime/runtime.h"

static void log_to_console(enum log_level level, const char *message, void *data)
{
	(void)level, (void)data;
	dprintf(STDERR_FILENO, "caisson-agent: %s\n", message);
}

int main(void)
{
	struct runtime runtime;
	struct error err = ERROR_INIT;

	log_set_sink(log_to_console, NULL, LOG_LEVEL_INFO);
	if (system_set_up(&err) == 0 &&
		runtime_open("/run/caisson", 0, true, &runtime, &err) == 0) {
		runtime.cgroup_manager = CGROUP_MANAGER_CGROUPFS;
		runtime.isolation = isolation_find("namespace");
		server_run(&runtime, &err);
	}
	log_line(LOG_LEVEL_ERROR, "%s", err.message);
	system_power_off();
}
