/* SPDX-License-Identifier: Apache-2.0 */
/* An event loop that runs in a thread of its own, for tests of devices that live in one. */
#pragma once

#include <pthread.h>
#include <semaphore.h>

#include "runtime/vm/monitor/loop.h"

struct loop_thread {
	struct loop *loop;
	pthread_t thread;
};

static inline void *loop_thread_main(void *data)
{
	loop_run(data, NULL);
	return NULL;
}

static inline void loop_thread_start(struct loop_thread *t)
{
	pthread_create(&t->thread, NULL, loop_thread_main, t->loop);
}

/* To be followed by whatever may only be done in the loop's thread, then by loop_free(). */
static inline void loop_thread_stop(struct loop_thread *t)
{
	loop_stop(t->loop);
	pthread_join(t->thread, NULL);
}

struct loop_thread_call {
	loop_function function;
	void *data;
	sem_t done;
};

static inline void loop_thread_run_call(void *data)
{
	struct loop_thread_call *call = data;

	call->function(call->data);
	sem_post(&call->done);
}

/* Calls a function in the loop's thread and waits for its end. */
static inline void loop_thread_do(struct loop_thread *t, loop_function function, void *data)
{
	struct loop_thread_call call = { .function = function, .data = data };

	sem_init(&call.done, 0, 0);
	loop_call(t->loop, loop_thread_run_call, &call);
	sem_wait(&call.done);
	sem_destroy(&call.done);
}
