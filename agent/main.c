/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's PID 1. Its own words go to the console, which the monitor keeps for whoever asks why.
 */

#include "agent/modules.h"
#include "agent/server.h"
#include "agent/system.h"
#include "lib/error.h"
#include "lib/log.h"
#include "runtime/isolation.h"
#include "runtime/runtime.h"

int main(int argc, char **argv)
{
	struct runtime runtime;
	struct error err = ERROR_INIT;

	if (modules_is_request(argc, argv))
		return modules_serve_request(argv);
	system_log_to_console();
	if (system_set_up(&err) == 0 && modules_start(&err) == 0 &&
		runtime_open("/run/caisson", 0, true, &runtime, &err) == 0) {
		runtime.cgroup_manager = CGROUP_MANAGER_CGROUPFS;
		runtime.isolation = isolation_find("namespace");
		server_run(&runtime, &err);
	}
	log_line(LOG_LEVEL_ERROR, "%s", err.message);
	system_power_off();
}
