/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device's own thread. It is made with the device, before the first guest instruction, because
 * the thread of a vCPU, in which a device is activated, may not make threads any more; it sleeps
 * while the device is not active.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "runtime/vm/monitor/confine.h"

struct error;

struct virtio_worker {
	int wake;	  /* eventfd, readable when `stop` was set */
	atomic_bool stop; /* serve() is to finish what is in flight and return */

	/* private */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool started, running, exit;
	enum confine_kind confine;
	void (*serve)(struct virtio_worker *worker, void *data);
	void *data;
};

/*
 * Makes the thread, asleep. `name` (at most 15 bytes) is what ps shows. `serve` is called in it
 * after each virtio_worker_start(), and returns soon after `stop` was set; but never in a thread
 * that could not be confined.
 */
int virtio_worker_init(struct virtio_worker *worker, const char *name, enum confine_kind confine,
	void (*serve)(struct virtio_worker *worker, void *data), void *data, struct error *err);

/* Lets it serve. */
void virtio_worker_start(struct virtio_worker *worker);

/* Returns when it does not serve any more: true when it did before. */
bool virtio_worker_stop(struct virtio_worker *worker);

/* Ends the thread. Of a worker that is all zeroes: nothing. */
void virtio_worker_destroy(struct virtio_worker *worker);
