/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/worker.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/log.h"

#define STACK_SIZE (256u << 10)

static void *work(void *argument)
{
	struct virtio_worker *worker = argument;
	struct error err = ERROR_INIT;
	bool confined = confine_thread(worker->confine, &err) >= 0;

	if (!confined)
		log_line(LOG_LEVEL_ERROR,
			"a device's thread cannot be confined, and does nothing: %s", err.message);
	pthread_mutex_lock(&worker->lock);
	while (!worker->exit) {
		if (!worker->running) {
			pthread_cond_wait(&worker->changed, &worker->lock);
			continue;
		}
		pthread_mutex_unlock(&worker->lock);
		if (confined)
			worker->serve(worker, worker->data);
		pthread_mutex_lock(&worker->lock);
		worker->running = false;
		pthread_cond_broadcast(&worker->changed);
	}
	pthread_mutex_unlock(&worker->lock);
	return NULL;
}

int virtio_worker_init(struct virtio_worker *worker, const char *name, enum confine_kind confine,
	void (*serve)(struct virtio_worker *worker, void *data), void *data, struct error *err)
{
	pthread_attr_t attributes;
	sigset_t all, old;
	int r;

	*worker = (struct virtio_worker){ .confine = confine, .serve = serve, .data = data };
	worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (worker->wake < 0)
		return error_set(err, errno, "make a thread for %s", name);
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->changed, NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&worker->thread, &attributes, work, worker);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attributes);
	worker->started = true;
	if (r != 0) {
		worker->started = false;
		worker->wake = close_fd(worker->wake);
		return error_set(err, r, "make a thread for %s", name);
	}
	pthread_setname_np(worker->thread, name);
	return 0;
}

void virtio_worker_start(struct virtio_worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	atomic_store(&worker->stop, false);
	worker->running = true;
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
}

bool virtio_worker_stop(struct virtio_worker *worker)
{
	eventfd_t woken;
	bool ran;

	if (!worker->started)
		return false;
	pthread_mutex_lock(&worker->lock);
	ran = worker->running;
	atomic_store(&worker->stop, true);
	eventfd_write(worker->wake, 1);
	while (worker->running)
		pthread_cond_wait(&worker->changed, &worker->lock);
	(void)!eventfd_read(worker->wake, &woken);
	pthread_mutex_unlock(&worker->lock);
	return ran;
}

void virtio_worker_destroy(struct virtio_worker *worker)
{
	if (!worker->started)
		return;
	virtio_worker_stop(worker);
	pthread_mutex_lock(&worker->lock);
	worker->exit = true;
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
	pthread_join(worker->thread, NULL);
	worker->started = false;
	worker->wake = close_fd(worker->wake);
	pthread_mutex_destroy(&worker->lock);
	pthread_cond_destroy(&worker->changed);
}
