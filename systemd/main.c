/* SPDX-License-Identifier: Apache-2.0 */
/*
 * caisson-systemd: what caisson asks of systemd over D-Bus. It is a program of its own because
 * libsystemd is a large dynamic library, and caisson is static and starts thousands of times.
 *
 *	caisson-systemd [--user] root			prints the manager's cgroup
 *	caisson-systemd [--user] start UNIT PID PROPERTY…	makes a transient scope around a
 *process caisson-systemd [--user] set UNIT PROPERTY…	changes properties, until the unit ends
 *	caisson-systemd [--user] stop UNIT		stops it and forgets that it failed
 *
 * Prints one line: "ok TEXT" or "error ERRNO TEXT".
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "lib/cleanup.h"
#include "systemd/property.h"

#define DESTINATION "org.freedesktop.systemd1"
#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER "org.freedesktop.systemd1.Manager"

/* systemd answers within milliseconds; a hanging one must not hang its caller for ever. */
#define TIMEOUT_SECONDS 30

static int fail(int errnum, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(int errnum, const char *format, ...)
{
	va_list args;

	printf("error %d systemd: ", errnum > 0 ? errnum : EIO);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	return 1;
}

static int fail_bus(const char *what, int status, const sd_bus_error *error)
{
	return fail(-status, "%s: %s", what,
		error->message != NULL ? error->message : strerror(-status));
}

/* The job that is waited for, and how it ended. */
struct job {
	const char *path;
	char result[64];
};

static int on_job_removed(sd_bus_message *message, void *data, sd_bus_error *error)
{
	const char *path, *unit, *result;
	struct job *job = data;
	uint32_t id;

	(void)error;
	if (sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) >= 0 &&
		job->path != NULL && strcmp(path, job->path) == 0)
		snprintf(job->result, sizeof(job->result), "%s", result);
	return 0;
}

static int64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

/* Signals must be asked for before the job begins, or its end may be missed. */
static int subscribe(sd_bus *bus, struct job *job)
{
	int status = sd_bus_match_signal(
		bus, NULL, NULL, MANAGER_PATH, MANAGER, "JobRemoved", on_job_removed, job);

	if (status < 0)
		return status;
	/* Fails where somebody has subscribed for everyone: fine. */
	sd_bus_call_method(bus, DESTINATION, MANAGER_PATH, MANAGER, "Subscribe", NULL, NULL, "");
	return 0;
}

static int wait_for_job(sd_bus *bus, struct job *job)
{
	int64_t deadline = now() + TIMEOUT_SECONDS;

	while (job->result[0] == '\0') {
		int status = sd_bus_process(bus, NULL);

		if (status == 0 && now() >= deadline)
			return -ETIMEDOUT;
		if (status == 0)
			status = sd_bus_wait(bus, (uint64_t)1000000);
		if (status < 0 && status != -EINTR)
			return status;
	}
	return 0;
}

static int unit_path(const char *unit, char **ret)
{
	return sd_bus_path_encode("/org/freedesktop/systemd1/unit", unit, ret);
}

static void reset_failed(sd_bus *bus, const char *unit)
{
	/* Fails where the unit is gone, as it should be. */
	sd_bus_call_method(
		bus, DESTINATION, MANAGER_PATH, MANAGER, "ResetFailedUnit", NULL, NULL, "s", unit);
}

/* Appends the properties as a(sv). Prints what is wrong. */
static int append_properties(sd_bus_message *message, uint32_t pid, char **words)
{
	int status = sd_bus_message_open_container(message, 'a', "(sv)");

	if (status >= 0 && pid != 0)
		status = sd_bus_message_append(message, "(sv)", "PIDs", "au", 1, pid);
	for (; status >= 0 && *words != NULL; words++) {
		const char *reason;

		status = property_append(message, *words, &reason);
		if (status < 0) {
			fail(-status, "property %s: %s", *words, reason);
			return status;
		}
	}
	if (status >= 0)
		status = sd_bus_message_close_container(message);
	if (status < 0)
		fail(-status, "properties: %s", strerror(-status));
	return status;
}

static int start_once(sd_bus *bus, const char *unit, uint32_t pid, char **words,
	sd_bus_error *error, sd_bus_message **ret)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	int status = sd_bus_message_new_method_call(
		bus, &message, DESTINATION, MANAGER_PATH, MANAGER, "StartTransientUnit");

	if (status >= 0)
		status = sd_bus_message_append(message, "ss", unit, "fail");
	if (status >= 0) {
		if (append_properties(message, pid, words) < 0)
			return -ECANCELED;
		status = sd_bus_message_append(message, "a(sa(sv))", 0);
	}
	if (status >= 0)
		status = sd_bus_call(bus, message, 0, error, ret);
	return status;
}

static int command_start(sd_bus *bus, const char *unit, uint32_t pid, char **words)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	_cleanup_free_ char *path = NULL, *cgroup = NULL;
	struct job job = { 0 };
	int status = subscribe(bus, &job);

	if (status < 0)
		return fail(-status, "watch jobs: %s", strerror(-status));
	status = start_once(bus, unit, pid, words, &error, &reply);
	/* A scope that an OOM kill left failed is in the way of the next one of its name. */
	if (status < 0 && sd_bus_error_has_name(&error, "org.freedesktop.systemd1.UnitExists")) {
		sd_bus_error_free(&error);
		reset_failed(bus, unit);
		status = start_once(bus, unit, pid, words, &error, &reply);
	}
	if (status == -ECANCELED && error.name == NULL)
		return 1;
	if (status < 0)
		return fail_bus(unit, status, &error);
	status = sd_bus_message_read(reply, "o", &job.path);
	if (status >= 0)
		status = wait_for_job(bus, &job);
	if (status < 0)
		return fail(-status, "%s: wait for its start: %s", unit, strerror(-status));
	if (strcmp(job.result, "done") != 0)
		return fail(EIO, "%s: its start ended as '%s': systemctl status %s", unit,
			job.result, unit);
	status = unit_path(unit, &path);
	if (status >= 0)
		status = sd_bus_get_property_string(bus, DESTINATION, path,
			"org.freedesktop.systemd1.Scope", "ControlGroup", &error, &cgroup);
	if (status < 0)
		return fail_bus("ControlGroup", status, &error);
	printf("ok %s\n", cgroup);
	return 0;
}

static int command_set(sd_bus *bus, const char *unit, char **words)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
	int status = sd_bus_message_new_method_call(
		bus, &message, DESTINATION, MANAGER_PATH, MANAGER, "SetUnitProperties");

	if (status >= 0)
		status = sd_bus_message_append(message, "sb", unit, true);
	if (status < 0)
		return fail(-status, "%s: %s", unit, strerror(-status));
	if (append_properties(message, 0, words) < 0)
		return 1;
	status = sd_bus_call(bus, message, 0, &error, NULL);
	if (status < 0)
		return fail_bus(unit, status, &error);
	printf("ok \n");
	return 0;
}

static int command_stop(sd_bus *bus, const char *unit)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct job job = { 0 };
	int status = subscribe(bus, &job);

	if (status < 0)
		return fail(-status, "watch jobs: %s", strerror(-status));
	status = sd_bus_call_method(bus, DESTINATION, MANAGER_PATH, MANAGER, "StopUnit", &error,
		&reply, "ss", unit, "replace");
	if (status < 0 && !sd_bus_error_has_name(&error, "org.freedesktop.systemd1.NoSuchUnit"))
		return fail_bus(unit, status, &error);
	if (status >= 0) {
		status = sd_bus_message_read(reply, "o", &job.path);
		if (status >= 0)
			status = wait_for_job(bus, &job);
		if (status < 0)
			return fail(-status, "%s: wait for its stop: %s", unit, strerror(-status));
	}
	reset_failed(bus, unit);
	printf("ok \n");
	return 0;
}

static int command_root(sd_bus *bus)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *cgroup = NULL;
	int status = sd_bus_get_property_string(
		bus, DESTINATION, MANAGER_PATH, MANAGER, "ControlGroup", &error, &cgroup);

	if (status < 0)
		return fail_bus("ControlGroup", status, &error);
	printf("ok %s\n", cgroup);
	return 0;
}

/* Without a bus daemon, systemd itself listens for root. */
static int open_bus(bool user, sd_bus **ret)
{
	sd_bus *bus = NULL;
	int status = user ? sd_bus_open_user(ret) : sd_bus_open_system(ret);

	if (status >= 0 || user || geteuid() != 0)
		return status;
	if (sd_bus_new(&bus) < 0)
		return status;
	if (sd_bus_set_address(bus, "unix:path=/run/systemd/private") < 0 ||
		sd_bus_start(bus) < 0) {
		sd_bus_unref(bus);
		return status;
	}
	*ret = bus;
	return 0;
}

int main(int argc, char **argv)
{
	bool user = argc > 1 && strcmp(argv[1], "--user") == 0;
	char **args = argv + 1 + user;
	int count = argc - 1 - user;
	_cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
	int status;

	if (count < 1 || (strcmp(args[0], "root") != 0 && count < 2) ||
		(strcmp(args[0], "start") == 0 && count < 3))
		return fail(EINVAL,
			"usage: caisson-systemd [--user] root | start UNIT PID PROPERTY... | set "
			"UNIT "
			"PROPERTY... | stop UNIT");
	status = open_bus(user, &bus);
	if (status < 0)
		return fail(-status, "cannot connect to the %s bus: %s%s",
			user ? "user's" : "system", strerror(-status),
			user ? "; log in through a session (loginctl), or set "
			       "DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR"
			     : "; is systemd running?");
	if (strcmp(args[0], "root") == 0)
		return command_root(bus);
	if (strcmp(args[0], "start") == 0)
		return command_start(bus, args[1], (uint32_t)strtoul(args[2], NULL, 10), args + 3);
	if (strcmp(args[0], "set") == 0)
		return command_set(bus, args[1], args + 2);
	if (strcmp(args[0], "stop") == 0)
		return command_stop(bus, args[1]);
	return fail(EINVAL, "unknown command '%s'", args[0]);
}
