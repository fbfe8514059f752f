/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The small programs that the tests need inside and beside a container, in one static binary:
 * `tool NAME ARGUMENT...`. The table below says what there is.
 */
#include <stdio.h>
#include <string.h>

#include "tests/tools/tool.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
} tools[] = {
	{ "pty", tool_pty, "COMMAND...: run on a new terminal, stdin typed into it" },
	{ "console", tool_console,
		"SOCKET [TEXT]: receive a terminal, type TEXT, print what comes" },
	{ "fd-receiver", tool_fd_receiver,
		"SOCKET: receive a message with descriptors, describe it" },
	{ "seccomp-agent", tool_seccomp_agent, "SOCKET ERRNO: answer notifications with an errno" },
	{ "notify-listen", tool_notify_listen, "SOCKET COUNT: print COUNT datagrams" },
	{ "notify", tool_notify, "TEXT: send a datagram to $NOTIFY_SOCKET" },
	{ "probe", tool_probe, "print attributes of this process, a line each" },
	{ "keyring", tool_keyring, "print the session keyring's id" },
	{ "syscall", tool_syscall, "NUMBER [ARGUMENT...]: make a system call, print errno" },
	{ "listen-fds", tool_listen_fds, "N COMMAND...: run with N sockets passed as LISTEN_FDS" },
	{ "exchange", tool_exchange, "A B: exchange two names until killed" },
	{ "grab-exe", tool_grab_exe,
		"try to write to other processes' /proc/PID/exe until killed" },
	{ "peek", tool_peek, "try to read other processes' descriptors and memory until killed" },
	{ "map-write", tool_map_write,
		"FILE: write 1 MiB through a shared mapping, say so, wait to be killed" },
	{ "abstract-connect", tool_abstract_connect, "connect to all abstract sockets in sight" },
	{ "full-socket", tool_full_socket, "SOCKET: listen, and keep whoever connects waiting" },
	{ "threads", tool_threads,
		"DIRECTORY...: one thread in each of these threaded cgroups, until killed" },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof(tools) / sizeof(tools[0]); i++) {
		if (strcmp(argv[1], tools[i].name) == 0)
			return tools[i].run(argc - 1, argv + 1);
	}
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		fprintf(stderr, "tool %s %s\n", tools[i].name, tools[i].usage);
	return 2;
}
