/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small harness for checks against a real hierarchy: cmocka's library is dynamic, and the test
 * machine reads programs slowly.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "runtime/cgroup/cgroup.h"

struct check {
	const char *name;
	void (*run)(void);
};

extern const struct check core_checks[], full_checks[], systemd_checks[], user_checks[];

/* Ends the check that runs as failed. */
void check_failed(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

#define CHECK(condition)                                                    \
	do {                                                                \
		if (!(condition))                                           \
			check_failed(__FILE__, __LINE__, "%s", #condition); \
	} while (0)

/* `call` is a function with `struct error err` in scope that must succeed. */
#define CHECK_OK(call)                                                                          \
	do {                                                                                    \
		int status_ = (call);                                                           \
		if (status_ < 0)                                                                \
			check_failed(                                                           \
				__FILE__, __LINE__, "%s: %d: %s", #call, status_, err.message); \
	} while (0)

/* ... that must fail with `-errnum` and a message that has `text` in it. */
#define CHECK_FAILS(call, errnum, text)                                                         \
	do {                                                                                    \
		int status_ = (call);                                                           \
		if (status_ != -(errnum) || !has_text(err.message, text))                       \
			check_failed(                                                           \
				__FILE__, __LINE__, "%s: %d: %s", #call, status_, err.message); \
	} while (0)

bool has_text(const char *text, const char *part);

/* Reads a control file below /sys/fs/cgroup into a static buffer, without the last line feed. */
const char *value_of(const char *cgroup, const char *file);

/* A cgroup of ours: /caisson-check/NAME. */
struct made {
	struct cgroup_location location;
	int fd;
};

/* Makes it with these resources (may be NULL); checks that it works. */
struct made make(const char *name, const struct oci_resources *resources);
void destroy(struct made *made);

/* A child inside the cgroup that runs `body` and exits with its result; the parent reaps it. */
pid_t spawn(int fd, int (*body)(void *), void *data);
int wait_for(pid_t pid);
int sleep_forever(void *data);

double milliseconds(void);
