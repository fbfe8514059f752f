/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/vm/virtio/console_log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/error.h"
#include "runtime/vm/monitor/loop.h"

struct console_log {
	int fd;
	bool plain; /* a file or the like, which always takes a write and which epoll refuses */
	bool dead;  /* nobody reads any more */
	struct loop_source *source;
	size_t lost;
	size_t file_max, file_length; /* of a regular file: 0 where it may grow; what is written */
	size_t capacity, start, length;
	char buffer[];
};

/* Writes one piece; only when the fd is known to take PIPE_BUF bytes. */
static void write_some(struct console_log *log)
{
	size_t piece = log->capacity - log->start;
	ssize_t n;

	if (piece > log->length)
		piece = log->length;
	if (piece > PIPE_BUF)
		piece = PIPE_BUF;
	n = write(log->fd, log->buffer + log->start, piece);
	if (n < 0 && errno != EINTR && errno != EAGAIN) {
		log->dead = true;
		log->length = 0;
	}
	if (n > 0) {
		log->start = (log->start + n) % log->capacity;
		log->length -= n;
		log->file_length += n;
	}
}

static void append(struct console_log *log, const char *text, size_t length)
{
	size_t room = log->capacity - log->length;

	if (length > room) {
		log->lost += length - room;
		length = room;
	}
	for (size_t i = 0; i < length; i++)
		log->buffer[(log->start + log->length + i) % log->capacity] = text[i];
	log->length += length;
}

/* Once there is room again, says what is missing at this place. */
static void tell_lost(struct console_log *log)
{
	char line[80];
	int n;

	if (log->lost == 0 || log->capacity - log->length < sizeof(line))
		return;
	n = snprintf(line, sizeof(line), "\n[%zu bytes of the guest's console lost]\n", log->lost);
	log->lost = 0;
	append(log, line, n);
}

/* What the buffer held last is still in it: that is what the file begins with anew. */
static void begin_anew(struct console_log *log)
{
	size_t again = log->capacity / 2;
	char line[80];
	int n;

	if (ftruncate(log->fd, 0) < 0) {
		log->dead = true;
		return;
	}
	n = snprintf(line, sizeof(line), "[%zu bytes of the guest's console dropped]\n",
		log->file_length - again);
	if (write(log->fd, line, n) != n)
		log->dead = true;
	log->file_length = n;
	log->start = (log->start + log->capacity - again) % log->capacity;
	log->length = again;
	while (!log->dead && log->length > 0)
		write_some(log);
}

static void on_writable(uint32_t events, void *data)
{
	struct console_log *log = data;

	if (log->length > 0)
		write_some(log);
	else if (events & (EPOLLERR | EPOLLHUP))
		log->dead = true;
	tell_lost(log);
	if (log->dead) {
		loop_remove(log->source);
		log->source = NULL;
	} else if (log->length == 0) {
		loop_modify(log->source, 0);
	}
}

void console_log_write(const char *text, size_t length, void *data)
{
	struct console_log *log = data;

	if (log->dead)
		return;
	tell_lost(log);
	append(log, text, length);
	while (log->plain && log->length > 0)
		write_some(log);
	if (log->file_max > 0 && log->file_length > log->file_max)
		begin_anew(log);
	if (log->source != NULL && log->length > 0)
		loop_modify(log->source, EPOLLOUT);
}

int console_log_new(struct loop *loop, int fd, size_t capacity, size_t file_max,
	struct console_log **ret, struct error *err)
{
	struct console_log *log = calloc(1, sizeof(*log) + capacity);
	struct stat st;
	int r;

	if (log == NULL)
		return error_set(err, ENOMEM, "make the console's buffer");
	log->fd = fd;
	log->capacity = capacity;
	if (fstat(fd, &st) < 0) {
		r = error_set(err, errno, "look at the console's output");
		free(log);
		return r;
	}
	log->plain = S_ISREG(st.st_mode) || S_ISDIR(st.st_mode);
	log->file_max = S_ISREG(st.st_mode) ? file_max : 0;
	if (!log->plain) {
		r = loop_add(loop, fd, 0, on_writable, log, &log->source, NULL);
		/* /dev/null and the like cannot be waited for, and need not be. */
		if (r == -EPERM) {
			log->plain = true;
		} else if (r < 0) {
			free(log);
			return error_set(err, -r, "wait for the console's output");
		}
	}
	*ret = log;
	return 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

void console_log_free(struct console_log *log, int milliseconds)
{
	int64_t end = now_ms() + milliseconds;

	if (log == NULL)
		return;
	while (log->length > 0) {
		struct pollfd p = { .fd = log->fd, .events = POLLOUT };
		int64_t left = end - now_ms();

		if (left < 0 || poll(&p, 1, (int)left) <= 0)
			break;
		write_some(log);
		tell_lost(log);
	}
	loop_remove(log->source);
	free(log);
}
