/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A "host" and a container's network namespace for tests, both new: the real host is never touched.
 * Needs root and ip(8).
 */
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int home, container;

static inline int open_own_network(void)
{
	return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* The process is in `home` afterwards. 0, or -1. */
static inline int make_networks(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	container = open_own_network();
	if (unshare(CLONE_NEWNET) < 0)
		return -1;
	home = open_own_network();
	return home < 0 || container < 0 ? -1 : 0;
}

/* What a command says in a namespace; it must succeed. Good until the next call. */
static inline const char *run_in(int netns, const char *command)
{
	static char text[16384];
	FILE *pipe;

	assert_int_equal(setns(netns, CLONE_NEWNET), 0);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	size_t n = fread(text, 1, sizeof(text) - 1, pipe);
	text[n] = '\0';
	assert_int_equal(pclose(pipe), 0);
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	return text;
}

static inline void assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in:\n%s", part, text);
}
