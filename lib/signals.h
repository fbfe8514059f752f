/* SPDX-License-Identifier: Apache-2.0 */
/* Signal dispositions, masks, names. */
#pragma once

#include <signal.h>

/*
 * Every signal to its default and none blocked: how a program expects to be executed, whatever the
 * caller of the runtime had ignored or blocked.
 */
void signals_reset(void);

/*
 * Parses a signal: a number, or a name with or without "SIG", "RTMIN+N" and "RTMAX-N" too. Returns
 * it, or -EINVAL.
 */
int signal_parse(const char *text);
