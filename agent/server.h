/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's loop: connections of the host's, streams and ends of processes. */
#pragma once

struct error;
struct runtime;

/*
 * Listens on the agent's vsock port, tells the host so, and serves it. Returns on failure only;
 * when the host is gone for good the guest is switched off.
 */
int server_run(const struct runtime *runtime, struct error *err);
