/* SPDX-License-Identifier: Apache-2.0 */
/* doctor: what this host can do, and the command that mends what is missing. */
#include "cmd/doctor.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/cli.h"
#include "config/settings.h"
#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"

static const char *const status_names[] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_OPTIONAL] = "optional",
	[DOCTOR_MISSING] = "missing",
};

void doctor_add(struct doctor_report *report, const char *name, enum doctor_status status,
	const char *mend, const char *format, ...)
{
	va_list arguments;

	if (report->count == DOCTOR_CHECKS_MAX)
		return;
	struct doctor_check *check = &report->checks[report->count++];
	*check = (struct doctor_check){
		.name = name, .status = status, .mend = status == DOCTOR_OK ? NULL : mend
	};
	va_start(arguments, format);
	vsnprintf(check->detail, sizeof(check->detail), format, arguments);
	va_end(arguments);
}

static bool works(const struct doctor_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		if (report->checks[i].status == DOCTOR_MISSING)
			return false;
	}
	return true;
}

static void print_report(const char *title, const struct doctor_report *report, bool usable)
{
	printf("%s: %s\n", title, usable ? "works" : "does not work");
	for (size_t i = 0; i < report->count; i++) {
		const struct doctor_check *check = &report->checks[i];

		printf("  %-8s  %-20s  %s\n", status_names[check->status], check->name,
			check->detail);
		if (check->mend != NULL)
			printf("  %-8s  %-20s  mend: %s\n", "", "", check->mend);
	}
}

static void write_report(struct json_writer *writer, const char *key,
	const struct doctor_report *report, bool usable)
{
	json_write_object_member(writer, key);
	json_write_bool_member(writer, "works", usable);
	json_write_array_member(writer, "checks");
	for (size_t i = 0; i < report->count; i++) {
		const struct doctor_check *check = &report->checks[i];

		json_write_object(writer);
		json_write_string_member(writer, "name", check->name);
		json_write_string_member(writer, "status", status_names[check->status]);
		json_write_string_member(writer, "detail", check->detail);
		if (check->mend != NULL)
			json_write_string_member(writer, "mend", check->mend);
		json_write_end(writer);
	}
	json_write_end(writer);
	json_write_end(writer);
}

static int print_json(
	const struct doctor_report *namespace, const struct doctor_report *vm, struct error *err)
{
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	int status = json_writer_open(&writer, true, err);

	if (status < 0)
		return status;
	json_write_object(&writer);
	write_report(&writer, "namespace", namespace, works(namespace));
	/* A virtual machine's monitor lives in a container of namespaces. */
	write_report(&writer, "vm", vm, works(namespace) && works(vm));
	json_write_end(&writer);
	return cli_print_json(&writer);
}

static int print_text(const struct doctor_report *namespace, const struct doctor_report *vm)
{
	print_report("namespace isolation", namespace, works(namespace));
	printf("\n");
	print_report("vm isolation", vm, works(namespace) && works(vm));
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_doctor(struct cli *cli, int argc, char **argv)
{
	_cleanup_(settings_free) struct settings settings;
	struct doctor_report namespace = { 0 }, vm = { 0 };
	const char *format = "text";
	const struct cli_option options[] = {
		{ "format", 'f', "FORMAT", "text or json (text)", CLI_STRING, &format },
	};
	struct error err = ERROR_INIT;
	int status;

	settings_default(&settings);
	if (cli_parse(&command_doctor, options, CLI_COUNT(options), argc, argv, 0, 0, &status) < 0)
		return status;
	if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0)
		return cli_usage(&command_doctor, "--format %s: must be text or json", format);
	if (settings_load(cli->settings_file != NULL ? cli->settings_file : SETTINGS_PATH,
		    &settings, &err) < 0)
		return cli_fail(&err);
	doctor_look_at_namespaces(&namespace);
	doctor_look_at_vm(&vm, &settings.vm);
	status = strcmp(format, "json") == 0 ? print_json(&namespace, &vm, &err)
					     : print_text(&namespace, &vm);
	if (status < 0)
		return cli_fail(&err);
	return status == EXIT_SUCCESS && works(&namespace) ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command command_doctor = {
	.name = "doctor",
	.arguments = "[options]",
	.summary = "say what this host can do, and how to mend the rest",
	.run = run_doctor,
};
