/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the measured containers run: `true` ends at once, any other name (`pause`) waits for a
 * signal. Without a C library, so that neither its start nor its memory is part of a figure.
 */
#include <stdbool.h>
#include <sys/syscall.h>

static long system_call(long number, long argument)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(argument)
			 : "rcx", "r11", "memory");
	return result;
}

static bool ends_with_true(const char *name)
{
	while (*name != '\0')
		name++;
	return name[-1] == 'e' && name[-2] == 'u';
}

__attribute__((used)) static _Noreturn void begin(const long *stack)
{
	if (!ends_with_true((const char *)stack[1]))
		system_call(SYS_pause, 0);
	for (;;)
		system_call(SYS_exit_group, 0);
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
