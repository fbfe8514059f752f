/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start gate: a Unix socket in the container's state directory on which its first process
 * waits. Who connects and says "start" opens it, and learns over the same connection why a program
 * could not be executed: execve(2) closes it without a word.
 */
#pragma once

struct error;

/* Creator's side: the listening socket, in the state directory `dir`. Returns its fd. */
int gate_open(int dir, struct error *err);

/*
 * First process: waits for the word on the listening socket `gate`. Returns the connection,
 * close-on-exec, for gate_report().
 */
int gate_wait(int gate, struct error *err);

/* First process: says why the program could not be executed. */
void gate_report(int connection, const struct error *failure);

/*
 * Starter's side: opens the gate of the container in `dir` and waits for the outcome. -EINVAL where
 * it is open already; the first process's own error where the program could not be executed.
 */
int gate_pass(int dir, struct error *err);

/* The same over a channel (channel.h), for a creator that starts what it created. */
int gate_pass_channel(int channel, struct error *err);
