/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop of the monitor's main thread (epoll(7)): device back ends, timers, signals and
 * sockets register an fd and a function. One thread runs it and calls everything here, except
 * loop_stop() and loop_call(), which any thread may call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct error;
struct loop;
struct loop_source;

/* `events` are the EPOLL… bits that came. */
typedef void (*loop_fd_function)(uint32_t events, void *data);
typedef void (*loop_function)(void *data);

/* `ret` is given back by loop_free(). */
int loop_new(struct loop **ret, struct error *err);

/* Sources that are left are given back too; their fds stay open. */
void loop_free(struct loop *loop);

/*
 * Calls `function` whenever `fd` has one of `events` (EPOLLIN, EPOLLOUT, EPOLLET, 0 for none yet).
 * The fd stays the caller's and is closed only after loop_remove().
 */
int loop_add(struct loop *loop, int fd, uint32_t events, loop_fd_function function, void *data,
	struct loop_source **ret, struct error *err);

/* Changes the events. Cannot fail for an fd that is open; a failure is returned as -errno. */
int loop_modify(struct loop_source *source, uint32_t events);

/* May be called from any function that the loop runs, the source's own too. NULL is ignored. */
void loop_remove(struct loop_source *source);

/*
 * A timer on CLOCK_MONOTONIC: `function` is called once, `nanoseconds` from now. Setting it again
 * replaces the earlier time, 0 stops it.
 */
int loop_add_timer(struct loop *loop, loop_function function, void *data, struct loop_source **ret,
	struct error *err);
int loop_set_timer(struct loop_source *timer, uint64_t nanoseconds);

/*
 * From any thread: `function` is called soon by the loop's thread. -ENOMEM when it cannot be kept.
 */
int loop_call(struct loop *loop, loop_function function, void *data);

/* Serves events until loop_stop(). Returns 0, or negative when epoll itself fails. */
int loop_run(struct loop *loop, struct error *err);

/* Serves what is there already, without waiting. Returns whether there was anything. */
bool loop_turn(struct loop *loop);

/*
 * From any thread: loop_run() returns as soon as the function it is in has returned; the next one
 * at once, where none is running. loop_run() may be called again afterwards.
 */
void loop_stop(struct loop *loop);
