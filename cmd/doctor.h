/* SPDX-License-Identifier: Apache-2.0 */
/* What `caisson doctor` looks at: one list for each isolation. */
#pragma once

#include <stddef.h>

enum doctor_status {
	DOCTOR_OK,
	DOCTOR_OPTIONAL, /* not there; containers run, something is missing to them */
	DOCTOR_MISSING,	 /* not there, and needed */
};

struct doctor_check {
	const char *name;
	enum doctor_status status;
	char detail[1024]; /* what was found: one line */
	const char *mend;  /* a command, or what to do; NULL: nothing */
};

#define DOCTOR_CHECKS_MAX 24

struct doctor_report {
	struct doctor_check checks[DOCTOR_CHECKS_MAX];
	size_t count;
};

struct settings_vm;

/* Adds a line to the report. `mend` must live as long as the report. */
void doctor_add(struct doctor_report *report, const char *name, enum doctor_status status,
	const char *mend, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* doctor_namespace.c, doctor_vm.c */
void doctor_look_at_namespaces(struct doctor_report *report);
void doctor_look_at_vm(struct doctor_report *report, const struct settings_vm *settings);
