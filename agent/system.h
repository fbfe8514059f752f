/* SPDX-License-Identifier: Apache-2.0 */
/* The guest as a whole: what PID 1 sets up, and what concerns no container in particular. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;

#define AGENT_EXPORTS "/exports"    /* the host's exports: a directory or file for each */
#define AGENT_EXPORTS_TAG "exports" /* of the virtio-fs device */

/* Mounts /proc, /sys, /dev, /run and the cgroup hierarchy, names the host, raises what limits
 * PID 1. */
int system_set_up(struct error *err);

/*
 * Mounts the exports, once. Not at boot: a template of a virtual machine must hold no state of
 * a host's files.
 */
int system_mount_exports(struct error *err);

/* Listens on a port of vsock, without blocking. Returns the socket. */
int system_listen(uint32_t port, struct error *err);

/*
 * Takes a connection that the host has made; those of the guest's own processes are closed.
 * *ret_port (may be NULL) is the host's port. Negative once there is none left.
 */
int system_accept(int listener, uint32_t *ret_port);

/* Writes everything that was written to files through to the host. */
void system_sync(void);

/* Sets the clock (CLOCK_REALTIME) and stirs `entropy` into the kernel's pool. */
int system_set_clock(int64_t seconds, int64_t nanoseconds, const void *entropy, size_t length,
	struct error *err);

/* What is logged goes to the console, which the monitor keeps for whoever asks why. */
void system_log_to_console(void);

/* Ends the virtual machine. */
_Noreturn void system_power_off(void);
