/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/cleanup.h"
#include "lib/error.h"
#include "lib/json_write.h"
#include "runtime/cgroup/events.h"
#include "runtime/cgroup/stats.h"
#include "runtime/container.h"
#include "runtime/isolation.h"

#define INTERVAL_DEFAULT 5  /* seconds */
#define GUEST_INTERVAL 1000 /* ms, from one question to a guest to the next */

/*
 * Of a container with a kernel of its own "data" is what that kernel counts, as for every
 * container, and "host" what the whole of it costs. While it cannot be asked (it is paused), "data"
 * is the host's too, and "host" is not there.
 */
static void write_stats(
	struct container *container, const struct cgroup_stats *stats, struct json_writer *writer)
{
	bool apart = container_write_guest_stats(container, "data", writer) > 0;

	json_write_key(writer, apart ? "host" : "data");
	cgroup_stats_write(writer, stats);
}

/* One event a line, as runc prints them. `stats` may be NULL. */
static int print_event(struct container *container, const char *type,
	const struct cgroup_stats *stats, struct error *err)
{
	_cleanup_(json_writer_close) struct json_writer writer = { 0 };
	const char *text;
	size_t length;
	int status = json_writer_open(&writer, false, err);

	if (status < 0)
		return status;
	json_write_object(&writer);
	json_write_string_member(&writer, "type", type);
	json_write_string_member(&writer, "id", container->state.id);
	if (stats != NULL)
		write_stats(container, stats, &writer);
	json_write_end(&writer);
	status = json_writer_text(&writer, &text, &length, err);
	if (status < 0)
		return status;
	printf("%s\n", text);
	return fflush(stdout) == 0 ? 0 : error_set(err, errno, "write to stdout");
}

static int print_stats(struct container *container, struct error *err)
{
	_cleanup_(cgroup_stats_free) struct cgroup_stats stats = { 0 };
	int status = container_stats(container, &stats, err);

	return status < 0 ? status : print_event(container, "stats", &stats, err);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * A kernel of the container's own kills by itself, and no file of the host's tells: it is asked now
 * and then, and what it did last is on record.
 */
static bool guest_killed(struct container *container, bool ended, int64_t *seen)
{
	int64_t kills = ended ? -1 : container_guest_oom_kills(container);
	uint64_t limit;

	if (ended && *seen <= 0 && container_oom_killed(container, &limit))
		return true;
	bool more = *seen >= 0 && kills > *seen;
	if (kills >= 0)
		*seen = kills;
	return more;
}

/* As print_stats(); *ret_ended: of a container that ended meanwhile there are none. */
static int print_stats_of_living(struct container *container, bool *ret_ended, struct error *err)
{
	struct error why = ERROR_INIT;
	int status = print_stats(container, &why);

	if (status == 0)
		return 0;
	if (container_status(container) == CONTAINER_STOPPED) {
		*ret_ended = true;
		return 0;
	}
	if (err != NULL)
		*err = why;
	return status;
}

/* Statistics at the interval, OOM kills as they happen, until the container's last process ends. */
static int follow(struct container *container, int64_t interval, struct error *err)
{
	bool own_kernel = container->isolation->own_kernel, ended = false;
	int64_t kills = container_guest_oom_kills(container);
	_cleanup_(cgroup_watch_close) struct cgroup_watch watch = CGROUP_WATCH_INIT;
	_cleanup_close_ int cgroup = cgroup_open(&container->state.cgroup, err);
	int status = cgroup < 0 ? cgroup : cgroup_watch_open(cgroup, &watch, err);
	int64_t next = now_ms() + interval;

	while (status == 0 && !ended) {
		struct pollfd fd = { .fd = watch.fd, .events = POLLIN };
		int64_t left = next - now_ms();

		if (own_kernel && left > GUEST_INTERVAL)
			left = GUEST_INTERVAL;
		if (left > 0 && poll(&fd, 1, (int)left) < 0 && errno != EINTR)
			return error_set(err, errno, "wait for events");
		int events = fd.revents != 0 ? cgroup_watch_read(&watch) : 0;
		ended = events & CGROUP_EVENT_EMPTY;
		if (!ended && now_ms() >= next) {
			next += interval;
			status = print_stats_of_living(container, &ended, err);
			if (ended)
				events |= cgroup_watch_read(&watch);
		}
		if (status == 0 &&
			(events & CGROUP_EVENT_OOM ||
				(own_kernel && guest_killed(container, ended, &kills))))
			status = print_event(container, "oom", NULL, err);
	}
	return status;
}

/* A number of seconds, or of what its unit says: 5, 500ms, 5s, 2m, 1h. */
static int parse_interval(const char *text, int64_t *ret)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = { { "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || end == text || number <= 0 || number > 1000000)
		return -EINVAL;
	for (size_t i = 0; i < CLI_COUNT(units); i++) {
		if (strcmp(units[i].unit, end) == 0) {
			*ret = number * units[i].ms;
			return *ret > INT32_MAX ? -EINVAL : 0;
		}
	}
	return -EINVAL;
}

static int run_events(struct cli *cli, int argc, char **argv)
{
	_cleanup_(container_close) struct container container = { .dir = -EBADF };
	const char *interval_text = NULL;
	int64_t interval = INTERVAL_DEFAULT * 1000;
	bool once = false;
	const struct cli_option options[] = {
		{ "stats", 0, NULL, "print statistics once, then end", CLI_FLAG, &once },
		{ "interval", 0, "TIME", "between statistics (default: 5s)", CLI_STRING,
			&interval_text },
	};
	struct error err = ERROR_INIT;
	int status;
	int first = cli_parse(
		&command_events, options, CLI_COUNT(options), argc, argv, 1, 1, &status);

	if (first < 0)
		return status;
	if (interval_text != NULL && parse_interval(interval_text, &interval) < 0)
		return cli_usage(&command_events,
			"--interval %s: must be a time such as 5s or 500ms", interval_text);
	if (cli_open_runtime(cli, false, &err) < 0 ||
		container_open(&cli->runtime, argv[first], &container, &err) < 0 ||
		(once ? print_stats(&container, &err) : follow(&container, interval, &err)) < 0)
		return cli_fail(&err);
	return EXIT_SUCCESS;
}

const struct command command_events = {
	.name = "events",
	.arguments = "[options] ID",
	.summary = "show statistics and out-of-memory events of a container",
	.run = run_events,
};
