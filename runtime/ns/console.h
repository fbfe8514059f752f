/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal of a container (config.md, "Process", terminal and consoleSize): a pseudoterminal of
 * the container's own devpts, whose other end goes to the caller. Everything but console_send()
 * runs inside the container's root and namespaces.
 */
#pragma once

struct error;
struct oci_process;

/*
 * Opens a new pseudoterminal of the devpts at /dev/pts below `root`; `procfs` is a private procfs.
 * What is opened is checked to be the multiplexer of a devpts, and the peer to be the terminal that
 * belongs to it, without a path that the container could swap (CVE-2025-52565). Sets the size that
 * process.consoleSize asks for. Both fds are the caller's and close-on-exec.
 */
int console_open(int root, int procfs, const struct oci_process *process, int *ret_master,
	int *ret_terminal, struct error *err);

/*
 * Lines that the program writes end in a line feed, without the carriage return that a terminal's
 * screen needs: for output that goes to a file or a pipe. As runc has it.
 */
int console_keep_newlines(int terminal, struct error *err);

/*
 * Hands `master` over a connected Unix socket (create's --console-socket: see socket_connect_at(),
 * SOCK_STREAM) as callers expect it: one message, whose text is the device's name.
 */
int console_send(int socket, int master, struct error *err);

/*
 * Makes `terminal` the controlling terminal of the calling process, which leads a session
 * (setsid(2)) without one, and its standard input, output and error. Closes `terminal` unless it is
 * one of them.
 */
int console_take(int terminal, struct error *err);
