/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/monitor/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/error.h"

#define EVENTS_AT_ONCE 32
#define NANOSECONDS_PER_SECOND 1000000000ULL

struct loop_source {
	struct loop *loop;
	struct loop_source *next, **link; /* in loop->sources */
	struct loop_source *next_dead;
	int fd;
	bool dead; /* removed while events that name it may still be in hand */
	bool timer;
	loop_fd_function on_fd;
	loop_function on_timer;
	void *data;
};

struct call {
	struct call *next;
	loop_function function;
	void *data;
};

struct loop {
	int epoll;
	int wake; /* eventfd: a call waits, or the loop is to stop */
	bool stopped;
	struct loop_source *sources;
	struct loop_source *dead;
	pthread_mutex_t lock; /* protects calls */
	struct call *calls, **calls_end;
};

int loop_new(struct loop **ret, struct error *err)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct loop *loop = calloc(1, sizeof(*loop));

	if (loop == NULL)
		return error_set(err, ENOMEM, "make an event loop");
	pthread_mutex_init(&loop->lock, NULL);
	loop->calls_end = &loop->calls;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	loop->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->epoll < 0 || loop->wake < 0 ||
		epoll_ctl(loop->epoll, EPOLL_CTL_ADD, loop->wake, &event) < 0) {
		int r = error_set(err, errno, "make an event loop");

		loop_free(loop);
		return r;
	}
	*ret = loop;
	return 0;
}

static void free_dead(struct loop *loop)
{
	while (loop->dead != NULL) {
		struct loop_source *source = loop->dead;

		loop->dead = source->next_dead;
		free(source);
	}
}

void loop_free(struct loop *loop)
{
	if (loop == NULL)
		return;
	while (loop->sources != NULL)
		loop_remove(loop->sources);
	free_dead(loop);
	while (loop->calls != NULL) {
		struct call *call = loop->calls;

		loop->calls = call->next;
		free(call);
	}
	close_fd(loop->epoll);
	close_fd(loop->wake);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
}

static struct loop_source *source_new(struct loop *loop, int fd, void *data)
{
	struct loop_source *source = calloc(1, sizeof(*source));

	if (source == NULL)
		return NULL;
	source->loop = loop;
	source->fd = fd;
	source->data = data;
	source->next = loop->sources;
	source->link = &loop->sources;
	if (source->next != NULL)
		source->next->link = &source->next;
	loop->sources = source;
	return source;
}

static int watch(struct loop_source *source, uint32_t events, struct error *err)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(source->loop->epoll, EPOLL_CTL_ADD, source->fd, &event) < 0) {
		int r = error_set(err, errno, "watch file descriptor %d", source->fd);

		loop_remove(source);
		return r;
	}
	return 0;
}

int loop_add(struct loop *loop, int fd, uint32_t events, loop_fd_function function, void *data,
	struct loop_source **ret, struct error *err)
{
	struct loop_source *source = source_new(loop, fd, data);
	int r;

	if (source == NULL)
		return error_set(err, ENOMEM, "watch file descriptor %d", fd);
	source->on_fd = function;
	r = watch(source, events, err);
	if (r < 0)
		return r;
	*ret = source;
	return 0;
}

int loop_modify(struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(source->loop->epoll, EPOLL_CTL_MOD, source->fd, &event) < 0)
		return -errno;
	return 0;
}

void loop_remove(struct loop_source *source)
{
	struct loop *loop;

	if (source == NULL || source->dead)
		return;
	loop = source->loop;
	epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	*source->link = source->next;
	if (source->next != NULL)
		source->next->link = source->link;
	if (source->timer)
		close_fd(source->fd);
	source->dead = true;
	source->next_dead = loop->dead;
	loop->dead = source;
}

int loop_add_timer(struct loop *loop, loop_function function, void *data, struct loop_source **ret,
	struct error *err)
{
	_cleanup_close_ int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct loop_source *source;
	int r;

	if (fd < 0)
		return error_set(err, errno, "make a timer");
	source = source_new(loop, fd, data);
	if (source == NULL)
		return error_set(err, ENOMEM, "make a timer");
	source->timer = true;
	source->on_timer = function;
	take_fd(&fd);
	r = watch(source, EPOLLIN, err);
	if (r < 0)
		return r;
	*ret = source;
	return 0;
}

int loop_set_timer(struct loop_source *timer, uint64_t nanoseconds)
{
	struct itimerspec when = {
		.it_value.tv_sec = (time_t)(nanoseconds / NANOSECONDS_PER_SECOND),
		.it_value.tv_nsec = (long)(nanoseconds % NANOSECONDS_PER_SECOND),
	};

	if (timerfd_settime(timer->fd, 0, &when, NULL) < 0)
		return -errno;
	return 0;
}

static void wake(struct loop *loop)
{
	uint64_t one = 1;
	ssize_t n;

	do
		n = write(loop->wake, &one, sizeof(one));
	while (n < 0 && errno == EINTR);
}

int loop_call(struct loop *loop, loop_function function, void *data)
{
	struct call *call = malloc(sizeof(*call));

	if (call == NULL)
		return -ENOMEM;
	*call = (struct call){ .function = function, .data = data };
	pthread_mutex_lock(&loop->lock);
	*loop->calls_end = call;
	loop->calls_end = &call->next;
	pthread_mutex_unlock(&loop->lock);
	wake(loop);
	return 0;
}

static void serve_calls(struct loop *loop)
{
	struct call *calls;
	uint64_t count;

	if (read(loop->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	pthread_mutex_lock(&loop->lock);
	calls = loop->calls;
	loop->calls = NULL;
	loop->calls_end = &loop->calls;
	pthread_mutex_unlock(&loop->lock);
	while (calls != NULL) {
		struct call *call = calls;

		calls = call->next;
		call->function(call->data);
		free(call);
	}
}

static void serve_timer(struct loop_source *source)
{
	uint64_t expirations;

	/* A timer that was set again since epoll_wait() is not due: EAGAIN. */
	if (read(source->fd, &expirations, sizeof(expirations)) == sizeof(expirations))
		source->on_timer(source->data);
}

static void serve(struct loop *loop, const struct epoll_event *event)
{
	struct loop_source *source = event->data.ptr;

	if (source == NULL)
		serve_calls(loop);
	else if (source->dead)
		return;
	else if (source->timer)
		serve_timer(source);
	else
		source->on_fd(event->events, source->data);
}

static bool stopped(const struct loop *loop)
{
	return __atomic_load_n(&loop->stopped, __ATOMIC_ACQUIRE);
}

static int serve_events(struct loop *loop, int timeout)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n = epoll_wait(loop->epoll, events, EVENTS_AT_ONCE, timeout);

	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n && !stopped(loop); i++)
		serve(loop, &events[i]);
	free_dead(loop);
	return n > 0;
}

int loop_run(struct loop *loop, struct error *err)
{
	while (!stopped(loop)) {
		int r = serve_events(loop, -1);

		if (r < 0)
			return error_set(err, -r, "wait for events");
	}
	/* A stop ends one run: who waits for an answer runs the loop again later. */
	__atomic_store_n(&loop->stopped, false, __ATOMIC_RELEASE);
	return 0;
}

bool loop_turn(struct loop *loop)
{
	return serve_events(loop, 0) > 0;
}

void loop_stop(struct loop *loop)
{
	__atomic_store_n(&loop->stopped, true, __ATOMIC_RELEASE);
	wake(loop);
}
