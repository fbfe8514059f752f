/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/signals.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/syscall.h>
#include <unistd.h>

/* How many signals the kernel has, and the size of its sets in bytes. */
#define KERNEL_SIGNALS 64
#define KERNEL_SET_SIZE (KERNEL_SIGNALS / 8)

/*
 * By system calls: the C library keeps two signals to itself (nptl(7)), which a caller may still
 * have left ignored. The kernel's struct sigaction is all zero for SIG_DFL on every architecture.
 */
void signals_reset(void)
{
	static const unsigned long default_action[16], none[KERNEL_SET_SIZE / sizeof(long)];

	for (int number = 1; number <= KERNEL_SIGNALS; number++)
		syscall(SYS_rt_sigaction, number, default_action, NULL, KERNEL_SET_SIZE);
	syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, KERNEL_SET_SIZE);
}

static int parse_number(const char *text)
{
	char *end;
	long number;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || number < 0 || number > SIGRTMAX)
		return -EINVAL;
	return (int)number;
}

static int parse_realtime(const char *name)
{
	int offset = 0;

	if (strncasecmp(name, "RTMIN", 5) != 0 && strncasecmp(name, "RTMAX", 5) != 0)
		return -EINVAL;
	int base = toupper((unsigned char)name[3]) == 'I' ? SIGRTMIN : SIGRTMAX;
	if (name[5] == (base == SIGRTMIN ? '+' : '-')) {
		offset = parse_number(name + 6);
		if (offset < 0)
			return offset;
	} else if (name[5] != '\0') {
		return -EINVAL;
	}
	int number = base == SIGRTMIN ? base + offset : base - offset;
	return number < SIGRTMIN || number > SIGRTMAX ? -EINVAL : number;
}

int signal_parse(const char *text)
{
	if (isdigit((unsigned char)text[0]))
		return parse_number(text);
	if (strncasecmp(text, "SIG", 3) == 0)
		text += 3;
	for (int number = 1; number < NSIG; number++) {
		const char *name = sigabbrev_np(number);

		if (name != NULL && strcasecmp(name, text) == 0)
			return number;
	}
	return parse_realtime(text);
}
