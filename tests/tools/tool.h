/* SPDX-License-Identifier: Apache-2.0 */
/* The tests' tools: each is a main() of its own, argv[0] its name. See main.c for what they do. */
#pragma once

#include <stddef.h>

int tool_map_write(int argc, char **argv);
int tool_pty(int argc, char **argv);
int tool_console(int argc, char **argv);
int tool_fd_receiver(int argc, char **argv);
int tool_seccomp_agent(int argc, char **argv);
int tool_notify_listen(int argc, char **argv);
int tool_notify(int argc, char **argv);
int tool_probe(int argc, char **argv);
int tool_keyring(int argc, char **argv);
int tool_syscall(int argc, char **argv);
int tool_listen_fds(int argc, char **argv);
int tool_exchange(int argc, char **argv);
int tool_grab_exe(int argc, char **argv);
int tool_peek(int argc, char **argv);
int tool_abstract_connect(int argc, char **argv);
int tool_full_socket(int argc, char **argv);
int tool_threads(int argc, char **argv);

/* Binds a socket of this type at a path, which is removed first; exits on failure. */
int tool_bind(const char *path, int type);

/*
 * Waits for one connection and one message on it. Returns the message's length, stores up to
 * `*count` descriptors and how many came; exits on failure. `text` is NUL-terminated.
 */
size_t tool_receive(const char *path, char *text, size_t size, int *fds, size_t *count);
