/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs of tests/vm that run a guest of their own hear of it: its console and its end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/vm/monitor/machine.h"

static char said[65536];
static size_t said_length;
static bool ended;

static void die(const char *what)
{
	printf("wrong: %s\n", what);
	exit(1);
}

static void on_output(const char *text, size_t length, void *data)
{
	(void)data;
	if (write(STDOUT_FILENO, text, length) < 0 || length >= sizeof(said) - said_length)
		exit(1);
	memcpy(said + said_length, text, length);
	said_length += length;
}

static void on_end(enum machine_end end, const char *message, void *data)
{
	(void)data;
	if (end != MACHINE_RESET)
		die(message);
	ended = true;
}
