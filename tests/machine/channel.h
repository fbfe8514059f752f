/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agent.c (in the test machine, or on the host for the tests there) and client.c (on the host)
 * say to each other, over a virtio-serial port or a Unix socket. Both run on one architecture, so
 * that structs are the wire format.
 *
 * A client connects, sends one request, reads frames until FRAME_EXIT and hangs up; a client that
 * hangs up early takes its command with it. The session number lets a client skip what a cut-off
 * predecessor left in a port.
 */
#pragma once

#include <stdint.h>

#define CHANNEL_MAGIC 0xca155077U
#define CHANNEL_ARGS_MAX (1U << 20)
#define CHANNEL_STDIN_MAX (512U << 20)
#define CHANNEL_CHUNK 16384U

/* Followed by `args_length` bytes of arguments, each ended by a NUL, and `stdin_length` bytes. */
struct channel_request {
	uint32_t magic;
	uint32_t session;
	uint32_t timeout_ms;
	uint32_t args_length;
	uint32_t stdin_length;
};

enum channel_frame_type {
	FRAME_STDOUT = 1,
	FRAME_STDERR = 2,
	FRAME_EXIT = 3,	   /* 4 bytes: the status, 128 + N for signal N */
	FRAME_TIMEOUT = 4, /* no bytes: the command was killed; FRAME_EXIT follows */
};

/* Followed by `length` bytes. */
struct channel_frame {
	uint32_t magic;
	uint32_t session;
	uint16_t type;
	uint16_t length;
};
